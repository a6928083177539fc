"""Where versions come from: a folder of them, `NAME/1/`, `NAME/2/`, or one bundle, whose every change is a version.

Whoever publishes a version renames it to its number, so that what has one is whole. A folder without versions may be a
disk that is gone, and changes nothing: that none shall serve is said by a file, `NAME/empty`.
"""

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stemma.bundle.archive import MANIFEST

EMPTY = "empty"
Mark = tuple[int, int, int]  # of a file or folder: another one, or one that changed, has another


@dataclass(frozen=True)
class Place:
    """Where a version lies."""

    path: Path
    mark: Mark

    def is_as_it_was(self) -> bool:
        try:
            return _mark(self.path) == self.mark
        except OSError:
            return False

    def kept(self, folder: Path) -> "Place":
        """The same version in a new folder of ours, whatever becomes of this one; itself where that cannot be."""
        to = folder / self.path.name
        with suppress(OSError):  # a full disk; it changes, or is gone
            folder.mkdir(parents=True)
            if self.path.is_dir():
                shutil.copytree(self.path, to, symlinks=True, copy_function=_linked)
            else:
                _linked(self.path, to)
            if self.is_as_it_was():
                return Place(to, _mark(to))
        return self


@dataclass
class Source:
    """A folder of versions, or a bundle."""

    path: Path
    # of the bundle, as it was seen one after the other; their places are the numbers of its versions
    marks: list[Mark] = field(default_factory=list)

    @property
    def is_bundle(self) -> bool:
        """Or an unpacked one."""
        return not self.path.is_dir() or (self.path / MANIFEST).exists()

    @property
    def is_off(self) -> bool:
        """Whether it says that none of it shall serve."""
        try:
            return (self.path / EMPTY).exists()
        except OSError:  # a folder that cannot be read says nothing
            return False

    def versions(self) -> dict[int, Place]:
        """What is there now, by number; other names in a folder do not count."""
        try:
            if not self.is_bundle:
                return {int(path.name): Place(path, _mark(path)) for path in self.path.iterdir() if _is_number(path)}
            place = Place(self.path, _mark(self.path))
        except OSError:  # it is gone, or goes while it is looked at
            return {}
        if not self.marks or self.marks[-1] != place.mark:
            self.marks.append(place.mark)
        return {len(self.marks): place}


def chosen(policy: str, there: Collection[int]) -> tuple[int, ...]:
    """The versions that a policy wants of those that are there: `latest:2`, `all`, or numbers such as `1,3`."""
    if policy == "all":
        return tuple(sorted(there))
    if policy.startswith("latest:"):
        return tuple(sorted(there)[-int(policy.removeprefix("latest:")) :])
    return tuple(sorted({int(number) for number in policy.split(",")} & set(there)))


def _linked(file: str | Path, to: str | Path) -> None:
    """The same file without its bytes once more, where the disk is the same."""
    try:
        os.link(os.path.realpath(file), to)
    except OSError:
        shutil.copyfile(file, to)


def _is_number(path: Path) -> bool:
    name = path.name
    return name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") and len(name) < 19


def _mark(path: Path) -> Mark:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
