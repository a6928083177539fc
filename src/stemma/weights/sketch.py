"""A tensor's norm, and a sketch of it: 61 sums from which the distance of two versions can be told without either.

The sketch is a CountSketch with one row (Charikar, Chen and Farach-Colton, "Finding frequent items in data streams",
ICALP 2002): entry i, with a fixed random sign, is added to bucket i mod 61. 61 is prime, so the columns of a weight
matrix do not fall into the same buckets. Sketches subtract: the sketch of a - b is sketch(a) - sketch(b), and its
squared norm has the mean |a - b|^2 and a standard deviation of at most sqrt(2/61) = 18 % of that, so a distance is
right to about 9 % (one standard deviation). Up to 61 entries it is exact. Sums are kept with 7 digits: a distance
below 1e-7 of the norms is not seen.
"""

import functools
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUCKETS = 61
ROWS = 1024  # of 61 entries, taken at once: half a megabyte, which stays in a processor's own cache
WIDTH = 16 * BUCKETS  # rows are added 16 side by side: longer inner loops
DIGITS = 7


def norm_and_sketch(tensor: NDArray[Any]) -> tuple[float | None, tuple[float, ...] | None]:
    """L2 norm and sketch (at most 61 sums; fewer entries give as many) of a tensor of any shape and number type.

    Both are None where an entry is NaN or infinite, or where its square is beyond float64. The sums are added in a
    fixed order, so every machine finds the same digits; squares are added by BLAS, whose sixteenth digit depends on
    the processor, far behind the seven that are kept.
    """
    entries = tensor.reshape(-1)
    signs = _signs("float32" if entries.dtype == np.float32 else "float64")  # a sign changes no digit in either
    room = np.empty(ROWS * BUCKETS)
    squares, sums = np.zeros(room.size // WIDTH), np.zeros(BUCKETS)
    with np.errstate(over="ignore", invalid="ignore"):
        for number, start in enumerate(range(0, entries.size, room.size)):
            block = entries[start : start + room.size]
            first_row, flips = _draw(number)
            signed = room[: -(-block.size // WIDTH) * WIDTH]  # whole rows of WIDTH, filled up with zeros
            signed[: block.size] = block * signs[first_row * BUCKETS :][: block.size]
            signed[block.size :] = 0
            rows = signed.reshape(-1, WIDTH)
            squares[: len(rows)] += np.vecdot(rows, rows)
            sums += flips * _by_bucket(rows)
        norm = math.sqrt(sum(squares.tolist()))
    if not math.isfinite(norm):
        return None, None
    return _rounded(norm), tuple(_rounded(value) for value in sums[: entries.size].tolist())


def sketch_distance(a: Sequence[float] | None, b: Sequence[float] | None) -> float:
    """Estimate of the L2 distance of two tensors of equal shape from their sketches; NaN where one has none.

    Raises:
        ValueError: the sketches are of tensors of different sizes.
    """
    if a is None or b is None:
        return math.nan
    if len(a) != len(b):
        raise ValueError(f"sketches of lengths {len(a)} and {len(b)} have no distance")
    return math.dist(a, b)


def _by_bucket(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums (61,) of rows (n, WIDTH): along the first axis NumPy adds row by row, on every processor."""
    columns = np.add.reduce(rows, axis=0)
    sums: NDArray[np.float64] = np.add.reduce(columns.reshape(-1, BUCKETS), axis=0)
    return sums


@functools.cache
def _signs(dtype: str) -> NDArray[Any]:
    """Signs for 2 * ROWS rows; a block starts in one of the first ROWS."""
    return _as_signs(hashlib.shake_256(b"stemma sketch").digest(2 * ROWS * BUCKETS // 8)).astype(dtype)


@functools.lru_cache(maxsize=1024)
def _draw(number: int) -> tuple[int, NDArray[np.float64]]:
    """Where block `number` starts in the signs, and one more sign per bucket (61,), so that no two blocks agree."""
    drawn = hashlib.shake_256(b"stemma sketch block %d" % number).digest(10)
    return int.from_bytes(drawn[:2], "little") % ROWS, _as_signs(drawn[2:])[:BUCKETS]


def _as_signs(drawn: bytes) -> NDArray[np.float64]:
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8)).astype(np.float64)
    return bits * 2 - 1


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}") + 0.0  # -0.0 becomes 0.0
