"""Exponentials and logarithms with the same digits on every processor.

Those of NumPy, of its sums by BLAS and of the C library take other instructions where a processor has them, and differ
in the last digit. Here are only operations that IEEE 754 rounds in one way: + - * / and powers of two. NumPy's own
sums (`np.sum`, `np.add.reduce`, `np.einsum` of what is no matrix product) add in one order on all x86-64.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LN2 = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")  # 33 bits, so that n * LN2[0] is exact
INVERSE_FACTORIALS = [1 / math.factorial(n) for n in range(13, -1, -1)]
INVERSE_ODDS = [1 / (2 * n + 1) for n in range(11, -1, -1)]


def exp(x: NDArray[Any]) -> Floats:
    """e^x in float64, right to two units in the last place: 2^n times the series of what is left, at most ln 2 / 2."""
    x = np.clip(x.astype(np.float64), -1000, 1000)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):  # NaN stays NaN
        n = np.rint(x / LN2[0])
        made: Floats = np.ldexp(_series(INVERSE_FACTORIALS, x - n * LN2[0] - n * LN2[1]), n.astype(np.int32))
    return made


def log(x: NDArray[Any]) -> Floats:
    """ln x in float64 of finite numbers above 0, right to three units in the last place: with x = m 2^n and m near 1,
    ln m = 2 artanh((m - 1) / (m + 1))."""
    m, n = np.frexp(x.astype(np.float64))
    low = m < math.sqrt(0.5)
    m, n = np.where(low, 2 * m, m), n - low
    s = (m - 1) / (m + 1)
    made: Floats = n * LN2[0] + (n * LN2[1] + 2 * s * _series(INVERSE_ODDS, s * s))
    return made


def _series(factors: list[float], x: Floats) -> Floats:
    """Horner's sum of factors times powers of x, the highest first."""
    made = np.full_like(x, factors[0])
    for factor in factors[1:]:
        made *= x
        made += factor
    return made
