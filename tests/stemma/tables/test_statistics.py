import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.tables import load, profile, statistics
from stemma.tables.profile import Block
from stemma.tables.split import split
from tiny import SOURCES, SPENT

BLOCKS = (Block("Browser", "code", 0, 1, 8), Block("PageValues", "numeric", 1, 11))


def numbers(rows: range) -> pd.DataFrame:
    return pd.DataFrame({"n": np.array(rows, float), "c": pd.Categorical([str(row % 7) for row in rows])})


@pytest.fixture(scope="module")
def made(section):
    """The statistics of 2,000 visits."""
    settings = section("visits", rows=2000)
    table = load.table(settings, SOURCES)
    return statistics.make(table, settings, split(table, settings), BLOCKS), table


def test_what_the_table_is_comes_first(made):
    about, _ = made
    assert (about["format"], about["task"], about["target"], about["rows"]) == (1, "binary", "Revenue", 2000)
    assert (about["classes"], about["positive"], about["encoded_width"]) == (["FALSE", "TRUE"], "TRUE", 12)
    assert about["source"] == "tests/tiny/__init__.py"
    assert about["features"][0] == {"name": "PageValues", "role": "numeric"}
    assert len(about["features"]) == 5
    assert about["bayes"] == "Probability"


def test_every_split_tells_its_class_balance(made):
    about, table = made
    assert [about["splits"][name]["rows"] for name in ("train", "validation", "test")] == [1280, 320, 400]
    balances = [part["balance"] for part in about["splits"].values()]
    assert sum(part["TRUE"] for part in balances) == (table["Revenue"] == "TRUE").sum()


def test_a_numeric_column_has_moments_quantiles_and_a_histogram(made):
    about, table = made
    column, values = about["columns"]["PageValues"], table["PageValues"].dropna()
    assert column["role"] == "numeric"
    assert column["missing"] == table["PageValues"].isna().sum() > 0
    assert column["mean"] == pytest.approx(values.mean())
    assert column["std"] == pytest.approx(values.std(ddof=0))
    assert (column["min"], column["max"]) == (values.min(), values.max())
    assert column["quantiles"]["75"] == pytest.approx(values.quantile(0.75))
    assert list(column["quantiles"]) == ["5", "25", "50", "75", "95"]
    assert len(column["histogram"]["edges"]) == len(column["histogram"]["counts"]) + 1 == 11
    assert sum(column["histogram"]["counts"]) == len(values)


def test_other_columns_have_counts(made):
    about, table = made
    browser = about["columns"]["Browser"]
    assert browser["missing"] == (table["Browser"] == "").sum() > 0
    assert sum(browser["values"].values()) + browser["other"] + browser["missing"] == 2000
    assert next(iter(browser["values"])) == "2"
    assert about["columns"]["Weekend"]["values"]["1"] == (table["Weekend"] == 1).sum()
    assert about["columns"]["Revenue"]["role"] == "target"
    assert about["columns"]["Probability"]["role"] == "bayes"


def test_of_many_texts_the_most_frequent_are_counted_by_name(small):
    texts = [f"{row:03}" for row in range(80)] + ["often"] * 20
    frame = pd.DataFrame({"c": pd.Categorical(texts), "y": pd.Categorical(["p", "q"] * 50)})
    described = small("t.csv", columns={"c": "categorical"})
    column = statistics.make(frame, described, split(frame, described), BLOCKS)["columns"]["c"]
    assert column["values"] == {"often": 20} | {f"{row:03}": 1 for row in range(49)}
    assert column["other"] == 31


def test_a_regression_has_mean_and_spread_of_the_training_target(section):
    settings = section("visits", **SPENT)
    table = load.table(settings, SOURCES)
    rows = split(table, settings)
    about = statistics.make(table, settings, rows, BLOCKS)
    train = table["Minutes"].iloc[rows["train"]]
    assert about["target_mean"] == pytest.approx(train.mean())
    assert about["target_std"] == pytest.approx(train.std(ddof=0))
    assert about["splits"]["test"] == {"rows": 120, "mean": pytest.approx(table["Minutes"].iloc[rows["test"]].mean())}
    assert (about["classes"], about["positive"], about["bayes_roc_auc"]) == ([], None, None)


@pytest.mark.parametrize(
    ("found", "task", "positive", "ordered"),
    [
        (["10", "9", "1"], "multiclass", None, ["1", "9", "10"]),
        (["10", "9", "x"], "multiclass", None, ["10", "9", "x"]),
        (["FALSE", "TRUE"], "binary", "FALSE", ["TRUE", "FALSE"]),
        (["yes", "no"], "binary", None, ["no", "yes"]),
        (["10", "9"], "binary", None, ["9", "10"]),
    ],
)
def test_classes_are_ordered_as_numbers_or_text_and_the_positive_one_is_last(small, found, task, positive, ordered):
    target = pd.Series(pd.Categorical(found))
    assert statistics.classes(target, small("t.csv", task=task, positive=positive)) == ordered


def test_the_file_is_the_same_every_time_and_holds_no_number_that_is_not_finite(tmp_path, section):
    settings = section("visits", rows=500)
    files = []
    for number in range(2):
        table = load.table(settings, SOURCES)
        table["Minutes"] = np.nan
        profile.write(tmp_path / f"{number}", statistics.make(table, settings, split(table, settings), BLOCKS))
        files.append((tmp_path / f"{number}/profile.json").read_bytes())
    assert files[0] == files[1]
    read = json.loads(files[0], parse_constant=pytest.fail)
    assert list(read) == sorted(read)
    assert read["columns"]["Minutes"]["mean"] is None
    assert read["columns"]["Minutes"]["missing"] == 500


def test_numbers_that_are_not_finite_are_written_as_null(tmp_path):
    profile.write(tmp_path, {"a": [float("nan"), 1.5], "b": {"c": float("inf")}})
    assert json.loads((tmp_path / "profile.json").read_text()) == {"a": [None, 1.5], "b": {"c": None}}


def test_content_depends_on_every_name_type_value_and_the_order_of_rows():
    frame = numbers(range(20))
    changed = [
        frame.rename(columns={"n": "m"}),
        frame[["c", "n"]],
        frame[::-1],
        frame.assign(n=frame["n"].replace(3, 3.5)),
        frame.assign(n=frame["n"].replace(3, np.nan)),
        frame.assign(c=pd.Categorical(frame["c"].astype(str).replace("3", "x"))),
        frame.assign(n=pd.Categorical(frame["n"].astype(str))),
    ]
    hashes = {statistics.content(table) for table in [frame, *changed]}
    assert len(hashes) == 1 + len(changed)
    assert statistics.content(frame.copy()) == statistics.content(frame)


def test_content_is_that_of_the_values_whatever_bits_a_missing_one_has():
    odd = np.array([0x7FF8000000000001, 0], np.uint64).view(float)
    assert statistics.content(pd.DataFrame({"n": odd})) == statistics.content(pd.DataFrame({"n": [np.nan, 0.0]}))


def test_a_sketch_of_a_short_table_has_every_row_once_and_equal_rows_each():
    frame = pd.DataFrame({"n": [1.0, 2.0, 1.0]})
    hashes = statistics.sketch(frame)
    assert len(set(hashes)) == 3
    assert hashes == sorted(hashes)
    assert all(len(value) == 16 and int(value, 16) >= 0 for value in hashes)
    assert set(statistics.sketch(frame[:2])) < set(hashes)


def test_the_second_of_equal_rows_counts_as_another_however_often_others_stand_between():
    frame = numbers(np.random.default_rng(0).integers(0, 200, 2000))
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    times = np.array([(hashes[:row] == hashes[row]).sum() for row in range(2000)], np.uint64)
    each = np.sort(pd.util.hash_array(hashes + times * np.uint64(0x9E3779B97F4A7C15)))
    assert statistics.sketch(frame) == [f"{value:016x}" for value in each[: statistics.SKETCH]]


def test_a_sketch_does_not_depend_on_the_order_of_rows():
    frame = numbers(range(3000))
    assert statistics.sketch(frame) == statistics.sketch(frame.sample(frac=1, random_state=0))


def test_sketches_tell_how_many_rows_two_tables_share():
    first, second = numbers(range(20_000)), numbers(range(5000, 30_000))
    a, b = statistics.sketch(first), statistics.sketch(second)
    smallest = sorted(set(a) | set(b))[: statistics.SKETCH]
    jaccard = np.mean([value in a and value in b for value in smallest])
    kept = jaccard / (1 + jaccard) * (len(first) + len(second))
    # The true Jaccard index is 1/2, its estimate from 512 hashes has a standard error of 0.022.
    assert jaccard == pytest.approx(0.5, abs=0.09)
    assert kept == pytest.approx(15_000, rel=0.12)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1), max_size=30))
def test_the_bayes_auc_is_the_share_of_pairs_in_order(chances):
    p = np.array(chances)
    weight = p[:, None] * (1 - p[None, :]) * (1 - np.eye(len(p)))
    order = (p[:, None] > p[None, :]) + (p[:, None] == p[None, :]) / 2
    if weight.sum() > 1e-9:
        assert statistics.bayes_auc(p) == pytest.approx((weight * order).sum() / weight.sum(), abs=1e-6)


def test_the_bayes_auc_of_certain_labels_is_one_and_of_equal_chances_a_half():
    assert statistics.bayes_auc(np.array([0.0, 1.0, 1.0])) == 1.0
    assert statistics.bayes_auc(np.full(10, 0.3)) == pytest.approx(0.5)
    assert np.isnan(statistics.bayes_auc(np.ones(3)))


def test_the_column_of_row_numbers_takes_a_name_that_is_free():
    assert statistics.row_column(pd.DataFrame(columns=["a"])) == "row"
    assert statistics.row_column(pd.DataFrame(columns=["row", "_row"])) == "__row"


def test_training_rows_have_statistics_of_their_own_for_the_features(made, section):
    about, table = made
    assert list(about["training"]) == [feature["name"] for feature in about["features"]]
    rows = split(table, section("visits", rows=2000))["train"]
    values = table["PageValues"].iloc[rows].dropna()
    assert about["training"]["PageValues"]["mean"] == pytest.approx(values.mean())
    assert about["training"]["PageValues"]["mean"] != about["columns"]["PageValues"]["mean"]
    weekend = about["training"]["Weekend"]
    assert sum(weekend["values"].values()) + weekend["missing"] == 1280


def dated(missing: bool = True) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=40, freq="D", unit="us").to_series(index=range(40))
    if missing:
        days[7] = pd.NaT
    return pd.DataFrame({"d": days, "y": pd.Categorical(["p", "q"] * 20)})


def test_a_date_is_described_in_seconds_since_1970(small):
    settings = small("t.csv", columns={"d": "date"})
    frame = dated()
    column = statistics.make(frame, settings, split(frame, settings), BLOCKS)["columns"]["d"]
    first = pd.Timestamp("2024-01-01").timestamp()
    assert (column["role"], column["missing"]) == ("date", 1)
    assert (column["min"], column["max"]) == (first, first + 39 * 86400)
    assert column["quantiles"]["50"] == first + 20 * 86400
    assert sum(column["histogram"]["counts"]) == 39


def test_content_and_sketch_depend_on_dates():
    frame = dated()
    other = frame.assign(d=frame["d"] + pd.Timedelta("1us"))
    assert statistics.content(frame) == statistics.content(frame.copy())
    assert statistics.content(frame) != statistics.content(other)
    assert statistics.sketch(frame) != statistics.sketch(other)


@pytest.mark.parametrize("setting", ["group", "time", "partition"])
def test_a_column_that_splits_the_rows_is_described_as_such(small, setting):
    frame = pd.DataFrame(
        {
            "n": np.arange(60.0),
            "s": np.arange(60.0) if setting == "time" else pd.Categorical(["train", "val", "test"] * 20),
            "y": pd.Categorical(list("pq") * 30),
        }
    )
    settings = small("t.csv", columns={"n": "numeric", "s": "drop"}, **{setting: "s"})
    about = statistics.make(frame, settings, split(frame, settings), BLOCKS)
    assert about["columns"]["s"]["role"] == setting
    assert [feature["name"] for feature in about["features"]] == ["n"]
    assert list(about["training"]) == ["n"]


@pytest.mark.parametrize(
    "values",
    [[0.3, 0.1 + 0.2], [1e37, 1.0000000000000001e37], [5e-324, 0], [1e15, 1e15 + 0.125], [7, 7], [1e30, 1e30]],
)
def test_numbers_that_hardly_differ_have_a_histogram_too(small, values):
    settings = small("t.csv", columns={"n": "numeric"})
    frame = pd.DataFrame({"n": np.tile(np.array(values, float), 20), "y": pd.Categorical(list("ppqq") * 10)})
    column = statistics.make(frame, settings, split(frame, settings), BLOCKS)["columns"]["n"]
    assert sum(column["histogram"]["counts"]) == 40
    assert (np.diff(column["histogram"]["edges"]) > 0).all()
    assert (column["min"], column["max"]) == (min(values), max(values))
