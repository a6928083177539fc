"""Permutation importance (Breiman, Random Forests, Machine Learning 45, 2001) of answers: no truth is needed.

How much worse a network becomes, where the truth is known, `stemma.evaluation.importance` tells.
"""

import math

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, length
from stemma.explain.reasons import ranked
from stemma.explain.told import Explanation

REPEATS = 10


def permutation(model: Model, rows: Table, asked: Asked) -> Explanation:
    """How far answers move, on average, where a column's values come from other rows."""
    whole, names = model.predict(rows), [*model.kinds]
    draws = [[_moved(model, rows, n, whole, [asked.seed, p, d]) for d in range(REPEATS)] for p, n in enumerate(names)]
    return Explanation(effects=ranked(names, np.mean(draws, axis=1), np.std(draws, axis=1) / math.sqrt(REPEATS)))


def _moved(model: Model, rows: Table, name: str, whole: Array, seed: list[int]) -> float:
    order = np.random.default_rng(seed).permutation(length(rows))
    answers = model.predict({**rows, name: rows[name][order]})
    return float(np.abs(answers - whole).max(axis=1).mean())  # of several classes, of the one that moves most
