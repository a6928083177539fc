"""Locks: of DVC, of Git's index, and our own. Who holds one for longer than it is waited for is named.

    held       a file of ours; the system lets go of it when the process ends, however it ends
    dvc        while it is held, neither `dvc gc` nor another command changes the cache or a remote
    registry   one writer of the registry at a time, in all work trees of a clone
    git_index  held as Git holds it, so that no Git command begins meanwhile

A rollback holds three of them, a collection all but the last.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from stemma import files
from stemma.errors import VersionError
from stemma.files import waited
from stemma.repo.git import common_folder, git
from stemma.repo.places import linked
from stemma.repo.repository import Repository
from stemma.repo.trouble import told

WAIT = 3.0  # seconds, as DVC waits
WAIT_FOR_GIT = 5.0
SETTLED = 1.0
WAIT_FOR_REGISTRY = 10.0
REGISTRY = "stemma-registry.lock"
STAGE = "stemma-{}.lock"  # in .dvc/tmp, of each stage that runs
MARK = "stemma rollback"


@contextmanager
def held(file: Path, what: str, wait: float = WAIT, *, hard: bool = False) -> Iterator[None]:
    """Hold a lock on a file, of DVC's kind.

    Args:
        what: as the message calls it; wait: seconds, at most, for another holder to be done.
        hard: made by a hard link, for disks that know no locks.

    Raises:
        VersionError: another process has it all that time, with its number and command; or the disk refuses.
    """
    with ExitStack() as stack:
        with told(what):
            file.parent.mkdir(parents=True, exist_ok=True)
            is_ours = stack.enter_context(files.held(file, wait, _linked_to if hard else files.taken))
        if not is_ours:
            raise _busy(what, holder(file))
        yield


@contextmanager
def dvc(repository: Repository, *, idle: bool = False) -> Iterator[None]:
    """Hold DVC's lock.

    Args:
        idle: no stage may run either; DVC gives its lock back meanwhile.

    Raises:
        VersionError: another process has it, or runs a stage.
    """
    folder = repository.root / ".dvc" / "tmp"
    hard = str(repository.objects.config["core"].get("hardlink_lock", False)).lower() == "true"
    with held(folder / "lock", str(repository.root), hard=hard):
        who = running(repository.root) if idle else None
        if who is not None:
            raise _busy(repository.root, who)
        yield


def running(root: Path) -> str | None:
    """The process that runs a stage, or is one whose DVC was killed; None where none does.

    DVC notes in a file who reads and writes what; a stage holds a lock of its own.
    """
    import psutil  # type: ignore[import-untyped]  # it has no types

    noted: dict[str, Any] = {}
    with suppress(FileNotFoundError, ValueError):
        noted = json.loads((root / ".dvc/tmp/rwlock").read_text(encoding="utf-8"))
    readers = [info for infos in (noted.get("read") or {}).values() for info in infos]
    for info in [*(noted.get("write") or {}).values(), *readers]:
        if info.get("pid") != os.getpid() and psutil.pid_exists(int(info.get("pid", -1))):
            return f"process {info['pid']} ({info.get('cmd', 'dvc'):.120})"
    for lock in (root / ".dvc/tmp").glob(STAGE.format("*")):
        with tried(lock) as who:
            if who is not None:
                return who
    return None


@contextmanager
def tried(lock: Path) -> Iterator[str | None]:
    """Hold a lock, or tell who has it instead. On a disk that knows no locks it is nobody's."""
    with files.held(lock) as is_ours:
        yield holder(lock) if not is_ours and lock.stat().st_size else None  # there, it stays empty


@contextmanager
def registry(root: Path, wait: float = WAIT_FOR_REGISTRY) -> Iterator[None]:
    """Hold the lock of the registry of the clone that `root` is in; raises as `held`."""
    with held(common_folder(root) / REGISTRY, "the registry", wait):
        yield


@contextmanager
def git_index(root: Path, folder: Path) -> Iterator[None]:
    """Hold the lock of Git's index, as Git does: by a file that must not be there.

    Args:
        folder: ours in Git's folder; the caller holds its lock, so that a file of this very kind is one that a killed
            rollback left.

    Raises:
        VersionError: a Git command holds it, or a killed one left it.
    """
    lock, own = folder.parent / "index.lock", folder / "index.mark"
    folder.mkdir(parents=True, exist_ok=True)
    own.write_text(f"{MARK}, process {os.getpid()}\n", encoding="utf-8")
    unlock_git(folder)
    if not waited(lambda: _linked(own, lock), WAIT_FOR_GIT):
        running = git_process(root)
        if running is not None:
            raise _busy(root, running)
        raise VersionError(f"{lock} is there, and no git command runs here: a killed one left it", run=f"rm '{lock}'")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        own.unlink(missing_ok=True)


def unlock_git(folder: Path) -> None:
    """Remove the lock of Git's index if a killed rollback left it; `folder` as for `git_index`."""
    lock = folder.parent / "index.lock"
    with suppress(OSError):
        if lock.read_bytes().startswith(MARK.encode()):
            lock.unlink()


def clear_killed(root: Path, *names: str) -> None:
    """Remove the locks that a killed Git command left, of refs by whole names, HEAD, the index; raises as `clear`."""
    asked = [word for name in names for word in ("--git-path", f"{name}.lock")]
    found = git(root, "rev-parse", "--path-format=absolute", *asked).decode(errors="surrogateescape")
    for lock in found.splitlines():
        clear(Path(lock), root)


def clear(lock: Path, root: Path) -> None:
    """Remove a lock of Git's once no Git command runs; other programs hold one for less than a second.

    Raises:
        VersionError: one still runs after some seconds.
    """

    def dead() -> bool:
        try:
            return abs(time.time() - lock.stat().st_mtime) > SETTLED and git_process(root) is None
        except FileNotFoundError:
            return True

    if not waited(dead, WAIT_FOR_GIT):
        raise _busy(root, git_process(root) or "git")
    lock.unlink(missing_ok=True)


def git_process(root: Path) -> str | None:
    """A Git command that runs in the repository, with its number; None where none does."""
    import psutil

    for process in psutil.process_iter(["pid", "name", "cwd", "cmdline"]):
        facts = process.info
        if (facts["name"] or "").removesuffix(".exe") == "git" and facts["cwd"]:
            where = Path(facts["cwd"])
            if where == root or root in where.parents or where in root.parents:
                return f"process {facts['pid']} ({_command(facts['cmdline'] or ['git'])})"
    return None


def holder(file: Path) -> str:
    """The process that a lock of DVC's kind names, with its command."""
    import psutil

    words: list[str] = []
    with suppress(OSError):  # Windows lets nobody else read it
        words = file.read_text(encoding="utf-8", errors="replace").split()
    if not words or not words[0].isdigit():
        return "another DVC or stemma command"
    with suppress(psutil.Error):
        if typed := psutil.Process(int(words[0])).cmdline():  # for a moment one that starts has none
            return f"process {words[0]} ({_command(typed)})"
    return f"process {words[0]}"


def _command(words: Sequence[str]) -> str:
    """As it was typed: without the interpreter of a script, and without its folder."""
    by_python = len(words) > 1 and Path(words[0]).name.startswith("python") and not words[1].startswith("-")
    name, *rest = words[by_python:] or [""]
    return f"{' '.join([Path(name).name, *rest]):.120}"


def _busy(what: object, who: str) -> VersionError:
    return VersionError(f"{what} is in use by {who}: wait until it is done, then run this again")


def _linked_to(file: Path) -> Callable[[], None] | None:
    """As `files.taken`, by a hard link."""
    from dvc.lock import HardlinkLock, LockError

    link = HardlinkLock(str(file), tmp_dir=str(file.parent))
    try:
        link.lock()
    except LockError:
        return None
    return link.unlock  # type: ignore[no-any-return]


def _linked(own: Path, lock: Path) -> bool:
    """Make the lock, whole from the start and only if it is not there."""
    with suppress(FileExistsError):
        if not linked(own, lock):
            with lock.open("xb") as file:
                file.write(own.read_bytes())
        return True
    return False
