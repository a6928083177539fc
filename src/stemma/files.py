"""Files and folders that are either the old ones or the new ones, never half of each."""

import errno
import hashlib
import json
import math
import os
import shutil
import socket
import stat
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from traceback import clear_frames
from typing import Any, TypeVar

from stemma.errors import StemmaError

Found = TypeVar("Found")
YOUNG = 60.0  # seconds in which a temporary folder may not be locked yet
PAGE = "is a page of HTML or XML, whatever its name says: open it and save the table as CSV"
MISTAKEN = {  # by the first bytes, in small letters
    b"version https://git-lfs": "is a pointer of Git LFS, not the file: run `git lfs pull`",
    b"\xd0\xcf\x11\xe0": "is a workbook of an old Excel: save the sheet as CSV",
    **dict.fromkeys((b"\xfd7zxz", b"7z\xbc\xaf", b"rar!"), "is compressed in a way that is not read: unpack it"),
    **dict.fromkeys((b'{"', b"{\n", b"[{", b"[\n"), "is JSON: write its rows as CSV or Parquet, a value in a column"),
    **dict.fromkeys((b"<html", b"<!doctype", b"<table", b"<?xml", b"<!--", b"mime-version:"), PAGE),
}


def mistaken(first: bytes) -> str | None:
    """What a file is, by its first bytes, that is no table and no bundle, and what to do; None where nothing tells."""
    start = first.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    return next((told for mark, told in MISTAKEN.items() if start.startswith(mark)), None)


def state_folder() -> Path:
    """Where the user's own notes lie on this machine; by XDG's rule, wherever Python runs.

    Raises:
        StemmaError: nothing tells where the user is at home.
    """
    said = os.environ.get("XDG_STATE_HOME", "")
    try:
        return (Path(said) if Path(said).is_absolute() else Path.home() / ".local" / "state") / "stemma"
    except RuntimeError:  # as of a container's user who has a number alone
        raise StemmaError("this user has no home folder: set HOME, or XDG_STATE_HOME") from None


def check_folder(folder: Path) -> None:
    """Nothing, if files may be written there: before long work whose result they hold.

    Raises:
        OSError: it is no folder and cannot be made, or this user may not write to it.
    """
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(each))
    number = errno.ENOTDIR if not there.is_dir() else 0 if os.access(there, os.W_OK | os.X_OK) else errno.EACCES
    if number:
        raise OSError(number, os.strerror(number), str(folder))


def check_place(output: Path, read: Mapping[str, Path | None] = {}, instead: str = "name another") -> None:
    """As `check_folder`, of a file that may take the place of an older one, and of nothing else.

    Args:
        read: what must not be lost, by what it is. instead: of what is no file.

    Raises:
        StemmaError: it cannot be written, is no file, or is what is read.
    """
    try:
        check_folder(output.parent)
        if output.exists() and not output.is_file():  # a pipe or a device would be lost, and gets nothing
            raise StemmaError(f"{output} is no file: {instead}")
        for what, path in read.items():
            if path is not None and output.exists() and path.exists() and output.samefile(path):
                raise StemmaError(f"{output} holds the {what}: name another file")
    except OSError as error:
        raise StemmaError(f"{output} cannot be written ({error.strerror or error})") from None


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place when the block ends well."""
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    check_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)  # a link of this name would be written through
    try:
        with told_where(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def told_where(path: Path) -> Iterator[None]:
    """The system says of a full disk neither which it is nor what was written; a copy names first what it read."""
    try:
        yield
    except OSError as error:
        is_named = error.filename is not None and error.filename2 is None
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and not is_named:
            error.filename = str(path)
        raise


def open_plain(path: Path) -> BufferedReader:
    """A regular file, to be read: a pipe would be waited for, and a device may have no end.

    Raises:
        OSError: it is not there, cannot be read, or is no regular file.
    """

    def opener(name: str, flags: int) -> int:
        handle = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
        kind = os.fstat(handle).st_mode
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind):  # `open` has an error of its own for a folder
            return handle
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no plain file", name)

    return open(path, "rb", opener=opener)


def read_plain(path: Path) -> bytes:
    """The bytes of a regular file; raises as `open_plain`."""
    with open_plain(path) as file:
        return file.read()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a regular file, in hexadecimal digits; raises as `open_plain`."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state(path: Path) -> tuple[int, ...] | None:
    """What is another one after its content was replaced by a rename; None where it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def write_bytes(path: Path, content: bytes) -> None:
    with replaced(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """UTF-8, line ends as they stand, on every platform."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """Keys sorted, one to a line. Numbers that are not finite are refused: see `finite`."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """What `write_json` wrote.

    Raises:
        OSError, ValueError: it is not there, or no JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def finite(value: Any) -> Any:
    """The same as plain data, with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def swapped_folder(folder: Path) -> Iterator[Path]:
    """An empty temporary folder beside `folder`, which takes its place when the block ends well.

    No platform can replace a folder that holds files in one step: the old one is moved aside first. A process killed
    between the two moves leaves it there, and `recover_folder` (also the next call) brings it back.
    """
    recover_folder(folder)
    partial, aside = _beside(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with told_where(folder):
            yield partial
            if folder.exists():
                folder.replace(aside)
            partial.replace(folder)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Finish what a kill cut short: bring the old folder back, or remove what is left of it."""
    _, aside = _beside(folder)
    if not aside.exists():
        return
    if folder.exists():
        shutil.rmtree(aside)
    else:
        aside.replace(folder)


@contextmanager
def scratch(kind: str, above: Path | None = None) -> Iterator[Path]:
    """A temporary folder. Those of its kind that killed processes left are removed, but not on Windows.

    So is what cannot be removed at its end, as where a process that was killed still writes. The machine is in its
    name: on a disk of several of them, a lock of one is not seen by the others.

    Args:
        above: where it is made; None: where temporary files lie.
    """
    machine = zlib.crc32(socket.gethostname().encode())  # its name may be long, and sockets may lie in the folder
    prefix = f"stemma-{kind}.{machine:08x}."
    _remove_left((above or Path(tempfile.gettempdir())).glob(f"{prefix}*"))
    folder = tempfile.TemporaryDirectory(prefix=prefix, dir=above, ignore_cleanup_errors=True)
    with folder as name, ExitStack() as stack:
        with suppress(OSError):  # the disk knows no locks, so nobody gets the one that is needed to remove it
            stack.enter_context(_locked(Path(name)))
        yield Path(name)


def _remove_left(folders: Iterable[Path]) -> None:
    for folder in folders if os.name != "nt" else ():
        with suppress(OSError):  # its process lives and holds the lock, or it is no folder
            facts = folder.lstat()
            if facts.st_uid == os.geteuid() and time.time() - facts.st_mtime > YOUNG:
                with _locked(folder):
                    shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which the system lets go of however the process ends; Windows has none."""
    if os.name == "nt":
        yield
        return
    import fcntl

    # Of this name there may be anything, where others write too: a pipe would be waited for, a link be followed.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def taken(file: Path) -> Callable[[], None] | None:
    """Take a lock on a file, of DVC's kind, which the system lets go of however the process ends.

    Returns:
        What lets go of it; None where another process has it.
    """
    from zc import lockfile  # type: ignore[import-untyped]  # it has no types

    try:
        return lockfile.LockFile(str(file)).close  # type: ignore[no-any-return]
    except lockfile.LockError:
        return None
    except OSError as error:  # a full disk: zc.lockfile leaves the file open, and locked while its frames live
        clear_frames(error.__traceback__)
        raise


@contextmanager
def held(file: Path, wait: float = 0.0, take: Callable[[Path], Callable[[], None] | None] = taken) -> Iterator[bool]:
    """Hold a lock on a file; False where another process has it all those seconds.

    Args:
        take: as `taken`, for a lock of another kind.
    """
    release = waited(lambda: take(file), wait)
    try:
        yield release is not None
    finally:
        if release is not None:
            release()


def waited(attempt: Callable[[], Found], most: float) -> Found:
    """What an attempt gives, made again and again until it gives something; the last one when those seconds are over.

    A process that the system kept waiting all that time has that one left.
    """
    until, over = time.monotonic() + most, most <= 0
    while not (found := attempt()) and not over:
        time.sleep(0.05)
        over = time.monotonic() >= until
    return found


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(folder.name + ".partial"), folder.with_name(folder.name + ".aside")
