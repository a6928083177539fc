"""What methods find row by row, told in one way: the reasons of each answer, and the size of all together."""

import math
from collections.abc import Callable

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, singles
from stemma.explain.told import Effect, Explanation, Reasons

Found = tuple[float, Array, Array]  # the base; effects and errors of the columns (columns,)


def by_row(model: Model, rows: Table, asked: Asked, find: Callable[[Table, int], Found]) -> Explanation:
    """Of every row, and the mean size of each column's effects, with how far that of other such rows and draws may be
    from it.

    Args:
        find: of a row, as a table of one, and the number of an output.
    """
    reasons = []
    for number, row in singles(rows):
        answers = model.predict(row)
        output = model.explained(answers, asked)
        reasons.append(_reasons(model, number, row, output, float(answers[0, output]), find(row, output)))
    return _overall(reasons)


def _reasons(model: Model, number: int, row: Table, output: int, answer: float, found: Found) -> Reasons:
    base, effects, errors = found
    told = zip(row, effects.tolist(), errors.tolist(), (model.shown(n, v[0]) for n, v in row.items()), strict=True)
    gap = answer - base - float(effects.sum())
    return Reasons(number, model.outputs[output], answer, base, tuple(Effect(*each) for each in told), gap)


def _overall(reasons: list[Reasons]) -> Explanation:
    sizes = np.abs([[each.effect for each in one.effects] for one in reasons])
    drawn = np.mean([[each.error for each in one.effects] for one in reasons], axis=0)  # the same for all rows
    errors = np.hypot(sizes.std(axis=0) / math.sqrt(len(sizes)), drawn)
    names = [each.column for each in reasons[0].effects]
    return Explanation(effects=ranked(names, sizes.mean(axis=0), errors), reasons=tuple(reasons))


def ranked(names: list[str], effects: Array, errors: Array) -> tuple[Effect, ...]:
    """The largest first."""
    found = [Effect(*each) for each in zip(names, effects.tolist(), errors.tolist(), strict=True)]
    return tuple(sorted(found, key=lambda each: -each.effect))
