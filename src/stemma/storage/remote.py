"""What a remote allows: a small object is written, read, listed and deleted again."""

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

from stemma.errors import VersionError
from stemma.files import scratch
from stemma.repo import places, stores
from stemma.repo.places import Folder, Place
from stemma.repo.repository import Repo, Repository, opened

PATIENCE = 20.0
Action = Literal["list", "write", "read", "delete"]


@dataclass(frozen=True)
class Step:
    action: Action
    allowed: bool | None  # None where it was not tried
    says: str = ""  # why not, and what to do


@dataclass(frozen=True)
class Probe:
    remote: str  # as messages call it
    url: str
    steps: tuple[Step, ...]
    left: str | None  # a probe object that could not be deleted
    notes: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether everything that DVC needs is allowed."""
        return all(step.allowed for step in self.steps)


def probe(repo: Repo = ".", name: str | None = None, patience: float = PATIENCE) -> Probe:
    """List a remote, write an object into it, read it, delete it.

    Args:
        name: the remote; the default one if None.
        patience: seconds for each step.

    Raises:
        VersionError: there is no such remote, or none at all.
    """
    repository = opened(repo)
    place = stores.remote(repository, name, retries=0)
    if place is None:
        raise VersionError("no default remote is set", run="dvc remote add -d NAME URL")
    key = f"stemma-probe-{secrets.token_hex(6)}"  # two may probe at once
    content = secrets.token_bytes(64)
    listed = _tried("list", lambda: _list(place), patience)
    if isinstance(place, Folder) and not place.root.is_dir():  # writing would make it, where a disk is to be mounted
        return Probe(place.name, place.url, (listed, _untried("write"), _untried("read"), _untried("delete")), None, ())
    with scratch("probe") as folder:
        file = folder / "probe"
        file.write_bytes(content)
        written = _tried("write", lambda: place.put(key, file), patience)
    if written.allowed:
        read = _tried("read", lambda: _read(place, key, content), patience)
        deleted = _tried("delete", lambda: place.delete(key), patience)
    else:
        read = _tried("read", lambda: _read_something(place), patience) if listed.allowed else _untried("read")
        deleted = _untried("delete")
    left = f"{place.url}/{key}" if written.allowed and not deleted.allowed else None
    return Probe(place.name, place.url, (listed, written, read, deleted), left, _notes(repository, place, name))


def _tried(action: Action, attempt: Callable[[], str | None], patience: float) -> Step:
    """Try in a thread of its own: some servers never answer what they do not allow, and no client's timeout ends it.

    Args:
        attempt: gives why it was none.
    """
    answer = Future[str | None]()

    def run() -> None:
        try:
            answer.set_result(attempt())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        untried = answer.result(patience)
    except TimeoutError:
        says = f"no answer within {patience:g} seconds: the server hangs, or it is read-only; look at its log"
        return Step(action, False, says)
    except VersionError as error:
        return Step(action, False, error.what.partition("): ")[2] or error.what)
    return Step(action, True) if untried is None else Step(action, None, untried)


def _untried(action: Action) -> Step:
    return Step(action, None, "not tried: nothing could be written")


def _list(place: Place) -> None:
    if isinstance(place, Folder) and not place.root.is_dir():
        raise VersionError(f"there is no folder {place.root}: mount it or make it")
    place.names()


def _read(place: Place, key: str, content: bytes) -> None:
    found = places.read(place, key)
    if found is None:
        raise VersionError("what was just written is not there: the server loses data; use another one")
    if found != content:
        raise VersionError("what comes back is not what was written: the server changes data; use another one")


def _read_something(place: Place) -> str | None:
    """Any object that is there; else why none was tried."""
    for name in place.names():
        chunks = place.chunks(name)
        if chunks is not None:
            next(chunks, b"")
            return None
    return "not tried: nothing is there to read"


def _notes(repository: Repository, place: Place, name: str | None) -> tuple[str, ...]:
    """What is allowed, and unwise."""
    config = repository.objects.config
    called = name or config["core"]["remote"]
    settings = config["remote"][called]
    notes = []
    if str(settings.get("verify", "false")).lower() != "true":
        notes.append(f"dvc pulls what was overwritten there unseen: run `dvc remote modify {called} verify true`")
    committed = repository.root / ".dvc" / "config"
    text = committed.read_text(encoding="utf-8") if committed.is_file() else ""
    if any(word in text for word in ("secret_access_key", "session_token", "password")):
        notes.append(".dvc/config is committed and holds a secret: move it to .dvc/config.local, and change the key")
    return tuple(notes)
