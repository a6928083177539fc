"""What a runner is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
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
