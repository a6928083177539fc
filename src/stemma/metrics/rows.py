"""Predictions beside the truth, ready for any weighting of their rows.

A weighting is how often each row counts: all ones give the plain figures, a bootstrap resample gives others. What does
not depend on weights is computed once, so that nothing is sorted or copied anew for a resample.

No sum here goes through BLAS, which cuts sums by threads and adds as the processor can: the same rows give the same
bytes on any number of threads, and on any processor.
"""

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma import exact
from stemma.errors import EvaluationError
from stemma.metrics.ranking import Ranking
from stemma.task import Binary, Task
from stemma.text import by_number, counted

Array = NDArray[Any]
Floats = NDArray[np.float64]
BINS = 10  # of the calibration error, unless told


class Rows(ABC):
    """Predictions of a task beside the truth."""

    order: NDArray[np.int64]  # sorts the rows, by how sure they are or by their error; what follows is in this order
    names: tuple[str, ...]  # of the losses
    losses: Floats  # of each row (losses, rows); their means are figures
    bins: "_Bins"  # of the calibration error; of classes

    def __init__(self, task: Task, actual: Array, predictions: Array, decided: Array | None, bins: int) -> None:
        self.task, self.count = task, len(actual)
        self.actual, self.predictions, self.decided = actual, predictions, decided
        self._prepare(bins)

    @staticmethod
    def of(task: Task, actual: Array, predictions: Array, decided: Array | None = None, bins: int = BINS) -> "Rows":
        """Predictions, ready to be measured.

        Args:
            actual: (rows,) class numbers, or values.
            predictions: probabilities (rows, classes), or values (rows, 1).
            decided: (rows,) class numbers; None: nothing is decided, and figures of decisions are NaN.
            bins: of the calibration error, each with the same number of rows.

        Raises:
            EvaluationError: a prediction is no finite number.
        """
        wrong = np.flatnonzero(~np.isfinite(predictions).all(axis=1))
        if len(wrong):
            first = f"the first in row {wrong[0] + 1}"
            many = by_number(len(wrong), "is no finite number", "are no finite numbers")
            raise EvaluationError(f"{len(wrong)} of {counted(len(actual), 'prediction')} {many}, {first}")
        return (ClassRows if task.classes else ValueRows)(task, actual, predictions, decided, bins)

    @abstractmethod
    def _prepare(self, bins: int) -> None:
        """Set the attributes."""


class ClassRows(Rows):
    """Of two classes the positive one is ranked, at its `place`; of several each against the rest."""

    def _prepare(self, bins: int) -> None:
        p, y, width = self.predictions.astype(np.float64), self.actual.astype(np.int64), self.task.width
        self.place = self.task.place if isinstance(self.task, Binary) else None
        sure = p.max(axis=1) if self.place is None else p[:, self.place]
        self.order = np.argsort(sure, kind="stable")
        sure, p, y = sure[self.order], p[self.order], y[self.order]
        self.cells = None if self.decided is None else y * width + self.decided.astype(np.int64)[self.order]
        self.rankings: list[tuple[Array | None, Ranking]]
        if self.place is None:
            outcome = p.argmax(axis=1) == y
            self.rankings = [_ranking(y == number, p[:, number]) for number in range(width)]
            p /= p.sum(axis=1, keepdims=True)  # sums of float32 miss 1; not before ranks were taken: it would part ties
            own = p[np.arange(len(y)), y]
            squared = np.square(p).sum(axis=1) - 2 * own + 1
        else:
            outcome = y == self.place
            self.rankings = [(None, Ranking(outcome, sure))]
            own, squared = np.where(outcome, sure, 1 - sure), np.square(sure - outcome)
        self.names, self.losses = ("log_loss", "brier"), np.stack([_nats(own), squared])
        self.bins = _Bins(sure, sure - outcome, bins)


class ValueRows(Rows):
    """Rows by their absolute error."""

    def _prepare(self, bins: int) -> None:
        y = self.actual.astype(np.float64)
        error = np.abs(self.predictions[:, 0].astype(np.float64) - y)
        self.order = np.argsort(error, kind="stable")
        self.y, self.errors = y[self.order], error[self.order]
        self.names, self.losses = ("absolute", "squared"), np.stack([self.errors, np.square(self.errors)])
        self.noise = (8 * np.finfo(np.float64).eps * np.abs(y).max(initial=0.0)) ** 2  # of a variance


class Sample:
    """Rows with weights: what a figure is made from, each part computed when it is asked for.

    Attributes:
        actual, predictions, decided, weights: (rows, ...), all in one order, for a figure of your own.
        sorted: the weights in the order of `rows`.
        total: of the weights.
    """

    def __init__(self, rows: Any, weights: Floats | None = None) -> None:
        self.rows = rows
        self.weights = np.ones(rows.count) if weights is None else weights.astype(np.float64, copy=False)
        self.actual, self.predictions, self.decided = rows.actual, rows.predictions, rows.decided
        self.sorted = self.weights.take(rows.order)
        self.total = float(self.sorted.sum())

    @cached_property
    def means(self) -> dict[str, float]:
        """Of each loss, by name."""
        sums = np.einsum("kn,n->k", self.rows.losses, self.sorted).tolist()
        return {name: value / self.total for name, value in zip(self.rows.names, sums, strict=True)}

    @cached_property
    def confusion(self) -> Floats:
        """Weight by actual class (down) and decided class (across); NaN where nothing is decided."""
        width = self.rows.task.width
        if self.rows.cells is None:
            return np.full((width, width), math.nan)
        counts: Array = np.bincount(self.rows.cells, weights=self.sorted, minlength=width**2)
        return counts.reshape(width, width)

    @cached_property
    def by_class(self) -> tuple[Floats, Floats, Floats]:
        """Precision, recall and F1 (van Rijsbergen, Information Retrieval, 1979) of each class; 0 where it is 0 / 0."""
        hit, actual = np.diag(self.confusion), self.confusion.sum(axis=1)
        decided = self.confusion.sum(axis=0)
        return _ratios(hit, decided), _ratios(hit, actual), _ratios(2 * hit, actual + decided)

    @cached_property
    def areas(self) -> Floats:
        """ROC-AUC and average precision (ranked classes, 2)."""
        weights, ranked = self.sorted, self.rows.rankings
        return np.array([each.areas(weights if order is None else weights.take(order)) for order, each in ranked])

    @cached_property
    def cumulated(self) -> Floats:
        """Weights of the rows up to each."""
        return np.cumsum(self.sorted)

    def averaged(self, which: int) -> float:
        """One of `by_class`: of two classes the positive one's, of several the macro average."""
        each, place = self.by_class[which], self.rows.place
        return float(np.mean(each) if place is None else each[place])

    def area(self, which: int) -> float:
        """One of `areas`, the mean over the ranked classes."""
        return float(np.mean(self.areas[:, which]))


class _Bins:
    """Rows in bins of equal size by their probability, ascending; bins with equal edges are one."""

    def __init__(self, probability: Floats, gap: Floats, count: int) -> None:
        self._gap = gap  # probability - outcome
        self._spread = probability * (1 - probability)  # its variance where the probability is right
        inner = np.linspace(0, 1, count + 1)[1:-1]
        edges = np.quantile(probability, inner) if len(probability) else np.zeros(0)
        _, self._starts = np.unique(np.searchsorted(edges, probability), return_index=True)

    def by_chance(self) -> float:
        """What 2.5 % of samples exceed whose probabilities are right (Bröcker and Smith, Weather and Forecasting 22,
        2007): gaps of bins are normal then, with variance p (1 - p) of each row, and their sizes half-normal."""
        variance = np.add.reduceat(self._spread, self._starts)
        mean, spread = np.sqrt(2 / np.pi * variance).sum(), np.sqrt((1 - 2 / np.pi) * variance.sum())
        return float(mean + 1.96 * spread) / len(self._gap)

    def error(self, weights: Floats) -> float:
        """Sum over the bins of how far probabilities and outcomes are apart."""
        return float(np.abs(np.add.reduceat(weights * self._gap, self._starts)).sum())


def _ratios(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole != 0)


def _ranking(positive: Array, score: Floats) -> tuple[NDArray[np.int64], Ranking]:
    order = np.argsort(score, kind="stable")
    return order, Ranking(positive[order], score[order])


def _nats(probability: Floats) -> Floats:
    """-log p; a probability of 0 counts as the smallest step of float64, as in scikit-learn."""
    return -exact.log(np.clip(probability, np.finfo(np.float64).eps, 1.0))
