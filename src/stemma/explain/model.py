"""What is explained: a function from a table of raw columns to answers, and rows to compare with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import DataError
from stemma.text import few, nearest
from stemma.values import EPOCH

Array = NDArray[Any]
Table = Mapping[str, Array]  # columns (rows,): floats, NaN where missing; seconds since 1970 of a date; or str, "" too
DAY = 86_400.0
MISSING = "missing"
LEVELS = 12  # values of a column that are tried


@dataclass(frozen=True)
class Asked:
    """How to explain.

    Args:
        seed: of all that is drawn: the same is found again.
        output: the class that is explained; None: of two classes the positive one, of several the one that is answered.
        keep: columns that may not be changed to turn an answer.
        together: columns that are moved as one.
    """

    seed: int = 0
    output: str | None = None
    keep: tuple[str, ...] = ()
    together: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Model:
    """
    Args:
        predict: answers (rows, outputs) to a table: of two classes the probability of the positive one, of more that of
            each, or values.
        background: rows like those that it is asked for; at least one.
        kinds: of its columns, in their order: number, boolean, date or string.
        outputs: names of the answers: classes, or "prediction".
        classes: what is decided by an answer, if anything is: of two, the one below the threshold first.
        threshold: the probability from which the positive one of two classes is decided.
    """

    predict: Callable[[Table], Array]
    background: Table
    kinds: Mapping[str, str]
    outputs: tuple[str, ...]
    classes: tuple[str, ...] = ()
    threshold: float | None = None

    @cached_property
    def usual(self) -> Array:
        """Answers (rows, outputs) to the background."""
        return self.predict(self.background)

    def check(self, asked: Asked) -> None:
        """Refuse what names no column or class.

        Raises:
            DataError: says which.
        """
        for name in (*asked.keep, *(each for group in asked.together for each in group)):
            if name not in self.kinds:
                raise DataError(f"the network has no column {name!r}{nearest(name, self.kinds)}")
        if asked.output is not None and asked.output not in self.outputs:
            there = few(self.outputs, 10)
            raise DataError(
                f"the network tells nothing of {asked.output!r}{nearest(asked.output, self.outputs)}: {there}"
            )

    def chosen(self, answers: Array, asked: Asked) -> int:
        """Number of the output that is explained, of answers (rows, outputs): the one asked for, else the largest."""
        return int(answers.mean(axis=0).argmax()) if asked.output is None else self.outputs.index(asked.output)

    def decided(self, answers: Array) -> Array:
        """What is said (rows,): numbers of classes, or values."""
        if not self.classes:
            return np.asarray(answers[:, 0])
        if self.threshold is not None:
            return np.asarray((answers[:, 0].astype(np.float64) >= self.threshold).astype(np.int64))
        return np.asarray(answers.argmax(axis=1))

    def said(self, answer: Array) -> str:
        """The same of one answer (outputs,), in words."""
        found = self.decided(answer[np.newaxis])[0]
        return self.classes[found] if self.classes else f"{found:.4g}"

    def shown(self, column: str, value: Any) -> str:
        """A value as a person knows it."""
        if value == "" or value != value:
            return MISSING
        if self.kinds[column] == "date":
            moment = EPOCH + timedelta(seconds=round(float(value)))
            return f"{moment:%Y-%m-%d}" if not value % DAY else f"{moment:%Y-%m-%dT%H:%M:%S}"
        if self.kinds[column] == "boolean":
            return "true" if value else "false"
        return value if isinstance(value, str) else str(np.float32(value)).removesuffix(".0")

    def players(self, asked: Asked) -> list[tuple[str, ...]]:
        """The columns, those that are moved as one together."""
        grouped = {name for group in asked.together for name in group}
        return [*asked.together, *((name,) for name in self.kinds if name not in grouped)]

    def levels(self, column: str) -> Array:
        """Values of a column that the background has: evenly spread ones of a number, the most frequent categories."""
        values, counts = np.unique(self.background[column], return_counts=True)
        if self.kinds[column] == "string":
            return np.asarray(values[np.argsort(-counts, kind="stable")][:LEVELS])
        there = values[~np.isnan(values)]
        return np.asarray(
            there[np.unique(np.linspace(0, max(0, len(there) - 1), LEVELS).astype(int))] if len(there) else there
        )


def length(table: Table) -> int:
    return len(next(iter(table.values())))


def taken(table: Table, rows: Any) -> dict[str, Array]:
    """Some rows."""
    return {name: values[rows] for name, values in table.items()}


def singles(table: Table) -> Iterator[tuple[int, dict[str, Array]]]:
    """Each row as a table of one, with its number."""
    for place in range(length(table)):
        yield place + 1, taken(table, slice(place, place + 1))


def mixed(row: Table, others: Table, takes: Array, players: Sequence[Sequence[str]]) -> dict[str, Array]:
    """A row with values of others (rows,) where it does not keep its own.

    Args:
        takes: (rows, players) whether the value is that of the row.
    """
    place = {name: number for number, group in enumerate(players) for name in group}
    return {name: np.where(takes[:, place[name]], row[name], values) for name, values in others.items()}


def differs(row: Table, others: Table, players: Sequence[Sequence[str]]) -> Array:
    """Whether others have another value (rows, players); two missing ones are the same."""
    apart = {n: (row[n] != v) & ~((row[n] != row[n]) & (v != v)) for n, v in others.items()}
    return np.stack([np.any([apart[name] for name in group], axis=0) for group in players], axis=1)
