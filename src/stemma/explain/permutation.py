"""Permutation importance (Breiman, Random Forests, Machine Learning 45, 2001) of answers: no truth is needed.

How much worse a network becomes, where the truth is known, `stemma.evaluation.importance` tells.
"""

import math

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, length
from stemma.explain.shap import ranked
from stemma.explain.told import Explanation

REPEATS = 10


def permutation(model: Model, rows: Table, asked: Asked) -> Explanation:
    """How far answers move, on average, where a column's values come from other rows."""
    found = moves(model, rows, asked).mean(axis=2)
    return Explanation(effects=ranked([*model.kinds], found.mean(axis=0), found.std(axis=0) / math.sqrt(REPEATS)))


def moves(model: Model, rows: Table, asked: Asked) -> Array:
    """How far each answer moves (draws, columns, rows)."""
    whole, names = model.predict(rows), [*model.kinds]
    seeds = [[asked.seed, place, draw] for draw in range(REPEATS) for place in range(len(names))]
    found = [_moved(model, rows, names[seed[1]], whole, seed) for seed in seeds]
    return np.reshape(found, (REPEATS, len(names), length(rows)))


def _moved(model: Model, rows: Table, name: str, whole: Array, seed: list[int]) -> Array:
    order = np.random.default_rng(seed).permutation(length(rows))
    answers = model.predict({**rows, name: rows[name][order]})
    return np.asarray(np.abs(answers - whole).max(axis=1), np.float64)  # of several classes, of the one that moves most
