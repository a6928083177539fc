"""Processes of this machine, several at a time, each for one job after the other.

They start afresh ("spawn"), so that no framework's state is shared. What a job gives depends neither on how many run at
a time, nor on which ends first, nor on what its process did before.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from stemma import threads
from stemma.errors import RunnerError, StemmaError, interrupts_held
from stemma.runners.base import Died, Gang, Job, Runner

HEED = 1.0  # seconds: Python heeds an interrupt that came just before a wait began when the wait is over


class Local(Runner):
    """Needs nothing."""

    def cores(self) -> int:
        return threads.cores()

    def stream(
        self, work: Callable[..., Any], jobs: Iterable[Job], at_once: int
    ) -> Generator[tuple[int, Any], None, None]:
        processes: dict[Any, Any] = {}  # by our end of its pipe
        busy: dict[Any, tuple[int, str]] = {}
        waiting = enumerate(jobs)
        try:
            while True:
                while len(busy) < at_once and (job := next(waiting, None)) is not None:
                    number, (name, arguments) = job
                    pipe = next((each for each in processes if each not in busy), None) or start(work, processes)
                    busy[pipe] = (number, name)
                    with suppress(OSError):  # that it died is found where it should answer
                        pipe.send(arguments)
                if not busy:
                    return
                for pipe in wait(list(busy), HEED):
                    number, name = busy.pop(pipe)
                    value = received(pipe, processes[pipe], name)
                    if isinstance(value, Died):
                        del processes[pipe]
                    yield number, value
        finally:
            for process in processes.values():
                process.kill()
            for process in processes.values():
                process.join()

    def gang(self, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str], gpus: int = 0) -> Gang:
        from stemma.runners.gang import Processes

        return Processes(kind, arguments, names)


def start(work: Callable[..., Any], processes: dict[Any, Any]) -> Any:
    """Our end of the pipe of a new process, which is one of those from its first moment."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(there,))
    # Deaf to an interrupt from its first moment: a child inherits what is blocked, but not a handler. Where main has it
    # blocked, the system gives it to another thread, and Python calls the handler in main all the same.
    with interrupts_held(), _blocked(signal.SIGINT):
        process.start()
        processes[here] = process
        there.close()  # the other end is the child's alone, so its death ends the pipe
    # Not with what a process is started by: of that the parent holds both ends, and more than fits waits for ever where
    # the child was killed.
    with suppress(OSError):  # that it died is found where it should answer
        here.send(work)
    return here


@contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    if sys.platform == "win32":  # there a console's interrupt reaches the child whatever its parent does
        yield
        return
    resource_tracker.ensure_running()  # the first child would start it, which unblocks
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # what came meanwhile is delivered here


def received(ready: Any, process: Any, name: str) -> Any:
    """What a process gives for the arguments that it was sent, or `Died`.

    Raises:
        RunnerError: it raised a StemmaError.
    """
    try:
        error, value = ready.recv()
    except (EOFError, OSError):  # between two messages, in one
        process.join()
        code = process.exitcode
        return Died(name, f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}")
    if error is not None:
        raise RunnerError(f"{name}: {error}")
    return value


def _child(there: Connection) -> None:
    """An interrupt is for the parent, and a child never outlives it. Any other error shows its trace, as a bug does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    work = _asked(there)
    while (arguments := _asked(there)) is not None:
        try:
            there.send((None, work(*arguments)))
        except StemmaError as error:
            there.send((str(error), None))


def _asked(there: Connection) -> Any:
    """The work, then the arguments of each job; None where nobody is left to ask."""
    try:
        return there.recv()
    except (EOFError, OSError):
        return None


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # at once: nobody is left to read what it gives
