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
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Task(ABC):
    """
    Args:
        classes: labels in the order of the probabilities; empty for a regression.
        positive: the class whose probability is judged; None unless there are two.
        mean, deviation: of the target in the training rows, for a regression.
    """

    classes: tuple[str, ...] = ()
    positive: str | None = None
    mean: float = 0.0
    deviation: float = 1.0

    kind: ClassVar[str]
    head: ClassVar[str]  # what turns scores into predictions
    loss: ClassVar[str]  # of one row
    score: ClassVar[str]  # the figure shown beside the loss
    output: ClassVar[str]  # the predictions' name in a graph
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
    def width(self) -> int:
        """Columns of the predictions."""
        return len(self.classes) or 1

    @abstractmethod
    def targets(self, y: Array) -> Array:
        """What the loss compares scores with, from class numbers or values (rows,)."""

    @abstractmethod
    def predictions(self, scores: Floats) -> Floats:
        """Probabilities (rows, classes), or values (rows, 1), from scores (rows, outputs)."""

    @abstractmethod
    def losses(self, scores: Floats, y: Array) -> NDArray[np.float64]:
        """Loss of each row (rows,): negative log likelihood in nats, or squared error of the standardised target."""

    @abstractmethod
    def scored(self, predictions: Array, y: Array) -> float:
        """The figure named by `score`."""

    @abstractmethod
    def decide(self, predictions: Array, threshold: float | None = None) -> Array:
        """What is said of each row (rows,): a class number, or the value.

        Args:
            threshold: probability from which a row counts as positive, of two classes; None: none does.
        """

    @abstractmethod
    def columns(self, actual: Array, predictions: Array, decided: Array) -> dict[str, Array]:
        """What predictions.parquet holds beside the rows' numbers."""

    @abstractmethod
    def read(self, columns: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        """Truth, what was decided, and predictions, from `columns`.

        Raises:
            KeyError: a column is not there, or a label is none of the classes.
        """


class _Classes(Task):
    score, output = "accuracy", "probabilities"

    def predictions(self, scores: Floats) -> Floats:
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
        return found

    def scored(self, predictions: Array, y: Array) -> float:
        return float((predictions.argmax(axis=1) == y).mean())

    def columns(self, actual: Array, predictions: Array, decided: Array) -> dict[str, Array]:
        labels = np.asarray(self.classes, dtype=object)
        made = {"actual": labels[actual.astype(np.int64)], "predicted": labels[decided]}
        return made | {f"probability_{name}": predictions[:, place] for place, name in enumerate(self.classes)}

    def read(self, columns: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        actual, decided = (self.codes(columns[name]) for name in ("actual", "predicted"))
        return actual, decided, np.column_stack([columns[f"probability_{name}"] for name in self.classes])

    def codes(self, labels: Iterable[str]) -> NDArray[np.int64]:
        """Class numbers.

        Raises:
            KeyError: a label is none of the classes.
        """
        place = {name: number for number, name in enumerate(self.classes)}
        return np.array([place[label] for label in labels], np.int64)


class Binary(_Classes):
    """Two classes. One score: the logit of the positive class, which is the last for a network."""

    kind, head, loss = "binary", "sigmoid", "binary_cross_entropy"
    shown = ("roc_auc", "pr_auc", "log_loss", "balanced_accuracy", "f1")

    @property
    def place(self) -> int:
        """Number of the positive class."""
        return self.classes.index(str(self.positive))

    def targets(self, y: Array) -> Array:
        return y.astype(np.float32)[:, None]

    def predictions(self, scores: Floats) -> Floats:
        return super().predictions(np.concatenate([np.zeros_like(scores), scores], axis=1))

    def losses(self, scores: Floats, y: Array) -> NDArray[np.float64]:
        wide = scores.astype(np.float64)
        with np.errstate(invalid="ignore"):  # scores of a network that exploded are judged too
            found: NDArray[np.float64] = (np.logaddexp(0.0, wide) - wide * self.targets(y))[:, 0]
        return found

    def decide(self, predictions: Array, threshold: float | None = None) -> Array:
        reached = predictions[:, self.place].astype(np.float64) >= (math.inf if threshold is None else threshold)
        decided: Array = np.where(reached, self.place, 1 - self.place)
        return decided


class Multiclass(_Classes):
    """Several classes. A score for each: the row belongs to the class with the greatest."""

    kind, head, loss = "multiclass", "softmax", "cross_entropy"
    shown = ("balanced_accuracy", "accuracy", "f1", "roc_auc", "log_loss")

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def targets(self, y: Array) -> Array:
        return y.astype(np.int64)

    def losses(self, scores: Floats, y: Array) -> NDArray[np.float64]:
        wide = scores.astype(np.float64)
        shifted = wide - wide.max(axis=1, keepdims=True)
        found: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), self.targets(y)]
        return found

    def decide(self, predictions: Array, threshold: float | None = None) -> Array:
        decided: Array = predictions.argmax(axis=1)
        return decided


class Regression(Task):
    """A value. The score is the value, standardised by mean and deviation of the training rows."""

    kind, head, loss, output = "regression", "rescale", "squared_error", "prediction"
    score = "mean_absolute_error"
    shown = ("rmse", "mae", "r2")

    def targets(self, y: Array) -> Array:
        standardised: Array = (y - self.mean) / self.deviation
        return standardised.astype(np.float32)[:, None]

    def predictions(self, scores: Floats) -> Floats:
        return scores * np.float32(self.deviation) + np.float32(self.mean)

    def losses(self, scores: Floats, y: Array) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.square(scores.astype(np.float64) - self.targets(y))[:, 0]
        return found

    def scored(self, predictions: Array, y: Array) -> float:
        return float(np.abs(predictions[:, 0] - y).mean())

    def decide(self, predictions: Array, threshold: float | None = None) -> Array:
        values: Array = predictions[:, 0]
        return values

    def columns(self, actual: Array, predictions: Array, decided: Array) -> dict[str, Array]:
        return {"actual": actual, "predicted": decided}

    def read(self, columns: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        actual, values = (np.asarray(columns[name], np.float64) for name in ("actual", "predicted"))
        return actual, values, values.reshape(-1, 1)


KINDS: Mapping[str, type[Task]] = {task.kind: task for task in (Binary, Multiclass, Regression)}


def of(
    kind: str, classes: Sequence[str] = (), positive: str | None = None, mean: float = 0.0, deviation: float = 1.0
) -> Task:
    """The task of a kind; of two classes the positive one is the last, unless it is named.

    Raises:
        KeyError: there is no such kind.
    """
    if kind == "binary" and positive is None and classes:
        positive = classes[-1]
    return KINDS[kind](tuple(classes), positive, mean, deviation)
