"""A log window by window, however long it is: each file is read once, in the order of time, and a window is given as
soon as no file that follows has rows of it. Of many rows a window keeps a sample, each row with the same chance, and
the same rows at every look: else who looks often would judge many samples.
"""

import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from stemma.watch import log, outcomes
from stemma.watch.answers import Answers, answers

MOST = 100_000  # rows of a window that are looked at


@dataclass(frozen=True)
class Asked:
    """What a version was asked in a window."""

    first: float  # seconds since 1970
    rows: int  # all of them; `answers` holds MOST of these, in any order
    answers: Answers


def windows(
    kept: log.Log, versions: Mapping[str, Sequence[log.File]], seconds: float, columns: Collection[str]
) -> Iterator[Asked]:
    """In the order of time, then of versions.

    Args:
        versions: files of the log, as `answers.versions` gives them; columns of them, as in `Log.rows`.
        seconds: of a window; windows begin at whole multiples of it since 1970.
    """
    told = outcomes.keyed(kept)
    files = sorted(((file, name) for name, its in versions.items() for file in its), key=lambda each: each[0].first)
    gathered = dict[tuple[float, str], _Gathered]()
    for place, (file, name) in enumerate(files, 1):
        draw = np.random.default_rng(zlib.crc32(file.path.name.encode()))
        for table in kept.rows(file, columns):
            for first, part in _cut(table, seconds):
                gathered.setdefault((first, name), _Gathered()).add(part, draw)
        until = files[place][0].first if place < len(files) else math.inf
        for of in sorted(each for each in gathered if each[0] + seconds <= until):
            its = gathered.pop(of)
            yield Asked(of[0], its.rows, answers(of[1], versions[of[1]], its.tables, told))


@dataclass
class _Gathered:
    rows: int = 0
    tables: list[Any] = field(default_factory=list)  # with the number that each row drew

    def add(self, table: Any, draw: np.random.Generator) -> None:
        self.rows += len(table)
        self.tables.append(table.append_column("drawn", pa.array(draw.random(len(table)))))
        if sum(map(len, self.tables)) > MOST:  # the rows that drew the smallest numbers are kept
            limit = np.partition(np.concatenate([each["drawn"] for each in self.tables]), MOST)[MOST]
            self.tables = [each.filter(compute.less(each["drawn"], limit)) for each in self.tables]


def _cut(table: Any, seconds: float) -> Iterator[tuple[float, Any]]:
    """The part of a table in each window, by the window's first moment."""
    number = np.asarray(table["time"].cast(pa.int64()).to_numpy()) / 1e6 // seconds
    if len(number) and number.min() < number.max():
        order = np.argsort(number, kind="stable")
        table, number = table.take(order), number[order]
    firsts, starts = np.unique(number, return_index=True)
    for first, start, end in zip(firsts, starts, [*starts[1:], len(number)], strict=True):
        yield float(first * seconds), table.slice(start, end - start)
