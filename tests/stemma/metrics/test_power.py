"""Rows needed: against statsmodels, and against draws."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower

from stemma.metrics import power


@pytest.mark.parametrize(("difference", "error", "rows"), [(0.01, 0.01, 1000), (-0.003, 0.002, 50), (5.0, 4.0, 200)])
def test_rows_needed_are_those_of_statsmodels_for_one_sample(difference: float, error: float, rows: int) -> None:
    deviation = error * math.sqrt(rows)
    expected = NormalIndPower(ddof=0).solve_power(abs(difference) / deviation, alpha=0.05, power=0.8, ratio=0)
    assert power.rows_needed(difference, error, rows) == pytest.approx(expected, abs=1 + 1e-3 * expected)


def test_on_so_many_rows_the_difference_shows_in_80_of_100_tries() -> None:
    generator = np.random.default_rng(0)
    rows = power.rows_needed(0.2, 1 / math.sqrt(50), 50)  # a mean of 0.2 with deviation 1
    assert rows is not None
    drawn = generator.normal(0.2, 1, (4000, rows))
    z = drawn.mean(axis=1) * math.sqrt(rows)
    assert np.mean(2 * stats.norm.sf(np.abs(z)) < 0.05) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("difference", "error"), [(0.0, 1.0), (1.0, 0.0), (math.nan, 1.0), (1.0, math.nan)])
def test_no_number_is_known_for_no_difference_or_no_error(difference: float, error: float) -> None:
    assert power.rows_needed(difference, error, 100) is None
