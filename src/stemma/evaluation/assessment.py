"""The model and its baselines on the same rows: figures, intervals, classes, slices; all as plain data for a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stemma import metrics
from stemma.entries import Entry
from stemma.evaluation import baselines, threshold
from stemma.evaluation.decision import Decision
from stemma.evaluation.settings import EvaluateSettings
from stemma.files import finite
from stemma.metrics.resampling import Interval, Measure, intervals, mirrored
from stemma.metrics.slices import Slice, cut
from stemma.tables.arrays import Arrays, Labelled
from stemma.tables.profile import Profile
from stemma.tables.split import hashed, twins
from stemma.task import Floats, Task
from stemma.training.base import Problem

Array = NDArray[Any]


@dataclass(frozen=True)
class Judgement:
    """Predictions on validation and test rows, and the threshold that decides them."""

    task: Task
    predictions: Mapping[str, Array]  # by split: probabilities (rows, classes), or values (rows, 1)
    threshold: float | None
    baseline: baselines.Baseline | None = None  # that made them; None: the network did
    own: tuple[metrics.Metric, ...] = ()  # figures beside those of the toolkit

    @property
    def measured(self) -> tuple[metrics.Metric, ...]:
        """Every figure of these predictions."""
        return metrics.of_task(self.task.kind, self.own)

    def decided(self, split: str) -> Array | None:
        """What is said of each row (rows,); None where no threshold was found."""
        undecided = self.task.positive is not None and self.threshold is None
        return None if undecided else self.task.decide(self.predictions[split], self.threshold)

    def rows(self, split: str, y: Array, bins: int, kept: Any = slice(None)) -> metrics.Rows:
        """Rows of a split, all or those kept, ready to be measured."""
        decided = self.decided(split)
        return metrics.Rows.of(
            self.task, y[kept], self.predictions[split][kept], None if decided is None else decided[kept], bins
        )


def of_network(
    task: Task, scores: Mapping[str, Floats], chosen: Decision, own: tuple[metrics.Metric, ...] = ()
) -> Judgement:
    """What the network's scores, by split, come to by this decision; measured by the project's own figures too."""
    predictions = {name: chosen.predictions(task, found) for name, found in scores.items()}
    return Judgement(task, predictions, chosen.threshold, own=own)


def of_baselines(
    about: Profile,
    train: Labelled,
    splits: Mapping[str, Arrays],
    settings: EvaluateSettings,
    own: Mapping[str, Entry] | None = None,
) -> dict[str, Judgement]:
    """Every baseline, the project's own among them, fitted to the training rows, by name."""
    made = baselines.fit(Problem.of(about), about, train, settings.seed, own)
    return {each.name: of_baseline(each, about.task, splits, settings) for each in made}


def of_baseline(
    made: baselines.Baseline, task: Task, splits: Mapping[str, Arrays], settings: EvaluateSettings
) -> Judgement:
    """A baseline, with a threshold of its own by the same rule."""
    predictions = {name: made.predict(rows) for name, rows in splits.items()}
    if task.positive is None:
        return Judgement(task, predictions, None, made)
    chosen = threshold.choose(splits["validation"].y, predictions["validation"][:, 1], settings)
    return Judgement(task, predictions, chosen, made)


def figures(
    test: Labelled, model: Judgement, others: Mapping[str, Judgement], settings: EvaluateSettings
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The model's figures on the test rows with intervals, and each baseline's, with how far the model is ahead.

    Every resample weighs the rows of all models alike, so a difference is of the same rows.
    """
    main = metrics.METRICS[model.task.main]
    own = model.rows("test", test.y, settings.bins)
    ready = {name: each.rows("test", test.y, settings.bins) for name, each in others.items()}

    def measure(weights: Array | None = None) -> dict[str, float]:
        found = metrics.figures(own, weights, model.measured)
        for name, rows in ready.items():
            value = metrics.figures(rows, weights, [main])[main.name]
            found |= {f"{name}/{main.name}": value, f"{name}/difference": found[main.name] - value}
        return found

    reach = _reach(measure, own, settings)
    found = {name: _entry(value, reach.get(name)) for name, value in measure().items()}
    compared = {}
    for name, rows in ready.items():
        every = {key: _entry(value, None) for key, value in metrics.figures(rows, of=model.measured).items()}
        every[main.name], ahead = found.pop(f"{name}/{main.name}"), found.pop(f"{name}/difference")
        compared[name] = {"test": every, "ahead": {"metric": main.name} | ahead}
    return found, compared


def _reach(
    measure: Measure, rows: metrics.Rows, settings: EvaluateSettings, parts: int = 1
) -> dict[str, Interval | None]:
    """The 95 % interval of each figure; none at all of no resamples, or of no rows."""
    reach = intervals(measure, rows.count, settings.bootstrap, settings.seed, parts) if rows.count else {}
    if interval := reach.get("calibration_error"):
        value = measure(np.ones(rows.count))["calibration_error"]
        reach["calibration_error"] = mirrored(interval, value, rows.bins.by_chance())
    return reach


def by_slice(
    test: Labelled, model: Judgement, columns: Mapping[str, Sequence[Slice]], settings: EvaluateSettings
) -> dict[str, list[dict[str, Any]]]:
    """Column -> its slices (`parts`) with rows and figures; intervals for the figures shown first."""
    return {
        name: [_slice(test, model, part, settings, len(parts)) for part in parts] for name, parts in columns.items()
    }


def parts(column: pd.Series, boolean: bool) -> tuple[Slice, ...]:
    """The slices of a column, whose numbers may be truth values."""
    return cut((column.map({0.0: False, 1.0: True}) if boolean else column).tolist())


def _slice(test: Labelled, model: Judgement, part: Slice, settings: EvaluateSettings, parts: int = 1) -> dict[str, Any]:
    rows = model.rows("test", test.y, settings.bins, part.rows)
    shown = [metrics.METRICS[name] for name in model.task.shown]
    reach = _reach(lambda weights: metrics.figures(rows, weights, shown), rows, settings, parts)
    found = {name: _entry(value, reach.get(name)) for name, value in metrics.figures(rows, of=model.measured).items()}
    return {"value": part.value, "rows": rows.count, "test": found}


def new_rows(
    train: Labelled, test: Labelled, names: Sequence[str], models: Mapping[str, Judgement], settings: EvaluateSettings
) -> dict[str, Any]:
    """How many test rows have the same features as a training row, and each model's figures of the others; nothing
    where they are too few to matter."""
    seen = twins(*(hashed(rows.frame, names) for rows in (train, test)))
    kept = Slice("new", np.flatnonzero(~seen))
    told = {name: _slice(test, model, kept, settings)["test"] for name, model in models.items() if seen.any()}
    return {"rows": int(seen.sum()), "test": told} if told else {}


def by_class(test: Labelled, model: Judgement) -> dict[str, Any]:
    """The confusion matrix (actual, predicted), and the figures of each class against the rest."""
    sample = metrics.Sample(model.rows("test", test.y, metrics.BINS))
    precision, recall, f1 = sample.by_class
    counts, areas = sample.confusion.astype(np.int64), metrics.areas(test.y, model.predictions["test"])
    told = [
        {"class": name, "rows": int(rows), "precision": float(precision[i]), "recall": float(recall[i]),
         "f1": float(f1[i]), "roc_auc": areas[i][0], "pr_auc": areas[i][1]}
        for i, (name, rows) in enumerate(zip(model.task.classes, counts.sum(axis=1), strict=True))
    ]  # fmt: skip
    return {"confusion": counts.tolist(), "classes": told}


def _entry(value: float, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {"value": finite(value), "low": low, "high": high}
