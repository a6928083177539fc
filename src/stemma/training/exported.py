"""What a framework's export formats are made from and run on. Their table is in the room above, `formats`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from stemma.errors import ExportError, StemmaError
from stemma.text import in_one_line

if TYPE_CHECKING:  # a process that runs a file needs none of these
    from stemma.training.base import Network, Problem

ENCODED = "encoded"  # the input of a file that takes encoded rows
Arrays = Mapping[str, NDArray[Any]]


class Exportable(Protocol):
    """A fitted network with what stands before and behind it."""

    @property
    def model(self) -> "Network": ...

    @property
    def problem(self) -> "Problem": ...

    @property
    def encoder(self) -> bytes:
        """The graph of ONNX that encodes rows."""

    @property
    def temperature(self) -> float:
        """It divides the scores of classes."""

    @property
    def output(self) -> str:
        """Of the whole, as ONNX and the bundle name it."""

    @property
    def name(self) -> str:
        """Of the package."""


def unwritable(name: str, error: Exception) -> StemmaError:
    """The one line for what a framework's exporter says in many."""
    return ExportError(f"{name} cannot be made of this network ({in_one_line(error, 300)})")
