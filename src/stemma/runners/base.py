"""What a runner is."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma.errors import RunnerError
from stemma.files import scratch

Job = tuple[str, tuple[Any, ...]]  # its name, for errors, and its arguments


class Died(RunnerError):
    """What a runner tells where the process of a job died.

    Args:
        name: of the job.
        how: after "its process".
    """

    def __init__(self, name: str, how: str) -> None:
        super().__init__(f"{name}: its process {how}")
        self.how = how


@dataclass(frozen=True)
class Place:
    """Of one worker in its gang."""

    number: int
    size: int
    meeting: str  # where workers find each other: the URL of a file, or of a port of the first (tcp)
    beside: int  # its number among those that see the same GPUs
    door: int | None = None  # of the first, its socket that listens at this port: nobody else can have it


class Gang(ABC):
    """Workers that live until it is closed, and are called all together."""

    moment: float  # seconds in which an error of one worker shows as the death of another

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """What this method gives in each worker, in their order; they run it at the same time.

        Raises:
            RunnerError: it raised a StemmaError; the line names the worker.
            Died: the process of a worker died; the gang is of no more use.
        """
        asked, found = self._ask(method, arguments), {}
        failed: RunnerError | None = None
        while left := [each for each in asked if each not in found]:
            ready = self._wait(left, None if failed is None else self.moment)
            if failed is not None and not ready:
                break
            for each in ready:
                found[each] = value = _kept(self._answer, each)
                if isinstance(value, Died):
                    raise value
                failed = failed or (value if isinstance(value, RunnerError) else None)
        if failed is not None:
            raise failed
        return [found[each] for each in asked]

    @abstractmethod
    def _ask(self, method: str, arguments: tuple[Any, ...]) -> Sequence[Any]:
        """Call all; what waits for the answer of each."""

    @abstractmethod
    def _wait(self, asked: Sequence[Any], seconds: float | None) -> Sequence[Any]:
        """Those that have an answer, as soon as one has; none, if none has within these seconds."""

    @abstractmethod
    def _answer(self, asked: Any) -> Any:
        """What a worker gives, or `Died`; a RunnerError where it raised a StemmaError."""

    @abstractmethod
    def close(self) -> None:
        """End all workers."""


def _kept(answer: Callable[[Any], Any], asked: Any) -> Any:
    """An answer, or the error in its place."""
    try:
        return answer(asked)
    except RunnerError as error:
        return error


class Runner(ABC):
    """Opened by `with`; when that ends, nothing that it started is left."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        return

    @abstractmethod
    def cores(self) -> int:
        """That jobs may use, all together."""

    @abstractmethod
    def stream(
        self, work: Callable[..., Any], jobs: Iterable[Job], at_once: int
    ) -> Generator[tuple[int, Any], None, None]:
        """The number of each job, from 0, and what `work` returns for it, or `Died`; in the order in which they end.

        A job is taken from `jobs` when there is a place for it, so what it is may follow from those that ended. When
        this is closed no job goes on.

        Args:
            work: a function of a module, or a `partial` of one, whose arguments are sent but once.
            at_once: jobs that run at a time, at most.

        Raises:
            RunnerError: a job raised a StemmaError; the line names it.
        """

    def run(
        self,
        work: Callable[..., Any],
        jobs: Sequence[tuple[Any, ...]],
        names: Sequence[str],
        at_once: int,
        unit: str | None = None,
    ) -> list[Any]:
        """What `work` returns for the arguments of each job, in their order; otherwise as `stream`.

        Args:
            unit: what a job is called on the bar of a terminal; None: no bar.

        Raises:
            Died: the process of a job died.
        """
        from tqdm import tqdm

        results: dict[int, Any] = {}
        bar = tqdm(total=len(jobs), unit=unit or "", disable=unit is None or not sys.stderr.isatty())
        with bar, closing(self.stream(work, zip(names, jobs, strict=True), at_once)) as done:
            for number, value in done:
                if isinstance(value, Died):
                    raise value
                results[number] = value
                bar.update()
        return [results[number] for number in range(len(jobs))]

    @abstractmethod
    def gang(self, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str], gpus: int = 0) -> Gang:
        """A worker for each name: `kind(place, *arguments)`, made when it is first called.

        Args:
            kind: a class of a module.
            arguments: arrays among them are not copied for each worker of a machine.
            gpus: that each needs.
        """


def workplace(shared: Path) -> AbstractContextManager[Path]:
    """A folder for a job's own files.

    Args:
        shared: a folder to have it in, which whoever has the jobs removes; not there on another machine.
    """
    return scratch("job", shared if shared.is_dir() else None)
