"""Work that is shared out over threads: NumPy, Arrow, pandas and hashing let others run while they compute."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 3  # at a time: each holds some copies of what it works on
WAITING = 8  # of those that wait
BLOCK = 2**18


def each(work: Callable[[Item], Result], items: Iterable[Item], *, waits: bool = False) -> list[Result]:
    """What `work` gives for each item, in their order; of errors the first in that order. After one none is begun.

    Args:
        waits: for storages, more than it computes: many at a time then, with a bar on a terminal.
    """
    failed: list[BaseException] = []

    def begun(item: Item) -> Result:
        if failed:  # the pool is told later, and each of its threads would begin another and wait for it, too
            raise failed[0]
        try:
            return work(item)
        except BaseException as error:
            failed.append(error)
            raise

    items = list(items)
    with ThreadPoolExecutor(WAITING if waits else min(MOST, cores())) as pool:
        try:
            found = pool.map(begun, items)
            return list(_seen(found, len(items)) if waits else found)
        except BaseException as error:  # an interrupt too, which comes to this thread alone
            failed.append(error)
            raise


def _seen(found: Iterable[Result], count: int) -> Iterable[Result]:
    from tqdm import tqdm

    return tqdm(found, total=count, unit="object", disable=None, leave=False)  # type: ignore[no-any-return]


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """What each of them gives."""
    return each(lambda job: job(), jobs)


def blocks(count: int) -> list[slice]:
    """All of so many rows, `BLOCK` at a time."""
    return [slice(start, start + BLOCK) for start in range(0, max(count, 1), BLOCK)]


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
