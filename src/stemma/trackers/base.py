"""What a tracker is. It lives in a process of its own, so it may be slow, and raise what it likes."""

import os
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stemma.text import in_one_line

QUIET = {  # what packages report home, say, and try again and again, which would take minutes
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "WANDB_ERROR_REPORTING": "false",
}
UNREACHED = (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)
Counted = tuple[Sequence[int], Sequence[float]]  # how many values lie between edges, of which there is one more
Call = tuple[str, dict[str, Any]]  # a method of `Tracker`, with its arguments


class Tracker(ABC):
    """One run in a tracker. What it has no view for it leaves out."""

    @abstractmethod
    def __init__(self, project: str, run: str, home: Path) -> None:
        """Open a run, or open it again when a later stage has more to tell.

        Args:
            run: its name, which no other has; home: the folder for files, which neither Git nor DVC sees.
        """

    @abstractmethod
    def settings(self, values: Mapping[str, str | float | bool]) -> None:
        """By section and name, without passwords."""

    @abstractmethod
    def tags(self, values: Mapping[str, str]) -> None:
        """The commit that it started from, the names of that, the object of the bundle, and the like."""

    @abstractmethod
    def figures(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Of an epoch, counted from 1; None: of the whole run."""

    def histograms(self, tensors: Mapping[str, Counted], step: int) -> None:
        """Of weights, of their gradients, and of what changed in them, after an epoch."""
        return

    def curves(self, points: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        """Such as ROC, each by its points (x, y), x from 0 to 1."""
        return

    def pictures(self, drawn: Mapping[str, str]) -> None:
        """SVG, by name."""
        return

    def graph(self, nodes: Sequence[tuple[str, str, Sequence[str]]]) -> None:
        """What is served: the name of each node, what it does, and the names of the nodes that it takes."""
        return

    @abstractmethod
    def close(self, status: str) -> None:
        """Args: status: FINISHED, FAILED or KILLED."""


def be_quiet(patience: int) -> None:
    """Before a tracker's package is imported; who set something else keeps it.

    Args:
        patience: seconds for an answer of a server; it is asked twice.
    """
    for variable, value in (QUIET | {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(patience)}).items():
        os.environ.setdefault(variable, value)


def silence(error: BaseException) -> str | None:
    """Why a server does not answer; None where something else went wrong.

    What a client raises says little; the error of the system, or of urllib3, lies innermost.
    """
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, TimeoutError):
        return "no answer in time"
    is_silent = isinstance(error, UNREACHED) or type(error).__module__ == "urllib3.exceptions"
    return in_one_line(getattr(error, "strerror", None) or error) if is_silent else None
