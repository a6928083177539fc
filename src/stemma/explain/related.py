"""Columns that go together: where one is moved without the other, a network is asked about rows that do not occur."""

from itertools import combinations

import numpy as np

from stemma.explain.model import Array, Table

STRONG = 0.5
PARTS = 5  # of a number's values, as many in each
FEW, WIDE = 30, 200  # rows that tell nothing of it; columns of a table whose pairs are too many


def related(rows: Table) -> tuple[tuple[str, str, float], ...]:
    """Pairs of columns that go together, the strongest first."""
    codes = {name: _coded(values) for name, values in rows.items()} if len(rows) <= WIDE else {}
    found = [(a, b, round(_strength(codes[a], codes[b]), 2)) for a, b in combinations(codes, 2)]
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
