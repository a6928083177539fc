"""Where objects lie: the cache, a remote, a backup. A folder and a bucket answer to the same words.

A file is named by its key, a relative path with slashes; an object's key is `key(md5)`, as DVC lays objects out.
A file appears under its key whole or not at all: a folder gets it by rename, a bucket by one upload.
"""

import hashlib
import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, Protocol, TypeVar

from stemma.errors import VersionError
from stemma.files import open_plain, scratch
from stemma.names import unlinked
from stemma.repo import objects
from stemma.repo.trouble import NO_SERVER, code, is_without_bucket, told

Found = TypeVar("Found")
OBJECTS = "files/md5"
BLOCK = 1 << 20  # bytes read at a time from a disk
PIECE = 16 << 20  # and from a bucket: one request each
SOME = 10
SLOWEST = 8_000  # bytes a second: an upload that is slower than that has stopped
PARTIAL = ".partial"
READ_ONLY = 0o444  # as DVC keeps its cache
MODIFIED = ("LastModified", "last_modified", "mtime", "updated")  # as the file systems of fsspec name it


def key(md5: str) -> str:
    """Where a place keeps an object, `md5` as dvc.lock names it."""
    return f"{OBJECTS}/{md5[:2]}/{md5[2:]}"


@dataclass(frozen=True)
class Stored:
    """What a place says of a file: its bytes, and when it was written, in seconds since 1970."""

    size: int
    modified: float


class Place(Protocol):
    """A storage.

    Every method raises VersionError with one line when the storage refuses or cannot be reached.
    """

    name: str  # as messages call it, such as "cache" or "remote 'disk'"
    url: str  # for people

    def chunks(self, key: str) -> Iterator[bytes] | None:
        """The bytes of a file, in order; None where it is not there."""

    def stored(self, folder: str) -> dict[str, Stored]:
        """Each file below a folder, by key."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of each file below a folder, by key."""
        return {key: facts.size for key, facts in self.stored(folder).items()}

    def names(self) -> list[str]:
        """The keys of some files, found fast; none where there is nothing."""

    def mark(self, key: str) -> str | None:
        """What tells one content of a file from another; None where it is not there."""

    def look(self, key: str, reader: Callable[[Any], Found]) -> Found | None:
        """What a reader makes of a file, open to be read at any place; None where it is not there."""

    def put(self, key: str, file: Path, md5: str | None = None, *, new: bool = False) -> None:
        """Keep a local file.

        Args:
            md5: only if that is its hash (VersionError otherwise).
            new: only if none has that key (VersionError otherwise); not every server knows how to refuse that.
        """

    def delete(self, key: str) -> None:
        """Remove a file; nothing happens where it is not there."""

    def size(self, key: str) -> int | None:
        """Bytes of a file, None where it is not there; one small request."""

    def move(self, key: str, to: str) -> bool:
        """Give a file another key, nothing is sent through this machine; False where it is not there.

        It takes the place of what has the other key. Cut short in a bucket, the file has both keys.
        """

    def local(self, key: str, above: Path) -> Any:
        """A context with a local file of these bytes; what had to be fetched lies below `above` meanwhile."""

    def _told(self) -> AbstractContextManager[None]:
        """What the storage raises becomes one line."""
        return told(f"{self.name} ({self.url})")

    def _asked(self) -> AbstractContextManager[None]:
        return self._told()

    def _chunks(self, file: Any) -> Iterator[bytes]:
        with self._asked(), file:
            while block := file.read(BLOCK):
                yield block


class Folder(Place):
    """A place on a disk. `mode` is given to what is put there; None leaves the user's default."""

    def __init__(self, root: Path, name: str, mode: int | None = None) -> None:
        self.root, self.name, self.url, self.mode = root, name, str(root), mode

    def chunks(self, key: str) -> Iterator[bytes] | None:
        with self._told():
            try:
                file = open_plain(self.root / key)
            except FileNotFoundError:
                return None
        return self._chunks(file)

    def stored(self, folder: str) -> dict[str, Stored]:
        found = {}
        with self._told():
            for file in (self.root / folder).rglob("*"):
                with suppress(FileNotFoundError):  # another process moved it meanwhile
                    if file.is_file() and not file.name.endswith(PARTIAL):
                        facts = file.stat()
                        found[file.relative_to(self.root).as_posix()] = Stored(facts.st_size, facts.st_mtime)
        return found

    def names(self) -> list[str]:
        with self._told():
            next(self.root.iterdir(), None)  # a folder that may not be read is no error to rglob
            files = (file for file in self.root.rglob("*") if file.is_file())
            return [file.relative_to(self.root).as_posix() for file in islice(files, SOME)]

    def _at(self, key: str) -> Path:
        """Where a file is to be written or removed; a VersionError where a link in the folder leads elsewhere."""
        if not unlinked(self.root, key):
            raise VersionError(f"{self.root / key} lies behind a link: put a folder in the link's place")
        return self.root / key

    def mark(self, key: str) -> str | None:
        return self.look(key, lambda file: f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}")

    def look(self, key: str, reader: Callable[[Any], Found]) -> Found | None:
        with self._told(), suppress(FileNotFoundError), open_plain(self.root / key) as file:
            return reader(file)
        return None

    def put(self, key: str, file: Path, md5: str | None = None, *, new: bool = False) -> None:
        target = self._at(key)
        with self._told():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PARTIAL}")  # two may write one object
            try:
                with partial.open("xb") as writer, open_plain(file) as reader:
                    _check(_copy(reader, writer), md5, file)
                if self.mode is not None:
                    partial.chmod(self.mode)
                if not (new and linked(partial, target)):
                    partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        with self._told():
            self._at(key).unlink(missing_ok=True)

    def size(self, key: str) -> int | None:
        with self._told():
            return (self.root / key).stat().st_size if (self.root / key).is_file() else None

    def move(self, key: str, to: str) -> bool:
        source, target = self._at(key), self._at(to)
        with self._told():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                source.replace(target)
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def local(self, key: str, above: Path) -> Iterator[Path]:
        yield self.root / key


class Bucket(Place):
    """A place behind a network, through the file system that DVC uses for it."""

    def __init__(self, open_it: Callable[[], Any], root: str, name: str, url: str) -> None:
        self._open, self.root, self.name, self.url = open_it, root.rstrip("/"), name, url
        self._fs: Any = None
        self._opening = Lock()

    @property
    def fs(self) -> Any:
        """fsspec's file system, opened once for all threads: it is a client of its own, which takes its time."""
        with self._opening, self._told():
            if self._fs is None:
                self._fs = self._open()
        return self._fs

    def path(self, key: str) -> str:
        """As the file system names it."""
        return f"{self.root}/{key}" if key else self.root

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """`told`, with the reason: an answer to HEAD says 403 and no more; that to a listing says why."""
        try:
            with self._told():
                yield
        except VersionError as error:
            if code(error) == "403":
                self.names()
            raise

    @contextmanager
    def _if_there(self) -> Iterator[None]:
        """Nothing where the file is not there; an error where the bucket is not."""
        with self._asked():
            try:
                yield
            except FileNotFoundError as error:
                if is_without_bucket(error):
                    raise

    def chunks(self, key: str) -> Iterator[bytes] | None:
        with self._if_there():
            file = self.fs.open(self.path(key), "rb", block_size=PIECE, cache_type="readahead")
            self._checked(getattr(file, "details", {}))
            return self._chunks(file)
        return None

    def stored(self, folder: str) -> dict[str, Stored]:
        with self._if_there():
            self.fs.invalidate_cache()
            found = self.fs.find(self.path(folder), detail=True)
            facts = [Stored(int(each["size"] or 0), _modified(each)) for each in map(self._checked, found.values())]
            return dict(zip(self._relative(found), facts, strict=True))
        return {}

    def _checked(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is told of a file. A page of HTML, as a console or a proxy answers with to any path, is none."""
        if facts.get("ETag") == facts.get("LastModified") == "":
            raise VersionError(f"{self.name} ({self.url}): {NO_SERVER}")
        return facts

    def names(self) -> list[str]:
        with self._told():
            bucket, _, prefix = self.root.lstrip("/").partition("/")
            if not hasattr(self.fs, "call_s3"):
                return self._relative(self.fs.find(self.root, maxdepth=4))
            prefix = f"{prefix}/" if prefix else ""
            answer = self.fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=SOME)
            return self._relative([f"{bucket}/{each['Key']}" for each in answer.get("Contents", ())])

    def _relative(self, paths: Iterable[str]) -> list[str]:
        root = self.root.lstrip("/")
        return [path.lstrip("/").removeprefix(root).removeprefix("/") for path in paths]

    def mark(self, key: str) -> str | None:
        with self._if_there():
            etag = self.fs.info(self.path(key)).get("ETag")  # what is no file has none
            return None if etag is None else f"etag {etag}".replace('"', "")
        return None

    def look(self, key: str, reader: Callable[[Any], Found]) -> Found | None:
        with self._if_there(), self.fs.open(self.path(key), "rb") as file:
            return reader(file)
        return None

    def put(self, key: str, file: Path, md5: str | None = None, *, new: bool = False) -> None:
        with self._asked():
            if md5 is not None:
                _check(objects.md5_of(file), md5, file)
            limit = {"timeout": objects.SILENCE + file.stat().st_size / SLOWEST} if self.fs.async_impl else {}
            self.fs.put_file(str(file), self.path(key), **limit, **({"mode": "create"} if new else {}))

    def delete(self, key: str) -> None:
        with self._if_there():
            self.fs.rm_file(self.path(key))

    def size(self, key: str) -> int | None:
        with self._if_there():
            return int(self._checked(self.fs.info(self.path(key)))["size"])
        return None

    def move(self, key: str, to: str) -> bool:
        with self._if_there():
            try:
                self.fs.cp_file(self.path(key), self.path(to))
            except NotImplementedError:
                raise VersionError(f"{self.name} ({self.url}) cannot copy a file within itself") from None
            self.fs.rm_file(self.path(key))
            return True
        return False

    @contextmanager
    def local(self, key: str, above: Path) -> Iterator[Path]:
        above.mkdir(parents=True, exist_ok=True)
        with scratch("fetched", above) as folder:
            file = folder / f"file{PurePosixPath(key).suffix}"
            with self._asked():
                self.fs.get_file(self.path(key), str(file))
            yield file


def weighed(place: Place, md5: str) -> tuple[str | None, int]:
    """The MD5 of what a place holds under an object's name, ".dir" kept, and its bytes; None where it holds nothing."""
    chunks = place.chunks(key(md5))
    if chunks is None:
        return None, 0
    found, size = hashlib.md5(usedforsecurity=False), 0
    for block in chunks:
        found.update(block)
        size += len(block)
    return found.hexdigest() + (".dir" if md5.endswith(".dir") else ""), size


def digest(place: Place, md5: str) -> str | None:
    """As `weighed`, without the bytes."""
    return weighed(place, md5)[0]


def read(place: Place, name: str) -> bytes | None:
    """A small file whole; None where it is not there."""
    chunks = place.chunks(name)
    return None if chunks is None else b"".join(chunks)


def copy(md5: str, source: Place, target: Place, above: Path) -> None:
    """An object from one place to another; its bytes are hashed before it gets its name.

    Raises:
        VersionError: the source's bytes are not those of the name, or a place refuses.
    """
    with source.local(key(md5), above) as file:
        target.put(key(md5), file, md5)


def linked(file: Path, name: Path) -> bool:
    """Give a file one more name, unless another has it (FileExistsError); not every disk can."""
    try:
        name.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _copy(reader: Any, writer: Any) -> str:
    """The MD5 of what is copied."""
    found = hashlib.md5(usedforsecurity=False)
    while block := reader.read(BLOCK):
        found.update(block)
        writer.write(block)
    return found.hexdigest()


def _modified(facts: Mapping[str, Any]) -> float:
    """In seconds since 1970; of a storage that does not tell, later than any time: nothing there is old."""
    when = next((facts[name] for name in MODIFIED if facts.get(name) is not None), math.inf)
    return when.timestamp() if isinstance(when, datetime) else float(when)


def _check(found: str, md5: str | None, file: Path) -> None:
    if md5 is not None and found != md5.removesuffix(".dir"):
        raise VersionError(f"{file} is damaged: it does not hold the object {md5}")
