"""DVC's own lock: while it is held, neither `dvc gc` nor another command changes the cache or a remote."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import clear_frames

from stemma.errors import VersionError
from stemma.repo.repository import Repository


@contextmanager
def locked(repository: Repository) -> Iterator[None]:
    """Hold DVC's lock; waits three seconds for another holder, as DVC does.

    Raises:
        VersionError: another process has it; with its number and command where the lock tells it.
    """
    folder = repository.root / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    hard = str(repository.objects.config["core"].get("hardlink_lock", False)).lower() == "true"
    with held(folder / "lock", str(repository.root), hard):
        yield


@contextmanager
def held(file: Path, what: str, hard: bool = False) -> Iterator[None]:
    """Hold a lock of DVC's kind on a file; the system lets go of it when the process ends, however it ends.

    Args:
        what: as the message calls it; hard: made by a hard link, for disks that know no locks.

    Raises:
        VersionError: another process has it.
    """
    from dvc.lock import LockError, make_lock

    lock = make_lock(str(file), tmp_dir=str(file.parent), hardlink_lock=hard)
    try:
        lock.lock()
    except LockError:
        raise VersionError(f"{what} is in use by {holder(file)}: wait until it is done, then run this again") from None
    except OSError as error:  # a full disk: zc.lockfile leaves the file open, and locked while its frames live
        clear_frames(error.__traceback__)
        raise
    try:
        yield
    finally:
        lock.unlock()


def holder(file: Path) -> str:
    """The process that a lock of DVC's kind names, with its command."""
    import psutil  # type: ignore[import-untyped]  # it has no types

    words: list[str] = []
    with suppress(OSError):
        words = file.read_text(encoding="utf-8", errors="replace").split()
    if not words or not words[0].isdigit():
        return "another DVC or stemma command"
    command = ""
    with suppress(psutil.Error):
        command = f" ({' '.join(psutil.Process(int(words[0])).cmdline()):.120})"
    return f"process {words[0]}{command}"
