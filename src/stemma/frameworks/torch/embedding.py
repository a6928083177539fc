"""The first layers of a PyTorch network: encoded rows -> the numbers that dense layers take. See training/inputs.py."""

from typing import Any

import torch
from torch import nn

from stemma.training import inputs
from stemma.training.base import Floats, Problem


class Columns(nn.Module):
    """Some numbers of a row: (rows, inputs) -> (rows, columns)."""

    def __init__(self, runs: inputs.Runs) -> None:
        super().__init__()
        self.runs = runs

    def forward(self, x: Any) -> Any:
        return torch.cat([x[:, first:end] for first, end in self.runs], dim=1)


class PiecewiseLinear(Columns):
    """Numeric columns of a row: (rows, inputs) -> their vectors (rows, columns * units).

    The edges are never trained. A value outside the range of the training rows counts as its nearest end.
    """

    def __init__(self, runs: inputs.Runs, edges: Floats, units: int) -> None:
        super().__init__(runs)
        columns, self.bins, self.units = len(edges), edges.shape[1] - 1, units
        self.register_buffer("edges", torch.tensor(edges))  # a copy (columns, bins + 1)
        self.slope = nn.Parameter(torch.empty(columns, units).uniform_(-1, 1))
        self.bias = nn.Parameter(torch.empty(columns, units).uniform_(-1, 1))
        self.weight = nn.Parameter(torch.zeros(columns, self.bins, units))

    def forward(self, x: Any) -> Any:
        value = torch.minimum(torch.maximum(super().forward(x), self.edges[:, 0]), self.edges[:, -1])[:, :, None]
        width = torch.clamp(self.edges[:, 1:] - self.edges[:, :-1], min=inputs.SMALLEST_BIN)
        pieces = torch.clamp((value - self.edges[:, :-1]) / width, 0.0, 1.0)  # (rows, columns, bins)
        bent = torch.matmul(pieces.transpose(0, 1), self.weight).transpose(0, 1)  # (rows, columns, units)
        return (value * self.slope + self.bias + bent).flatten(1)


class Code(nn.Module):
    """A code of a row: (rows, inputs) -> its vector (rows, dimension)."""

    def __init__(self, place: int, levels: int) -> None:
        super().__init__()
        self.place = place
        self.weight = nn.Parameter(torch.empty(levels, inputs.dimension(levels)).uniform_(-0.05, 0.05))

    def forward(self, x: Any) -> Any:
        return nn.functional.embedding(x[:, self.place].long(), self.weight)


class Embedding(nn.Module):
    """Encoded rows (rows, inputs) -> (rows, width): numbers that pass, then numeric columns, then codes.

    Args:
        edges, units: of the bins of the numeric columns (columns, bins + 1), and of their vectors; without them these
            columns pass as they are.
    """

    def __init__(self, problem: Problem, edges: Floats | None = None, units: int = 1) -> None:
        super().__init__()
        numeric = inputs.runs(problem, "numeric") if edges is not None else ()
        plain = inputs.runs(problem, "binary") if numeric else inputs.runs(problem, "numeric", "binary")
        if plain:
            self.add_module("plain", Columns(plain))
        if edges is not None and numeric:
            self.add_module("numeric", PiecewiseLinear(numeric, edges, units))
        for number, block in enumerate(inputs.codes(problem), start=1):
            self.add_module(f"code_{number}", Code(block.start, block.size))

    def forward(self, x: Any) -> Any:
        return torch.cat([part(x) for part in self.children()], dim=1)
