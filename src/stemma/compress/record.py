"""reports/compression.json: what was done to the network's graph, layer by layer, and what that gains and costs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemma.files import write_json

FORMAT = 1


@dataclass(frozen=True)
class Layer:
    """A product with constant weights, as the graph keeps it.

    Args:
        name: of its weights in the version; of its node where the version has no such tensor.
        type: of a weight.
        sparsity: the share of weights that are 0.
        scale: of whole numbers, the least and the greatest of the units'.
        input: where its range is fixed, scale and zero point of what goes into the layer.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    sparsity: float
    scale: tuple[float, float] | None
    input: tuple[float, int] | None

    def __str__(self) -> str:
        scale = self.scale and f"scale {self.scale[0]:.4g} to {self.scale[1]:.4g}"
        given = self.input and f"input scale {self.input[0]:.4g}, zero point {self.input[1]}"
        return ", ".join(filter(None, [self.type, scale, given, f"{self.sparsity:.1%} zeros"]))


@dataclass(frozen=True)
class Record:
    """
    Args:
        method: as `compress.method`.
        rows: of validation, that ranges were taken from; None where none were.
        bytes: of the network's graph, before and after.
        metric: the main figure, and on validation rows before and after.
        layers: in the order of the graph.
        parity: how far the graph before is from the framework on test rows.
        apart: how far the graph after is from the one before on test rows.
    """

    method: str
    rows: int | None
    bytes: tuple[int, int]
    metric: str
    validation: tuple[float | None, float | None]
    layers: tuple[Layer, ...]
    parity: Mapping[str, Any]
    apart: Mapping[str, Any]

    def __str__(self) -> str:
        """In a line."""
        size = " -> ".join(f"{each:,}" for each in self.bytes)
        figure = " -> ".join("not defined" if each is None else f"{each:.4f}" for each in self.validation)
        return f"{self.method}, {size} bytes, {self.metric} on validation rows {figure}"


def write(path: Path, record: Record) -> None:
    write_json(path, {"format": FORMAT} | asdict(record))


def read(told: Mapping[str, Any]) -> Record:
    """What `write` wrote, or a bundle's record holds.

    Raises:
        KeyError, TypeError, ValueError: it is of another form.
    """
    if told["format"] != FORMAT:
        raise ValueError(f"format {told['format']!r}, and this version reads {FORMAT}")
    layers = tuple(_layer(each) for each in told["layers"])
    (before, after), (first, last) = told["bytes"], told["validation"]
    return Record(
        method=str(told["method"]),
        rows=told["rows"],
        bytes=(int(before), int(after)),
        metric=str(told["metric"]),
        validation=(first if first is None else float(first), last if last is None else float(last)),
        layers=layers,
        parity=dict(told["parity"]),
        apart=dict(told["apart"]),
    )


def _layer(told: Mapping[str, Any]) -> Layer:
    scale, given = told["scale"], told["input"]
    return Layer(
        name=str(told["name"]),
        shape=tuple(map(int, told["shape"])),
        type=str(told["type"]),
        sparsity=float(told["sparsity"]),
        scale=scale and (float(scale[0]), float(scale[1])),
        input=given and (float(given[0]), int(given[1])),
    )
