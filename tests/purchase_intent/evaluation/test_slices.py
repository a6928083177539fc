"""How a column is cut."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purchase_intent.evaluation import slices
from stemma.errors import SettingsError


def told(column: pd.Series, boolean: bool = False) -> dict[str, list[int]]:
    return {part.value: part.rows.tolist() for part in slices.cut(column, boolean)}


def test_texts_are_slices_by_value_and_unused_categories_are_none() -> None:
    column = pd.Series(pd.Categorical(["b", "", "b", "a"], categories=["", "a", "b", "unused"]))
    assert told(column) == {"(blank)": [1], "a": [3], "b": [0, 2]}


def test_truth_values_are_named_and_missing_ones_apart() -> None:
    assert told(pd.Series([1.0, 0.0, np.nan]), boolean=True) == {"false": [1], "true": [0], "(missing)": [2]}


def test_few_numbers_are_values_in_their_order() -> None:
    assert told(pd.Series([10.0, 2.0, 10.0])) == {"2": [1], "10": [0, 2]}


def test_many_numbers_are_cut_at_the_quartiles() -> None:
    found = told(pd.Series(np.arange(1.0, 101.0)))
    assert list(found) == ["1 to 25.75", "above 25.75 to 50.5", "above 50.5 to 75.25", "above 75.25 to 100"]
    assert [len(rows) for rows in found.values()] == [25] * 4


def test_a_number_that_most_rows_have_is_a_slice_of_its_own() -> None:
    found = told(pd.Series([0.0] * 80 + list(range(1, 21))))
    assert {value: len(rows) for value, rows in found.items()} == {"0": 80, "above 0 to 20": 20}


def test_dates_are_cut_at_the_quartiles() -> None:
    found = told(pd.Series(pd.date_range("2026-01-01", periods=41, freq="D").astype("datetime64[us]")))
    assert next(iter(found)) == "2026-01-01 to 2026-01-11" and len(found) == 4


def test_of_many_texts_the_rarest_are_one_slice() -> None:
    column = pd.Series([f"t{n:02}" for n in range(30) for _ in range(30 - n)]).astype("category")
    found = told(column)
    assert len(found) == slices.MOST + 1 and len(found["(10 others)"]) == sum(range(1, 11))


@given(st.lists(st.one_of(st.none(), st.integers(-3, 3), st.floats(-1e6, 1e6)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_every_row_is_in_just_one_slice(values: list[float | None]) -> None:
    parts = slices.cut(pd.Series(values, dtype=float))
    assert sorted(row for part in parts for row in part.rows) == list(range(len(values)))


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"'Mnth' is not a column of .*test.parquet \(did you mean 'Month'\?\)"):
        slices.check(["Month", "Mnth"], ["Month", "Region"])
