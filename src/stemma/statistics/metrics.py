"""Figures of predictions in a form that a bootstrap can repeat fast: sort once, then weigh the rows.

A resample of n rows with replacement is n counts: how often each row was drawn. Every figure here is a function of
such counts, so that nothing is sorted or copied anew for a resample. With every count 1 the figures are those of
scikit-learn, under the names that reports/metrics.json uses.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]

LOWER = frozenset({"brier", "cost", "mae", "mape", "mse", "rmse"})


@dataclass(frozen=True)
class Part:
    """Figures that are computed together.

    Args:
        names: of the figures.
        values: counts (rows,) of a resample -> the figures, in the order of the names; NaN where one has no meaning.
    """

    names: tuple[str, ...]
    values: Callable[[Floats], Sequence[float]]


Parts = tuple[Part, ...]


def lower_is_better(name: str) -> bool:
    """Whether less of a figure is better, also of one that is not computed here; `test.` and the like are left out."""
    last = name.rpartition(".")[2]
    return last in LOWER or last.endswith(("_loss", "_error"))


def figures(parts: Parts, rows: int) -> dict[str, float]:
    """Every figure on the rows as they are."""
    every = np.ones(rows)
    return {name: float(value) for part in parts for name, value in zip(part.names, part.values(every), strict=True)}


def only(parts: Parts, name: str) -> Parts:
    """The part that holds one figure."""
    return tuple(part for part in parts if name in part.names)


def binary(actual: Array, decided: Array, p: Array, costs: tuple[float, float] | None = None) -> Parts:
    """Two classes.

    Args:
        actual, decided: (rows,), true or 1 for the positive class.
        p: (rows,) probability of the positive class.
        costs: of a false positive and of a false negative; with them, `cost` is the mean cost of a row.
    """
    actual, decided, p = np.asarray(actual, bool), np.asarray(decided, bool), np.asarray(p, np.float64)
    true_class = np.where(actual, p, 1 - p)
    losses = {"log_loss": _nats(true_class), "brier": (p - actual) ** 2}
    if costs is not None:
        losses["cost"] = (decided & ~actual) * costs[0] + (~decided & actual) * costs[1]
    cells = actual * 2 + decided
    roc_auc, pr_auc = _roc_auc(actual, p), _pr_auc(actual, p)

    def of_decisions(counts: Floats) -> tuple[float, ...]:
        tn, fp, fn, tp = np.bincount(cells, counts, minlength=4)
        precision, recall, negative = _ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(tn, tn + fp)
        spread = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        return (
            (tp + tn) / (tn + fp + fn + tp),
            (recall + negative) / 2 if tp + fn and tn + fp else math.nan,
            precision,
            recall,
            _ratio(2 * tp, 2 * tp + fp + fn),
            _ratio(tp * tn - fp * fn, spread),
        )

    names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc")
    return (
        Part(("roc_auc",), lambda counts: (roc_auc(counts),)),
        Part(("pr_auc",), lambda counts: (pr_auc(counts),)),
        _means(losses),
        Part(names, of_decisions),
    )


def multiclass(actual: Array, decided: Array, probabilities: Array) -> Parts:
    """Several classes: averages over classes are macro averages, the ROC-AUC is one against the rest.

    Args:
        actual, decided: (rows,) class numbers.
        probabilities: (rows, classes).
    """
    classes = probabilities.shape[1]
    p = probabilities.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    cells = actual * classes + decided
    areas = [_roc_auc(actual == number, p[:, number]) for number in range(classes)]

    def of_decisions(counts: Floats) -> tuple[float, ...]:
        matrix = np.bincount(cells, counts, minlength=classes**2).reshape(classes, classes)
        right, of_class, chosen = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        seen = of_class + chosen > 0  # scikit-learn averages over the classes that occur
        recall, precision = _ratios(right, of_class), _ratios(right, chosen)
        f1 = _ratios(2 * right, of_class + chosen)
        total = counts.sum()
        covariance = right.sum() * total - of_class @ chosen
        spread = math.sqrt((total**2 - chosen @ chosen) * (total**2 - of_class @ of_class))
        return (
            right.sum() / total,
            recall[of_class > 0].mean(),
            precision[seen].mean(),
            recall[seen].mean(),
            f1[seen].mean(),
            _ratio(covariance, spread),
        )

    names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc")
    return (
        _means({"log_loss": _nats(p[np.arange(len(actual)), actual])}),
        Part(("roc_auc",), lambda counts: (float(np.mean([area(counts) for area in areas])),)),
        Part(names, of_decisions),
    )


def regression(actual: Array, predicted: Array) -> Parts:
    """Values (rows,); mae and rmse in the unit of the target, r2 has none."""
    actual = np.asarray(actual, np.float64)
    errors = np.asarray(predicted, np.float64) - actual
    centred = actual - actual.mean()  # r2 does not change, and loses no digits to a large mean
    columns = np.column_stack([np.abs(errors), errors**2, centred, centred**2])

    def values(counts: Floats) -> tuple[float, ...]:
        absolute, squared, mean, second = counts @ columns / counts.sum()
        variance = second - mean**2
        return absolute, math.sqrt(squared), 1 - squared / variance if variance > 0 else math.nan

    return (Part(("mae", "rmse", "r2"), values),)


def _means(losses: Mapping[str, Array]) -> Part:
    columns = np.column_stack(list(losses.values()))
    return Part(tuple(losses), lambda counts: counts @ columns / counts.sum())


def _nats(p: Array) -> Floats:
    """-log p; a probability of 0 counts as the smallest step above it that scikit-learn knows."""
    least = np.finfo(np.float64).eps
    return np.asarray(-np.log(np.clip(p, least, 1 - least)))


def _roc_auc(actual: NDArray[np.bool_], score: Floats) -> Callable[[Floats], float]:
    """Chance that a positive row scores above a negative one, ties half (Hanley and McNeil, Radiology 143, 1982)."""
    positive, negative = np.flatnonzero(actual), np.flatnonzero(~actual)
    negative = negative[np.argsort(score[negative], kind="stable")]
    below = np.searchsorted(score[negative], score[positive], "left")
    not_above = np.searchsorted(score[negative], score[positive], "right")

    def area(counts: Floats) -> float:
        up_to = _running(counts[negative])
        weights = counts[positive]
        pairs = weights.sum() * up_to[-1]
        return float(weights @ (up_to[below] + up_to[not_above]) / (2 * pairs)) if pairs else math.nan

    return area


def _pr_auc(actual: NDArray[np.bool_], score: Floats) -> Callable[[Floats], float]:
    """Average precision: the sum over thresholds of precision times the step of recall, as scikit-learn has it."""
    positive, negative = np.flatnonzero(actual), np.flatnonzero(~actual)
    positive = positive[np.argsort(-score[positive], kind="stable")]
    negative = negative[np.argsort(-score[negative], kind="stable")]
    hits = np.searchsorted(-score[positive], -score[positive], "right")
    false = np.searchsorted(-score[negative], -score[positive], "right")

    def area(counts: Floats) -> float:
        weights = counts[positive]
        found = _running(weights)[hits]
        chosen = found + _running(counts[negative])[false]
        total = weights.sum()
        precision = np.divide(found, chosen, out=np.zeros_like(found), where=chosen > 0)
        return float(weights @ precision / total) if total else math.nan

    return area


def _running(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2, ... values."""
    sums = np.empty(len(values) + 1)
    sums[0] = 0.0
    np.cumsum(values, out=sums[1:])
    return sums


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _ratios(part: Array, whole: Array) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
