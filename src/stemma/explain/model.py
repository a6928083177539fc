"""What is explained: a function from a table of raw columns to answers, and rows to compare with."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import DataError
from stemma.signature import Signature
from stemma.text import dated, few, figure, nearest
from stemma.thin import evenly

Array = NDArray[Any]
Table = Mapping[str, Array]  # columns (rows,) of what `stemma.values` tells: floats, or texts
LEVELS = 12  # values of a column that are tried


@dataclass(frozen=True)
class Asked:
    """How to explain."""

    seed: int = 0  # of all that is drawn: the same is found again
    # the class that is explained; None: of two the positive one, of several the one that is answered
    output: str | None = None
    keep: tuple[str, ...] = ()  # columns that are not to be changed to turn an answer


@dataclass(frozen=True)
class Model:
    """What is asked for its answers."""

    predict: Callable[[Table], Array]  # probabilities (rows, classes) or values (rows, 1) of a table
    background: Table  # rows like those that it is asked for, one at least
    known: Signature  # its columns, and what is decided by its answers

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Of its columns: number, boolean, date or string."""
        return {each.name: each.type for each in self.known.inputs}

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.known.classes or (self.known.target,)

    @cached_property
    def usual(self) -> Array:
        """Answers to the background."""
        return self.predict(self.background)

    def ordered(self, table: Table) -> dict[str, Array]:
        """Its columns in the order of the signature: methods go by their places."""
        return {name: table[name] for name in self.kinds}

    def check(self, asked: Asked) -> None:
        """Refuse names of columns and classes that are none; a DataError says which."""
        for what, names, known in (("column", asked.keep, self.kinds), ("output", (asked.output,), self.outputs)):
            for name in (each for each in names if each not in (None, *known)):
                raise DataError(f"the network has no {what} {name!r}{nearest(name, known)}: it has {few([*known], 10)}")

    def explained(self, answers: Array, asked: Asked) -> int:
        """Number of the output that is explained, of answers to it."""
        output = asked.output or self.known.positive
        return int(answers.mean(axis=0).argmax()) if output is None else self.outputs.index(output)

    def said(self, answers: Array) -> list[str]:
        """What is decided, in words."""
        return self.known.labels(answers) if self.known.classes else [*map(figure, answers[:, 0])]

    def shown(self, column: str, value: Any) -> str:
        """A value as a person knows it."""
        if value == "" or value != value:
            return "missing"
        if self.kinds[column] == "date":
            return dated(float(value))
        if self.kinds[column] == "boolean":
            return "true" if value > 0.5 else "false"
        return value if isinstance(value, str) else str(np.float32(value)).removesuffix(".0")

    def levels(self, column: str, most: int = LEVELS) -> Array:
        """Values that the background has: evenly spread ones of a number, the most frequent categories."""
        values, counts = np.unique(self.background[column], return_counts=True)
        if self.kinds[column] == "string":
            return np.asarray(values[np.argsort(-counts, kind="stable")][:most])
        there = values[~np.isnan(values)]
        return np.asarray(there[evenly(len(there), most)])


def length(table: Table) -> int:
    return len(next(iter(table.values())))


def taken(table: Table, rows: Any) -> dict[str, Array]:
    """Some rows."""
    return {name: values[rows] for name, values in table.items()}


def singles(table: Table) -> Iterator[tuple[int, dict[str, Array]]]:
    """Each row as a table, with its number."""
    yield from ((place + 1, taken(table, [place])) for place in range(length(table)))


def mixed(row: Table, others: Table, own: Array) -> dict[str, Array]:
    """A row with the values of others (rows,) where `own` (rows, columns) does not say that it keeps its own."""
    return {name: np.where(keeps, row[name], others[name]) for name, keeps in zip(others, own.T, strict=True)}
