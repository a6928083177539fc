"""k-fold cross-validation: encoder, network, temperature and threshold made anew for every fold.

Each fold is a job of a runner. Its figures depend on its rows and the settings alone.
"""

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stemma import metrics, runners
from stemma.entries import Entry
from stemma.evaluation import decision
from stemma.evaluation.settings import Settings
from stemma.layout import SPLITS
from stemma.tables import arrays, encode, profile, split
from stemma.training import fit, narrow, networks, own
from stemma.training.base import Given, Problem, Rows
from stemma.training.own import Lines

Figures = dict[str, float]
Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Tables:
    """What a project hands over for its folds, which are processes of their own."""

    networks: Mapping[str, Entry]
    metrics: Mapping[str, Entry] = field(default_factory=dict)
    training: Lines = field(default_factory=Lines)


@dataclass(frozen=True)
class Common:
    """What all folds have in common: the whole table, and a folder for checkpoints."""

    settings: Settings
    tables: Tables
    about: profile.Profile
    frame: pd.DataFrame
    scratch: Path


def cross_validate(settings: Settings, tables: Tables, prepared: Path, scratch: Path, k: int) -> dict[str, Any]:
    """Fit and judge k networks; the figures of each fold, and of each figure mean, deviation and 95 % interval.

    Args:
        prepared: data/prepared; the folds are cut from the rows of all its splits.
        scratch: a folder for the checkpoints, removed at the end.

    Raises:
        DataError: the table cannot be cut into k folds.
        RunnerError: a fold failed; the line names it.
    """
    about = profile.read(prepared)
    frame = whole(prepared, about)
    triples = split.folds(frame, settings.data, k)
    work = partial(judge, Common(settings, tables, about, frame, scratch))
    names = [f"evaluate.folds: fold {number} of {k}" for number in range(1, k + 1)]
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        with runners.chosen(settings.runner.name, settings.runner.address) as runner:
            at_once = max(1, runner.cores() // (settings.train.threads * settings.train.workers))
            figures = runner.run(work, [(rows,) for rows in triples], names, at_once, unit="fold")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sizes = [{name: len(rows) for name, rows in zip(SPLITS, triple, strict=True)} for triple in triples]
    ratio = float(np.mean([size["test"] / size["train"] for size in sizes]))
    return {
        "k": k,
        "folds": [{"rows": rows, "test": found} for rows, found in zip(sizes, figures, strict=True)],
        "summary": summary(figures, ratio, metrics.of_task(about.task.kind, metrics.added_to(tables.metrics))),
    }


def summary(
    figures: Sequence[Mapping[str, float]], ratio: float, known: Iterable[metrics.Metric] = ()
) -> dict[str, dict[str, float]]:
    """Mean, standard deviation and interval of each figure over the folds; NaN where a fold has none.

    The training rows of two folds are mostly the same, so the plain t interval is too narrow. Its variance is therefore
    deviation^2 * (1 / k + test rows / training rows) (Nadeau and Bengio, Inference for the Generalization Error,
    Machine Learning 52, 2003), with k - 1 degrees of freedom. It is cut to the values that the figure can have, which
    takes nothing from its coverage.

    Args:
        ratio: test rows / training rows of a fold.
        known: the figures, with these values.
    """
    from scipy.stats import t

    k = len(figures)
    reach = float(t.ppf(0.975, k - 1)) * math.sqrt(1 / k + ratio)
    made, ends = {}, {metric.name: (metric.least, metric.most) for metric in known}
    for name in figures[0]:
        values = np.array([found[name] for found in figures])
        mean, deviation = float(values.mean()), float(values.std(ddof=1))
        half = reach * deviation
        low, high = np.clip((mean - half, mean + half), *ends.get(name, (-math.inf, math.inf))).tolist()
        made[name] = {"mean": mean, "deviation": deviation, "low": low, "high": high}
    return made


def whole(prepared: Path, about: profile.Profile) -> pd.DataFrame:
    """The canonical table: the rows of all splits in the order of the source."""
    frame = pd.concat([arrays.read_frame(prepared, name) for name in SPLITS], ignore_index=True)
    return frame.sort_values(about.row, ignore_index=True).drop(columns=about.row)


def judge(common: Common, triple: Triple) -> Figures:
    """One fold: fit on its training rows, choose on its validation rows, judge on its test rows.

    It starts from new weights, and without a teacher: what `train.init_from` and `train.teacher` name may have seen its
    test rows. So nothing is frozen.
    """
    settings, tables, about, frame = common.settings, common.tables, common.about, common.frame
    fitted = encode.fit(frame, about.features, settings.prepare, derive=about.derive, train=triple[0])
    encoder = encode.Encoder(fitted.graph)
    parts = [frame.iloc[rows] for rows in triple]
    train, validation, test = (Rows(encoder.encode(part), arrays.labels(part[about.target], about)) for part in parts)
    task = about.task.fitted(train.y)
    problem = Problem(task, encoder.width, fitted.blocks)
    model = networks.create(tables.networks, settings.model, problem, settings.train.threads)
    training = settings.train.model_copy(update={"resume": False, "freeze": (), "teacher": None})
    if training.prune_structured is not None:
        narrow.cut(model, training.prune_structured)
    given = Given(train, training, parts=own.chosen(training, tables.training))
    with runners.workplace(common.scratch) as folder:
        fit.run(model, given, validation, folder / "checkpoint.safetensors")
    chosen = decision.decide(task, model.scores(validation.x), validation.y, settings.evaluate)
    predicted = chosen.predictions(task, model.scores(test.x))
    rows = metrics.Rows.of(task, test.y, predicted, task.decide(predicted, chosen.threshold), settings.evaluate.bins)
    return metrics.figures(rows, of=metrics.of_task(task.kind, metrics.added_to(tables.metrics)))
