"""What is predicted: two classes, several classes, or a value. Whoever needs to know asks this object.

    task = of("binary", ("FALSE", "TRUE"))
    task.main                              # roc_auc: what models are compared by
    task.decide(probabilities, 0.5)        # (rows,) class numbers

A network gives scores (rows, outputs); a task turns them into predictions: probabilities (rows, classes), or values
(rows, 1).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stemma import exact

RARE = 0.1  # share of the training rows below which a class is rare
Array = NDArray[Any]
Floats = NDArray[np.float32]
HIGHEST = 88.0  # of a logarithm: e to the power of 89 is no float32


@dataclass(frozen=True)
class Task(ABC):
    """What is learned, and how its answers are judged."""

    classes: tuple[str, ...] = ()  # labels in the order of the probabilities; empty for a regression
    positive: str | None = None  # the class whose probability is judged; None unless there are two
    mean: float = 0.0  # of the target in the training rows, for a regression
    deviation: float = 1.0
    log: tuple[float, float] | None = None  # the same of its logarithm, where that is learned in its place
    rare: bool = False  # whether the positive class is

    kind: ClassVar[str]
    has_classes: ClassVar[bool] = True
    has_positive: ClassVar[bool] = False  # one of two classes, whose probability a threshold cuts
    head: ClassVar[str]  # what turns scores into predictions
    loss: ClassVar[str]  # of one row
    score: ClassVar[str] = "accuracy"  # the figure shown beside the loss
    output: ClassVar[str] = "probabilities"  # the predictions' name in a graph
    shown: ClassVar[tuple[str, ...]]  # figures that people see first

    @property
    def main(self) -> str:
        """The figure that models are compared by: the first that is shown."""
        return self.shown[0]

    @property
    def outputs(self) -> int:
        """Scores per row."""
        return 1

    @property
    def rescaling(self) -> tuple[float, float]:
        """Mean and deviation by which a score becomes a value, or its logarithm."""
        return self.log or (self.mean, self.deviation)

    @property
    def width(self) -> int:
        """Columns of the predictions."""
        return len(self.classes) or 1

    @abstractmethod
    def targets(self, y: Array) -> Array:
        """What the loss compares scores with, from class numbers or values (rows,)."""

    @abstractmethod
    def losses(self, scores: Floats, y: Array) -> Array:
        """Loss of each row (rows,): negative log likelihood in nats, or squared error of the standardised target."""

    def fitted(self, y: Array) -> "Task":
        """The same task, of these training rows."""
        return self

    def predictions(self, scores: Floats) -> Floats:
        """Probabilities (rows, classes), or values (rows, 1), from scores (rows, outputs)."""
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def scored(self, predictions: Array, y: Array) -> float:
        """The figure named by `score`."""
        return float((predictions.argmax(axis=1) == y).mean())

    def decide(self, predictions: Array, threshold: float | None = None) -> Array:
        """What is said of each row (rows,): a class number, or the value.

        Args:
            threshold: probability from which a row counts as positive, of two classes; None: none does.
        """
        return np.asarray(predictions.argmax(axis=1))

    def codes(self, column: Iterable[Any]) -> Array:
        """Class numbers of labels (rows,), or values as they are; a KeyError where a label is none of the classes."""
        place = {name: number for number, name in enumerate(self.classes)}
        return np.array([place[label] for label in column], np.int64)

    def columns(self, actual: Array, predictions: Array, decided: Array) -> dict[str, Array]:
        """What predictions.parquet holds beside the rows' numbers."""
        labels = np.asarray(self.classes, dtype=object)
        made = {"actual": labels[actual.astype(np.int64)], "predicted": labels[decided]}
        return made | {f"probability_{name}": predictions[:, place] for place, name in enumerate(self.classes)}

    def read(self, columns: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        """Truth, what was decided, and predictions, from `columns`.

        Raises:
            KeyError: a column is not there, or a label is none of the classes.
        """
        actual, decided = (self.codes(columns[name]) for name in ("actual", "predicted"))
        return actual, decided, np.column_stack([columns[f"probability_{name}"] for name in self.classes] or [decided])


class Binary(Task):
    """Two classes. One score: the logit of the positive class, which is the last for a network."""

    kind, head, loss = "binary", "sigmoid", "binary_cross_entropy"
    has_positive = True
    shown = ("roc_auc", "pr_auc", "log_loss", "balanced_accuracy", "f1")

    @property
    def main(self) -> str:
        """Of a rare class the area under precision and recall: of the many other rows ROC-AUC is easily near 1 (Davis
        and Goadrich, ICML 2006)."""
        return "pr_auc" if self.rare else super().main

    @property
    def place(self) -> int:
        """Number of the positive class."""
        return self.classes.index(str(self.positive))

    def targets(self, y: Array) -> Array:
        return y.astype(np.float32)[:, None]

    def predictions(self, scores: Floats) -> Floats:
        return super().predictions(np.concatenate([np.zeros_like(scores), scores], axis=1))

    def losses(self, scores: Floats, y: Array) -> Array:
        wide = scores.astype(np.float64)
        with np.errstate(invalid="ignore"):  # scores of a network that exploded are judged too
            softplus = np.maximum(wide, 0) + exact.log(1 + exact.exp(-np.abs(wide)))
            return np.asarray(softplus - wide * self.targets(y))[:, 0]

    def decide(self, predictions: Array, threshold: float | None = None) -> Array:
        reached = predictions[:, self.place].astype(np.float64) >= (math.inf if threshold is None else threshold)
        return np.where(reached, self.place, 1 - self.place)


class Multiclass(Task):
    """Several classes. A score for each: the row belongs to the class with the greatest."""

    kind, head, loss = "multiclass", "softmax", "cross_entropy"
    shown = ("balanced_accuracy", "accuracy", "f1", "roc_auc", "log_loss")

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def targets(self, y: Array) -> Array:
        return y.astype(np.int64)

    def losses(self, scores: Floats, y: Array) -> Array:
        wide = scores.astype(np.float64)
        shifted = wide - wide.max(axis=1, keepdims=True)
        return np.asarray(exact.log(exact.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), self.targets(y)])


class Regression(Task):
    """A value. The score is the value, or its logarithm, standardised by mean and deviation of the training rows."""

    kind, head, loss = "regression", "rescale", "squared_error"
    has_classes = False
    score, output = "mean_absolute_error", "prediction"
    shown = ("rmse", "mae", "r2")

    def fitted(self, y: Array) -> Task:
        log = None if self.log is None else moments(exact.log(y))
        mean, deviation = moments(y)
        return replace(self, mean=mean, deviation=deviation, log=log)

    def targets(self, y: Array) -> Array:
        mean, deviation = self.rescaling
        values = y if self.log is None else exact.log(y)
        return np.asarray((values - mean) / deviation).astype(np.float32)[:, None]

    def predictions(self, scores: Floats) -> Floats:
        mean, deviation = self.rescaling
        values = scores * np.float32(deviation) + np.float32(mean)
        return values if self.log is None else exact.exp(np.minimum(values, HIGHEST)).astype(np.float32)

    def losses(self, scores: Floats, y: Array) -> Array:
        return np.asarray(np.square(scores.astype(np.float64) - self.targets(y)))[:, 0]

    def scored(self, predictions: Array, y: Array) -> float:
        return float(np.abs(predictions[:, 0] - y).mean())

    def decide(self, predictions: Array, threshold: float | None = None) -> Array:
        return np.asarray(predictions[:, 0])

    def codes(self, column: Iterable[Any]) -> Array:
        return np.asarray(column, np.float64)

    def columns(self, actual: Array, predictions: Array, decided: Array) -> dict[str, Array]:
        return {"actual": actual, "predicted": decided}


KINDS: Mapping[str, type[Task]] = {task.kind: task for task in (Binary, Multiclass, Regression)}


def moments(values: Array) -> tuple[float, float]:
    """Mean and standard deviation."""
    return float(values.mean()), float(values.std())


def of(
    kind: str,
    classes: Sequence[str] = (),
    positive: str | None = None,
    mean: float = 0.0,
    deviation: float = 1.0,
    log: Sequence[float] | None = None,
    share: float = 0.5,
) -> Task:
    """The task of a kind; of two classes the positive one is the last, unless it is named.

    Args:
        share: of the training rows that are positive.

    Raises:
        KeyError: there is no such kind.
    """
    if KINDS[kind].has_positive and positive is None and classes:
        positive = classes[-1]
    pair = (log[0], log[1]) if log else None
    return KINDS[kind](tuple(classes), positive, mean, deviation, pair, share < RARE)
