"""Tests of a column in service beside its reference, of which only a profile is known.

Of numbers a profile gives exact facts: so many rows lie below an edge of the histogram, and no more than k rows below a
quantile and no fewer than k up to it. Where many rows share a value, a fact bounds the share from one side only, so a
test is never surer than the facts are.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from stemma.watch.columns import Column

Floats = NDArray[Any]
EXPECTED = 5  # rows of a bin; those with fewer are one
UNSEEN = 7.0  # rows: a level that more than these would have been met by was met, but for once in 1,000 times
ALIKE = 0.15  # how far the factors of a change of unit differ
FACTOR = 3.0  # from which a change of scale is one of unit
WEIGHTS = {  # of what a column's tests share
    "number": {"location": 0.5, "shape": 0.2, "range": 0.1, "missing": 0.2},
    "text": {"shape": 0.5, "new": 0.25, "missing": 0.25},
}


def of_numbers(reference: Column, values: Floats) -> dict[str, float]:
    """p-values of a column (rows,) of numbers, NaN where there is none."""
    present = np.sort(values[~np.isnan(values)])
    rows = sum(reference["histogram"]["counts"])
    found = {"missing": missing(reference["missing"], rows, len(values) - len(present), len(present))}
    if not rows or not len(present):
        return found
    low, high = (np.asarray(reference[end], values.dtype) for end in ("min", "max"))
    first, last = np.searchsorted(present, low, "left"), np.searchsorted(present, high, "right")
    found["range"] = min(1.0, 2 * beyond(max(int(first), len(present) - int(last)), len(present), rows))
    inside = present[first:last]
    if len(inside):
        found |= _placed(reference, inside, rows)
    return found


def _placed(reference: Column, inside: Floats, rows: int) -> dict[str, float]:
    """Location: a rank test (Wilcoxon, Biometrics 1, 1945) over known points. Shape: Kolmogorov-Smirnov at them."""
    points, lower, upper = known(reference, inside.dtype, rows)
    up_to, below = (np.searchsorted(inside, points, side) / len(inside) for side in ("right", "left"))
    sizes = 1 / len(inside) + 1 / rows
    gap = max((lower - up_to).max(initial=0), (below - upper).max(initial=0))
    larger, smaller = _sided(lower, up_to, sizes, rows), _sided(1 - upper, 1 - below, sizes, rows)
    return {
        "location": min(1.0, 2 * float(stats.norm.sf(max(larger, smaller)))),
        "shape": float(stats.kstwobign.sf(gap / math.sqrt(sizes))),
    }


def known(reference: Column, dtype: Any, rows: int) -> tuple[Floats, Floats, Floats]:
    """Points, rising; the least share of the reference that is at most each, and the most that is below it.

    Points are rounded as the values are, which leaves both true.
    """
    edges, counts = reference["histogram"]["edges"][1:-1], np.cumsum(reference["histogram"]["counts"])[:-1]
    quantiles = [(value, (rows - 1) * int(percent) // 100 + 1) for percent, value in reference["quantiles"].items()]
    facts = np.array([*zip(edges, counts, strict=True), *quantiles])
    points, place = np.unique(facts[:, 0].astype(dtype), return_inverse=True)
    lower, upper = np.zeros(len(points)), np.ones(len(points))
    np.maximum.at(lower, place, facts[:, 1] / rows)
    np.minimum.at(upper, place, facts[:, 1] / rows)
    return points, np.maximum.accumulate(lower), np.minimum.accumulate(upper[::-1])[::-1]


def _sided(reference: Floats, shares: Floats, sizes: float, rows: int) -> float:
    """How many standard errors the reference's shares of nested parts lie above those of the column, by ranks."""
    order = np.argsort(reference, kind="stable")
    steps = np.diff(np.concatenate([[0.0], reference[order], [1.0]]))
    weights = np.empty(len(reference))
    weights[order] = (steps[:-1] + steps[1:]) / 2
    pooled = shares + (reference - shares) / (rows * sizes)  # rows of the reference over all rows
    covariance = np.minimum.outer(pooled, pooled) - np.outer(pooled, pooled)
    variance = float(weights @ covariance @ weights) * sizes
    return float(weights @ (reference - shares)) / math.sqrt(variance) if variance > 0 else 0.0


def of_texts(reference: Column, counts: Mapping[str, int], gone: int) -> dict[str, float]:
    """p-values of a column of texts, from how often each occurs, and how many rows have none."""
    values, other = reference["values"], reference.get("other", 0)
    rows, present = sum(values.values()) + other, sum(counts.values())
    found = {"missing": missing(reference["missing"], rows, gone, present)}
    if not rows or not present:
        return found
    rest = present - sum(counts.get(name, 0) for name in values)
    pairs = [(before, counts.get(name, 0)) for name, before in values.items()]
    if other:  # names that the profile leaves out
        return found | {"shape": chi_square([*pairs, (other, rest)])}
    once = sum(count == 1 for count in values.values())
    chance = min(1.0, (once + UNSEEN) / rows)  # I. J. Good, Biometrika 40, 1953
    return found | {"shape": chi_square(pairs), "new": float(stats.binom.sf(rest - 1, present, chance))}


def chi_square(pairs: Sequence[tuple[int, int]]) -> float:
    """Whether two samples have the same shares, from their counts in each bin; rare bins are one."""
    counts = np.array(pairs, np.float64)
    totals = counts.sum(axis=0)
    if not totals.all():
        return 1.0
    rare = counts.sum(axis=1) * totals.min() / totals.sum() < EXPECTED
    counts = np.concatenate([counts[~rare], counts[rare].sum(axis=0, keepdims=True)])
    counts = counts[counts.sum(axis=1) > 0]
    return float(stats.chi2_contingency(counts, correction=False).pvalue) if len(counts) > 1 else 1.0


def missing(gone_before: int, present_before: int, gone: int, present: int) -> float:
    """Fisher's exact test of the share without a value."""
    return float(stats.fisher_exact([[gone_before, present_before], [gone, present]]).pvalue)


def beyond(count: int, rows: int, reference: int) -> float:
    """Chance that so many of the rows lie beyond an end of the reference: that they are the outermost of all."""
    of_rows = special.gammaln(rows + 1) - special.gammaln(rows - count + 1)
    of_all = special.gammaln(rows + reference + 1) - special.gammaln(rows + reference - count + 1)
    return float(np.exp(of_rows - of_all))


def factor(reference: Column, now: Column) -> float | None:
    """How many times larger a column is, where all of its quantiles are so: another unit. None where it is no such."""
    quantiles = reference["quantiles"]
    some = 0.05 * (quantiles["95"] - quantiles["5"])  # a quantile near zero has no factor
    ends = [(quantiles[percent], now["quantiles"][percent]) for percent in ("25", "50", "75", "95")]
    pairs = [(before, after) for before, after in ends if abs(before) > some]
    pairs += [(reference["std"], now["std"])] if len(pairs) < 2 else []
    ratios = np.array([after / before for before, after in pairs if before])
    if len(ratios) < 2 or ratios.min() <= 0:
        return None
    middle = float(np.median(ratios))
    alike = np.abs(ratios / middle - 1).max() <= ALIKE
    return middle if alike and not 1 / FACTOR < middle < FACTOR else None
