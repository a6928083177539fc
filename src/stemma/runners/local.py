"""Processes of this machine, one for each job, several at a time.

They start afresh ("spawn"), so that no framework's state is shared. What a job gives depends neither on how many run at
a time nor on which ends first.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from stemma.errors import RunnerError, StemmaError
from stemma.runners.base import Died, Gang, Runner


class Local(Runner):
    """Needs nothing."""

    def cores(self) -> int:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def run(
        self,
        work: Callable[..., Any],
        jobs: Sequence[tuple[Any, ...]],
        names: Sequence[str],
        at_once: int,
        unit: str | None = None,
    ) -> list[Any]:
        from tqdm import tqdm

        context, waiting = get_context("spawn"), deque(range(len(jobs)))
        done: dict[int, Any] = {}
        running: dict[Any, tuple[int, Any]] = {}
        bar = tqdm(total=len(jobs), unit=unit or "", disable=unit is None or not sys.stderr.isatty())
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    number = waiting.popleft()
                    here, there = context.Pipe(duplex=False)
                    process = context.Process(target=_child, args=(work, jobs[number], there), name=names[number])
                    with interrupts_held():
                        process.start()
                        running[here] = (number, process)
                        there.close()  # the other end is the child's alone, so its death ends the pipe
                for ready in wait(list(running)):
                    number, process = running[ready]
                    done[number] = _received(ready, process, names[number])
                    del running[ready]
                    bar.update()
        finally:
            bar.close()
            for _, process in running.values():
                process.kill()
            for _, process in running.values():
                process.join()
        return [done[number] for number in range(len(jobs))]

    def gang(self, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str]) -> Gang:
        from stemma.runners.gang import Processes

        return Processes(kind, arguments, names)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """While a child starts, an interrupt waits; the child is deaf to it from its first moment.

    To ignore it would be shorter and would lose it. A child inherits what is blocked, but not a handler; where main
    has it blocked, the system gives it to another thread, and Python calls the handler in main all the same.
    """
    if threading.current_thread() is not threading.main_thread():  # only this one may set what a signal does
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        with _blocked(signal.SIGINT):
            yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


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


def _received(ready: Any, process: Any, name: str) -> Any:
    try:
        error, value = ready.recv()
    except (EOFError, OSError):  # between two messages, in one
        process.join()
        code = process.exitcode
        raise Died(name, f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}") from None
    process.join()
    if error is not None:
        raise RunnerError(f"{name}: {error}")
    return value


def _child(work: Callable[..., Any], arguments: tuple[Any, ...], there: Connection) -> None:
    """An interrupt is for the parent, and a child never outlives it. Any other error shows its trace, as a bug does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow_parent, daemon=True).start()
    try:
        there.send((None, work(*arguments)))
    except StemmaError as error:
        there.send((str(error), None))


def follow_parent() -> None:
    """Wait for the end of the parent, and end."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # at once: nobody is left to read what it gives
