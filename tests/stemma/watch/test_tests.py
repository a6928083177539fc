"""Tests of a column beside a profile: beside SciPy on the rows themselves."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stemma.tables.profile import described
from stemma.watch import tests

KINDS = {
    "normal": lambda draw, rows: draw.normal(size=rows),
    "lognormal": lambda draw, rows: np.exp(1.5 * draw.normal(size=rows)),
    "mostly zero": lambda draw, rows: np.where(draw.random(rows) < 0.6, 0, np.exp(draw.normal(size=rows))),
    "counts": lambda draw, rows: draw.poisson(3, rows).astype(float),
    "tenths": lambda draw, rows: np.round(draw.random(rows), 1),
    "constant": lambda draw, rows: np.full(rows, 0.2),
    "heavy": lambda draw, rows: draw.standard_cauchy(rows),
}


def profile(values: np.ndarray) -> dict[str, Any]:
    present = values[~np.isnan(values)].astype(np.float64)
    return {"missing": len(values) - len(present), **described(present)}


@settings(max_examples=60)
@given(st.lists(st.integers(0, 6) | st.floats(-9, 9, width=16), min_size=2, max_size=60), st.booleans())
def test_the_facts_of_a_profile_hold_for_its_rows(values: list[float], narrow: bool) -> None:
    """Also where rows share values, and where these are rounded to float32 meanwhile."""
    dtype = np.float32 if narrow else np.float64
    rows = np.array(values, np.float64) / 10
    points, lower, upper = tests.known(profile(rows), dtype, len(rows))
    rounded = np.sort(rows.astype(dtype))
    assert (np.searchsorted(rounded, points, "right") / len(rows) >= lower - 1e-12).all()
    assert (np.searchsorted(rounded, points, "left") / len(rows) <= upper + 1e-12).all()


def test_where_no_value_is_shared_the_facts_are_exact() -> None:
    rows = np.random.default_rng(0).normal(size=1000)
    points, lower, upper = tests.known(profile(rows), np.float64, 1000)
    assert len(points) == 14 and (lower == upper).all()
    assert lower == pytest.approx(np.searchsorted(np.sort(rows), points) / 1000, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.05, -0.2])
def test_the_tests_of_numbers_are_near_those_of_scipy_on_the_rows(shift: float) -> None:
    draw = np.random.default_rng(3)
    before, now = draw.normal(size=3000), draw.normal(size=2000) + shift
    found = tests.of_numbers(profile(before), now)
    rank, whole = stats.mannwhitneyu(before, now).pvalue, stats.ks_2samp(before, now).pvalue
    assert math.log(found["location"]) == pytest.approx(math.log(rank), rel=0.25, abs=0.5)
    assert found["shape"] >= whole  # the largest gap of all lies at no point that is known


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("before", "rows"), [(4000, 2000), (200, 120)])
def test_undrifted_columns_of_any_shape_seldom_seem_to_drift(kind: str, before: int, rows: int) -> None:
    draw = np.random.default_rng(5)
    found = [
        tests.of_numbers(profile(KINDS[kind](draw, before)), KINDS[kind](draw, rows).astype(np.float32))
        for _ in range(100)
    ]
    for test in ("location", "shape", "range", "missing"):
        assert sum(each[test] < 0.01 for each in found) <= 5  # of 100, 1 of them expected


def test_a_shift_of_a_tenth_of_the_deviation_is_found() -> None:
    draw = np.random.default_rng(0)
    found = [
        tests.of_numbers(profile(draw.normal(size=10_000)), draw.normal(size=5000) + 0.1)["location"] for _ in range(40)
    ]
    assert sum(p * 22 / 0.5 < 0.05 for p in found) >= 38


def test_a_change_of_spread_is_one_of_shape() -> None:
    draw = np.random.default_rng(0)
    found = tests.of_numbers(profile(draw.normal(size=5000)), 1.3 * draw.normal(size=2000))
    assert found["shape"] < 1e-4 < found["location"]


def test_rows_beyond_the_range_have_the_chance_of_being_the_outermost() -> None:
    assert tests.beyond(3, 50, 80) == pytest.approx(math.comb(50, 3) / math.comb(130, 3))
    assert tests.beyond(0, 50, 80) == 1
    found = tests.of_numbers(profile(np.arange(100.0)), np.array([*np.arange(50.0), 1e9, 1e9, 1e9, 1e9, 1e9]))
    assert found["range"] == pytest.approx(2 * tests.beyond(5, 55, 100))


def test_texts_are_tested_by_chi_square_and_values_that_are_missing_by_fisher() -> None:
    reference = {"missing": 4, "values": {"a": 60, "b": 30, "c": 10}, "other": 0}
    found = tests.of_texts(reference, {"a": 20, "b": 20, "c": 10}, 5)
    counts = [[60, 30, 10], [20, 20, 10]]
    assert found["shape"] == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue)
    assert found["missing"] == pytest.approx(stats.fisher_exact([[4, 100], [5, 50]]).pvalue)
    assert found["new"] == 1


def test_rare_texts_are_one_bin_and_names_that_were_not_kept_are_another() -> None:
    rare = {f"r{n}": 1 for n in range(20)}
    pairs = [(500, 400), *((1, 1) for _ in range(20)), (10, 80)]
    alike = [[500, 400], [20, 20], [10, 80]]
    assert tests.chi_square(pairs) == pytest.approx(stats.chi2_contingency(alike, correction=False).pvalue)
    found = tests.of_texts({"missing": 0, "values": {"a": 500} | rare, "other": 10}, {"a": 400, "x": 80} | rare, 0)
    assert found["shape"] == pytest.approx(tests.chi_square(pairs)) and "new" not in found


def test_a_text_that_training_never_met_is_new_where_it_should_have_been_met() -> None:
    reference = {"missing": 0, "values": {"a": 5000, "b": 5000}, "other": 0}
    assert tests.of_texts(reference, {"a": 500, "b": 500, "x": 30}, 0)["new"] < 1e-9
    assert tests.of_texts(reference, {"a": 500, "b": 500, "x": 1}, 0)["new"] > 0.1
    several = {"missing": 0, "values": {"a": 900} | {f"r{n}": 1 for n in range(100)}, "other": 0}
    assert tests.of_texts(several, {"a": 90, "x": 10}, 0)["new"] > 0.1  # a tenth of the reference was new as well


@pytest.mark.parametrize("size", [100.0, 0.01, 1000.0])
@pytest.mark.parametrize("kind", ["normal", "lognormal", "mostly zero", "counts", "heavy"])
def test_a_change_of_unit_is_told_from_any_other(kind: str, size: float) -> None:
    draw = np.random.default_rng(0)
    before, now = profile(KINDS[kind](draw, 8000)), KINDS[kind](draw, 4000)
    assert tests.factor(before, profile(now * size)) == pytest.approx(size, rel=0.15)
    assert tests.factor(before, profile(now)) is None
    assert tests.factor(before, profile(now + 10 * now.std() + 5)) is None
    assert tests.factor(before, profile(now + 5 * (now > np.median(now)))) is None


@pytest.mark.parametrize("values", [[], [math.nan] * 9, [3.0], [0.2] * 9])
def test_columns_of_nothing_or_of_one_value_are_no_trouble(values: list[float]) -> None:
    column, other = np.array(values, float), np.random.default_rng(0).normal(size=50)
    for before, now in ((other, column), (column, other), (column, column)):
        assert all(0 <= p <= 1 for p in tests.of_numbers(profile(before), now).values())
    empty = {"missing": 3, "values": {}, "other": 0}
    assert tests.of_texts(empty, {}, 3) == {"missing": 1.0}
    assert tests.of_texts(empty, {"a": 9}, 0)["missing"] < 0.05
