"""The folder of versions that follows a stage.

    NAME/followed.json        the repository and the stage that it follows
    NAME/3/model.zip          the bundle of the third event of the stage
    NAME/3/published.json     what it is
    NAME/empty                is there while the stage holds nothing

A version appears by a rename, whole, under a number above all that are there. What is newest is what the stage holds: a
rollback is a new number with an old bundle.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stemma import layout
from stemma.errors import VersionError
from stemma.files import read_json, sha256_of, write_json
from stemma.repo import locks
from stemma.serve.sources import EMPTY

BUNDLE = layout.PACKAGE.name
MARK, NOTE = "followed.json", "published.json"
NUMBER = re.compile(r"[1-9][0-9]*", re.ASCII)
KEPT = 5  # versions, the newest; an earlier one is copied from here when its remote is gone


@dataclass(frozen=True)
class Published:
    """A version that was published."""

    folder: Path
    version: str | None  # "v1.2.0"; None: its commit is not registered
    commit: str  # of the bundle; empty where the note beside it cannot be read
    sha256: str  # the same

    @property
    def number(self) -> int:
        return int(self.folder.name)

    @property
    def bundle(self) -> Path:
        return self.folder / BUNDLE

    def is_whole(self) -> bool:
        """Whether the bundle is the one that was published; every byte is read."""
        try:
            return sha256_of(self.bundle) == self.sha256
        except OSError:
            return False


@contextmanager
def held(folder: Path, source: str, stage: str) -> Iterator[None]:
    """The folder, for one who writes to it; a VersionError where another process has it, or it is not this stage's."""
    with locks.held(folder / ".lock", str(folder)):
        said = {"source": source, "stage": stage}
        try:
            known = read_json(folder / MARK)
        except FileNotFoundError:
            known = None
        except ValueError:
            raise VersionError(f"{folder / MARK} is damaged: name another folder") from None
        if known not in (None, said) or (known is None and published(folder)):
            raise VersionError(f"{folder} holds other versions than those of {stage} of {source}: name another folder")
        if known is None:
            write_json(folder / MARK, said)
        yield


def published(folder: Path) -> list[Published]:
    """The versions in a folder, the newest last."""
    numbers = [each for each in folder.iterdir() if NUMBER.fullmatch(each.name)]
    return [_read(each) for each in sorted(numbers, key=lambda each: int(each.name))]


def add(folder: Path, number: int, commit: str, write: Callable[[Path], str | None]) -> Published:
    """Publish a version, of which `write` writes the bundle and says the number; of others the newest few stay."""
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)  # of a pass that was killed
    partial.mkdir()
    version = write(partial / BUNDLE)
    write_json(partial / NOTE, {"version": version, "commit": commit, "sha256": sha256_of(partial / BUNDLE)})
    partial.rename(folder / str(number))
    for old in published(folder)[:-KEPT]:
        shutil.rmtree(old.folder)
    return _read(folder / str(number))


def is_empty(folder: Path) -> bool:
    return (folder / EMPTY).exists()


def mark(folder: Path, *, empty: bool) -> None:
    """Say whether the stage holds nothing."""
    (folder / EMPTY).touch() if empty else (folder / EMPTY).unlink(missing_ok=True)


def _read(folder: Path) -> Published:
    try:
        said = read_json(folder / NOTE)
        return Published(folder, said["version"], str(said["commit"]), str(said["sha256"]))
    except (OSError, ValueError, KeyError, TypeError):  # a machine lost its power: what cannot be told is no commit's
        return Published(folder, None, "", "")
