"""The process beside a server: it ends with it, however that ends, and comes back when it fails."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

PAUSE = 1.0  # seconds before it is started again
LOOK = 0.2


@contextmanager
def running(command: Sequence[str], say: Callable[[str], None]) -> Iterator[None]:
    """A command that runs for the time of the block; it is to call `end_with_parent`.

    Args:
        say: is told when it ended by itself, and is started again.
    """
    stop = threading.Event()
    keeper = threading.Thread(target=_keep, args=(command, say, stop), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()


def _keep(command: Sequence[str], say: Callable[[str], None], stop: threading.Event) -> None:
    while not stop.is_set():
        # Of a session of its own: it asks nobody on the terminal for a password, and an interrupt is the server's.
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
            while process.poll() is None and not stop.wait(LOOK):
                pass
            process.terminate()
        if not stop.is_set():
            say(f"what follows the stage ended ({process.returncode}): it is started again")
            stop.wait(PAUSE)


def end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody holds the other end of its input then."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)  # what is published appears by one rename: there is nothing to put in order

    threading.Thread(target=wait, daemon=True).start()
