"""A gang of processes of this machine: long-lived workers that are called all together."""

import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from stemma.errors import RunnerError, StemmaError
from stemma.runners.base import Died, Gang, Place
from stemma.runners.local import follow_parent, interrupts_held

MOMENT = 2.0  # seconds in which an error of one worker shows as the death of another


@dataclass(frozen=True)
class Mapped:
    """An array in a file, which all workers map: none has a copy of its own until it writes to it."""

    path: Path

    def array(self) -> np.ndarray:
        return np.asarray(np.load(self.path, mmap_mode="c", allow_pickle=False))


class Processes(Gang):
    """Started afresh ("spawn"), each with a pipe to here; an array among the arguments is laid into a file once."""

    def __init__(self, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str]) -> None:
        self.names, self.folder = names, tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.pipes: list[Connection] = []
        self.processes: list[Any] = []
        try:
            laid = [self._laid(number, each) for number, each in enumerate(arguments)]
            for number in range(len(names)):
                meeting = (Path(self.folder.name) / "meeting").as_uri()
                self._start(kind, (Place(number, len(names), meeting, number), *laid))
        except BaseException:
            self.close()
            raise

    def _laid(self, number: int, argument: Any) -> Any:
        if not isinstance(argument, np.ndarray):
            return argument
        path = Path(self.folder.name) / f"{number}.npy"
        np.save(path, argument, allow_pickle=False)
        return Mapped(path)

    def _start(self, kind: Callable[..., Any], arguments: Sequence[Any]) -> None:
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(kind, arguments, there), name=self.names[len(self.pipes)])
        with interrupts_held():
            process.start()
            self.pipes.append(here)
            self.processes.append(process)
            there.close()  # the other end is the worker's alone, so its death ends the pipe

    def call(self, method: str, *arguments: Any) -> list[Any]:
        for number, pipe in enumerate(self.pipes):
            try:
                pipe.send((method, arguments))
            except OSError:
                raise self._died(number) from None
        answers = self._answers()
        for file in Path(self.folder.name).glob("*.npy"):  # they are mapped now, and gone with the last that maps them
            file.unlink(missing_ok=True)
        return answers

    def _answers(self) -> list[Any]:
        found: dict[int, Any] = {}
        error: StemmaError | None = None
        while left := [pipe for number, pipe in enumerate(self.pipes) if number not in found]:
            ready = wait(left, None if error is None else MOMENT)
            for number in [number for number, pipe in enumerate(self.pipes) if pipe in ready]:
                told, found[number] = self._received(number)
                if told is not None and error is None:
                    error = RunnerError(f"{self.names[number]}: {told}")
            if error is not None and not ready:  # so no other one's death was its cause
                break
        if error is not None:
            raise error
        return [found[number] for number in range(len(self.pipes))]

    def _received(self, number: int) -> tuple[str | None, Any]:
        try:
            told: tuple[str | None, Any] = self.pipes[number].recv()
        except (EOFError, OSError):
            raise self._died(number) from None
        return told

    def _died(self, number: int) -> Died:
        """Of those that are gone the one that was killed, for others end because it is no more."""
        self.processes[number].join()
        code, name = min((process.exitcode, process.name) for process in self.processes if process.exitcode is not None)
        return Died(name, f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}")

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
        for pipe in self.pipes:
            pipe.close()
        self.folder.cleanup()


def _serve(kind: Callable[..., Any], arguments: Sequence[Any], there: Connection) -> None:
    """Make the worker when it is first called, and answer. An interrupt is for the parent, whose end is this one's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow_parent, daemon=True).start()
    worker = None
    while True:
        method, given = there.recv()
        try:
            if worker is None:
                worker = kind(*(each.array() if isinstance(each, Mapped) else each for each in arguments))
            there.send((None, getattr(worker, method)(*given)))
        except StemmaError as error:
            there.send((str(error), None))
