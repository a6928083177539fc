"""Permutation importance (Breiman, Random Forests, Machine Learning 45, 2001) of answers: no truth is needed.

How much worse a network becomes, where the truth is known, `stemma.evaluation.importance` tells.
"""

import math

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, length
from stemma.explain.related import related
from stemma.explain.shap import ranked
from stemma.explain.told import Effect, Explanation

REPEATS = 10


def permutation(model: Model, rows: Table, asked: Asked) -> Explanation:
    """How far answers move, on average, where a column's values come from other rows."""
    whole, found = model.predict(rows), []
    for place, group in enumerate(model.players(asked)):
        moved = [_moved(model, rows, group, whole, [asked.seed, place, draw]) for draw in range(REPEATS)]
        found.append(Effect(" + ".join(group), float(np.mean(moved)), float(np.std(moved) / math.sqrt(REPEATS))))
    told = related(model, asked)
    return Explanation("permutation", length(rows), length(model.background), asked.seed, ranked(found), related=told)


def _moved(model: Model, rows: Table, group: tuple[str, ...], whole: Array, seed: list[int]) -> float:
    order = np.random.default_rng(seed).permutation(length(rows))
    answers = model.predict({**rows, **{name: rows[name][order] for name in group}})
    return float(np.abs(answers - whole).max(axis=1).mean())  # of several classes, of the one that moves most
