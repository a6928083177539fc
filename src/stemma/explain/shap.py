"""Shapley values: what a column adds to an answer, on average over all orders in which columns may join (Lundberg and
Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017).

Each row of the background is led to the explained one, column by column, in orders of its own and in their reverse
(antithetic: Mitchell et al., Sampling Permutations for Shapley Value Estimation, JMLR 23, 2022). So effects add up to
the answer by construction, and a step that changes nothing is not asked for. Orders do not depend on the explained
rows: no explanation depends on its company.
"""

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, length, mixed, taken
from stemma.explain.reasons import Found, by_row
from stemma.explain.told import Explanation

CELLS = 2**22  # of the rows that are asked for at once
PATHS, REPEATS = 400, 3  # at least, in all and of each row of the background; and the reverse of each


def shap(model: Model, rows: Table, asked: Asked) -> Explanation:
    count, columns = length(model.background), np.arange(len(model.kinds))
    starts = np.tile(np.arange(count), max(REPEATS, -(-PATHS // count)))
    orders = np.random.default_rng(asked.seed).permuted(np.tile(columns, (len(starts), 1)), axis=1)
    starts, orders = np.tile(starts, 2), np.concatenate([orders, orders[:, ::-1]])

    def find(row: Table, output: int) -> Found:
        found = _effects(model, row, starts, orders, output).reshape(2, -1, count, len(columns)).mean(axis=0)
        errors = np.sqrt(found.var(axis=0, ddof=1).sum(axis=0) / len(found)) / count
        base = float(model.usual[:, output].mean(dtype=np.float64))
        return base, found.mean(axis=(0, 1)), errors

    return by_row(model, rows, asked, find)


def _effects(model: Model, row: Table, starts: Array, orders: Array, output: int) -> Array:
    """What each column adds on each path (paths, columns)."""
    effects = np.zeros(orders.shape)
    pairs = [(row[name], values[starts]) for name, values in model.background.items()]
    moves = np.stack([(own != other) & ((own == own) | (other == other)) for own, other in pairs], axis=1)
    path, step = np.nonzero(np.take_along_axis(moves, orders, axis=1))  # steps of a path stand together
    if len(path):
        ranks = np.argsort(orders, axis=1)
        parts = np.array_split(np.arange(len(path)), -(-len(path) * len(row) // CELLS))
        asked = ((starts[path[part]], ranks[path[part]] <= step[part, np.newaxis]) for part in parts)
        found = [
            model.predict(mixed(row, taken(model.background, start), joined))[:, output] for start, joined in asked
        ]
        answers = np.concatenate(found, dtype=np.float64)
        before = np.where(np.diff(path, prepend=-1) > 0, model.usual[starts[path], output], np.roll(answers, 1))
        effects[path, orders[path, step]] = answers - before
    return effects
