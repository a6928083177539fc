"""DVC's lock and Git's, held while a rollback moves files. Who holds one longer than seconds is named."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stemma.errors import VersionError
from stemma.repo.locking import held, holder
from stemma.repo.trouble import told

WAIT = 5.0  # seconds
MARK = "stemma rollback"


@contextmanager
def alone(root: Path, folder: Path) -> Iterator[None]:
    """One rollback at a time in a work tree, from before the journal is read.

    Raises:
        VersionError: another process has begun, completes or undoes one.
    """
    with told(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    with held(folder / "rollback.lock", str(root)):
        yield


@contextmanager
def dvc_locked(repo: Any) -> Iterator[None]:
    """Hold the lock of DVC's repository; waits three seconds for another holder, as DVC does.

    Raises:
        VersionError: another process has it, or runs a stage whose outputs would move.
    """
    from dvc.lock import LockError
    from dvc.repo import lock_repo

    held = lock_repo(repo)
    try:
        held.__enter__()
    except LockError:
        raise VersionError(_busy(repo.root_dir, holder(Path(repo.tmp_dir) / "lock"))) from None
    try:
        running = _stage_in_progress(Path(repo.tmp_dir) / "rwlock")
        if running is not None:
            raise VersionError(_busy(repo.root_dir, running))
        yield
    finally:
        held.__exit__(None, None, None)


@contextmanager
def git_locked(root: Path, folder: Path) -> Iterator[None]:
    """Hold the lock of Git's index, as Git does: by a file that must not be there.

    The caller is `alone`, so that a file of this very kind is one that a killed rollback left.

    Raises:
        VersionError: a Git command holds it, or a killed one left it.
    """
    lock = folder.parent / "index.lock"
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "index.mark"
    own.write_text(f"{MARK}, process {os.getpid()}\n", encoding="utf-8")
    unlock_git(folder)
    until = time.monotonic() + WAIT
    while True:
        try:
            _linked(own, lock)
            break
        except FileExistsError:
            if time.monotonic() < until:
                time.sleep(0.1)
                continue
            running = git_process(root)
            if running is not None:
                raise VersionError(_busy(root, running)) from None
            what = f"{lock} is there, and no git command runs here: a killed one left it"
            raise VersionError(what, run=f"rm '{lock}'") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        own.unlink(missing_ok=True)


def unlock_git(folder: Path) -> None:
    """Remove the lock of Git's index if a killed rollback left it; the caller is `alone`."""
    lock = folder.parent / "index.lock"
    if _is_ours(lock):
        lock.unlink(missing_ok=True)


def clear(lock: Path, root: Path) -> None:
    """Remove the lock of a private index once the Git command of a killed rollback has ended.

    Raises:
        VersionError: it still runs after some seconds.
    """
    until = time.monotonic() + WAIT
    while lock.exists():
        running = git_process(root)
        if running is None:
            lock.unlink(missing_ok=True)
        elif time.monotonic() > until:
            raise VersionError(_busy(root, running))
        else:
            time.sleep(0.1)


def git_process(root: Path) -> str | None:
    """A Git command that runs in the repository, with its number; None where none does."""
    import psutil  # type: ignore[import-untyped]  # it has no types

    for process in psutil.process_iter(["pid", "name", "cwd", "cmdline"]):
        facts = process.info
        if (facts["name"] or "").removesuffix(".exe") == "git" and facts["cwd"]:
            where = Path(facts["cwd"])
            if where == root or root in where.parents or where in root.parents:
                return f"process {facts['pid']} ({' '.join(facts['cmdline'] or ['git']):.120})"
    return None


def _linked(own: Path, lock: Path) -> None:
    """Make the lock, whole from the start and only if it is not there."""
    try:
        os.link(own, lock)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        with lock.open("xb") as file:
            file.write(own.read_bytes())


def _is_ours(lock: Path) -> bool:
    try:
        return lock.read_bytes().startswith(MARK.encode())
    except OSError:
        return False


def _busy(root: object, holder: str) -> str:
    return f"{root} is in use by {holder}: wait until it is done, then run this again"


def _stage_in_progress(file: Path) -> str | None:
    """DVC gives its lock back while a stage runs, and notes in this file who reads and writes what."""
    import psutil

    try:
        noted = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    readers = [info for infos in (noted.get("read") or {}).values() for info in infos]
    for info in [*(noted.get("write") or {}).values(), *readers]:
        if info.get("pid") != os.getpid() and psutil.pid_exists(int(info.get("pid", -1))):
            return f"process {info['pid']} ({info.get('cmd', 'dvc'):.120})"
    return None
