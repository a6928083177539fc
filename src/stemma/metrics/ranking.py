"""Areas under the ROC and the precision-recall curve, for many weightings of the same rows."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Ranking:
    """Rows sorted by score, once; each weighting of them then costs a few sums over the positive rows.

    Args:
        positive: (rows,) truth values.
        score: (rows,) ascending.
    """

    def __init__(self, positive: NDArray[np.bool_], score: Floats) -> None:
        self._places = np.flatnonzero(positive)
        own = score[self._places]
        # Where the rows that tie with each positive row begin and end, among all rows and among the positive ones.
        self._low = np.searchsorted(score, own, side="left")
        self._high = np.searchsorted(score, own, side="right")
        self._own_low = np.searchsorted(own, own, side="left")

    def areas(self, weights: Floats) -> tuple[float, float]:
        """ROC-AUC and average precision of rows with these weights (rows,); NaN where a side has no weight.

        ROC-AUC is the chance that a positive row scores above another, a tie counts half (Hanley and McNeil, Radiology
        143, 1982). Average precision is the mean precision at the positive rows, without interpolation (Davis and
        Goadrich, ICML 2006).
        """
        below = _cumulated(weights)
        own = weights.take(self._places)
        own_below = _cumulated(own)
        positive, total = own_below[-1], below[-1]
        if positive <= 0:
            return math.nan, math.nan
        above = total - below.take(self._low)
        own_above = positive - own_below.take(self._own_low)
        precision = np.divide(own_above, above, out=np.zeros_like(above), where=own > 0)
        average = float((own * precision).sum() / positive)
        if total <= positive:
            return math.nan, average
        wins = (own * (below.take(self._low) + below.take(self._high))).sum() / 2 - positive * positive / 2
        return float(wins / (positive * (total - positive))), average


def roc_auc(positive: NDArray[np.bool_], score: NDArray[Any]) -> float:
    """Of plain scores (rows,), see `Ranking.areas`."""
    return _ranked(positive, score)[0]


def areas(actual: NDArray[Any], probabilities: NDArray[Any]) -> list[tuple[float, float]]:
    """ROC-AUC and average precision of each class against the rest; see `Ranking.areas`."""
    return [_ranked(actual == number, column) for number, column in enumerate(probabilities.T)]


def _ranked(positive: NDArray[np.bool_], score: NDArray[Any]) -> tuple[float, float]:
    order = np.argsort(score, kind="stable")
    return Ranking(positive[order], score[order].astype(np.float64)).areas(np.ones(len(score)))


def _cumulated(weights: Floats) -> Floats:
    """Sums of the first 0, 1, ... all weights."""
    sums = np.empty(len(weights) + 1)
    sums[0] = 0.0
    np.cumsum(weights, out=sums[1:])
    return sums
