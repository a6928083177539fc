"""reports/compression.json: what was done to the network's graph, layer by layer, and what that gains and costs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from stemma.files import write_json
from stemma.settings import Section
from stemma.text import figure


class Layer(Section):
    """A product with constant weights, as the graph keeps it."""

    name: str  # of its weights in the version; of its node where the version has no such tensor
    shape: tuple[int, ...]
    type: str  # of a weight
    sparsity: float  # the share of weights that are 0
    scale: tuple[float, float] | None  # of whole numbers, the least and the greatest of the units'
    input: tuple[float, int] | None  # where its range is fixed, scale and zero point of what goes into the layer

    def __str__(self) -> str:
        scale = self.scale and f"scale {self.scale[0]:.4g} to {self.scale[1]:.4g}"
        given = self.input and f"input scale {self.input[0]:.4g}, zero point {self.input[1]}"
        return ", ".join(filter(None, [self.type, scale, given, f"{self.sparsity:.1%} zeros"]))


class Record(Section):
    """The whole file."""

    format: Literal[1]
    method: str  # as `compress.method`
    rows: int | None  # of validation, that ranges were taken from
    bytes: tuple[int, int]  # of the network's graph, before and after
    metric: str  # the main figure
    validation: tuple[float | None, float | None]  # that figure on validation rows, before and after
    layers: tuple[Layer, ...]  # in the order of the graph
    parity: dict[str, int | float]  # how far the graph before is from the framework on test rows
    apart: dict[str, int | float]  # how far the graph after is from the one before on test rows

    def __str__(self) -> str:
        """In a line."""
        size = " -> ".join(f"{each:,}" for each in self.bytes)
        moved = " -> ".join("not defined" if each is None else figure(each) for each in self.validation)
        return f"{self.method}, {size} bytes, {self.metric} on validation rows {moved}"


def write(path: Path, record: Record) -> None:
    write_json(path, record.model_dump(mode="json"))


def read(told: Mapping[str, Any]) -> Record:
    """What `write` wrote, or a bundle's record holds; a ValueError where it is of another form."""
    return Record.model_validate_json(json.dumps(dict(told)))
