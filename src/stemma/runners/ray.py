"""Tasks of a Ray cluster, or of a Ray that is started on this machine and ends with its jobs.

A node needs the toolkit with its extras, as it is here. The project's own packages are sent to it, and what jobs read
comes with their arguments. What is sent may do there all that the node's user may. Ray itself is not in this process,
but in that of driver.py.
"""

import os
import socket
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stemma.errors import MissingExtra, RunnerError
from stemma.files import scratch
from stemma.runners.base import Died, Gang, Job, Place, Runner
from stemma.runners.driver import FAILED, PREPARED, Driver
from stemma.runners.gang import laid
from stemma.text import counted
from stemma.toolkit import rooms

PATIENCE = 15.0  # seconds for an address to answer in
LOOK = 2.0  # seconds between two looks whether the cluster is there
LONGEST = 14  # letters of a folder for Ray's: sockets lie below it, whose names a system bounds
LAST_PORT = 65_535


class Ray(Runner):
    """Connected to a cluster while it is open."""

    def __enter__(self) -> "Ray":
        if find_spec("ray") is None:
            raise MissingExtra("ray", "ray")
        with ExitStack() as opened:
            self._connect(opened)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _connect(self, opened: ExitStack) -> None:
        if self.address is not None and not _answers(self.address, PATIENCE):
            raise RunnerError(f"runner.address: nothing answers at {self.address}", run="ray status")
        folder = None if self.address else _folder(opened)
        self.driver = opened.enter_context(closing(Driver()))
        self._address = self.driver.ask("join", self.address) if self.address else self.driver.ask("begin", folder)

    def cores(self) -> int:
        return int(sum(self._nodes().values()))

    def stream(
        self, work: Callable[..., Any], jobs: Iterable[Job], at_once: int
    ) -> Generator[tuple[int, Any], None, None]:
        self._revive()
        driver, wanted = self.driver, rooms.own()
        sent = driver.ask("put", work)
        busy: dict[int, tuple[int, str, str]] = {}
        waiting = enumerate(jobs)
        try:
            while True:
                while len(busy) < at_once and (job := next(waiting, None)) is not None:
                    number, (name, arguments) = job
                    node = self._place([node for *_, node in busy.values()])
                    busy[driver.ask("task", wanted, sent, arguments, node)] = (number, name, node)
                if not busy:
                    return
                for ended in self._ended({each: node for each, (*_, node) in busy.items()}):
                    number, name, _ = busy.pop(ended)
                    yield number, self._received(ended, name)
        finally:
            with suppress(Died):
                driver.ask("drop", list(busy), sent)

    def gang(self, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str], gpus: int = 0) -> Gang:
        self._revive()
        there = int(self.driver.ask("resources").get("GPU", 0))
        if gpus * len(names) > there:
            need = counted(len(names), "worker needs", "workers need")
            raise RunnerError(f"{need} a GPU each, and the cluster at {self._address} has {there}")
        return Actors(self, kind, arguments, names, gpus)

    def _revive(self) -> None:
        """After the death of the driver, and with it of all that it asked for: another one."""
        if not self.driver.is_alive:
            self._opened.close()
            with ExitStack() as opened:
                self._connect(opened)
                self._opened = opened.pop_all()

    def _nodes(self, kind: str = "CPU") -> dict[str, float]:
        """The cores, or GPUs, of each node that is there and has some."""
        return {node: has[kind] for node, has in self.driver.ask("nodes").items() if has.get(kind)}

    def _place(self, busy: Sequence[str], kind: str = "CPU") -> str:
        """The node with the most cores for each of our jobs, of which there is one on each that is busy."""
        nodes = self._nodes(kind)
        if not nodes:
            raise RunnerError(f"the Ray cluster at {self._address} has no {kind}", run="ray status")
        return max(nodes, key=lambda node: nodes[node] / (busy.count(node) + 1))

    def _ended(self, busy: Mapping[int, str]) -> list[int]:
        """Those that came to an end, when the first did. Ray would wait for a node that is cut off, for ever.

        Raises:
            RunnerError: the cluster is gone.
        """
        ended: list[int] = []
        while not ended:
            ended = self.driver.ask("wait", list(busy), LOOK)
            if not ended:
                self._check_there()
                there = self.driver.ask("nodes")
                ended = [each for each, node in busy.items() if node not in there]
        return ended

    def _check_there(self) -> None:
        if not _answers(self._address, LOOK):
            self.driver.goodbye = 0.0  # there is nobody whom Ray could tell that it ends: it would wait
            raise RunnerError(f"the Ray cluster at {self._address} is gone", run="ray status")

    def _received(self, ended: int, name: str) -> Any:
        error, value, instead = self.driver.ask("get", ended)
        if instead == PREPARED:
            raise RunnerError(f"{name}: a node cannot be prepared ({error})")
        if instead == FAILED:
            return Died(name, f"failed ({error})")
        if instead is not None:
            self._check_there()
            return Died(name, "was killed, or its node")
        if error is not None:
            raise RunnerError(f"{name}: {error}")
        return value


class Actors(Gang):
    """One in each worker, on whichever nodes have room."""

    moment = 15.0  # until a cluster knows

    def __init__(
        self, runner: Ray, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str], gpus: int
    ) -> None:
        self.runner, self.driver, self.names, self.wanted = runner, runner.driver, names, rooms.own()
        self.nodes = list[str]()
        for _ in names:
            self.nodes.append(runner._place(self.nodes, "GPU" if gpus else "CPU"))
        with scratch("gang") as folder:
            given = [laid(each, folder / f"{number}.npy") for number, each in enumerate(arguments)]
            *self.actors, self.sent = self.driver.ask("actors", kind, given, self.nodes, gpus)
        self.asked: dict[int, str] = {}
        self.meeting: str | None = None

    def _ask(self, method: str, arguments: tuple[Any, ...]) -> Sequence[int]:
        size, meeting = len(self.actors), self._meeting()
        # A worker sees its own GPU alone.
        places = {actor: Place(number, size, meeting, 0) for number, actor in enumerate(self.actors)}
        asked: list[int] = self.driver.ask("call", self.wanted, places, self.sent, (method, arguments))
        self.asked = dict(zip(asked, self.names, strict=True))
        return asked

    def _meeting(self) -> str:
        if self.meeting is None:
            (ended,) = self.runner._ended({self.driver.ask("meeting", self.actors[0]): self.nodes[0]})
            value = self.runner._received(ended, self.names[0])
            if isinstance(value, Died):
                raise value
            self.meeting = value
        return str(self.meeting)

    def _wait(self, asked: Sequence[int], seconds: float | None) -> Sequence[int]:
        if seconds is None:
            nodes = dict(zip(self.asked, self.nodes, strict=True))
            return self.runner._ended({each: nodes[each] for each in asked})
        ended: list[int] = self.driver.ask("wait", list(asked), seconds)
        return ended

    def _answer(self, asked: int) -> Any:
        return self.runner._received(asked, self.asked[asked])

    def close(self) -> None:
        with suppress(Died):
            self.driver.ask("kill", self.actors, self.sent)


def _folder(opened: ExitStack) -> str:
    """For a Ray of our own, until what is opened ends."""
    is_long = os.name == "posix" and len(tempfile.gettempdir()) > LONGEST
    return str(opened.enter_context(scratch("ray", Path("/tmp") if is_long else None)))  # noqa: S108 - as Ray does


def _answers(address: str, seconds: float) -> bool:
    host, port = address.rsplit(":", 1)
    name = host.strip("[]")
    if int(port) > LAST_PORT:  # the system would take another one, what is left of it
        return False
    with suppress(OSError, ValueError, OverflowError), socket.create_connection((name, int(port)), seconds):
        return True
    return False
