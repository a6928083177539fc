"""Tasks of a Ray cluster, or of a Ray that is started on this machine and ends with its jobs.

A node needs the toolkit with its extras, as it is here. The project's own packages are sent to it, and what jobs read
comes with their arguments. What is sent may do there all that the node's user may.
"""

import os
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from stemma.errors import MissingExtra, RunnerError, StemmaError
from stemma.files import scratch
from stemma.runners.base import Died, Gang, Job, Place, Runner
from stemma.text import counted, in_one_line
from stemma.toolkit import lock, rooms

ENVIRONMENT = {  # who set something else keeps it
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # what a raylet says of a death, to standard output
    "RAY_AUTH_MODE": "token",  # nobody without the cluster's token is let in
    "RAY_NUM_REDIS_GET_RETRIES": "1",  # of a connection
}
PATIENCE = 15.0  # seconds for an address to answer in
LOOK = 2.0  # seconds between two looks whether the cluster is there
LONGEST = 14  # letters of a folder for Ray's: sockets lie below it, whose names a system bounds
LAST_PORT = 65_535
STORE = 256 * 2**20  # bytes of memory for arguments and results; what is more lies on disk


class Ray(Runner):
    """Connected to a cluster while it is open."""

    def __enter__(self) -> "Ray":
        with ExitStack() as opened:
            opened.enter_context(_put_back())
            self._ray = _library()
            self._strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
            self._address = _joined(self._ray, opened, self.address) if self.address else _begun(self._ray, opened)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def cores(self) -> int:
        return int(sum(self._nodes().values()))

    def stream(
        self, work: Callable[..., Any], jobs: Iterable[Job], at_once: int
    ) -> Generator[tuple[int, Any], None, None]:
        task, wanted, sent = self._ray.remote(max_retries=0)(_job), rooms.own(), self._ray.put(work)
        busy: dict[Any, tuple[int, str, str]] = {}
        waiting = enumerate(jobs)
        try:
            while True:
                while len(busy) < at_once and (job := next(waiting, None)) is not None:
                    number, (name, arguments) = job
                    node = self._place([node for *_, node in busy.values()])
                    there = task.options(scheduling_strategy=self._strategy(node, soft=False))
                    busy[there.remote(wanted, [sent, self._ray.put(arguments)])] = (number, name, node)
                if not busy:
                    return
                for ended in self._ended({each: node for each, (*_, node) in busy.items()}):
                    number, name, _ = busy.pop(ended)
                    yield number, self._received(ended, name)
        finally:
            for each in busy:
                self._ray.cancel(each, force=True)

    def gang(self, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str], gpus: int = 0) -> Gang:
        there = int(self._ray.cluster_resources().get("GPU", 0))
        if gpus * len(names) > there:
            need = counted(len(names), "worker needs", "workers need")
            raise RunnerError(f"{need} a GPU each, and the cluster at {self._address} has {there}")
        return Actors(self, kind, arguments, names, gpus)

    def _nodes(self, kind: str = "CPU") -> dict[str, float]:
        """The cores, or GPUs, of each node that is there and has some."""
        return {node: has[kind] for node, has in self._there().items() if has.get(kind)}

    def _there(self) -> dict[str, dict[str, float]]:
        """What each node has, of those that are there."""
        return {each["NodeID"]: each["Resources"] for each in self._ray.nodes() if each["Alive"]}

    def _place(self, busy: Sequence[str], kind: str = "CPU") -> str:
        """The node with the most cores for each of our jobs, of which there is one on each that is busy."""
        nodes = self._nodes(kind)
        if not nodes:
            raise RunnerError(f"the Ray cluster at {self._address} has no {kind}", run="ray status")
        return max(nodes, key=lambda node: nodes[node] / (busy.count(node) + 1))

    def _ended(self, busy: Mapping[Any, str]) -> list[Any]:
        """Those that came to an end, when the first did. Ray would wait for a node that is cut off, for ever.

        Raises:
            RunnerError: the cluster is gone.
        """
        ended: list[Any] = []
        while not ended:
            ended, _ = self._ray.wait(list(busy), timeout=LOOK)
            if not ended:
                self._check_there()
                there = self._there()
                ended = [each for each, node in busy.items() if node not in there]
        return ended

    def _check_there(self) -> None:
        if not _answers(self._address, LOOK):
            raise RunnerError(f"the Ray cluster at {self._address} is gone", run="ray status")

    def _received(self, ended: Any, name: str) -> Any:
        errors = self._ray.exceptions
        try:
            error, value = self._ray.get(ended, timeout=PATIENCE)
        except errors.RuntimeEnvSetupError as failure:
            raise RunnerError(f"{name}: a node cannot be prepared ({in_one_line(failure)})") from failure
        except errors.RayTaskError as failure:
            return Died(name, f"failed ({in_one_line(failure.cause)})")
        except errors.RayError:
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
        self.runner, self.ray, self.names, self.wanted = runner, runner._ray, names, rooms.own()
        self.sent = self.ray.put((kind, arguments))
        made, self.nodes = self.ray.remote(num_cpus=0, num_gpus=gpus)(Actor), list[str]()  # Ray would take a core each
        for _ in names:
            self.nodes.append(runner._place(self.nodes, "GPU" if gpus else "CPU"))
        there = [runner._strategy(node, soft=False) for node in self.nodes]
        self.actors = [made.options(scheduling_strategy=each).remote() for each in there]
        self.asked: dict[Any, str] = {}
        self.meeting: str | None = None

    def _ask(self, method: str, arguments: tuple[Any, ...]) -> Sequence[Any]:
        size, call = len(self.actors), self.ray.put((method, arguments))
        meeting = self._meeting()
        places = [Place(number, size, meeting, 0) for number in range(size)]  # a worker sees its own GPU alone
        asked = [
            actor.call.remote(self.wanted, place, [self.sent, call])
            for actor, place in zip(self.actors, places, strict=True)
        ]
        self.asked = dict(zip(asked, self.names, strict=True))
        return asked

    def _meeting(self) -> str:
        if self.meeting is None:
            (ended,) = self.runner._ended({self.actors[0].meeting.remote(): self.nodes[0]})
            value = self.runner._received(ended, self.names[0])
            if isinstance(value, Died):
                raise value
            self.meeting = value
        return str(self.meeting)

    def _wait(self, asked: Sequence[Any], seconds: float | None) -> Sequence[Any]:
        if seconds is None:
            nodes = dict(zip(self.asked, self.nodes, strict=True))
            return self.runner._ended({each: nodes[each] for each in asked})
        ended: list[Any] = self.ray.wait(list(asked), timeout=seconds)[0]
        return ended

    def _answer(self, asked: Any) -> Any:
        return self.runner._received(asked, self.asked[asked])

    def close(self) -> None:
        for actor in self.actors:
            self.ray.kill(actor)


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


def _library() -> Any:
    """Ray, quiet; a MissingExtra where it is not installed."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra("ray", "ray") from error
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()  # that of what was opened before
    return ray


@contextmanager
def _put_back() -> Iterator[None]:
    """Ray's driver sets variables for all that this process starts, and how it ends, also when Ray is gone."""
    before, ending = _variables(), signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        for name in _variables():
            del os.environ[name]
        os.environ.update(before)
        if ending is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ending)


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("RAY_", "PYTHONBREAKPOINT"))}


def _begun(ray: Any, opened: ExitStack) -> str:
    """The address of a Ray of our own, which ends with what is opened."""
    is_long = os.name == "posix" and len(tempfile.gettempdir()) > LONGEST
    folder = str(opened.enter_context(scratch("ray", Path("/tmp") if is_long else None)))  # noqa: S108 - as Ray does
    opened.callback(ray.shutdown)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray.init("local", _temp_dir=folder, _node_ip_address="127.0.0.1", include_dashboard=False,
             object_store_memory=STORE, log_to_driver=False, logging_level="CRITICAL")  # fmt: skip
    return str(ray.get_runtime_context().gcs_address)


def _joined(ray: Any, opened: ExitStack, address: str) -> str:
    """The address, where a cluster is.

    Raises:
        RunnerError: none answers there, or it wants another token, Ray or Python.
    """
    if not _answers(address, PATIENCE):
        raise RunnerError(f"runner.address: nothing answers at {address}", run="ray status")
    packages = [str(file.parent) for file in Path("src").glob("*/__init__.py") if file.parent != Path(lock.SOURCES)]
    environment = {"py_modules": packages} if Path(lock.FILE).is_file() else {}
    opened.callback(ray.shutdown)
    try:
        ray.init(address, runtime_env=environment, log_to_driver=False, logging_level="CRITICAL")
    except (Exception, SystemExit) as error:  # whatever its many layers raise
        told = "it needs this version of Ray and Python, and the token of RAY_AUTH_TOKEN"
        raise RunnerError(f"runner.address: the cluster at {address} does not let us in: {told}") from error
    return address


def _answers(address: str, seconds: float) -> bool:
    host, port = address.rsplit(":", 1)
    name = host.strip("[]")
    if int(port) > LAST_PORT:  # the system would take another one, what is left of it
        return False
    with suppress(OSError, ValueError, OverflowError), socket.create_connection((name, int(port)), seconds):
        return True
    return False


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
