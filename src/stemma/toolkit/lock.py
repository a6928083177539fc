"""stemma.lock: the toolkit that results were made with. Written and read here.

path      its sources in the repository, or its wheel; the stage `settings` depends on it
version   of the whole distribution
files     by room, a digest of its own files
rooms     by room, a digest of its files and of all that they import: what stages depend on

`check` stops a stage whose toolkit is another one, `write` locks the one that is here.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stemma.errors import ToolkitError
from stemma.files import write_text
from stemma.names import stays_in
from stemma.text import few, in_one_line, nearest
from stemma.toolkit import rooms
from stemma.toolkit.distribution import NAME, PACKAGE, pin, version

FILE = "stemma.lock"
SOURCES, VENDOR, PINNED = "src/stemma", "vendor", "vendor/stemma.txt"
WRITE, INSTALL = "stemma lock", "python tasks.py install"
HEAD = (
    "# The toolkit that results were made with, and what its stages depend on in dvc.yaml. `stemma lock` writes this.\n"
)


@dataclass(frozen=True)
class Lock:
    """What the file holds."""

    path: str
    version: str
    files: Mapping[str, str]
    rooms: Mapping[str, str]

    @property
    def is_wheel(self) -> bool:
        return self.path.endswith(".whl")

    def differing(self, files: Mapping[str, str]) -> list[str]:
        """The rooms whose own files are others."""
        return _differing(files, self.files)


@dataclass(frozen=True)
class Written:
    """A lock, the rooms that changed with it, and the stages that the next `dvc repro` runs again for them."""

    lock: Lock
    rooms: tuple[str, ...]
    stages: tuple[str, ...]


def read(root: Path) -> Lock:
    """The lock of a repository; a ToolkitError where it is not there, or is not one."""
    try:
        return parse((root / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ToolkitError(f"{FILE} is not there", run=WRITE) from None
    except (OSError, ValueError) as error:
        raise ToolkitError(f"{FILE} cannot be read ({error})", run=WRITE) from None


def parse(text: str) -> Lock:
    """A lock of its text; a ValueError where it is none."""
    from stemma.repo.lockfile import load

    said = load(text)
    table: dict[str, Any] = said if isinstance(said, dict) else {}
    lock = Lock(**{field.name: table.get(field.name) for field in fields(Lock)})  # type: ignore[arg-type]
    if not all(isinstance(text, str) for text in _texts(lock)):
        raise ValueError("it holds no path, version, files and rooms")
    return lock


def _texts(lock: Lock) -> Iterator[Any]:
    """What must be text in a lock."""
    yield from (lock.path, lock.version)
    for table in (lock.files, lock.rooms):
        yield from (*table, *table.values()) if isinstance(table, dict) else (None,)


def here(root: Path) -> Lock:
    """The lock of the toolkit that stages run by.

    Raises:
        ToolkitError: the repository holds neither its source nor its one wheel.
    """
    package = _package(root)
    path = SOURCES if _holds_source(root) else _wheel(root)
    return Lock(path, version(package), rooms.own(package), rooms.digests(package))


def _package(root: Path) -> Path:
    """The source in the repository, which stages find first; else what is installed."""
    return root / SOURCES if _holds_source(root) else PACKAGE


def _holds_source(root: Path) -> bool:
    return (root / SOURCES / "toolkit").is_dir()


def _wheel(root: Path) -> str:
    wheels = sorted(path.name for path in (root / VENDOR).glob(f"{NAME.replace('-', '_')}-*.whl"))
    if not wheels:
        raise ToolkitError(f"{VENDOR}/ holds no wheel of the toolkit", run=f"git checkout -- {VENDOR}")
    if wheels[1:]:
        raise ToolkitError(f"{VENDOR}/ holds {', '.join(wheels)}: remove all but the one that {PINNED} names")
    if version() != wheels[0].split("-")[1]:
        raise ToolkitError(f"the toolkit that is installed is {version()}, {VENDOR}/ holds {wheels[0]}", run=INSTALL)
    return f"{VENDOR}/{wheels[0]}"


def write(root: Path) -> Written:
    """Lock the toolkit that runs."""
    try:
        before = read(root).rooms
    except ToolkitError:  # there is none yet, or a merge left marks in it
        before = {}
    return _write(root, before, here(root))


def _write(root: Path, before: Mapping[str, str], new: Lock) -> Written:
    text = text_of(new)
    if not (root / FILE).is_file() or (root / FILE).read_text(encoding="utf-8") != text:
        write_text(root / FILE, text)
    return Written(new, tuple(_differing(before, new.rooms)), tuple(_stale(root, new)))


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    return sorted(room for room in {*one, *other} if one.get(room) != other.get(room))


def _stale(root: Path, lock: Lock) -> Iterator[str]:
    """The stages that ran with another digest of a room that they name; none where no dvc.lock can tell."""
    from stemma.repo import lockfile

    for stage, entry in lockfile.ran(root).items():
        used = (entry.get("params") or {}).get(FILE) or {}
        if any(lock.rooms.get(key.removeprefix("rooms.")) != digest for key, digest in used.items()):
            yield stage


def accept(root: Path, room: str) -> Written:
    """Lock a change of one room, and tell DVC that the results are those of the room as it is now.

    Raises:
        ToolkitError: the room is none or is not the only one that changed, or the results are not those of dvc.lock.
    """
    from stemma.repo import tracking

    before, new = read(root), here(root)
    if room not in {*before.files, *new.files}:
        raise ToolkitError(f"there is no room {room}{nearest(room, new.files)}")
    differing = before.differing(new.files)
    if differing != [room]:
        told = f"{', '.join(differing)} changed" if differing else "nothing changed"
        raise ToolkitError(f"{told} since {FILE} was written, not {room} alone", run=WRITE)
    pending = tracking.changed(root, but=new.path)
    if pending:
        raise ToolkitError(f"the results are not those of dvc.lock ({few(pending)})", run="dvc status")
    written = _write(root, before.rooms, new)
    tracking.renew(root, but={FILE, before.path, new.path}, still=lambda: read(root) == here(root) == new)
    return Written(written.lock, written.rooms, ())


def compare(root: Path) -> None:
    """Stop, by a ToolkitError, where the lock is not the one that `write` would write."""
    if read(root) != here(root):
        raise ToolkitError(f"{FILE} is not that of the toolkit", run=WRITE)


def edited(root: Path, keys: Iterable[str]) -> list[str]:
    """Those of `keys`, such as `rooms.training`, whose room has other files by now than when it was locked."""
    if not keys or not read(root).differing(rooms.own(_package(root))):
        return []
    locked, now = read(root).rooms, rooms.digests(_package(root))
    found = [key.removeprefix("rooms.") for key in keys]
    return [f"the toolkit's {room}" for room in found if now.get(room) != locked.get(room)]


def code(root: Path, stage: str) -> str:
    """A digest of the files in src/ and the rooms of the toolkit that a stage depends on by dvc.yaml."""
    from stemma.repo import inputs

    found = inputs.of(root, stage)
    own = {path: sorted(files.items()) for path, files in found.contents.items() if path.startswith("src/")}
    return hashlib.sha256(repr((sorted(own.items()), found.values.get(FILE))).encode()).hexdigest()


def text_of(lock: Lock) -> str:
    lines = [f"path: {lock.path}", f"version: {lock.version}"]
    for name, table in (("files", lock.files), ("rooms", lock.rooms)):
        lines += [f"{name}:", *(f"  {room}: {digest!r}".replace("'", '"') for room, digest in sorted(table.items()))]
    return HEAD + "".join(f"{line}\n" for line in lines)


def unpacked(root: Path, folder: Path) -> Path | None:
    """The toolkit of a project that keeps it as a wheel, laid out in a new folder; None where it keeps its source.

    Raises:
        ToolkitError: the wheel or its pin is not there, it is not the one that is pinned, or it is none.
    """
    if not (root / FILE).is_file() or not (locked := read(root)).is_wheel:
        return None
    wheel, pinned = locked.path, root / PINNED
    if not pinned.is_file():
        raise ToolkitError(f"{PINNED} is not there, which says what {wheel} must be")
    content = (root / wheel).read_bytes() if stays_in(root, wheel) and (root / wheel).is_file() else b""
    if pinned.read_bytes() != pin(wheel, content).encode():
        raise ToolkitError(f"{wheel} is not the wheel that {PINNED} names")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise ToolkitError(f"{wheel} is no wheel ({in_one_line(error)})") from None
    return folder


def check(root: Path) -> None:
    """Stop where the toolkit that runs is not the locked one, as far as it can change results.

    Raises:
        ToolkitError: it is another one, or was edited since it was locked.
    """
    lock, package = read(root), _package(root)
    differing = lock.differing(rooms.own(package))
    if not lock.is_wheel and differing:
        raise ToolkitError(f"{lock.path} is not what {FILE} holds (rooms: {', '.join(differing)})", run=WRITE)
    if lock.is_wheel and (differing or lock.version != version(package)):
        told = f"the toolkit that is installed is {version(package)}, {FILE} holds {lock.version}"
        raise ToolkitError(told, run=INSTALL)
