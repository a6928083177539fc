"""Tasks of a Ray cluster, or of a Ray that is started on this machine and ends with its jobs.

A node needs the toolkit with its extras, as it is here. The project's own packages are sent to it, and what jobs read
comes with their arguments. What is sent may do there all that the node's user may.
"""

import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any

from stemma.errors import MissingExtra, RunnerError, StemmaError
from stemma.runners.base import Died, Job, Runner
from stemma.text import in_one_line
from stemma.toolkit import lock, rooms

QUIET = {  # of the environment; who set something else keeps it
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # what a raylet says of a death, to standard output
    "RAY_AUTH_MODE": "token",  # nobody without the cluster's token is let in
    "RAY_NUM_REDIS_GET_RETRIES": "1",  # of a connection
}
PATIENCE = 15.0  # seconds for an address to answer in
LOOK = 2.0  # seconds between two looks whether the cluster is there
STORE = 256 * 2**20  # bytes of memory for arguments and results; what is more lies on disk


class Ray(Runner):
    """Connected to a cluster while it is open."""

    def __enter__(self) -> "Ray":
        self._ray = _library()
        with ExitStack() as opened:
            self._address = _joined(self._ray, opened, self.address) if self.address else _begun(self._ray, opened)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def cores(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 1))

    def stream(
        self, work: Callable[..., Any], jobs: Iterable[Job], at_once: int
    ) -> Generator[tuple[int, Any], None, None]:
        task = self._ray.remote(max_retries=0, scheduling_strategy="SPREAD")(_job)
        wanted, sent = rooms.own(), self._ray.put(work)
        busy: dict[Any, tuple[int, str]] = {}
        waiting = enumerate(jobs)
        try:
            while True:
                while len(busy) < at_once and (job := next(waiting, None)) is not None:
                    number, (name, arguments) = job
                    busy[task.remote(wanted, [sent, self._ray.put(arguments)])] = (number, name)
                if not busy:
                    return
                for ended in self._ended(list(busy)):
                    number, name = busy.pop(ended)
                    yield number, self._received(ended, name)
        finally:
            for each in busy:
                self._ray.cancel(each, force=True)

    def _ended(self, busy: Sequence[Any]) -> list[Any]:
        """Those that came to an end, when the first did.

        Raises:
            RunnerError: the cluster is gone.
        """
        ended: list[Any] = []
        while not ended:
            ended, _ = self._ray.wait(busy, timeout=LOOK)
            if not ended and not _answers(self._address, LOOK):
                raise RunnerError(f"the Ray cluster at {self._address} is gone", run="ray status")
        return ended

    def _received(self, ended: Any, name: str) -> Any:
        errors = self._ray.exceptions
        try:
            error, value = self._ray.get(ended)
        except errors.RuntimeEnvSetupError as failure:
            raise RunnerError(f"{name}: a node cannot be prepared ({in_one_line(failure)})") from failure
        except errors.RayTaskError as failure:
            return Died(name, f"failed ({in_one_line(failure.cause)})")
        except errors.RayError:
            return Died(name, "was killed, or its node")
        if error is not None:
            raise RunnerError(f"{name}: {error}")
        return value


def _library() -> Any:
    """Ray, quiet.

    Raises:
        MissingExtra: it is not installed.
    """
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra("ray", "ray") from error
    return ray


def _begun(ray: Any, opened: ExitStack) -> str:
    """The address of a Ray of our own, which ends with what is opened."""
    folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
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
    with suppress(OSError), socket.create_connection((host, int(port)), seconds):
        return True
    return False


def _job(wanted: Mapping[str, str], sent: Sequence[Any]) -> tuple[str | None, Any]:
    """On a node: the error of a job, or what it gives."""
    import ray

    here = _digests()
    if differing := sorted(room for room, digest in wanted.items() if here.get(room) != digest):
        return (
            f"{socket.gethostname()} has another toolkit ({', '.join(differing)}): install that of {lock.FILE} there",
            None,
        )
    try:
        work, arguments = ray.get(sent)
        return None, work(*arguments)
    except StemmaError as error:
        return str(error), None


_digests = cache(rooms.own)  # do not change in a process of a node
