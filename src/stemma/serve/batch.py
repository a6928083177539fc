"""Calls that arrive together run together, where each still gets the answer that it would get alone, and sooner.

Nobody is waited for: a batch holds what the event loop read at once, and no more rows than run within BOUND. Whether
that pays is measured when a version is loaded. A kernel may round a row otherwise among others: batches are then filled
up to a multiple of 4, 8 or 16 rows, and where a row's answer still depends on its company, every call runs by itself.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.bundle import Bundle
from stemma.bundle.model import REQUEST, RESPONSE
from stemma.errors import StemmaError

BOUND = 0.002  # seconds that a batch may run: what the first of it may lose
SIZES = (8, 16, 32, 64)  # rows: more save nothing
MULTIPLES = (1, 4, 8, 16)  # floats that a kernel takes at once
COST = 10e-6  # seconds to join others
Columns = Mapping[str, Sequence[Any]]
Output = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """Of the batches of a version: at most so many rows, filled up to a multiple."""

    most: int
    multiple: int


class Batcher:
    """The calls of a version that are about to run, on one event loop."""

    def __init__(self, bundle: Bundle, shape: Shape) -> None:
        self._bundle, self.shape, self._first = bundle, shape, bundle.signature.inputs[0].name
        self._waiting: list[tuple[Columns, asyncio.Future[Output]]] = []
        self._sizes: list[int] = []

    def taken_down(self) -> list[int]:
        """How many rows ran together, of each run since it was asked last."""
        sizes, self._sizes = self._sizes, []
        return sizes

    def takes(self, columns: Columns) -> bool:
        """Whether a call may join others: it is small, and has every column, of one length."""
        try:
            lengths = {*map(len, self._bundle.signature.of_row(columns))}
        except KeyError:
            return False
        return len(lengths) == 1 and 0 < max(lengths) <= SIZES[0]

    def predict(self, columns: Columns) -> asyncio.Future[Output]:
        """As `Bundle.predict`, with what else is ready."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._run)
        future = loop.create_future()
        self._waiting.append((columns, future))
        return future

    def _run(self) -> None:
        """As many as fit; then, behind what else is ready, the others."""
        rows = [*accumulate(len(columns[self._first]) for columns, _ in self._waiting)]
        count = sum(each <= self.shape.most for each in rows)
        self._sizes.append(rows[count - 1])
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        for (_, future), answer in zip(group, self._answers([columns for columns, _ in group]), strict=True):
            if future.done():  # its caller is gone
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _answers(self, group: list[Columns]) -> list[Output | Exception]:
        """Of each call; where they fail together, each is told by itself what it did wrong."""
        try:
            return [*self._together(group)]
        except Exception as error:
            return [error] if len(group) == 1 else [answer for each in group for answer in self._answers([each])]

    def _together(self, group: list[Columns]) -> Iterator[Output]:
        known = self._bundle.signature
        lists = zip(*map(known.of_row, group), strict=True)
        columns = {each.name: [*chain(*values)] for each, values in zip(known.inputs, lists, strict=True)}
        output = self._bundle.predict(_filled(columns, self.shape.multiple))
        end = 0
        for values in group:
            start, end = end, end + len(values[self._first])
            yield output[start:end]


def shape_of(bundle: Bundle) -> Shape | None:
    """Of the batches that pay for a bundle that is warm, and change no answer; None where there are none.

    It is tried on rows like those of its sample, and one without a sample has none.
    """
    if not {REQUEST, RESPONSE} <= bundle.files.keys():
        return None
    try:
        rows = _drawn(bundle)
        alone = _seconds(bundle, _part(rows, 0, 1))
        if alone > BOUND or _seconds(bundle, _part(rows, 0, SIZES[0])) / SIZES[0] + COST > alone:
            return None
        most = max((size for size in SIZES if _seconds(bundle, _part(rows, 0, size)) <= BOUND), default=0)
        shapes = (Shape(most, multiple) for multiple in MULTIPLES)
        return next((shape for shape in shapes if most and _same(bundle, rows, shape)), None)
    except (StemmaError, KeyError, ValueError):  # it takes no such rows: nothing shows that answers would be the same
        return None


def _drawn(bundle: Bundle) -> Columns:
    """Values of the sample in other company, and numbers near its numbers."""
    draw, given = np.random.default_rng(0), bundle.sample
    return {
        each.name: [
            value * draw.random() if each.type == "number" and isinstance(value, float | int) else value
            for value in (given[each.name][place] for place in draw.integers(len(given[each.name]), size=SIZES[-1]))
        ]
        for each in bundle.signature.inputs
    }


def _seconds(bundle: Bundle, rows: Columns) -> float:
    """The least of five runs: others may need the processor meanwhile."""
    marks = [time.perf_counter()]
    for _ in range(5):
        bundle.predict(rows)
        marks.append(time.perf_counter())
    return float(np.diff(marks).min())


def _same(bundle: Bundle, rows: Columns, shape: Shape) -> bool:
    """Whether rows give the same alone as in batches of every size."""
    alone = [bundle.predict(_filled(_part(rows, place, place + 1), shape.multiple))[:1] for place in range(shape.most)]
    sizes = range(shape.multiple, shape.most + 1, shape.multiple)
    return all(np.array_equal(bundle.predict(_part(rows, 0, size)), np.concatenate(alone[:size])) for size in sizes)


def _part(columns: Columns, start: int, end: int) -> Columns:
    return {name: values[start:end] for name, values in columns.items()}


def _filled(columns: Columns, multiple: int) -> Columns:
    """With the first row again, up to a multiple of so many rows."""
    missing = -len(next(iter(columns.values()))) % multiple
    return {name: [*values, *[values[0]] * missing] for name, values in columns.items()} if missing else columns
