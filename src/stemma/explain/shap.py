"""Shapley values: what a column adds to an answer, on average over every order in which columns may join.

Lundberg and Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017; orders are drawn as in Castro,
Gomez and Tejada, Polynomial calculation of the Shapley value based on sampling, 2009: each row of the background is led
to the explained row, column by column, in an order of its own and in the reverse of it (antithetic, Mitchell et al.,
Sampling Permutations for Shapley Value Estimation, JMLR 23, 2022). So effects add up to the answer by construction, and
a step that changes nothing is not asked for. Orders do not depend on the rows: no explanation depends on its company.
"""

import math

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, differs, length, mixed, singles, taken
from stemma.explain.related import related
from stemma.explain.told import Effect, Explanation, Reasons

PATHS, REPEATS = 400, 3  # at least, in all and of each row of the background; and the reverse of each


def shap(model: Model, rows: Table, asked: Asked) -> Explanation:
    players = model.players(asked)
    starts, orders = _paths(length(model.background), len(players), asked.seed)
    reasons = tuple(_of_row(model, number, row, asked, starts, orders) for number, row in singles(rows))
    return Explanation(
        "shap", length(rows), length(model.background), asked.seed, overall(reasons), reasons,
        related=related(model, asked),
    )  # fmt: skip


def overall(reasons: tuple[Reasons, ...]) -> tuple[Effect, ...]:
    """The mean size of each column's effects, and how far that of other such rows and draws may be from it."""
    if not reasons:
        return ()
    sizes = np.abs([[each.effect for each in one.effects] for one in reasons])
    drawn = np.array([[each.error for each in one.effects] for one in reasons]).mean(axis=0)  # the same for all rows
    errors = np.hypot(sizes.std(axis=0) / math.sqrt(len(sizes)), drawn)
    names = [each.column for each in reasons[0].effects]
    return ranked([Effect(*told) for told in zip(names, sizes.mean(axis=0).tolist(), errors.tolist(), strict=True)])


def ranked(effects: list[Effect]) -> tuple[Effect, ...]:
    """The largest first."""
    return tuple(sorted(effects, key=lambda each: -abs(each.effect)))


def _paths(rows: int, players: int, seed: int) -> tuple[Array, Array]:
    """Where each path starts (paths,), and in which order players join (paths, players); then the reverse of all."""
    starts = np.tile(np.arange(rows), max(REPEATS, -(-PATHS // rows)))
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(players), (len(starts), 1)), axis=1)
    return np.tile(starts, 2), np.concatenate([orders, orders[:, ::-1]])


def _of_row(model: Model, number: int, row: Table, asked: Asked, starts: Array, orders: Array) -> Reasons:
    players, answers = model.players(asked), model.predict(row)
    output = model.chosen(answers, asked)
    begin = model.usual[starts, output].astype(np.float64)
    found = _effects(model, row, players, starts, orders, output, begin)
    pairs = found.reshape(2, -1, length(model.background), len(players)).mean(axis=0)  # (repeats, background, players)
    errors = np.sqrt(pairs.var(axis=0, ddof=1).sum(axis=0) / len(pairs)) / pairs.shape[1]
    answer, base, effects = float(answers[0, output]), float(begin.mean()), found.mean(axis=0)
    told = tuple(
        Effect(" + ".join(group), float(effect), float(error), ", ".join(model.shown(n, row[n][0]) for n in group))
        for group, effect, error in zip(players, effects, errors, strict=True)
    )
    return Reasons(number, model.outputs[output], answer, base, told, answer - base - float(effects.sum()))


def _effects(
    model: Model, row: Table, players: list[tuple[str, ...]], starts: Array, orders: Array, output: int, begin: Array
) -> Array:
    """What each player adds on each path (paths, players)."""
    moves = differs(row, taken(model.background, starts), players)
    path, step = np.nonzero(np.take_along_axis(moves, orders, axis=1))  # steps of a path stand together
    effects = np.zeros(orders.shape)
    if not len(path):
        return effects
    joined = np.argsort(orders, axis=1)[path] <= step[:, np.newaxis]
    answers = model.predict(mixed(row, taken(model.background, starts[path]), joined, players))[:, output]
    is_first = np.diff(path, prepend=-1) > 0
    effects[path, orders[path, step]] = answers - np.where(is_first, begin[path], np.roll(answers, 1))
    return effects
