"""Many objects at a time, with a bar on a terminal: storages answer slowly, and hashing lets other threads run."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Result = TypeVar("Result")
THREADS = 8


def each(function: Callable[[One], Result], objects: Sequence[One]) -> Iterator[Result]:
    """The results, in order. After an error, what has not begun is not begun."""
    from tqdm import tqdm

    failed: list[BaseException] = []

    def begun(one: One) -> Result:
        if failed:  # the pool is told later, and each of its threads would begin another and wait for it, too
            raise failed[0]
        try:
            return function(one)
        except BaseException as error:
            failed.append(error)
            raise

    with ThreadPoolExecutor(THREADS) as pool, tqdm(total=len(objects), unit="object", disable=None, leave=False) as bar:
        try:
            for result in pool.map(begun, objects):
                bar.update()
                yield result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
