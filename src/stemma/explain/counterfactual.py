"""The least change of a row that turns its answer: few columns first, then short ways, to values that the background
has, or between these (Wachter, Mittelstadt and Russell, Harvard Journal of Law & Technology 31, 2018).

Of a regression the answer is turned where it passes the middle one of the background's.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stemma.explain.model import DAY, Array, Asked, Model, Table, length, singles, taken
from stemma.explain.told import Changed, Explanation, Turned

DEEPEST, BEAM = 4, 10  # columns that are changed at most, and sets of columns from which one goes on
HALVINGS = 20
Change = dict[str, Any]  # new values, by column


def counterfactual(model: Model, rows: Table, asked: Asked) -> Explanation:
    ways = {name: _Way.of(model, name) for name in model.kinds if name not in asked.keep and len(model.levels(name))}
    found = tuple(_of_row(_Search(model, row, ways, asked.output), number) for number, row in singles(rows))
    return Explanation("counterfactual", length(rows), length(model.background), asked.seed, turned=found)


@dataclass(frozen=True)
class _Way:
    """How a column may change: its values, and of numbers their least and largest, and the step between two."""

    levels: Array
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0

    @classmethod
    def of(cls, model: Model, name: str) -> "_Way":
        levels, values = model.levels(name), model.background[name]
        if model.kinds[name] not in ("number", "date"):
            return cls(levels)
        low, high = float(levels[0]), float(levels[-1])
        there = values[~np.isnan(values)]
        whole = [each for each in (DAY, 1.0) if not (there % each).any()]
        step = whole[0] if whole else 10.0 ** math.floor(math.log10(max(high - low, 1e-30) / 1000))
        return cls(levels, low, high, step)

    def length(self, value: Any, other: Any) -> float:
        """Of a change, from 0 to 1 within the range."""
        if not self.high > self.low or value != value:
            return 1.0
        return abs(float(value) - float(other)) / (self.high - self.low)


class _Search:
    """For changes of a row that turn its answer."""

    def __init__(self, model: Model, row: Table, ways: dict[str, _Way], wanted: str | None) -> None:
        self.model, self.row, self.ways = model, row, ways
        self.answer = model.predict(row)
        self._lead = _lead(model, self.answer[0], wanted)

    def leads(self, changes: list[Change]) -> Array:
        """How far the answer still is from being turned, with each change; below 0 it is."""
        table = taken(self.row, np.zeros(len(changes), int))
        for name in self.ways:
            values = [change.get(name, self.row[name][0]) for change in changes]
            table[name] = np.array(values, self.row[name].dtype)
        return self._lead(self.model.predict(table).astype(np.float64))

    def found(self) -> Change:
        """The least change; empty where none of a few columns turns the answer."""
        beam: list[Change] = [{}]
        for _ in range(min(DEEPEST, len(self.ways))):
            changes = [*self._further(beam)]
            leads = self.leads(changes)
            if turned := [change for change, lead in zip(changes, leads, strict=True) if lead < 0]:
                return self._shortened(min(turned, key=self._length))
            best: dict[frozenset[str], Change] = {}
            for place in np.argsort(leads, kind="stable"):
                best.setdefault(frozenset(changes[place]), changes[place])
            beam = [*best.values()][:BEAM]
        return {}

    def _further(self, beam: list[Change]) -> Iterator[Change]:
        for change in beam:
            for name in (each for each in self.ways if each not in change):
                yield from ({**change, name: value} for value in self.ways[name].levels if value != self.row[name][0])

    def _length(self, change: Change) -> float:
        return sum(self.ways[name].length(self.row[name][0], value) for name, value in change.items())

    def _shortened(self, change: Change) -> Change:
        """With each number as near to its own as still turns the answer."""
        for name, far in change.items():
            way, near = self.ways[name], self.row[name][0]
            if not way.step or near != near:
                continue
            near = min(max(near, way.low), way.high)
            for _ in range(HALVINGS):
                middle = self.row[name].dtype.type(round((near + far) / 2 / way.step) * way.step)
                if middle in (near, far):
                    break
                near, far = (near, middle) if self.leads([{**change, name: middle}])[0] < 0 else (middle, far)
            change[name] = far
        return change


def _lead(model: Model, answer: Array, wanted: str | None) -> Callable[[Array], Array]:
    """How far answers (rows, outputs) are on the side of this one."""
    if len(answer) == 1:
        edge = float(np.median(model.usual)) if model.threshold is None else model.threshold
        side = 1 if float(answer[0]) >= edge else -1
        return lambda answers: side * (answers[:, 0] - edge)
    now = int(answer.argmax())
    goal = None if wanted is None else model.outputs.index(wanted)
    if goal in (None, now):
        return lambda answers: answers[:, now] - np.delete(answers, now, axis=1).max(axis=1)
    return lambda answers: np.delete(answers, goal, axis=1).max(axis=1) - answers[:, goal]


def _of_row(search: _Search, number: int) -> Turned:
    model, row, change = search.model, search.row, search.found()
    table = {**row, **{name: np.array([value], row[name].dtype) for name, value in change.items()}}
    columns = tuple(
        Changed(name, model.shown(name, row[name][0]), model.shown(name, value)) for name, value in change.items()
    )
    return Turned(number, model.said(search.answer[0]), model.said(model.predict(table)[0]), columns)
