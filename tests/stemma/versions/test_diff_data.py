"""Rows, columns and drift of two tables, from their profiles; figures checked against SciPy and against the rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from stemma.tables import distance as drift
from stemma.tables import statistics
from stemma.versions.diff import data

ROLES = {"size": "numeric", "colour": "categorical", "bought": "target"}


def table(rows: int, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    colours = pd.Categorical(generator.choice(["red", "green", "blue"], rows), categories=["", "blue", "green", "red"])
    bought = pd.Categorical(generator.choice(["no", "yes"], rows, p=[0.8, 0.2]), categories=["no", "yes"])
    return pd.DataFrame({"size": generator.standard_normal(rows) + shift, "colour": colours, "bought": bought})


def profile(frame: pd.DataFrame) -> dict:
    counts = frame["bought"].value_counts()
    return {
        "source": "table.csv",
        "rows": len(frame),
        "content": {"sha256": statistics.content(frame)},
        "sketch": {"hashes": statistics.sketch(frame)},
        "columns": {name: statistics._column(frame[name], ROLES.get(name, "numeric")) for name in frame},
        "splits": {"train": {"rows": len(frame), "balance": {name: int(counts[name]) for name in ("no", "yes")}}},
    }


def compare(before: pd.DataFrame, after: pd.DataFrame) -> data.Data:
    return data.compare(profile(before), profile(after))


def test_the_same_table_is_at_distance_zero() -> None:
    found = compare(table(2000), table(2000))
    assert found.same and not found.rows.estimated and data.distance(found) == 0
    assert (found.rows.kept, found.rows.added, found.rows.removed) == (2000, 0, 0)
    assert {column.status for column in found.columns} == {"same"}


def test_rows_added_are_counted_exactly_in_tables_that_the_sketch_holds() -> None:
    found = compare(table(400).iloc[:300], table(400)).rows
    assert (found.kept, found.added, found.removed, found.estimated) == (300, 100, 0, False)
    assert found.distance == 0.25


def test_a_row_that_is_there_twice_counts_twice() -> None:
    frame = table(100)
    found = compare(frame, pd.concat([frame, frame.iloc[:10]])).rows
    assert (found.kept, found.added) == (100, 10)


@pytest.mark.parametrize("kept", [0, 500, 4000, 5000])
def test_kept_rows_of_large_tables_are_estimated_and_their_interval_holds_the_truth(kept) -> None:
    before = table(5000)
    after = pd.concat([before.iloc[:kept], table(2000, seed=1)])
    found = compare(before, after).rows
    assert found.estimated
    assert found.low <= kept <= found.high
    assert found.kept + found.added == len(after) and found.kept + found.removed == len(before)


def test_the_interval_of_kept_rows_holds_the_truth_about_19_times_in_20() -> None:
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(200):  # row hashes are as good as random
        hashes = generator.integers(0, 2**63, 6000, dtype=np.uint64)
        sides = hashes[:4000], hashes[2000:]  # 2,000 of 6,000 are in both
        found = data.compare_rows(
            *({"rows": 4000, "sketch": {"hashes": [f"{value:016x}" for value in np.sort(s)[:512]]}} for s in sides)
        )
        hits += found.low <= 2000 <= found.high
    assert 180 <= hits <= 199


def test_a_small_table_beside_a_large_one_is_compared() -> None:
    large = table(5000)
    found = compare(large.iloc[:50], large).rows
    assert found.low <= 50 and found.added >= 4900


def test_rows_in_another_order_are_a_difference_of_one_row() -> None:
    frame = table(300)
    found = compare(frame, frame.iloc[::-1])
    assert not found.same and found.rows.kept == 300
    assert data.distance(found) == 1 / 600


def test_columns_added_removed_and_of_another_role_are_named() -> None:
    before = table(300)
    after = before.rename(columns={"size": "width"})
    found = {column.name: column.status for column in compare(before, after).columns}
    assert found == {"size": "removed", "width": "added", "colour": "same", "bought": "same"}
    other = profile(before)
    other["columns"]["size"] = other["columns"]["size"] | {"role": "drop"}
    assert data.compare_columns(profile(before)["columns"], other["columns"])[0].status == "changed"


def test_the_balance_of_classes_is_that_of_all_rows() -> None:
    before, after = table(500), table(700, seed=3)
    found = {one.name: (one.before, one.after) for one in compare(before, after).classes}
    assert found["yes"] == pytest.approx(((before["bought"] == "yes").mean(), (after["bought"] == "yes").mean()))


def test_the_psi_is_that_of_the_textbook_formula() -> None:
    # by hand: (0.3 - 0.2) ln(0.3 / 0.2) + (0.5 - 0.5) ln 1 + (0.2 - 0.3) ln(0.2 / 0.3)
    p, q = np.array([0.2, 0.5, 0.3]), np.array([0.3, 0.5, 0.2])
    assert drift.psi(p, q) == pytest.approx(0.1 * np.log(1.5) - 0.1 * np.log(2 / 3))
    assert [drift.level(value) for value in (0.09, 0.1, 0.25)] == ["stable", "moderate", "large"]


shares = st.lists(st.integers(0, 100), min_size=4, max_size=4).filter(any).map(lambda c: np.array(c) / sum(c))


@given(shares, shares)
@settings(max_examples=100, deadline=None)
def test_the_divergence_is_that_of_scipy_symmetric_and_in_0_1(p, q) -> None:
    found = drift.jensen_shannon(p, q)
    assert found == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-12)
    assert found == pytest.approx(drift.jensen_shannon(q, p), abs=1e-15)
    assert 0 <= found <= 1
    assert drift.psi(p, q) == pytest.approx(drift.psi(q, p)) and drift.psi(p, q) >= 0


def test_drift_of_numbers_is_close_to_that_of_the_rows_themselves() -> None:
    before, after = table(20_000), table(20_000, seed=1, shift=0.5)
    found = compare(before, after).columns[0]
    cuts = np.mean([np.quantile(frame["size"], [0.05, 0.25, 0.5, 0.75, 0.95]) for frame in (before, after)], axis=0)
    edges = [-np.inf, *cuts, np.inf]
    p, q = (np.histogram(frame["size"], edges)[0] / len(frame) for frame in (before, after))
    assert found.psi == pytest.approx(drift.psi(p, q), rel=0.2)  # straight lines between five quantiles
    assert found.level == "moderate" or found.level == "large"


def test_two_samples_of_one_population_are_stable() -> None:
    for column in compare(table(3000), table(3000, seed=9)).columns:
        assert column.level == "stable" and column.jensen_shannon < 0.01


def test_many_equal_values_do_not_look_like_drift() -> None:
    def mostly_zero(rows, seed):
        frame = table(rows, seed)
        frame["size"] = np.where(np.random.default_rng(seed).random(rows) < 0.6, 0.0, np.exp(frame["size"]))
        return frame

    found = compare(mostly_zero(5000, 1), mostly_zero(5000, 2)).columns[0]
    assert found.level == "stable" and found.psi < 0.02


def test_values_beyond_the_fifty_named_ones_are_compared_together() -> None:
    before = {"values": {"a": 50, "b": 30}, "other": 20, "missing": 0, "role": "categorical"}
    after = {"values": {"a": 50, "c": 30}, "other": 20, "missing": 0, "role": "categorical"}
    p, q = drift.shares(before, after)
    assert p.tolist() == [0.5, 0.5, 0.0] and q.tolist() == [0.5, 0.5, 0.0]


def zeros(share: float, seed: int) -> pd.DataFrame:
    """A column of which so many rows are 0, the others exponential."""
    generator = np.random.default_rng(seed)
    return table(5000).assign(size=np.where(generator.random(5000) < share, 0, generator.exponential(1, 5000)))


@pytest.mark.parametrize(("before", "after"), [(0.49, 0.51), (0.24, 0.26), (0.94, 0.96), (0.2, 0.2), (1.0, 1.0)])
def test_nearly_as_many_zeros_are_stable_on_whatever_side_of_a_quantile(before: float, after: float) -> None:
    for one, other in ((zeros(before, 1), zeros(after, 2)), (zeros(after, 2), zeros(before, 1))):
        assert compare(one, other).columns[0].psi < 0.02


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.5), (0.3, 0.7)])
def test_many_more_zeros_are_a_large_drift(before: float, after: float) -> None:
    assert compare(zeros(before, 1), zeros(after, 2)).columns[0].level == "large"


def test_missing_values_are_drift() -> None:
    before = table(1000)
    after = before.copy()
    after.loc[:499, "size"] = np.nan
    found = compare(before, after).columns[0]
    assert found.status == "drifted" and found.level == "large"


@given(st.integers(0, 700), st.integers(1, 700), st.integers(0, 3), st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_distance_of_tables_is_symmetric_in_0_1_and_0_only_for_the_same(kept, rows, seed, renamed) -> None:
    before = table(700)
    after = pd.concat([before.iloc[:kept], table(rows, seed + 1)])
    after = after.rename(columns={"size": "width"}) if renamed else after
    forth, back = data.distance(compare(before, after)), data.distance(compare(after, before))
    assert forth == pytest.approx(back, abs=1e-12)
    assert 0 < forth <= 1
