"""What the first layers make of an encoded row, the same in both frameworks.

A code becomes a learned vector, in every model. In the models for tables a numeric column becomes a vector too: a line
in its value plus weights times its pieces, which start at 0 (Gorishniy, Rubachev and Babenko, On Embeddings for
Numerical Features in Tabular Deep Learning, NeurIPS 2022, section 3.2). Piece t of a value is the share of bin t that
lies below it, from 0 to 1, so the vector follows a broken line that bends at the edges of the bins; these are quantiles
of the training rows, in which no value counts for more rows than one bin has. All other numbers pass as they are.
"""

import math

import numpy as np

from stemma.tables.profile import Block
from stemma.training.base import Floats, Problem

WIDEST = 1024  # numbers that all numeric columns become together: in a table of many columns each becomes fewer
MOST_PIECES = 8192  # of all numeric columns of a row, for the same reason
WIDEST_CODE = 32  # numbers of a code's vector, at most
SMALLEST_BIN = 1e-6  # width in the unit of an encoded number, which has a deviation near 1

Runs = tuple[tuple[int, int], ...]  # (first, end) of neighbouring numbers of a row


def blocks(problem: Problem) -> tuple[Block, ...]:
    """What the numbers of a row are; without another word, all of them are numeric."""
    return problem.blocks or (Block("", "numeric", 0, problem.inputs),)


def runs(problem: Problem, *kinds: str) -> Runs:
    """Where the numbers of these kinds stand; neighbours are joined."""
    joined: list[tuple[int, int]] = []
    for block in blocks(problem):
        if block.kind in kinds:
            first, end = block.start, block.start + block.width
            joined[-1:] = [(joined[-1][0], end)] if joined and joined[-1][1] == first else [*joined[-1:], (first, end)]
    return tuple(joined)


def codes(problem: Problem) -> tuple[Block, ...]:
    """The blocks to look up in a table of vectors."""
    return tuple(block for block in blocks(problem) if block.kind == "code")


def count(places: Runs) -> int:
    """How many numbers."""
    return sum(end - first for first, end in places)


def dimension(levels: int) -> int:
    """Numbers of the vector of a code: 1.6 * levels^0.56, the rule of fastai (Howard and Gugger, Information 11, 2020),
    which fits no more than it must into a small table when it is bounded."""
    return max(1, min(WIDEST_CODE, round(1.6 * math.pow(levels, 0.56))))


def units(problem: Problem, most: int) -> int:
    """Numbers of the vector of each numeric column."""
    return max(1, min(most, WIDEST // max(1, count(runs(problem, "numeric")))))


def width(problem: Problem, numeric_units: int = 1) -> int:
    """Numbers of an embedded row; of a numeric column there are `numeric_units`."""
    numeric, binary = (count(runs(problem, kind)) for kind in ("numeric", "binary"))
    return numeric * numeric_units + binary + sum(dimension(block.size) for block in codes(problem))


def edges(x: Floats | None, problem: Problem, most: int) -> Floats:
    """The edges of each numeric column's bins, (columns, bins + 1), ascending; one with fewer bins repeats its highest.

    Args:
        x: encoded training rows (rows, inputs); without rows all edges are 0.
        most: bins, at most.
    """
    columns = [column for first, end in runs(problem, "numeric") for column in range(first, end)]
    bins = max(1, min(most, MOST_PIECES // max(1, len(columns))))
    found = np.zeros((len(columns), bins + 1), np.float32)
    if x is not None:
        for row, column in enumerate(columns):
            distinct = _bends(x[:, column], bins)
            found[row] = distinct[-1]
            found[row, : len(distinct)] = distinct
    return found


def _bends(values: Floats, bins: int) -> Floats:
    """All values, where they are few; else their quantiles at equal steps, equal ones once.

    A value of more rows than a bin has would take several quantiles, and leave fewer to the others: one of 92 % of the
    rows 4 of 48. So it counts for the rows of one bin, and two more, with which a quantile falls on it for certain.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= bins + 1:
        return distinct
    while (most := counts.sum() // bins + 2) < counts.max():
        counts = np.minimum(counts, most)
    steps = np.linspace(0, 1, bins + 1)
    return np.unique(np.quantile(np.repeat(distinct, counts).astype(np.float64), steps).astype(np.float32))
