"""The bootstrap. A resample is a number of times that each row counts, so it is a weighting: no row is copied.

B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993: the standard error is the deviation over the
resamples (chapter 6), the interval their percentiles (chapter 13). Bins and thresholds stay as they are in every
resample. Resamples in which a figure is not defined are left out; where they are more than half, nothing is known.

Of more than LARGE rows fewer are drawn, see `affordable`: the ends of an interval are then less sure, by some tenths of
an error that is small itself.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Mapping[str, float]]  # how often each row counts (rows,) -> figures by name
Interval = tuple[float, float]
RESAMPLES = 1000
LEVEL = 0.95
LARGE = 2**18  # rows up to which all resamples that are asked for are drawn
FEWEST = 100  # of them, however many rows there are


@dataclass(frozen=True)
class Difference:
    """One figure of two versions; NaN for what is not known."""

    a: float  # the figure of each version on all rows
    b: float
    difference: float  # b - a
    low: float  # the 95 % interval of the difference
    high: float
    error: float  # its standard error


def affordable(rows: int, count: int) -> int:
    """Of so many resamples those that are drawn: of more than LARGE rows as many as cost what `count` cost there."""
    return count if rows <= LARGE else min(count, max(FEWEST, count * LARGE // rows))


def resamples(rows: int, count: int, seed: int) -> Iterator[Floats]:
    """How often each row is drawn when as many rows as there are, are drawn with replacement."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(generator.integers(0, rows, rows, dtype=np.uint32), minlength=rows).astype(np.float64)


def drawn(
    measure: Callable[[Floats], Mapping[str, float | Floats]], rows: int, count: int, seed: int, parts: int = 1
) -> dict[str, Floats]:
    """Each figure over the resamples (count,); of an array (count, ...).

    Args:
        parts: of one table, these rows among them, that together cost no more than one of LARGE rows.
    """
    found = [measure(weights) for weights in resamples(rows, affordable(rows * parts, count), seed)]
    return {name: np.array([figures[name] for figures in found]) for name in (found[0] if found else ())}


def intervals(measure: Measure, rows: int, count: int, seed: int, parts: int = 1) -> dict[str, Interval | None]:
    """The 95 % interval of each figure; none at all of no resamples. Args: parts: as of `drawn`."""
    return {name: percentiles(values) for name, values in drawn(measure, rows, count, seed, parts).items()}


def percentiles(values: Floats) -> Interval | None:
    """The middle 95 % of the values that are numbers; None where most are not."""
    known = values[np.isfinite(values)]
    if 2 * len(known) < len(values):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mirrored(interval: Interval, value: float, by_chance: float) -> Interval:
    """Of a sum of sizes, such as a calibration error, whose resamples lie above it as it lies above the truth: basic
    interval (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 5.2), with the value in it.
    Where that is no more than comes `by_chance`, nothing contradicts a truth of 0, and the interval begins there."""
    low, high = 2 * value - interval[1], 2 * value - interval[0]
    return max(0.0, min(low, value)) if value > by_chance else 0.0, max(high, value)


def paired(a: Measure, b: Measure, rows: int, count: int = RESAMPLES, seed: int = 0) -> dict[str, Difference]:
    """The difference of every figure of two versions on the same rows, in one order; both are on the same resamples, so
    that what is hard for both cancels."""

    def measure(weights: Floats) -> dict[str, float]:
        of_a, of_b = a(weights), b(weights)
        return {name: of_b[name] - of_a[name] for name in of_a}

    ones = np.ones(rows)
    of_a, of_b, moved = a(ones), b(ones), drawn(measure, rows, count, seed)
    return {name: _difference(of_a[name], of_b[name], values) for name, values in moved.items()}


def _difference(a: float, b: float, values: Floats) -> Difference:
    interval = percentiles(values)
    known = values[np.isfinite(values)]
    if not math.isfinite(b - a) or interval is None or len(known) < 2:
        return Difference(a, b, b - a, math.nan, math.nan, math.nan)
    return Difference(a, b, b - a, *interval, float(known.std(ddof=1)))
