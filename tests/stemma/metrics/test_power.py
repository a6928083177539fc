"""Rows needed: against their definition, and against draws."""

import math

import numpy as np
import pytest
from scipy import stats

from stemma.metrics import power


@pytest.mark.parametrize(("difference", "error", "rows"), [(0.01, 0.01, 1000), (-0.003, 0.002, 50), (5.0, 4.0, 200)])
def test_with_the_rows_needed_a_two_sided_test_has_its_power_and_with_one_less_it_has_not(
    difference: float, error: float, rows: int
) -> None:
    needed = power.rows_needed(difference, error, rows)
    assert needed is not None

    def found(count: int) -> float:
        expected = abs(difference) / (error * math.sqrt(rows / count))
        bound = stats.norm.isf(0.05 / 2)
        return float(stats.norm.sf(bound - expected) + stats.norm.cdf(-bound - expected))

    assert found(needed) >= 0.8 > found(needed - 1)


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
