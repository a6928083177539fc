"""What a runner is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stemma.errors import RunnerError


class Died(RunnerError):
    """What a runner raises where the process of a job died.

    Args:
        name: of the job.
    """

    def __init__(self, name: str, how: str) -> None:
        super().__init__(f"{name}: its process {how}")
        self.name = name


@dataclass(frozen=True)
class Place:
    """Of one worker in its gang.

    Args:
        meeting: where workers find each other, as `torch.distributed` takes it.
        beside: its number among those of its machine, or of what it sees of it: the GPU that is its own.
    """

    number: int
    size: int
    meeting: str
    beside: int


class Gang(ABC):
    """Workers that live until it is closed, called all together. None of them is left then."""

    @abstractmethod
    def call(self, method: str, *arguments: Any) -> list[Any]:
        """What this method gives in each worker, in their order; they run it at the same time.

        Raises:
            RunnerError: it raised a StemmaError; the line names the worker.
            Died: the process of a worker died; the gang is of no more use.
        """

    @abstractmethod
    def close(self) -> None:
        """End all workers."""


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
    def run(
        self,
        work: Callable[..., Any],
        jobs: Sequence[tuple[Any, ...]],
        names: Sequence[str],
        at_once: int,
        unit: str | None = None,
    ) -> list[Any]:
        """What `work` returns for the arguments of each job, in their order. However this ends, no job goes on.

        Args:
            work: a function of a module.
            names: of the jobs, for errors.
            at_once: jobs that run at a time, at most.
            unit: what a job is called on the bar of a terminal; None: no bar.

        Raises:
            RunnerError: a job raised a StemmaError; the line names it.
            Died: the process of a job died.
        """

    @abstractmethod
    def gang(self, kind: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str]) -> Gang:
        """A worker for each name: `kind(place, *arguments)`, made when it is first called.

        Args:
            kind: a class of a module.
            arguments: arrays among them are not copied for each worker of a machine.
        """
