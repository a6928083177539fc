"""Ray's driver, in a process of its own: what is asked there, and what it does on nodes.

Ray's C++ ends the process that it is in when something is wrong with it, at its end too. Here that costs an answer,
which is told in a line, and at the end nothing.
"""

import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from stemma.errors import RunnerError, StemmaError, interrupts_held
from stemma.runners.base import Died, Place
from stemma.runners.gang import Mapped
from stemma.runners.local import HEED, received, start
from stemma.text import in_one_line
from stemma.toolkit import lock, rooms

ENVIRONMENT = {  # who set something else keeps it
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # what a raylet says of a death, to standard output
    "RAY_AUTH_MODE": "token",  # nobody without the cluster's token is let in
    "RAY_NUM_REDIS_GET_RETRIES": "1",  # of a connection
}
NAME = "the driver of Ray"
PATIENCE = 15.0  # seconds for a result that is there
GOODBYE = 30.0  # seconds for Ray to end
STORE = 256 * 2**20  # bytes of memory for arguments and results; what is more lies on disk
PREPARED, FAILED, KILLED = "prepared", "failed", "killed"  # what became of a job that gives nothing


class Driver:
    """The process, from here."""

    def __init__(self) -> None:
        self._processes: dict[Any, Any] = {}
        self._pipe = start(Asked(), self._processes)
        self._process = self._processes[self._pipe]
        self._asked = 0
        self.goodbye = GOODBYE

    @property
    def is_alive(self) -> bool:
        return bool(self._process.is_alive())

    def ask(self, method: str, *arguments: Any) -> Any:
        """What a method of `Asked` gives.

        Raises:
            RunnerError: as it does there.
            Died: the process was killed, or Ray ended it.
        """
        self._asked += 1
        with interrupts_held(), suppress(OSError):  # that it died is found where it should answer
            self._pipe.send((self._asked, method, arguments))
        number = None
        while number != self._asked:  # an interrupt may have left the answer to what was asked before
            number, value = self._answer()
        if isinstance(value, StemmaError):
            raise value
        return value

    def _answer(self) -> tuple[int, Any]:
        with suppress(OSError):
            while not self._pipe.poll(HEED):
                pass
        with interrupts_held():
            answer = received(self._pipe, self._process, NAME)
        if isinstance(answer, Died):
            raise answer
        number, value = answer
        return number, value

    def close(self) -> None:
        """However it ends: all that it was asked for is here."""
        try:
            with suppress(OSError, EOFError):
                self._pipe.send((0, "close", ()))
                while self._pipe.poll(self.goodbye) and self._pipe.recv()[1][0] != 0:
                    pass
        finally:
            self._process.kill()
            self._process.join()
            self._pipe.close()


class Asked:
    """In the process: what Ray knows by its own objects is told by numbers."""

    ray: Any = None

    def __init__(self) -> None:
        self.held: dict[int, Any] = {}
        self.count = 0

    def __call__(self, number: int, method: str, arguments: Sequence[Any]) -> tuple[int, Any]:
        try:
            return number, getattr(self, method)(*arguments)
        except StemmaError as error:
            return number, error

    def begin(self, folder: str) -> str:
        """The address of a Ray of our own, which ends with this process."""
        ray = self._library()
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray.init("local", _temp_dir=folder, _node_ip_address="127.0.0.1", include_dashboard=False,
                 object_store_memory=STORE, log_to_driver=False, logging_level="CRITICAL")  # fmt: skip
        return str(ray.get_runtime_context().gcs_address)

    def join(self, address: str) -> str:
        """The address, where the cluster lets us in.

        Raises:
            RunnerError: it wants another token, Ray or Python.
        """
        ray = self._library()
        packages = [str(file.parent) for file in Path("src").glob("*/__init__.py") if file.parent != Path(lock.SOURCES)]
        environment = {"py_modules": packages} if Path(lock.FILE).is_file() else {}
        try:
            ray.init(address, runtime_env=environment, log_to_driver=False, logging_level="CRITICAL")
        except (Exception, SystemExit) as error:  # whatever its many layers raise
            told = "it needs this version of Ray and Python, and the token of RAY_AUTH_TOKEN"
            raise RunnerError(f"runner.address: the cluster at {address} does not let us in: {told}") from error
        return address

    def close(self) -> None:
        if self.ray is not None:
            self.ray.shutdown()

    def _library(self) -> Any:
        """Ray, quiet."""
        for variable, value in ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        import ray

        self.ray = ray
        return ray

    def nodes(self) -> dict[str, dict[str, float]]:
        """What each has, of those that are there."""
        return {each["NodeID"]: each["Resources"] for each in self.ray.nodes() if each["Alive"]}

    def resources(self) -> dict[str, float]:
        return dict(self.ray.cluster_resources())

    def put(self, value: Any) -> int:
        return self._hold(self.ray.put(value))

    def task(self, wanted: Mapping[str, str], work: int, arguments: tuple[Any, ...], node: str) -> int:
        made = self.ray.remote(max_retries=0)(_job).options(scheduling_strategy=self._strategy(node))
        return self._hold(made.remote(wanted, [self.held[work], self.ray.put(arguments)]))

    def actors(self, kind: Callable[..., Any], arguments: Sequence[Any], nodes: Sequence[str], gpus: int) -> list[int]:
        """Workers, and what they are made of, which comes last."""
        made = self.ray.remote(num_cpus=0, num_gpus=gpus)(Actor)  # Ray would take a core each
        started = [made.options(scheduling_strategy=self._strategy(node)).remote() for node in nodes]
        given = [each.array() if isinstance(each, Mapped) else each for each in arguments]
        return [*map(self._hold, started), self.put((kind, given))]

    def meeting(self, actor: int) -> int:
        return self._hold(self.held[actor].meeting.remote())

    def call(
        self, wanted: Mapping[str, str], actors: Mapping[int, Place], sent: int, call: tuple[Any, ...]
    ) -> list[int]:
        given = [self.held[sent], self.ray.put(call)]
        return [self._hold(self.held[each].call.remote(wanted, place, given)) for each, place in actors.items()]

    def kill(self, actors: Sequence[int], sent: int) -> None:
        del self.held[sent]
        for each in actors:
            self.ray.kill(self.held.pop(each))

    def wait(self, asked: Sequence[int], seconds: float) -> list[int]:
        """Those that came to an end, as soon as one has."""
        ended = self.ray.wait([self.held[each] for each in asked], timeout=seconds)[0]
        return [each for each in asked if self.held[each] in ended]

    def get(self, asked: int) -> tuple[str | None, Any, str | None]:
        """The error of a job and what it gives; else what became of it, in the third place, and a reason."""
        errors = self.ray.exceptions
        try:
            return *self.ray.get(self.held.pop(asked), timeout=PATIENCE), None
        except errors.RuntimeEnvSetupError as failure:
            return in_one_line(failure), None, PREPARED
        except errors.RayTaskError as failure:
            return in_one_line(failure.cause), None, FAILED
        except errors.RayError:
            return None, None, KILLED

    def drop(self, asked: Sequence[int], sent: int) -> None:
        del self.held[sent]
        for each in asked:
            self.ray.cancel(self.held.pop(each), force=True)

    def _hold(self, what: Any) -> int:
        self.count += 1
        self.held[self.count] = what
        return self.count

    def _strategy(self, node: str) -> Any:
        return self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)


class Actor:
    """In a worker: what a gang is of, made when it is first called."""

    made: Any = None
    door: socket.socket | None = None  # of the first, until it is made

    def meeting(self) -> tuple[None, str]:
        import ray

        host = ray.util.get_node_ip_address()
        self.door = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        return None, f"tcp://{f'[{host}]' if ':' in host else host}:{self.door.getsockname()[1]}"

    def call(self, wanted: Mapping[str, str], place: Place, sent: Sequence[Any]) -> tuple[str | None, Any]:
        return _told(wanted, partial(self._called, place), sent)

    def _called(self, place: Place, worker: tuple[Any, ...], call: tuple[Any, ...]) -> Any:
        (kind, arguments), (method, given) = worker, call
        if self.made is None:
            door = None if self.door is None else self.door.detach()
            self.made = kind(replace(place, door=door), *arguments)
        return getattr(self.made, method)(*given)


def _job(wanted: Mapping[str, str], sent: Sequence[Any]) -> tuple[str | None, Any]:
    """On a node: the error of a job, or what it gives."""
    return _told(wanted, lambda work, arguments: work(*arguments), sent)


def _told(wanted: Mapping[str, str], work: Callable[..., Any], sent: Sequence[Any]) -> tuple[str | None, Any]:
    """By this toolkit alone."""
    import ray

    here = _digests()
    if differing := sorted(room for room, digest in wanted.items() if here.get(room) != digest):
        return (
            f"{socket.gethostname()} has another toolkit ({', '.join(differing)}): install that of {lock.FILE} there",
            None,
        )
    try:
        return None, work(*ray.get(list(sent)))
    except StemmaError as error:
        return str(error), None


_digests = cache(rooms.own)  # do not change in a process of a node
