"""How a column is cut."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemma.metrics import slices

DAYS = [datetime(2026, 1, 1) + timedelta(days=n) for n in range(41)]


def told(column: Any) -> dict[str, list[int]]:
    return {part.value: part.rows.tolist() for part in slices.cut(column)}


def sizes(column: Any) -> dict[str, int]:
    return {value: len(rows) for value, rows in told(column).items()}


def test_texts_are_slices_by_value() -> None:
    assert list(sizes(["b", "a", "b", "c", "b", "a"]).items()) == [("a", 2), ("b", 3), ("c", 1)]


@pytest.mark.parametrize("nothing", [None, float("nan"), "", " ", pd.NaT])
def test_rows_without_a_value_are_the_last_slice(nothing: Any) -> None:
    assert list(told([nothing, "a", nothing]).items()) == [("a", [1]), ("(missing)", [0, 2])]
    assert told([nothing, nothing]) == {"(missing)": [0, 1]}
    assert told([nothing, 2.0]) == {"2": [1], "(missing)": [0]}


def test_truth_values_are_two_slices() -> None:
    assert told([True, False, None, True]) == {"false": [1], "true": [0, 3], "(missing)": [2]}


def test_few_numbers_are_values_in_their_order_and_the_same_in_a_csv_as_in_parquet() -> None:
    assert list(told([10.0, 2.0, 10.0]).items()) == [("2", [1]), ("10", [0, 2])]
    assert told(["10", "2 ", "10"]) == told([10.0, 2.0, 10.0]) == told([10, 2, 10])
    assert told([0.1, 12345678.5]) == {"0.1": [0], "12345678.5": [1]}


def test_many_numbers_are_cut_at_the_quartiles() -> None:
    expected = ["1 to 25.75", "above 25.75 to 50.5", "above 50.5 to 75.25", "above 75.25 to 100"]
    for column in (np.arange(1.0, 101.0).tolist(), [str(number) for number in range(1, 101)], list(range(1, 101))):
        assert sizes(column) == dict.fromkeys(expected, 25)


def test_a_number_that_most_rows_have_is_a_slice_of_its_own() -> None:
    assert sizes([0.0] * 80 + list(range(1, 21))) == {"0": 80, "above 0 to 20": 20}


@pytest.mark.parametrize(
    "column",
    [DAYS, pd.Series(DAYS).astype("datetime64[us]").tolist(), [day.replace(tzinfo=UTC) for day in DAYS]],
    ids=["datetime", "pandas", "aware"],
)
def test_dates_are_cut_at_the_quartiles_in_any_time_zone_of_this_machine(
    column: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    found = told(column)
    assert next(iter(found)) == "2026-01-01 to 2026-01-11" and len(found) == 4


def test_few_dates_are_values() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert told([DAYS[1], DAYS[0], noon]) == {"2026-01-01": [1], "2026-01-01 12:00:00": [2], "2026-01-02": [0]}


def test_of_many_texts_the_rarest_are_one_slice() -> None:
    found = sizes([f"t{n:02}" for n in range(30) for _ in range(30 - n)])
    assert len(found) == slices.MOST + 1 and found["(10 others)"] == sum(range(1, 11))


VALUES = st.one_of(st.none(), st.integers(-3, 3), st.floats(-1e6, 1e6), st.sampled_from(["", "a", "1", "true"]))


@given(st.lists(st.one_of(VALUES, st.booleans()), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_every_row_is_in_just_one_slice(values: list[Any]) -> None:
    parts = slices.cut(values)
    assert sorted(row for part in parts for row in part.rows) == list(range(len(values)))
