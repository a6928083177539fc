"""A linear fit around a row (LIME: Ribeiro, Singh and Guestrin, "Why Should I Trust You?", KDD 2016).

Around a row stand mixtures of it with rows of the background, the more of it the nearer. What is fitted is which
columns are the row's own; so a category, a date and what is missing need no numbers.
"""

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, length, mixed, singles, taken
from stemma.explain.related import related
from stemma.explain.shap import overall
from stemma.explain.told import Effect, Explanation, Reasons

SAMPLES = 2000
WIDTH = 0.75  # of the kernel, by the root of the number of columns, as LIME has it


def linear(model: Model, rows: Table, asked: Asked) -> Explanation:
    draw, players = np.random.default_rng(asked.seed), model.players(asked)
    own = draw.random((SAMPLES, len(players))) < draw.random((SAMPLES, 1))
    others = taken(model.background, draw.integers(length(model.background), size=SAMPLES))
    reasons = tuple(_of_row(model, number, row, asked, own, others) for number, row in singles(rows))
    told = related(model, asked)
    found = overall(reasons)
    return Explanation("linear", length(rows), length(model.background), asked.seed, found, reasons, related=told)


def _of_row(model: Model, number: int, row: Table, asked: Asked, own: Array, others: Table) -> Reasons:
    players, answers = model.players(asked), model.predict(row)
    output = model.chosen(answers, asked)
    weights = np.exp(-(~own).sum(axis=1) / (WIDTH**2 * own.shape[1]))  # what differs is the square of a distance
    found, errors = _fitted(own, model.predict(mixed(row, others, own, players))[:, output], weights)
    told = tuple(
        Effect(" + ".join(group), float(effect), float(error), ", ".join(model.shown(n, row[n][0]) for n in group))
        for group, effect, error in zip(players, found[1:], errors[1:], strict=True)
    )
    answer = float(answers[0, output])
    return Reasons(number, model.outputs[output], answer, float(found[0]), told, answer - float(found.sum()))


def _fitted(own: Array, answers: Array, weights: Array) -> tuple[Array, Array]:
    """Coefficients, the constant first, by weighted least squares, and their errors (White, Econometrica 48, 1980)."""
    known = np.column_stack([np.ones(len(own)), own])
    inverse = np.linalg.pinv(known.T @ (known * weights[:, np.newaxis]))
    found = inverse @ (known.T @ (weights * answers))
    left = (known * (weights * (answers - known @ found))[:, np.newaxis]) @ inverse
    return found, np.sqrt((left**2).sum(axis=0))
