"""The population stability index of two parts of a table."""

import numpy as np
import pandas as pd
import pytest

from stemma.tables.drift import drift


def test_drift_is_none_where_shares_agree_and_large_where_they_do_not() -> None:
    draw = np.random.default_rng(0)
    first, second = (pd.Series(draw.standard_normal(1000)) for _ in range(2))
    assert drift(first, second)[0] < 0.05
    assert drift(first, second + 1)[0] > 0.5
    assert drift(first, second.where(second.index < 500))[0] > 0.5
    days = [pd.Series(pd.to_datetime(part, unit="D", origin="2024-01-01")) for part in (first * 9, second * 9 + 9)]
    assert drift(*days)[0] > 0.5


@pytest.mark.parametrize("kind", ["category", "str"])
def test_each_text_is_a_bin_whatever_the_type_of_its_column(kind: str) -> None:
    first, second = (pd.Series(["a"] * a + ["b"] * (1000 - a), dtype=kind) for a in (900, 100))
    value, bins = drift(first, second)
    assert bins == 2 and value == pytest.approx(2 * 0.8 * np.log(9), rel=0.01)
    assert drift(first, pd.Series(["a"] * 899 + ["b"] * 100 + ["c"], dtype=kind))[1] == 3


def test_a_column_without_values_has_no_drift() -> None:
    nothing = pd.Series([np.nan] * 9)
    assert drift(nothing, nothing) == (0.0, 1)


def test_drift_of_equal_parts_is_that_of_chance() -> None:
    first, second = (pd.Series(np.random.default_rng(seed).standard_normal(2500)) for seed in range(2))
    value, bins = drift(first, second)
    assert 0 < value < 5 * (bins - 1) * 2 / 2500
