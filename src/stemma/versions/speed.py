"""How long two bundles take, and how much memory, side by side on this machine."""

import ctypes
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemma.bundle import Bundle
from stemma.bundle.limits import Limits, answer
from stemma.errors import BundleError

BATCH = 256  # rows
ROUNDS, SINGLES, BATCHES = 5, 40, 5  # and timed runs of each bundle in one
TIME = Limits(seconds=600)  # for all of them
WARM = 3  # runs before those: the first is ten times slower
PAGES = Path("/proc/self/statm")  # of Linux: of this process, in memory the second number

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Latency:
    """Milliseconds from columns of values to predictions: the median of repeated runs in the quietest round."""

    single: float  # of one row
    batch: float  # of 256 rows


def latencies(a: Bundle, b: Bundle, rows: Columns | None = None) -> tuple[Latency, Latency]:
    """Time two bundles in turns, so that what else the machine does falls on both. They predict these rows, repeated as
    needed; by default the sample request that each carries."""
    of_a, of_b = rows or sample(a), rows or sample(b)

    def medians() -> list[tuple[float, float]]:
        found = []
        for count, runs in ((1, SINGLES), (BATCH, BATCHES)):
            first, second = repeated(of_a, a, count), repeated(of_b, b, count)
            found.append(_in_turns(lambda x=first: a.predict(x), lambda x=second: b.predict(x), runs))  # type: ignore[misc]
        return found

    (single_a, single_b), (batch_a, batch_b) = answer(medians, TIME)
    return Latency(single_a, batch_a), Latency(single_b, batch_b)


def memory(bundle: Bundle, rows: Columns | None = None) -> int | None:
    """Bytes that a process holds for one more of this bundle, opened and asked for 256 rows; None where the system does
    not say. The first one is not counted: with it comes what all share."""
    if not PAGES.is_file():
        return None
    asked = repeated(rows or sample(bundle), bundle, BATCH)

    def held() -> int:
        opened, before = list[Bundle](), 0
        for _ in range(2):
            before = _resident()
            opened.append(Bundle.of(bundle.files))
            opened[-1].predict(asked)
        return max(0, _resident() - before)

    found: int = answer(held, TIME)
    return found


def _resident() -> int:
    """Bytes, once what is free has gone to the system: a bundle would take that and seem to take nothing."""
    with suppress(AttributeError):  # of another C library than GNU's
        ctypes.CDLL(None).malloc_trim(0)
    return int(PAGES.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sample(bundle: Bundle) -> Columns:
    """The rows of the sample request; a row of missing values where there is none."""
    found: Columns = {}
    with suppress(BundleError):
        found = bundle.sample
    names = [each.name for each in bundle.signature.inputs]
    return found if all(found.get(name) for name in names) else {name: [None] for name in names}


def repeated(rows: Columns, bundle: Bundle, count: int) -> dict[str, list[Any]]:
    """So many rows of just the columns that a bundle takes, from the first on, over and over."""
    columns = {each.name: rows[each.name] for each in bundle.signature.inputs}
    return {name: [values[row % len(values)] for row in range(count)] for name, values in columns.items()}


def _in_turns(a: Callable[[], Any], b: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Median milliseconds of each in its quietest round: what else the machine does makes no call shorter."""
    took = np.empty((2, ROUNDS, runs))
    for run in range(-WARM, ROUNDS * runs):
        for call, times in zip((a, b), took.reshape(2, -1), strict=True):
            start = time.perf_counter()
            call()
            if run >= 0:
                times[run] = (time.perf_counter() - start) * 1000
    first, second = np.median(took, axis=2).min(axis=1)
    return float(first), float(second)
