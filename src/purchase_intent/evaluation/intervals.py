"""95 % intervals by the bootstrap.

A resample is a number of times that each row counts, so it is a weighting: `metrics` measures it without copying rows.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Measure = Callable[[NDArray[np.float64]], dict[str, float]]
Interval = tuple[float, float]
LEVEL = 0.95


def bootstrap(measure: Measure, rows: int, count: int, seed: int) -> dict[str, Interval | None]:
    """The percentile interval of each figure (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).

    Bins and thresholds stay as they are in every resample. Resamples in which a figure is not defined are left out of
    its interval; where they are more than half, there is none.

    Args:
        measure: figures by name for how often each row counts (rows,).
        count: of resamples; 0: no intervals.
    """
    drawn = [measure(weights) for weights in resamples(rows, count, seed)]
    if not drawn:
        return {}
    return {name: percentiles(np.array([figures[name] for figures in drawn])) for name in drawn[0]}


def resamples(rows: int, count: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each row is drawn when as many rows as there are, are drawn with replacement."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(generator.integers(0, rows, rows, dtype=np.uint32), minlength=rows).astype(np.float64)


def percentiles(values: NDArray[np.float64]) -> Interval | None:
    """The middle 95 % of the values that are numbers."""
    known = values[np.isfinite(values)]
    if 2 * len(known) < len(values):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
