"""Columns that go together: where one is moved without the other, a network is asked about rows that there are not."""

import numpy as np

from stemma.explain.model import Array, Asked, Model

STRONG = 0.5
PARTS = 5  # of a number's values, as many in each
FEW = 30  # rows that tell nothing of it


def related(model: Model, asked: Asked) -> tuple[tuple[str, str, float], ...]:
    """Pairs that are moved apart though they go together in the background, the strongest first."""
    names, codes = list(model.kinds), {name: _coded(values) for name, values in model.background.items()}
    apart = [
        (a, b)
        for place, a in enumerate(names)
        for b in names[place + 1 :]
        if not any({a, b} <= {*group} for group in asked.together)
    ]
    found = [(a, b, round(_strength(codes[a], codes[b]), 2)) for a, b in apart]
    return tuple(sorted((each for each in found if each[2] >= STRONG), key=lambda each: -each[2]))


def _coded(values: Array) -> Array:
    """Numbers from 0 of categories, or of parts of a number's values; what is missing is one."""
    if values.dtype.kind == "f" and np.isfinite(values).any():
        edges = np.unique(np.nanquantile(values, np.linspace(0, 1, PARTS + 1)[1:-1]))
        values = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="left"))
    return np.unique(values, return_inverse=True)[1]


def _strength(a: Array, b: Array) -> float:
    """Cramér's V, without what chance gives to few rows (Bergsma, J. Korean Statistical Society 42, 2013)."""
    rows, table = len(a), np.zeros((a.max() + 1, b.max() + 1))
    if rows < FEW or min(table.shape) < 2:
        return 0.0
    np.add.at(table, (a, b), 1)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / rows
    squared = ((table - expected) ** 2 / expected).sum() / rows
    left = max(0.0, squared - (table.shape[0] - 1) * (table.shape[1] - 1) / (rows - 1))
    free = min(size - (size - 1) ** 2 / (rows - 1) for size in table.shape) - 1
    return float(min(1.0, np.sqrt(left / free))) if free > 0 else 0.0
