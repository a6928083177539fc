"""The probability from which a row counts as positive, chosen on the validation rows by a named rule.

f1                     the greatest F1 (Lipton, Elkan and Naryanaswamy, ECML 2014)
macro_f1               the greatest mean of the F1 of both classes
youden                 the greatest recall + specificity - 1 (Youden, Cancer 3, 1950)
cost                   the least cost of wrong decisions (Sheng and Ling, AAAI 2006)
recall_at_precision    the greatest recall among those with at least this precision
auto                   0.5 where it finds rows of both classes, else macro_f1
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.evaluation.settings import EvaluateSettings

HALF = 0.5
FOUND = 0.25  # share of the rows of either class that HALF must find, or auto takes another
Array = NDArray[Any]


def rule(y: Array, probability: Array, settings: EvaluateSettings) -> float | str:
    """A probability, or the rule that chooses one: what the settings say, or what auto comes to on these rows."""
    if settings.threshold != "auto":
        return settings.threshold
    positive, decided = y == 1, probability.astype(np.float64) >= HALF
    found = [decided[positive], ~decided[~positive]]
    return HALF if all(part.mean() >= FOUND for part in found if len(part)) else "macro_f1"


def choose(y: Array, probability: Array, settings: EvaluateSettings) -> float | None:
    """The threshold that the settings ask for; of equally good ones the highest. None: none reaches the precision.

    A threshold lies half-way between two neighbouring probabilities, so that no row stands on it.

    Args:
        y: (rows,) 0 or 1.
        probability: (rows,) of class 1.
    """
    chosen = rule(y, probability, settings)
    if isinstance(chosen, float):
        return chosen
    thresholds, hits, alarms = candidates(y, probability)
    positive = int((y == 1).sum())
    misses, negative = positive - hits, len(y) - positive
    match chosen:
        case "f1":
            worth = 2 * hits / (2 * hits + alarms + misses)
        case "macro_f1":
            right = negative - alarms
            wrong = alarms + misses
            worth = hits / np.maximum(2 * hits + wrong, 1) + right / np.maximum(2 * right + wrong, 1)
        case "youden":
            worth = hits * negative - alarms * positive  # times a constant: whole numbers tie exactly
        case "cost":
            worth = -(settings.costs.false_positive * alarms + settings.costs.false_negative * misses)
        case _:
            enough = (hits > 0) & (hits >= settings.precision * (hits + alarms))
            if not enough.any():
                return None
            worth = np.where(enough, hits, -1)
    return float(thresholds[int(np.argmax(worth))])


def best_precision(y: Array, probability: Array) -> float:
    """The greatest precision at any threshold."""
    _, hits, alarms = candidates(y, probability)
    return float((hits / np.maximum(hits + alarms, 1)).max())


def candidates(y: Array, probability: Array) -> tuple[Array, Array, Array]:
    """Every threshold that decides differently, the highest first, with its true and false positives.

    The first decides for no row, where some threshold below 1 does.
    """
    p = probability.astype(np.float64)
    order = np.argsort(-p, kind="stable")
    p, actual = p[order], (y[order] == 1).astype(np.int64)
    last = np.flatnonzero(np.append(p[1:] < p[:-1], True))  # of each run of equal probabilities
    hits, rows = np.cumsum(actual)[last], last + 1
    thresholds = (p[last] + np.append(p[last[1:]], 0.0)) / 2
    if p[0] < 1:
        thresholds = np.insert(thresholds, 0, (p[0] + 1) / 2)
        hits, rows = np.insert(hits, 0, 0), np.insert(rows, 0, 0)
    usable = (thresholds > 0) & (thresholds < 1)
    return thresholds[usable], hits[usable], (rows - hits)[usable]
