"""A linear fit around a row (LIME: Ribeiro, Singh and Guestrin, "Why Should I Trust You?", KDD 2016).

Around a row stand mixtures of it with rows of the background, the more of it the nearer. What is fitted is which
columns are the row's own; so a category, a date and what is missing need no numbers.
"""

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, length, mixed, taken
from stemma.explain.reasons import Found, by_row
from stemma.explain.told import Explanation

SAMPLES = 2000
WIDTH = 0.75  # of the kernel, by the root of the number of columns, as LIME has it


def linear(model: Model, rows: Table, asked: Asked) -> Explanation:
    draw = np.random.default_rng(asked.seed)
    own = draw.random((SAMPLES, len(model.kinds))) < draw.random((SAMPLES, 1))
    others = taken(model.background, draw.integers(length(model.background), size=SAMPLES))
    weights = np.exp(-(~own).sum(axis=1) / (WIDTH**2 * own.shape[1]))  # what differs is the square of a distance

    def find(row: Table, output: int) -> Found:
        found, errors = _fitted(own, model.predict(mixed(row, others, own))[:, output], weights)
        return float(found[0]), found[1:], errors[1:]

    return by_row(model, rows, asked, find)


def _fitted(own: Array, answers: Array, weights: Array) -> tuple[Array, Array]:
    """Coefficients, the constant first, by weighted least squares, and their errors (White, Econometrica 48, 1980)."""
    known = np.column_stack([np.ones(len(own)), own])
    inverse = np.linalg.pinv(known.T @ (known * weights[:, np.newaxis]))
    found = inverse @ (known.T @ (weights * answers))
    left = (known * (weights * (answers - known @ found))[:, np.newaxis]) @ inverse
    return found, np.sqrt((left**2).sum(axis=0))
