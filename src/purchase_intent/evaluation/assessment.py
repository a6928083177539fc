"""The model and its baselines on the same rows: figures, intervals, classes, slices; all as plain data for a file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from purchase_intent.config import EvaluateSettings
from purchase_intent.data.arrays import Arrays
from purchase_intent.evaluation import baselines, intervals, metrics, slices, threshold
from purchase_intent.models.base import Problem

Array = NDArray[Any]


@dataclass(frozen=True)
class Judgement:
    """Predictions on validation and test rows, and the threshold that decides them.

    Attributes:
        predictions: by split: probabilities (rows, classes), or values (rows, 1).
        baseline: that made them; None: the network did.
    """

    predictions: Mapping[str, Array]
    threshold: float | None
    baseline: baselines.Baseline | None = None


def of_baseline(
    made: baselines.Baseline, problem: Problem, splits: Mapping[str, Arrays], settings: EvaluateSettings
) -> Judgement:
    """A baseline, with a threshold of its own by the same rule."""
    predictions = {name: made.predict(rows) for name, rows in splits.items()}
    if problem.task != "binary":
        return Judgement(predictions, None, made)
    chosen = threshold.choose(splits["validation"].y, predictions["validation"][:, 1], settings)
    return Judgement(predictions, chosen, made)


def figures(
    task: str, test: Arrays, model: Judgement, others: Mapping[str, Judgement], settings: EvaluateSettings
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The model's figures on the test rows with intervals, and each baseline's, with how far the model is ahead.

    Every resample weighs the rows of all models alike, so a difference is of the same rows.
    """
    ready = {
        name: metrics.judged(task, test.y, each.predictions["test"], each.threshold, settings.bins)
        for name, each in {"": model, **others}.items()
    }
    main = metrics.MAIN[task][0]

    def measure(weights: Array) -> dict[str, float]:
        found = ready[""].figures(weights)
        for name in others:
            value = ready[name].main(weights)
            found |= {f"{name}/{main}": value, f"{name}/difference": found[main] - value}
        return found

    ones = np.ones(len(test.y))
    found = measure(ones)
    reach = intervals.bootstrap(measure, len(test.y), settings.bootstrap, settings.seed)
    compared = {}
    for name in others:
        every = {key: _entry(value, None) for key, value in ready[name].figures(ones).items()}
        every[main] = _entry(found[f"{name}/{main}"], reach.get(f"{name}/{main}"))
        ahead = _entry(found[f"{name}/difference"], reach.get(f"{name}/difference"))
        compared[name] = {"test": every, "ahead": {"metric": main} | ahead}
    return {name: _entry(found[name], reach.get(name)) for name in metrics.names(task)}, compared


def by_slice(
    task: str, test: Arrays, model: Judgement, columns: Mapping[str, bool], settings: EvaluateSettings
) -> dict[str, list[dict[str, Any]]]:
    """Column -> its slices with rows and figures; intervals for the figures shown first.

    Args:
        columns: by name; True for truth values.
    """
    return {
        name: [_slice(task, test, model, part, settings) for part in slices.cut(test.frame[name], boolean)]
        for name, boolean in columns.items()
    }


def _slice(task: str, test: Arrays, model: Judgement, part: slices.Slice, settings: EvaluateSettings) -> dict[str, Any]:
    predictions = model.predictions["test"][part.rows]
    ready = metrics.judged(task, test.y[part.rows], predictions, model.threshold, settings.bins)
    found = ready.figures(np.ones(len(part.rows)))
    reach = intervals.bootstrap(ready.figures, len(part.rows), settings.bootstrap, settings.seed)
    shown = {name: _entry(value, reach.get(name) if name in metrics.MAIN[task] else None)
             for name, value in found.items()}  # fmt: skip
    return {"value": part.value, "rows": len(part.rows), "test": shown}


def by_class(classes: Sequence[str], test: Arrays, model: Judgement) -> dict[str, Any]:
    """The confusion matrix (actual, predicted), and the figures of each class against the rest."""
    predictions, count = model.predictions["test"], len(classes)
    actual = test.y.astype(np.int64)
    decided = metrics.classify("binary" if count == 2 else "multiclass", predictions, model.threshold)
    confusion = np.bincount(actual * count + decided, minlength=count**2).reshape(count, count)
    precision, recall, f1 = metrics.by_class(confusion.astype(np.float64))
    areas = metrics.areas(actual, predictions)
    told = [
        {"class": name, "rows": int(rows), "precision": _number(precision[i]), "recall": _number(recall[i]),
         "f1": _number(f1[i]), "roc_auc": _number(areas[i][0]), "pr_auc": _number(areas[i][1])}
        for i, (name, rows) in enumerate(zip(classes, confusion.sum(axis=1), strict=True))
    ]  # fmt: skip
    return {"confusion": confusion.tolist(), "classes": told}


def plain(value: Any) -> Any:
    """The same, with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _number(value) if isinstance(value, float) else value


def _entry(value: float, interval: intervals.Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {"value": _number(value), "low": low, "high": high}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
