"""Figures of predictions, for any weighting of their rows.

A weighting is how often each row counts: all ones give the plain figures, a bootstrap resample gives others. What does
not depend on weights is computed once. Every figure equals scikit-learn's with `sample_weight`; a test keeps it so. One
that is not defined for the rows (0 / 0: a class is absent, nothing is predicted positive) is NaN, `None` in files.

No sum here goes through BLAS, which cuts sums by threads: the same rows give the same bytes on any number of them.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from purchase_intent.evaluation.ranking import Ranking

Array = NDArray[Any]
Floats = NDArray[np.float64]
Figures = dict[str, float]
MAIN = {  # shown first; the very first is what models are compared by
    "binary": ("roc_auc", "pr_auc", "log_loss", "balanced_accuracy", "f1"),
    "multiclass": ("balanced_accuracy", "accuracy", "f1", "roc_auc", "log_loss"),
    "regression": ("rmse", "mae", "r2"),
}
LESS_IS_BETTER = ("log_loss", "brier", "calibration_error", "mae", "rmse", "error_p50", "error_p90", "error_p95")
ERROR_QUANTILES = {"error_p50": 0.5, "error_p90": 0.9, "error_p95": 0.95}


class Judged(Protocol):
    """Predictions beside the truth, ready for any weighting (rows,)."""

    rows: int

    def figures(self, weights: Floats) -> Figures: ...

    def main(self, weights: Floats) -> float:
        """The first of MAIN alone."""
        ...


def judged(task: str, y: Array, predictions: Array, threshold: float | None, bins: int) -> Judged:
    """Predictions of a task, ready to be measured.

    Args:
        y: (rows,) class numbers, or values.
        predictions: probabilities (rows, classes), or values (rows, 1).
        threshold: probability from which a row counts as positive, for two classes; None: nothing is decided.
        bins: of the calibration error, each with the same number of rows.
    """
    if task == "regression":
        return Regression(y, predictions)
    return Binary(y, predictions, threshold, bins) if task == "binary" else Multiclass(y, predictions, bins)


def judge(task: str, y: Array, predictions: Array, threshold: float | None, bins: int) -> Figures:
    """All figures of a task, every row counted once."""
    return judged(task, y, predictions, threshold, bins).figures(np.ones(len(y)))


def names(task: str) -> tuple[str, ...]:
    """Every figure of a task."""
    width = {"binary": 2, "multiclass": 3, "regression": 1}[task]
    return tuple(judge(task, np.zeros(1), np.full((1, width), 1 / width), 0.5, 2))


def classify(task: str, predictions: Array, threshold: float | None) -> NDArray[np.int64]:
    """The class number (rows,) that is decided for."""
    if task == "binary":
        reached = math.inf if threshold is None else threshold
        return (predictions[:, 1].astype(np.float64) >= reached).astype(np.int64)
    return predictions.argmax(axis=1)


def roc_auc(y: Array, score: Array) -> float:
    """Of plain scores (rows,) against class numbers 0 and 1; see `Ranking.areas`."""
    order = np.argsort(score, kind="stable")
    return Ranking(y[order] == 1, score[order].astype(np.float64)).areas(np.ones(len(y)))[0]


def areas(y: Array, probabilities: Array) -> list[tuple[float, float]]:
    """ROC-AUC and average precision of each class against the rest."""
    made = []
    for number in range(probabilities.shape[1]):
        order = np.argsort(probabilities[:, number], kind="stable")
        ranking = Ranking(y[order] == number, probabilities[order, number].astype(np.float64))
        made.append(ranking.areas(np.ones(len(y))))
    return made


class Binary:
    """Two classes; class 1 is the positive one."""

    def __init__(self, y: Array, probabilities: Array, threshold: float | None, bins: int) -> None:
        p = probabilities[:, 1].astype(np.float64)
        self.rows, self._decides = len(y), threshold is not None
        self._order = np.argsort(p, kind="stable")
        p, actual = p[self._order], y[self._order].astype(np.int64)
        decided = classify("binary", probabilities, threshold)[self._order]
        self._cells = actual * 2 + decided
        self._ranking = Ranking(actual == 1, p)
        self._losses = np.stack([_log_losses(np.where(actual == 1, p, 1 - p)), np.square(p - actual)])
        self._bins = _Bins(p, p - actual, bins)

    def figures(self, weights: Floats) -> Figures:
        """Log loss is in nats. Brier: Monthly Weather Review 78, 1950."""
        w = weights[self._order].astype(np.float64)
        total = float(w.sum())
        confusion = np.bincount(self._cells, weights=w, minlength=4).reshape(2, 2)
        (_, fp), (fn, tp) = confusion.tolist()
        found = _decisions(confusion) if self._decides else dict.fromkeys(("accuracy", "balanced_accuracy", "mcc"))
        loss, brier = np.einsum("kn,n->k", self._losses, w).tolist()
        area, average = self._ranking.areas(w)
        decided = self._decides
        return {
            "log_loss": _ratio(loss, total),
            "accuracy": _number(found["accuracy"]),
            "balanced_accuracy": _number(found["balanced_accuracy"]),
            "precision": _ratio(tp, tp + fp) if decided else math.nan,
            "recall": _ratio(tp, tp + fn) if decided else math.nan,
            "f1": _ratio(2 * tp, 2 * tp + fp + fn) if decided else math.nan,
            "roc_auc": area,
            "pr_auc": average,
            "brier": _ratio(brier, total),
            "calibration_error": self._bins.error(w),
            "mcc": _number(found["mcc"]),
        }

    def main(self, weights: Floats) -> float:
        return self._ranking.areas(weights[self._order].astype(np.float64))[0]


class Multiclass:
    """Several classes. Averages over classes are macro averages; areas are of each class against the rest."""

    def __init__(self, y: Array, probabilities: Array, bins: int) -> None:
        p = probabilities.astype(np.float64)
        actual, decided = y.astype(np.int64), p.argmax(axis=1)
        rows, self._classes = p.shape
        self.rows = rows
        self._cells = actual * self._classes + decided
        self._orders = [np.argsort(p[:, number], kind="stable") for number in range(self._classes)]
        self._rankings = [
            Ranking(actual[order] == number, p[order, number]) for number, order in enumerate(self._orders)
        ]
        confidence = p.max(axis=1)
        p /= p.sum(axis=1, keepdims=True)  # sums of float32 miss 1; not before ranks were taken, it would part ties
        squared = np.square(p).sum(axis=1) - 2 * p[np.arange(rows), actual] + 1
        self._losses = np.stack([_log_losses(p[np.arange(rows), actual]), squared])
        self._by_confidence = np.argsort(confidence, kind="stable")
        gap = (confidence - (actual == decided))[self._by_confidence]
        self._bins = _Bins(confidence[self._by_confidence], gap, bins)

    def figures(self, weights: Floats) -> Figures:
        """Brier is the sum over classes, from 0 to 2, as in its source; the calibration error is of the decided class
        (Guo et al., ICML 2017)."""
        w = weights.astype(np.float64)
        total = float(w.sum())
        confusion = self._confusion(w)
        found = _decisions(confusion)
        precision, recall, f1 = by_class(confusion)
        loss, brier = np.einsum("kn,n->k", self._losses, w).tolist()
        areas = np.array([ranking.areas(w[order]) for order, ranking in zip(self._orders, self._rankings, strict=True)])
        return {
            "log_loss": _ratio(loss, total),
            "accuracy": found["accuracy"],
            "balanced_accuracy": found["balanced_accuracy"],
            "precision": _macro(np.where(np.isnan(precision) & ~np.isnan(recall), 0.0, precision)),  # never predicted
            "recall": _macro(recall),
            "f1": _macro(np.where(np.isnan(recall), math.nan, f1)),
            "roc_auc": _macro(areas[:, 0]),
            "pr_auc": _macro(areas[:, 1]),
            "brier": _ratio(brier, total),
            "calibration_error": self._bins.error(w[self._by_confidence]),
            "mcc": found["mcc"],
        }

    def main(self, weights: Floats) -> float:
        return _macro(by_class(self._confusion(weights.astype(np.float64)))[1])

    def _confusion(self, weights: Floats) -> Floats:
        return np.bincount(self._cells, weights=weights, minlength=self._classes**2).reshape(self._classes, -1)


class Regression:
    """Values, in the unit of the target; r2 has none."""

    def __init__(self, y: Array, values: Array) -> None:
        self.rows = len(y)
        self._y = y.astype(np.float64)
        error = values[:, 0].astype(np.float64) - self._y
        self._errors = np.stack([np.abs(error), np.square(error)])
        self._order = np.argsort(self._errors[0], kind="stable")
        self._sorted = self._errors[0][self._order]
        self._noise = (8 * np.finfo(np.float64).eps * np.abs(self._y).max(initial=0.0)) ** 2

    def figures(self, weights: Floats) -> Figures:
        """error_p90 is what the absolute error of 90 % of the rows does not exceed (Hyndman and Fan, The American
        Statistician 50, 1996, definition 1)."""
        w = weights.astype(np.float64)
        total = float(w.sum())
        absolute, squared = np.einsum("kn,n->k", self._errors, w).tolist()
        mean = _ratio(float((self._y * w).sum()), total)
        spread = float((np.square(self._y - mean) * w).sum())
        known = spread > total * self._noise
        cumulated = np.cumsum(w[self._order])
        places = {name: int(np.searchsorted(cumulated, share * total)) for name, share in ERROR_QUANTILES.items()}
        return {
            "mae": _ratio(absolute, total),
            "rmse": math.sqrt(_ratio(squared, total)),
            "r2": 1 - squared / spread if known else math.nan,
        } | {name: float(self._sorted[min(place, self.rows - 1)]) for name, place in places.items()}

    def main(self, weights: Floats) -> float:
        return math.sqrt(_ratio(float((self._errors[1] * weights).sum()), float(weights.sum())))


class _Bins:
    """Rows in bins of equal size by their probability, ascending; bins with equal edges are one."""

    def __init__(self, probability: Floats, gap: Floats, count: int) -> None:
        edges = np.quantile(probability, np.linspace(0, 1, count + 1)[1:-1])
        _, self._starts = np.unique(np.searchsorted(edges, probability), return_index=True)
        self._gap = gap  # probability - outcome

    def error(self, weights: Floats) -> float:
        """Expected calibration error: how far mean probability and share of outcomes are apart, over the bins (Naeini,
        Cooper and Hauskrecht, AAAI 2015; bins of equal size: Nguyen and O'Connor, EMNLP 2015)."""
        gaps = np.add.reduceat(weights * self._gap, self._starts)
        return _ratio(float(np.abs(gaps).sum()), float(weights.sum()))


def by_class(confusion: Floats) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 (van Rijsbergen, Information Retrieval, 1979) of each class; NaN where not defined."""
    hit, actual, decided = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return _ratios(hit, decided), _ratios(hit, actual), _ratios(2 * hit, actual + decided)


def _decisions(confusion: Floats) -> Figures:
    """Accuracy; the mean recall of the classes (Brodersen et al., ICPR 2010); Matthews' correlation (Biochimica et
    Biophysica Acta 405, 1975), for several classes by Gorodkin (Computational Biology and Chemistry 28, 2004)."""
    hit, total = float(np.trace(confusion)), float(confusion.sum())
    actual, decided = confusion.sum(axis=1), confusion.sum(axis=0)
    spread = (total**2 - float(np.square(actual).sum())) * (total**2 - float(np.square(decided).sum()))
    covered = hit * total - float((actual * decided).sum())
    return {
        "accuracy": _ratio(hit, total),
        "balanced_accuracy": _macro(by_class(confusion)[1]),
        "mcc": covered / math.sqrt(spread) if spread > 0 else math.nan,
    }


def _log_losses(probability: Floats) -> Floats:
    """Of the class that is true; 0 is taken as the smallest step of float64, as scikit-learn does."""
    return -np.log(np.clip(probability, np.finfo(np.float64).eps, 1.0))


def _macro(values: Floats | Sequence[float]) -> float:
    return float(np.mean(values))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _ratios(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(len(whole), math.nan), where=whole > 0)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
