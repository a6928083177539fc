"""The rows of a fit as arrays, and what an epoch makes of them. All of it is NumPy: both frameworks get the same rows.

label_smoothing   Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7
mixup             Zhang, Cisse, Dauphin and Lopez-Paz, mixup, ICLR 2018; a share for each row, not for each batch
input_noise       Bishop, Training with Noise is Equivalent to Tikhonov Regularization, Neural Computation 7, 1995
column_dropout    a value of another row, which says nothing of this one: Bahri et al., SCARF, ICLR 2022, section 3
teacher           Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import TrainingError
from stemma.task import Task
from stemma.training import inputs
from stemma.training.settings import TrainSettings

if TYPE_CHECKING:
    from stemma.training.base import Floats, Given, Problem

Arrays = tuple[NDArray[Any], ...]  # x (rows, inputs), targets, weights of rows, what a teacher says: two at least
UNLIKELY = 1e-7  # the least probability that a teacher's word counts as


def of(problem: "Problem", given: "Given") -> Arrays:
    """The rows that a session fits to, in their own order.

    Raises:
        TrainingError: settings need classes, and there are none.
    """
    settings, train = given.settings, given.train
    targets = _targets(problem.task, train.y, settings)
    weights = row_weights(problem, train.y, settings.class_weight)
    if given.taught is None:
        return (train.x, targets) if weights is None else (train.x, targets, weights)
    taught = softened(problem.task, given.taught, settings.distil_temperature)
    return train.x, targets, np.ones(len(train.y), np.float32) if weights is None else weights, taught


def are_changed(settings: TrainSettings) -> bool:
    """Whether an epoch takes others in the place of the rows."""
    return bool(settings.column_dropout or settings.input_noise or settings.mixup)


def changed(
    problem: "Problem", arrays: Arrays, order: NDArray[np.int64], settings: TrainSettings, draw: np.random.Generator
) -> Arrays:
    """What an epoch takes in the place of these rows, in its order."""
    x, *others = (part[order] for part in arrays)
    if settings.column_dropout:
        _drop_columns(x, problem, settings.column_dropout, draw)
    for first, end in inputs.runs(problem, "numeric") if settings.input_noise else ():
        x[:, first:end] += np.float32(settings.input_noise) * draw.standard_normal((len(x), end - first), np.float32)
    return _mixed(problem, (x, *others), settings.mixup, draw) if settings.mixup else (x, *others)


def softened(task: Task, predictions: "Floats", temperature: float) -> "Floats":
    """A teacher's probabilities (rows, classes), or values (rows, 1), as targets for scores over the temperature."""
    if not task.classes:
        return np.asarray(task.targets(predictions[:, 0]) / np.float32(temperature), np.float32)
    powers = np.power(np.maximum(predictions.astype(np.float64), UNLIKELY), 1 / temperature)
    soft = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.asarray(soft[:, 1:] if task.outputs == 1 else soft)


def row_weights(problem: "Problem", y: NDArray[Any], class_weight: str) -> "Floats | None":
    """Weight of each row (rows,) so that every class counts the same: rows / (classes * rows of its class)."""
    if class_weight == "none":
        return None
    if not problem.task.classes:
        raise _needs_classes("class_weight: balanced", "class_weight=none")
    numbers = y.astype(np.int64)
    counts = np.bincount(numbers, minlength=len(problem.task.classes))
    return (len(y) / (len(counts) * np.maximum(counts, 1))).astype(np.float32)[numbers]


def _targets(task: Task, y: NDArray[Any], settings: TrainSettings) -> NDArray[Any]:
    """As the task has them; of several classes a share for each (rows, classes) where they are smoothed or mixed."""
    smoothing, targets = settings.label_smoothing, task.targets(y)
    if smoothing and not task.classes:
        raise _needs_classes("label_smoothing", "label_smoothing=0")
    if not task.classes or not (smoothing or settings.mixup):
        return targets
    classes = len(task.classes)
    shares = targets if task.outputs == 1 else np.eye(classes, dtype=np.float32)[targets]
    return np.asarray(shares * np.float32(1 - smoothing) + np.float32(smoothing / classes))


def _needs_classes(setting: str, cure: str) -> TrainingError:
    what = f"train.{setting} needs classes, and data.task is regression"
    return TrainingError(what, run=f"dvc exp run -S train.{cure}")


def _drop_columns(x: "Floats", problem: "Problem", chance: float, draw: np.random.Generator) -> None:
    whole = x.copy()
    for places in _columns(problem):
        dropped = np.flatnonzero(draw.random(len(x)) < chance)
        others = draw.integers(len(x), size=len(dropped))
        x[dropped[:, None], places] = whole[others[:, None], places]


def _columns(problem: "Problem") -> list[list[int]]:
    """The numbers of a row that came from one column, for each."""
    places: dict[str, list[int]] = {}
    for block in inputs.blocks(problem):
        places.setdefault(block.name, []).extend(range(block.start, block.start + block.width))
    return list(places.values())


def _mixed(problem: "Problem", parts: Arrays, beta: float, draw: np.random.Generator) -> Arrays:
    """Each row with some of another. The larger share is its own, so that its codes, which have no middle, are too."""
    share = draw.beta(beta, beta, len(parts[0]))
    share, partner = np.maximum(share, 1 - share).astype(np.float32), draw.permutation(len(share))
    own = [share.reshape(-1, *[1] * (part.ndim - 1)) for part in parts]
    mixed = tuple(part * s + part[partner] * (1 - s) for part, s in zip(parts, own, strict=True))
    for code in inputs.codes(problem):
        mixed[0][:, code.start] = parts[0][:, code.start]
    return mixed
