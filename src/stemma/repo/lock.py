"""One writer of the registry at a time: a lock file in .git, shared by all work trees of a clone.

The lock is the operating system's: it goes with the process, also when that is killed. The file tells who holds it.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stemma.errors import VersionError
from stemma.repo.git import common_folder

WAIT = 10.0  # seconds
FILE = "stemma-registry.lock"


@contextmanager
def held(root: Path, wait: float = WAIT) -> Iterator[None]:
    """Hold the lock of the repository that `root` is in.

    Args:
        wait: seconds, at most, for another process to be done.

    Raises:
        VersionError: another process holds it all that time; with its number and command.
    """
    from zc import lockfile  # type: ignore[import-untyped]  # it has no types

    file = common_folder(root) / FILE
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    told = "{pid} " + command.replace("{", "{{").replace("}", "}}").replace("\n", " ")
    until = time.monotonic() + wait
    while True:
        try:
            lock = lockfile.LockFile(str(file), content_template=told)
            break
        except lockfile.LockError:
            if time.monotonic() >= until:
                what = f"the registry is in use by {_holder(file)}: wait until it is done, then run this again"
                raise VersionError(what) from None
            time.sleep(0.05)
        except OSError as error:
            raise VersionError(f"{file} cannot be written ({error.strerror or error})") from None
    try:
        yield
    finally:
        lock.close()


def _holder(file: Path) -> str:
    try:
        number, _, command = file.read_text(encoding="utf-8", errors="replace").strip().partition(" ")
    except OSError:  # Windows lets nobody else read it
        number, command = "", ""
    return f"process {number} ({command})" if number.isdigit() else "another stemma command"
