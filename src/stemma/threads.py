"""Work that is shared out over threads: NumPy, Arrow, pandas and hashing let others run while they compute."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 3  # at a time: each holds some copies of what it works on
BLOCK = 2**18


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What `work` gives for each item, in their order; of errors the first in that order."""
    with ThreadPoolExecutor(min(MOST, cores())) as pool:
        return list(pool.map(work, items))


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """What each of them gives."""
    return each(lambda job: job(), jobs)


def blocks(count: int) -> list[slice]:
    """All of so many rows, `BLOCK` at a time."""
    return [slice(start, start + BLOCK) for start in range(0, max(count, 1), BLOCK)]


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
