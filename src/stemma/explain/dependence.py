"""Partial dependence (Friedman, Annals of Statistics 29, 2001) and individual curves (Goldstein et al., Journal of
Computational and Graphical Statistics 24, 2015): how answers go with one column, all others left as they are."""

import math

import numpy as np

from stemma.explain.model import Asked, Model, Table, length, taken
from stemma.explain.related import related
from stemma.explain.told import Curve, Effect, Explanation

SINGLE = 30  # rows whose own curves are kept


def dependence(model: Model, rows: Table, asked: Asked) -> Explanation:
    """A curve of each column that has values, the one that moves answers most first."""
    output = model.chosen(model.predict(rows), asked)
    found = [_of_column(model, rows, name, output) for name in model.kinds if len(model.levels(name))]
    found.sort(key=lambda each: -each[0].effect)
    effects, curves = tuple(each for each, _ in found), tuple(each for _, each in found)
    told = related(model, asked)
    return Explanation("dependence", length(rows), length(model.background), asked.seed, effects, curves=curves,
                       related=told)  # fmt: skip


def _of_column(model: Model, rows: Table, name: str, output: int) -> tuple[Effect, Curve]:
    """How far its curve goes up and down, and the curve."""
    levels, count = model.levels(name), length(rows)
    table = taken(rows, np.tile(np.arange(count), len(levels))) | {name: np.repeat(levels, count)}
    answers = model.predict(table)[:, output].reshape(len(levels), count).astype(np.float64)
    means, kept = answers.mean(axis=1), np.unique(np.linspace(0, count - 1, min(count, SINGLE)).astype(int))
    span = answers[means.argmax()] - answers[means.argmin()]
    curve = Curve(
        name,
        model.outputs[output],
        tuple(model.shown(name, value) for value in levels),
        tuple(map(float, levels)) if model.kinds[name] in ("number", "date") else None,
        tuple(means.tolist()),
        tuple((answers.std(axis=1) / math.sqrt(count)).tolist()),
        tuple(map(tuple, answers[:, kept].T.tolist())),
    )
    return Effect(name, float(span.mean()), float(span.std() / math.sqrt(count))), curve
