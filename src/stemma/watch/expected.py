"""Figures of rows whose outcomes are not known: what their probabilities let expect.

A row of probabilities p counts as every class k with weight p[k]; the figures of all of them are those of the expected
confusion matrix and, for areas, of the expected pairs in order. It is the confidence-based performance estimation of
Kivimäki, Białek, Kuberski and Nurminen (Performance Estimation in Binary Classification Using Calibrated Confidence,
2025, arXiv 2505.05295). It holds where probabilities are right: in a world whose inputs have moved, but in which a row
means what it meant in training. That is seen where outcomes come later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stemma import metrics
from stemma.metrics import Rows
from stemma.task import Task
from stemma.text import figure
from stemma.watch import sequential
from stemma.watch.answers import Answers, Array

MOST = 20_000  # rows: a larger sample would tell an area no better than to 0.005
WRONG = 0.05 / 20  # chance that right probabilities are doubted


@dataclass(frozen=True)
class Expected:
    """Figures by name."""

    figures: Mapping[str, float]  # expected of all rows
    # of those with an outcome, what was expected and what came; empty where they are too few
    judged: Mapping[str, tuple[float, float]]
    doubt: str | None  # why probabilities are not to be believed; None where nothing speaks against them


class Came(NamedTuple):
    """The main figure, its standard error, and the callers that the outcomes are of; 0: it was recorded."""

    value: float
    error: float
    callers: int = 0


def expected(answers: Answers, came: Came | None) -> Expected | None:
    """Of one version in one window, of whose outcomes `came` tells, unless they are too few; None of values, which have
    no probabilities."""
    task = answers.task
    if not task.has_classes:
        return None
    found = of_probabilities(task, *_answered(answers))
    if came is None:
        return Expected(found, {}, None)
    there, rows = answers.judged, answers.judged.rows(task)
    told, true = of_probabilities(task, *_answered(there)), metrics.figures(rows)
    judged = {name: (value, true[name]) for name, value in told.items()}
    return Expected(found, judged, _doubt(task.main, told[task.main], came))


def of_probabilities(task: Task, probabilities: Array, decided: Array) -> dict[str, float]:
    """Figures that are expected of rows: probabilities (rows, classes), class numbers (rows,)."""
    rows, width = probabilities.shape
    weights = (probabilities.T / probabilities.sum(axis=1)).ravel()
    actual = np.repeat(np.arange(width), rows)
    every = Rows.of(task, actual, np.tile(probabilities, (width, 1)), np.tile(decided, width))
    found = metrics.figures(every, weights)
    return {name: value for name, value in found.items() if name != "calibration_error"}  # it is taken to be 0


def _answered(answers: Answers) -> tuple[Array, Array]:
    table, task = answers.table, answers.task
    if len(table) > MOST:
        table = table.take(np.random.default_rng(0).choice(len(table), MOST, replace=False))
    probabilities = np.column_stack([table[f"probability.{name}"] for name in task.classes]).astype(np.float64)
    return probabilities, task.codes(table["prediction"].to_pylist())


def _doubt(name: str, told: float, came: Came) -> str | None:
    if sequential.p((came.value - told) / came.error, came.callers, sequential.SOON) >= WRONG:
        return None
    figures = f"{name} is {figure(came.value)} and {figure(told)} was expected"
    return f"where outcomes came, {figures}: probabilities are not right"
