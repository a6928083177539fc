"""The stage `compress`: the graph of a fitted network, and what a method after training makes of it.

    plain.py     the framework's own graph, proved equal to its network
    half.py      float16
    integers.py  int8_static, int8_dynamic: products of whole numbers
    record.py    compression.json: what was done to which layer, and what that gains and costs

    made = compress(network, settings.compress, settings.export, validation, test)
    made.graph, made.record

What the graph gives is what `evaluate` judges, `export` joins to the encoder, and a bundle serves. Each method takes
`Plain` and gives a graph of standard operators with the same input and output, of the same bytes in every process. To
add one: a function, a line in METHODS and its name in settings.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stemma.compress import half, integers, record
from stemma.compress.plain import Plain, plain
from stemma.compress.settings import CompressSettings
from stemma.formats.settings import ExportSettings
from stemma.tables.arrays import Arrays
from stemma.training.base import Network

METHODS: dict[str, Callable[[Plain], Any]] = {
    "none": lambda given: given.graph,
    "float16": half.halved,
    "int8_dynamic": integers.by_row,
    "int8_static": integers.calibrated,
}


@dataclass(frozen=True)
class Compressed:
    """A graph as bytes, and what is told of it."""

    graph: bytes
    record: dict[str, Any]


def compress(
    network: Network, settings: CompressSettings, export: ExportSettings, validation: Arrays, test: Arrays
) -> Compressed:
    """The graph of a fitted network as settings ask for it: calibrated on validation rows, proved on test rows.

    Raises:
        ExportError: the network gives no graph that is equal to it, or the method cannot be used on it.
    """
    given, proof = plain(network, export, test.x, record.spread(validation.x, settings.rows))
    made = METHODS[settings.method](given)
    told = record.make(settings, given, made, network.tensors(), validation) | {"parity": proof}
    return Compressed(made.SerializeToString(deterministic=True), told)
