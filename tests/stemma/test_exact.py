"""Right to the last digits, and the same ones whatever a processor can."""

import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest

from stemma import exact

Function = Callable[[np.ndarray], np.ndarray]
SPREAD = np.random.default_rng(0).uniform(-1, 1, 2000)
DIGEST = """import hashlib, numpy as np
from stemma import exact
x = np.random.default_rng(0).uniform(-30, 30, 100_000)
print(*(hashlib.sha256(f(values)).hexdigest() for f, values in ((exact.exp, x), (exact.log, np.abs(x)))))
print(hashlib.sha256(np.exp(x)).hexdigest())"""


@pytest.mark.parametrize(
    ("function", "truth", "values"),
    [
        (exact.exp, Decimal.exp, SPREAD * 700),
        (exact.exp, Decimal.exp, SPREAD * 1e-6),
        (exact.log, Decimal.ln, np.abs(SPREAD)),
        (exact.log, Decimal.ln, 1 - np.abs(SPREAD) * 1e-6),
        (exact.log, Decimal.ln, 10.0 ** (SPREAD * 300)),
    ],
    ids=["exp", "exp near 0", "log", "log near 1", "log of all sizes"],
)
def test_the_error_is_below_three_units_in_the_last_place(
    function: Function, truth: Callable[[Decimal], Decimal], values: np.ndarray
) -> None:
    with localcontext(prec=40):
        right = [truth(Decimal(float(value))) for value in values]
        errors = [abs(Decimal(float(f)) - r) for f, r in zip(function(values), right, strict=True)]
        assert max(e / Decimal(float(np.spacing(abs(float(r))))) for e, r in zip(errors, right, strict=True)) < 3


def test_what_lies_at_the_ends_is_as_numpy_has_it() -> None:
    ends = np.array([np.nan, np.inf, -np.inf, 0.0, -745.0, 710.0])
    with np.errstate(all="raise"):
        found = exact.exp(ends)
    with np.errstate(over="ignore", under="ignore"):
        assert np.array_equal(found, np.exp(ends), equal_nan=True)
    assert exact.log(np.array([1.0, 5e-324])).tolist() == [0.0, np.log(5e-324)]


def test_a_processor_with_fewer_instructions_finds_the_same_digits() -> None:
    """NumPy's own function shows that the two differ in instructions, where this processor has any to leave out."""
    wide = "X86_V4 AVX512_ICL AVX512_SPR"
    here, there = (
        subprocess.run([sys.executable, "-c", DIGEST], env=os.environ | more, stdout=-1, text=True).stdout.splitlines()
        for more in ({}, {"NPY_DISABLE_CPU_FEATURES": wide, "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2"})
    )  # fmt: skip
    assert here[0] == there[0]
    if np._core._multiarray_umath.__cpu_features__.get("X86_V4"):
        assert here[1] != there[1]
