"""A process of its own for what anybody may have made: it ends at limits of time and memory, and takes nothing along.

On Linux it is a fork, which costs some milliseconds. Elsewhere the work is done here, and the time alone is limited.
"""

import json
import math
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from stemma.bundle.archive import GRAPH
from stemma.errors import INTERRUPTS, BundleError, StemmaError
from stemma.text import counted, say

Work = Callable[[], Iterable[bytes]]
RESULT, REFUSED, FAULT = b"+", b"!", b"?"  # what a message is
LENGTH = 8  # bytes before each


@dataclass(frozen=True)
class Limits:
    """What a graph may take."""

    seconds: int = 60  # of a processor, to be loaded and for each batch of rows
    memory: int = 4 * 2**30  # bytes, beside what this process has

    @property
    def over(self) -> str:
        return f"{GRAPH} takes more than {self.seconds} s for a batch of rows (--trust: as long as it likes)"


LIMITS = Limits()


def apart(work: Work, limits: Limits) -> Iterator[bytes]:
    """What `work` yields, made in another process; for each of it there is the time anew.

    Raises:
        BundleError: as `work`; or its process ended, and how.
    """
    if sys.platform != "linux":
        yield from _watched(work, limits)
        return
    here, there = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy's threads, which have nothing to do and no locks
        child = os.fork()
    if not child:
        os.close(here)
        _work(work, limits, there)
    os.close(there)
    try:
        with os.fdopen(here, "rb") as pipe:
            while message := _received(pipe):
                yield message[1:]
    except BaseException:  # nobody asks for more: an interrupt, a full disk, a reader who has seen enough
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        status = os.waitpid(child, 0)[1]
    if status:
        ended = signal.Signals(-os.waitstatus_to_exitcode(status))
        over = ended == signal.SIGXCPU
        raise BundleError(limits.over if over else f"{GRAPH} ended the process that ran it ({ended.name})")


def answer(work: Callable[[], Any], limits: Limits = LIMITS) -> Any:
    """What `work` returns, as JSON has it, in the time of one batch; raises as `apart`."""

    def once() -> Iterator[bytes]:
        yield json.dumps(work()).encode()

    return json.loads(b"".join(apart(once, limits)))


def _received(pipe: IO[bytes]) -> bytes:
    """The next message; nothing where the other process ended."""
    length = int.from_bytes(pipe.read(LENGTH), "little")
    message = pipe.read(length)
    if message.startswith(REFUSED) and len(message) == length:
        raise BundleError(*json.loads(message[1:]))
    if message.startswith(FAULT):
        raise RuntimeError(message[1:].decode())
    return message if len(message) == length else b""


def _work(work: Work, limits: Limits, there: int) -> NoReturn:
    """In the other process. An interrupt is for the parent, and what the runtime prints is for nobody."""
    with suppress(BrokenPipeError), os.fdopen(there, "wb") as pipe:  # the parent may be gone
        try:
            for number in INTERRUPTS:
                signal.signal(number, signal.SIG_IGN)
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            for item in _limited(work, limits):
                _send(pipe, RESULT, item)
        except StemmaError as error:
            _send(pipe, REFUSED, json.dumps([error.what, error.run]).encode())
        except MemoryError:
            needed = f"{GRAPH} needs more than {counted(limits.memory, 'byte')} of memory"
            _send(pipe, REFUSED, json.dumps([needed]).encode())
        except Exception:
            _send(pipe, FAULT, traceback.format_exc().encode(errors="replace"))
    os._exit(0)


def _send(pipe: IO[bytes], kind: bytes, content: bytes) -> None:
    pipe.write((len(content) + 1).to_bytes(LENGTH, "little") + kind + content)
    pipe.flush()


def _limited(work: Work, limits: Limits) -> Iterator[bytes]:
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + limits.memory)
    _limit(resource.RLIMIT_CORE, 0)

    def anew() -> None:
        _limit(resource.RLIMIT_CPU, math.ceil(sum(os.times()[:2])) + limits.seconds)

    anew()
    for item in work():
        yield item
        anew()


def _limit(what: int, most: int) -> None:
    """The soft limit, which the system may hold lower."""
    import resource

    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _watched(work: Work, limits: Limits) -> Iterator[bytes]:
    """Where there is no such fork: the time over, this process ends."""

    def over() -> None:
        say(f"error: {limits.over}", error=True)
        os._exit(1)

    items = iter(work())
    while True:
        watch = threading.Timer(limits.seconds, over)
        watch.start()
        try:
            item = next(items)
        except StopIteration:
            return
        finally:
            watch.cancel()
        yield item
