"""A gang of processes of this machine: workers that live on, and are called all together."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from stemma.files import scratch
from stemma.runners.base import Gang, Place
from stemma.runners.local import received, start


@dataclass(frozen=True)
class Mapped:
    """An array in a file, which all workers map: none has a copy of its own until it writes to it."""

    path: Path

    def array(self) -> np.ndarray:
        return np.asarray(np.load(self.path, mmap_mode="c", allow_pickle=False))


def laid(argument: Any, path: Path) -> Any:
    """An array in a file there; what is none as it is."""
    if not isinstance(argument, np.ndarray):
        return argument
    np.save(path, argument, allow_pickle=False)
    return Mapped(path)


class Seat:
    """In a process of its own: the worker, made when it is first called."""

    def __init__(self, kind: Callable[..., Any], arguments: Sequence[Any]) -> None:
        self.kind, self.arguments, self.worker = kind, arguments, None

    def __call__(self, method: str, *arguments: Any) -> Any:
        if self.worker is None:
            made = [each.array() if isinstance(each, Mapped) else each for each in self.arguments]
            self.worker = self.kind(*made)
        return getattr(self.worker, method)(*arguments)


class Processes(Gang):
    """An array among the arguments is laid into a file once; the file is gone when all have mapped it."""

    moment = 2.0

    def __init__(self, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str]) -> None:
        self.opened = ExitStack()
        self.folder = self.opened.enter_context(scratch("gang"))
        self.processes: dict[Any, Any] = {}  # by our end of its pipe
        self.names: dict[Any, str] = {}
        try:
            given = [laid(each, self.folder / f"{number}.npy") for number, each in enumerate(arguments)]
            meeting = (self.folder / "meeting").as_uri()
            for number, name in enumerate(names):
                place = Place(number, len(names), meeting, number)
                self.names[start(Seat(kind, (place, *given)), self.processes)] = name
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *arguments: Any) -> list[Any]:
        answers = super().call(method, *arguments)
        for file in self.folder.glob("*.npy"):
            file.unlink(missing_ok=True)
        return answers

    def _ask(self, method: str, arguments: tuple[Any, ...]) -> Sequence[Any]:
        for pipe in self.names:
            with suppress(OSError):  # that it died is found where it should answer
                pipe.send((method, *arguments))
        return list(self.names)

    def _wait(self, asked: Sequence[Any], seconds: float | None) -> Sequence[Any]:
        return wait(asked, seconds)

    def _answer(self, asked: Any) -> Any:
        return received(asked, self.processes[asked], self.names[asked])

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.join()
        self.opened.close()
