"""Partial dependence (Friedman, Annals of Statistics 29, 2001) and individual curves (Goldstein et al., Journal of
Computational and Graphical Statistics 24, 2015): how answers go with one column, all others left as they are."""

import math

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, length, taken
from stemma.explain.reasons import ranked
from stemma.explain.told import Curve, Explanation
from stemma.thin import evenly

SINGLE = 30  # rows whose own curves are kept


def dependence(model: Model, rows: Table, asked: Asked) -> Explanation:
    """A curve of each column that has values, and how far it goes up and down."""
    output, count = model.explained(model.predict(rows), asked), length(rows)
    found = {name: _answers(model, rows, name, output) for name in model.kinds if len(model.levels(name))}
    means = {name: answers.mean(axis=1) for name, answers in found.items()}
    spans = [found[name][each.argmax()] - found[name][each.argmin()] for name, each in means.items()]
    effects = ranked([*found], np.mean(spans, axis=1), np.std(spans, axis=1) / math.sqrt(count))
    return Explanation(
        effects=effects, curves=tuple(_curve(model, each.column, output, found[each.column]) for each in effects)
    )


def _answers(model: Model, rows: Table, name: str, output: int) -> Array:
    """Of every row (levels, rows) with each of the column's values."""
    levels, count = model.levels(name), length(rows)
    table = taken(rows, np.tile(np.arange(count), len(levels))) | {name: np.repeat(levels, count)}
    return model.predict(table)[:, output].reshape(len(levels), count).astype(np.float64)


def _curve(model: Model, name: str, output: int, answers: Array) -> Curve:
    levels, count = model.levels(name), answers.shape[1]
    values = tuple(model.shown(name, value) for value in levels)
    errors = tuple((answers.std(axis=1) / math.sqrt(count)).tolist())
    single = tuple(map(tuple, answers[:, evenly(count, SINGLE)].T.tolist()))
    return Curve(name, model.outputs[output], values, tuple(answers.mean(axis=1).tolist()), errors, single)
