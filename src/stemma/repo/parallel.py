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

    with ThreadPoolExecutor(THREADS) as pool, tqdm(total=len(objects), unit="object", disable=None, leave=False) as bar:
        try:
            for result in pool.map(function, objects):
                bar.update()
                yield result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
