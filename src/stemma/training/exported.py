"""What a framework's export formats are made from and run on. Their table is in the room above, `formats`."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from stemma import runtime

if TYPE_CHECKING:  # a process that runs a file needs none of these
    from stemma.training.base import Floats, Network, Problem

ENCODED = "encoded"  # the input of a file that takes encoded rows
SCORES = "scores"  # the output of the graph of a network
Arrays = Mapping[str, NDArray[Any]]


def scorer(graph: bytes) -> "Callable[[Floats], Floats]":
    """What the graph of a network makes of encoded rows (rows, inputs): scores (rows, outputs), by onnxruntime."""
    session = runtime.session(graph)
    return lambda x: runtime.run(session, {ENCODED: x})


class Exportable(Protocol):
    """A fitted network with what stands before and behind it."""

    @property
    def model(self) -> "Network": ...

    @property
    def problem(self) -> "Problem": ...

    @property
    def encoder(self) -> bytes: ...  # the graph of ONNX that encodes rows

    @property
    def temperature(self) -> float: ...  # it divides the scores of classes

    @property
    def name(self) -> str: ...  # of the package


@contextlib.contextmanager
def silent(*loggers: str) -> Iterator[None]:
    """Exporters report their progress, and warn of what no user here needs to know."""
    levels = {logger: logger.level for logger in map(logging.getLogger, loggers)}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        try:
            yield
        finally:
            for logger, level in levels.items():
                logger.setLevel(level)
