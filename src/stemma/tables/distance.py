"""How far the distribution of one column moved between two profiles.

Both distributions are cut into the same bins: a text or truth value is a bin of its own; numbers are cut in six,
half-way between the 5, 25, 50, 75 and 95 % quantiles of the two versions, and the share of rows in a bin is read from
the profile's quantiles and histogram, straight lines between them. Where many rows share one value, such as 0, the
share up to it is not known well: a cut there moves up to the next point where it is. Missing values are a bin. With
shares p and q:

    PSI   sum (q - p) ln(q / p), shares under 0.0001 counted as 0.0001. Below 0.1 stable, below 0.25 moderate, else
          large (N. Siddiqi, Credit Risk Scorecards, Wiley 2006, chapter 10)
    JS    Jensen-Shannon divergence, base 2, in [0, 1] (J. Lin, IEEE Transactions on Information Theory 37, 1991)

Both are the same when the versions are swapped.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 1e-4
MODERATE, LARGE = 0.1, 0.25
Shares = NDArray[np.float64]


def psi(before: Shares, after: Shares) -> float:
    """Population stability index of two distributions over the same bins (bins,), each summing to 1."""
    p, q = np.maximum(before, LEAST_SHARE), np.maximum(after, LEAST_SHARE)
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(before: Shares, after: Shares) -> float:
    """Jensen-Shannon divergence in bits, in [0, 1], of two distributions over the same bins (bins,)."""
    middle = (before + after) / 2
    found = sum(float(np.sum(s[s > 0] * np.log2(s[s > 0] / middle[s > 0]))) / 2 for s in (before, after))
    return min(max(found, 0.0), 1.0)


def level(value: float) -> str:
    """What a PSI is called: stable, moderate or large."""
    return "stable" if value < MODERATE else "moderate" if value < LARGE else "large"


def shares(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Shares, Shares] | None:
    """The distributions of one column over common bins, from its entry in both profiles; None where they have none."""
    if "values" in before and "values" in after:
        return _of_values(before, after)
    if "quantiles" in before and "quantiles" in after:
        return _of_numbers(before, after)
    return None


def _of_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Shares, Shares]:
    """Bins are the values that both name, and those that one names and the other cannot hold among its rare ones."""
    names = sorted({*before["values"], *after["values"]})
    own = [
        name
        for name in names
        if (name in before["values"] or not before.get("other")) and (name in after["values"] or not after.get("other"))
    ]
    counts = []
    for column in (before, after):
        named = [column["values"].get(name, 0) for name in own]
        rest = sum(column["values"].values()) + column.get("other", 0) - sum(named)
        counts.append([*named, rest, column["missing"]])
    return _normalised(counts[0]), _normalised(counts[1])


def _of_numbers(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Shares, Shares]:
    """Cut half-way between the quantiles of the two: near a known point of either, so that little is interpolated."""
    pairs = [(before["quantiles"][percent], after["quantiles"][percent]) for percent in before["quantiles"]]
    known = [pair for pair in pairs if None not in pair]
    sides = _cumulative(before), _cumulative(after)
    vague = [stretch for column, known in zip((before, after), sides, strict=True) for stretch in _vague(column, known)]
    cuts = np.unique([_moved((low + high) / 2, vague) for low, high in known])
    return _binned(before, sides[0], cuts), _binned(after, sides[1], cuts)


def _binned(column: Mapping[str, Any], known: Mapping[float, float], cuts: Shares) -> Shares:
    """Rows up to each cut, between them, above the last, and without a value."""
    present = sum(column["histogram"]["counts"])
    if not present:
        return _normalised([*[0] * (len(cuts) + 1), column["missing"]])
    up_to = np.interp(cuts, list(known), list(known.values()), left=0.0, right=1.0)
    return _normalised([*(np.diff([0.0, *up_to, 1.0]) * present), column["missing"]])


def _cumulative(column: Mapping[str, Any]) -> dict[float, float]:
    """By value, rising: the share of values that are at most that, from the quantiles and the histogram."""
    edges, counts = column["histogram"]["edges"], column["histogram"]["counts"]
    if not sum(counts):
        return {}
    known = list(zip(edges, (np.concatenate([[0], np.cumsum(counts)]) / sum(counts)).tolist(), strict=True))
    known += [(value, int(percent) / 100) for percent, value in column["quantiles"].items()]
    rising: dict[float, float] = {}
    highest = 0.0
    for value, share in sorted(known):
        rising[value] = highest = max(share, highest)
    return rising


def _vague(column: Mapping[str, Any], known: Mapping[float, float]) -> list[tuple[float, float]]:
    """From each value that several quantiles share (the smallest value counts as one) to the next known point."""
    points = [*column["histogram"]["edges"][:1], *column["quantiles"].values()]
    return [(value, end) for value, end in pairwise(known) if points.count(value) > 1]


def _moved(cut: float, vague: Sequence[tuple[float, float]]) -> float:
    """The cut, or the next place above it that lies in no such stretch."""
    for start, end in sorted(vague):
        if start <= cut < end:
            cut = end
    return cut


def _normalised(counts: Sequence[float]) -> Shares:
    """Shares of all rows; of none, every one is 0."""
    array = np.array(counts, np.float64)
    return array / array.sum() if array.sum() else array
