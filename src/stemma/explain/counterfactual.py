"""The least change of a row that turns its answer: few columns first, then short ways, to values that the background
has (Wachter, Mittelstadt and Russell, Harvard Journal of Law & Technology 31, 2018).

Of a regression the answer is turned where it passes the middle one of the background's.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, singles, taken
from stemma.explain.told import Explanation, Turned

DEEPEST, BEAM = 4, 10  # columns that are changed at most, and sets of columns from which one goes on
VALUES, CHANGES = 100, 2000  # of a column, and of all columns, that are tried: of a wide table fewer of each
Change = dict[str, Any]  # new values, by column


def counterfactual(model: Model, rows: Table, asked: Asked) -> Explanation:
    most = max(2, min(VALUES, CHANGES // len(model.kinds)))
    free = {name: model.levels(name, most) for name in model.kinds if name not in asked.keep}
    return Explanation(turned=tuple(_of_row(model, row, number, free, asked) for number, row in singles(rows)))


def _of_row(model: Model, row: Table, number: int, free: dict[str, Array], asked: Asked) -> Turned:
    answer = model.predict(row)
    change = _least(model, row, free, _lead(model, answer[0].astype(np.float64), asked.output))
    instead = model.predict(_made(row, [change]))
    told = tuple((n, model.shown(n, row[n][0]), model.shown(n, value)) for n, value in change.items())
    return Turned(number, model.said(answer)[0], model.said(instead)[0], told)


def _lead(model: Model, answer: Array, output: str | None) -> Callable[[Array], Array]:
    """How far answers (rows, outputs) are on the side of this one; below 0 they are turned."""
    known = model.known
    if not known.classes or known.threshold is not None:
        place = known.classes.index(known.positive) if known.positive else 0
        edge = known.threshold if known.positive else float(np.median(model.usual))
        side = 1 if answer[place] >= edge else -1
        return lambda answers: side * (answers[:, place] - edge)
    now, goal = int(answer.argmax()), None if output is None else known.classes.index(output)
    if goal in (None, now):
        return lambda answers: answers[:, now] - np.delete(answers, now, axis=1).max(axis=1)
    return lambda answers: np.delete(answers, goal, axis=1).max(axis=1) - answers[:, goal]


def _least(model: Model, row: Table, free: dict[str, Array], lead: Callable[[Array], Array]) -> Change:
    """Empty where no few columns turn the answer."""
    beam: list[Change] = [{}]
    for _ in range(DEEPEST):
        changes = [*_further(beam, row, free)]
        if not changes:
            break
        leads = lead(model.predict(_made(row, changes)).astype(np.float64))
        if turned := [change for change, its in zip(changes, leads, strict=True) if its < 0]:
            return min(turned, key=lambda change: sum(_way(free[n], row[n][0], v) for n, v in change.items()))
        best: dict[frozenset[str], Change] = {}
        for place in np.argsort(leads, kind="stable"):
            best.setdefault(frozenset(changes[place]), changes[place])
        beam = [*best.values()][:BEAM]
    return {}


def _further(beam: Sequence[Change], row: Table, free: dict[str, Array]) -> Iterator[Change]:
    """Changes of one more column."""
    for change in beam:
        for name in (each for each in free if each not in change):
            yield from ({**change, name: value} for value in free[name] if value != row[name][0])


def _made(row: Table, changes: Sequence[Change]) -> dict[str, Array]:
    """The row with each of the changes."""
    made = taken(row, np.zeros(len(changes), int))
    for name in {name for change in changes for name in change}:
        made[name] = np.array([change.get(name, row[name][0]) for change in changes], row[name].dtype)
    return made


def _way(levels: Array, own: Any, value: Any) -> float:
    """Of a change, from 0 to 1 within what the background has; between categories, and from what is missing, 1."""
    if isinstance(value, str) or own != own or not levels[-1] > levels[0]:
        return 1.0
    return abs(float(value) - float(own)) / float(levels[-1] - levels[0])
