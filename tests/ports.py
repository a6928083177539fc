"""A port for a server that a test starts, and may start again: the system gives it to nobody else meanwhile."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held() -> Iterator[int]:
    """A port of this machine. On Linux a server may listen at one that another socket has and does not listen at."""
    with socket.socket() as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        mine.bind(("127.0.0.1", 0))
        port = int(mine.getsockname()[1])
        if sys.platform != "linux":
            mine.close()
        yield port
