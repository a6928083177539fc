"""Paired bootstrap: both versions are judged on the same resamples of the rows, so that what is hard for both cancels.

B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993: the standard error is the deviation over the
resamples (chapter 6), the interval their percentiles (chapter 13).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stemma.statistics.metrics import Floats, Parts, figures

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """One figure of two versions.

    Args:
        a, b: the figure of each on all rows.
        difference: b - a.
        low, high: the 95 % interval of the difference.
        error: its standard error.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    error: float


def paired(a: Parts, b: Parts, rows: int, resamples: int = RESAMPLES, seed: int = 0) -> Mapping[str, Difference]:
    """The difference of every figure with its interval.

    Args:
        a, b: figures of two versions on the same rows, in the same order.
        resamples: how many; a figure without meaning in one of them (no positive row was drawn) leaves that one out.

    Returns:
        By name. A figure that has no meaning on the rows as they are is NaN throughout.
    """
    names = [name for part in a for name in part.names]
    drawn = np.diff(_drawn((a, b), rows, resamples, seed), axis=1)[:, 0]
    of_a, of_b = figures(a, rows), figures(b, rows)
    return {name: _difference(of_a[name], of_b[name], drawn[:, place]) for place, name in enumerate(names)}


def errors(parts: Parts, rows: int, resamples: int = RESAMPLES, seed: int = 0) -> Mapping[str, float]:
    """The standard error of every figure of one version; NaN where it has no meaning."""
    names = [name for part in parts for name in part.names]
    drawn, found = _drawn((parts,), rows, resamples, seed)[:, 0], figures(parts, rows)
    return {name: _difference(0.0, found[name], drawn[:, place]).error for place, name in enumerate(names)}


def _drawn(versions: Sequence[Parts], rows: int, resamples: int, seed: int) -> Floats:
    """Figures (resamples, versions, figures): all versions on the same resamples."""
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        counts = np.bincount(generator.integers(rows, size=rows, dtype=np.int32), minlength=rows).astype(np.float64)
        values.append([[value for part in parts for value in part.values(counts)] for parts in versions])
    return np.array(values, np.float64)


def _difference(a: float, b: float, drawn: Floats) -> Difference:
    drawn = drawn[np.isfinite(drawn)]
    if not math.isfinite(b - a) or len(drawn) < 2:
        return Difference(a, b, b - a, math.nan, math.nan, math.nan)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(a, b, b - a, float(low), float(high), float(drawn.std(ddof=1)))
