"""The encoder against scikit-learn, SciPy and pandas, its blocks, and raw text against the pipeline's own columns."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemma import runtime, signature
from stemma.errors import DataError
from stemma.signature import TYPES
from stemma.tables import encode, load, texts
from stemma.tables.columns import features
from stemma.tables.encode import numeric
from stemma.tables.profile import Block
from stemma.tables.settings import FILES, PrepareSettings

MIXED = (
    ("n", "numeric"), ("c", "categorical"), ("b", "boolean"), ("m", "numeric"), ("t", "date"), ("d", "categorical"),
)  # fmt: skip
MISSING = ("", "NA", "?")
words = st.sampled_from(["", "a", "b", "é ü", "0", "1.0", 'q"\\', "x" * 500]) | st.text(max_size=4)
moments = st.integers(-(2**50), 2**51).map(lambda each: np.datetime64(each, "us"))
values = {
    "numeric": st.none() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6, width=32),
    "boolean": st.sampled_from([1.0, 0.0, None]),
    "categorical": words.map(str.strip).filter(lambda text: text not in MISSING[1:]),
    "date": st.none() | st.dates().map(np.datetime64) | moments,
}
ways = st.builds(
    PrepareSettings,
    strict=st.just(False),
    numeric=st.sampled_from(["auto", "standard", "robust", "quantile"]),
    impute=st.sampled_from(["median", "mean"]),
    indicator=st.booleans(),
    rare=st.integers(1, 3),
    embed=st.integers(1, 5),
)


def prepare(**changes: Any) -> PrepareSettings:
    known = {"strict": False, "numeric": "standard", "impute": "median", "indicator": False, "rare": 1, "embed": 50}
    return PrepareSettings(**(known | changes))


def fitted(train: pd.DataFrame, roles: Any, **changes: Any) -> encode.Fitted:
    return encode.fit(train, roles, prepare(**changes))


def encoded(train: pd.DataFrame, roles: Any, rows: pd.DataFrame | None = None, **changes: Any) -> np.ndarray:
    return encode.Encoder(fitted(train, roles, **changes).graph).encode(train if rows is None else rows)


def one(values: Any, rows: Any = None, role: str = "numeric", **changes: Any) -> np.ndarray:
    """A column alone, fitted on `values`."""
    frame = pd.DataFrame({"x": values})
    return encoded(frame, (("x", role),), frame if rows is None else pd.DataFrame({"x": rows}), **changes)


@st.composite
def tables(draw) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """A canonical table of a few columns of any role, with names of any kind."""
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
    names = [name for name in names if name != encode.OUTPUT] or ["one"]
    roles = [draw(st.sampled_from(sorted(values))) for _ in names]
    rows = draw(st.integers(1, 20))
    columns = {}
    for name, role in zip(names, roles, strict=True):
        column = draw(st.lists(values[role], min_size=rows, max_size=rows))
        columns[name] = canonical(column, role)
    return pd.DataFrame(columns), tuple(zip(names, roles, strict=True))


def canonical(column: list, role: str) -> Any:
    if role == "date":
        return np.array([np.datetime64("NaT") if each is None else each for each in column], "datetime64[us]")
    return pd.Categorical(column) if role == "categorical" else np.array(column, float)


def mixed(rows: int = 30) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    numbers = np.where(draw.random((2, rows)) < 0.1, np.nan, draw.normal(3, 5, (2, rows)))
    hours = draw.integers(400_000, 480_000, rows).astype("datetime64[h]")
    return pd.DataFrame(
        {
            "n": numbers[0],
            "c": pd.Categorical(draw.choice(["", "x", "y y", "ü"], rows)),
            "b": draw.choice([0, 1, np.nan], rows),
            "m": numbers[1],
            "t": np.where(draw.random(rows) < 0.1, np.datetime64("NaT"), hours).astype("datetime64[us]"),
            "d": pd.Categorical(draw.choice(["1", "2", "10"], rows)),
        }
    )


# What the encoder is documented to give, computed by other means.


def expected(train: pd.DataFrame, roles: Any, rows: pd.DataFrame, how: PrepareSettings) -> np.ndarray:
    """Numbers by treatment, dates, then booleans, indicators, days of the week, levels, then codes."""
    columns: dict[str, list[np.ndarray]] = {}

    def add(place: str, part: np.ndarray) -> None:
        columns.setdefault(place, []).append(part.reshape(len(rows), -1).astype(float))

    for name, role in roles:
        if role == "numeric":
            way, part = expected_number(train[name].to_numpy(), rows[name].to_numpy(), how)
            add(way, part)
            if how.indicator and train[name].isna().any() and train[name].notna().any():
                add("f" + "1234"[["standard", "robust", "quantile"].index(way)], rows[name].isna().to_numpy())
        elif role == "boolean":
            add("e", rows[name].fillna(float(train[name].mean() > 0.5)).to_numpy())
            if how.indicator and train[name].isna().any() and train[name].notna().any():
                add("f4", rows[name].isna().to_numpy())
        elif role == "date":
            numbers, flags = expected_date(train[name], rows[name], how.indicator)
            add("t", numbers)
            add("u", flags)
        else:
            code, part = expected_text(train[name], rows[name], how)
            add("y" if code else "x", part)
    order = ["standard", "robust", "quantile", "t", "e", "f1", "f2", "f3", "f4", "u", "x", "y"]
    return np.concatenate([part for place in order for part in columns.get(place, [])], axis=1)


def expected_number(train: np.ndarray, rows: np.ndarray, how: PrepareSettings) -> tuple[str, np.ndarray]:
    from scipy.stats import kurtosis, skew
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import RobustScaler, StandardScaler

    train, rows = train.astype(np.float32).astype(float)[:, None], rows.astype(np.float32).astype(float)[:, None]
    present = train[~np.isnan(train)]
    if not len(present) or np.ptp(present) < 1e-30:
        return "standard", np.zeros(rows.shape)
    nearly = abs(skew(present)) <= 1 and kurtosis(present, fisher=False) <= 6
    way = how.numeric if how.numeric != "auto" else "standard" if nearly else "quantile"
    filled = SimpleImputer(strategy=how.impute).fit(train).transform(rows)
    if way == "quantile":
        knots, scores = numeric.normal_scores(np.sort(present.astype(np.float32)))
        return way, np.interp(filled, knots, scores)
    z = (StandardScaler() if way == "standard" else RobustScaler(unit_variance=True)).fit(train).transform(filled)
    if way == "robust" and np.subtract(*np.quantile(present, [0.75, 0.25])) < 1e-30:
        z = (filled - np.median(present)) / present.std()
    return way, z if way == "standard" else z / np.sqrt(1 + (z / 3) ** 2)


def expected_date(train: pd.Series, rows: pd.Series, indicator: bool) -> tuple[np.ndarray, np.ndarray]:
    seconds = rows.to_numpy("datetime64[us]").astype(np.int64) / 1e6
    first, last = train.min(), train.max()
    span = (last - first) / pd.Timedelta(microseconds=1) if train.notna().any() else 0
    late = (
        2 * (rows.clip(first, last) - first) / pd.Timedelta(microseconds=1) / span - 1
        if span
        else rows.map(lambda _: 0)
    )
    year = 2 * np.pi * (seconds / (365.2425 * 86_400) % 1)
    numbers = [late.to_numpy(float), np.sin(year), np.cos(year)]
    if (train.dropna() != train.dropna().dt.normalize()).any():
        day = 2 * np.pi * (seconds / 86_400 % 1)
        numbers += [np.sin(day), np.cos(day)]
    flags = [rows.dt.dayofweek == day for day in range(7)]
    if indicator and train.isna().any() and train.notna().any():
        flags.append(rows.isna())
    absent = rows.isna().to_numpy()
    return np.where(absent[:, None], 0, np.column_stack(numbers)), np.column_stack(flags)


def expected_text(train: pd.Series, rows: pd.Series, how: PrepareSettings) -> tuple[bool, np.ndarray]:
    counts = train.astype(str).value_counts()
    least = min(how.rare, max(2, len(train) // 100))
    levels, rare = sorted(counts.index[counts >= least]), (counts < least).any()
    texts = list(rows.astype(object))
    if len(levels) > how.embed:
        return True, np.array([levels.index(text) + 1 if text in levels else 0 for text in texts])
    known = [[text == level for level in levels] + [text not in levels] * int(rare) for text in texts]
    return False, np.array(known)


def assert_near(found: np.ndarray, wanted: np.ndarray, train: pd.DataFrame, roles: Any) -> None:
    """float32 carries a column's offset with an error of 6e-8 of it, which scaling multiplies."""
    assert found.shape == wanted.shape
    columns = train[[name for name, role in roles if role == "numeric"]]
    # The narrowest spread that a column may be scaled by is between its quartiles.
    quartiles = columns.quantile(0.75) - columns.quantile(0.25)
    spread = quartiles.where(quartiles > 0, columns.std(ddof=0)).replace(0, 1)
    offset = np.nan_to_num((columns.abs().max() / spread).max()) if len(columns.columns) else 0
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 + 1e-6 * offset)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(tables(), ways)
def test_the_graph_gives_what_its_documentation_says(table, how):
    frame, roles = table
    fit = encode.fit(frame, roles, how)
    assert_near(encode.Encoder(fit.graph).encode(frame), expected(frame, roles, frame, how), frame, roles)
    assert_cover(fit)


def assert_cover(fit: encode.Fitted) -> None:
    """The blocks stand side by side over the whole row."""
    ends = np.cumsum([block.width for block in fit.blocks])
    assert [block.start for block in fit.blocks] == [0, *ends[:-1]]
    assert ends[-1] == encode.Encoder(fit.graph).width


@pytest.mark.parametrize("way", ["auto", "standard", "robust", "quantile"])
def test_unseen_rows_are_encoded_by_what_was_learned_from_the_training_rows(way):
    train, test = mixed(), mixed(500)
    how = prepare(numeric=way, indicator=True)
    np.testing.assert_allclose(
        encode.Encoder(encode.fit(train, MIXED, how).graph).encode(test),
        expected(train, MIXED, test, how), rtol=1e-4, atol=2e-5,
    )  # fmt: skip


def test_blocks_name_the_column_and_kind_of_every_number():
    frame = mixed(300).assign(n=lambda each: np.exp(each["n"].fillna(0)))
    fit = fitted(frame, MIXED, numeric="auto", indicator=True, embed=3)
    assert fit.blocks == (
        Block("m", "numeric", 0, 1),
        Block("n", "numeric", 1, 1),
        Block("t", "numeric", 2, 5),
        Block("b", "binary", 7, 1),
        Block("m", "binary", 8, 1),
        Block("b", "binary", 9, 1),
        Block("t", "binary", 10, 8),
        Block("d", "binary", 18, 3),
        Block("c", "code", 21, 1, 5),
    )
    numbers = encode.Encoder(fit.graph).encode(frame)
    assert set(np.unique(numbers[:, 7:21])) == {0, 1}
    assert set(np.unique(numbers[:, 21])) <= {1, 2, 3, 4}


# Numbers.


def test_a_missing_number_is_the_median_or_the_mean_and_says_so():
    train = np.array([1, 2, 9, np.nan])
    for impute, filled in (("median", 2), ("mean", 4)):
        given = one(train, [filled, np.nan], impute=impute, indicator=True)
        np.testing.assert_array_equal(given[:, 0], given[0, 0])
        assert given[:, 1].tolist() == [0, 1]
    assert one(train).shape == (4, 1)
    assert one([1.0, 2.0], [np.nan], indicator=True).shape == (1, 1)


def test_extreme_numbers_stay_finite_and_robust_ones_within_three():
    train = np.r_[np.random.default_rng(0).normal(size=200), 1e12]
    far = [3e38, -3e38, 1e30, 1e12, 0]
    for way in ("auto", "standard", "robust", "quantile"):
        assert np.isfinite(one(train, far, numeric=way)).all()
    robust = one(train, far, numeric="robust")[:, 0]
    np.testing.assert_allclose(robust[:4], [3, -3, 3, 3], rtol=1e-6)
    inner = one(train, numeric="robust")[:200, 0]
    assert 0.8 < inner.std() < 1.1
    assert np.isfinite(one([-3e38, 3e38, 1.0], numeric="standard")).all()
    assert np.isfinite(one([1e-38, 2e-38, 0.0], [3e38], numeric="robust")).all()


def test_a_column_that_is_mostly_one_number_is_scaled_by_its_deviation():
    train = np.r_[np.zeros(90), np.arange(10.0)]
    z = train / train.std()
    np.testing.assert_allclose(one(train, numeric="robust")[:, 0], z / np.sqrt(1 + (z / 3) ** 2), atol=1e-6)


def test_quantile_gives_the_normal_score_of_the_rank():
    from scipy.stats import norm, rankdata

    for column in (
        np.random.default_rng(1).lognormal(0, 3, 5000),
        np.arange(100.0),
        np.repeat([1, 5, 6, 7], [700, 5, 1, 9]),
    ):
        exact = norm.ppf((rankdata(column) - 0.5) / len(column))
        np.testing.assert_allclose(one(column, numeric="quantile")[:, 0], exact, atol=0.02)


def test_quantile_is_near_what_scikit_learn_gives():
    from sklearn.preprocessing import QuantileTransformer

    column = np.random.default_rng(2).exponential(size=(3000, 1))
    exact = QuantileTransformer(n_quantiles=3000, output_distribution="normal").fit_transform(column)
    inner = np.abs(exact) < 3  # it sends the ends to 5.2
    np.testing.assert_allclose(one(column[:, 0], numeric="quantile")[inner], exact[inner], atol=0.05)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32) | st.integers(-5, 5), min_size=2, max_size=400), st.data())
def test_between_knots_quantile_is_the_straight_line_of_numpy(column, data):
    present = np.sort(np.array(column, np.float32)) + np.float32(0)
    if present.astype(float).std() < numeric.SMALLEST:
        return
    rows = np.array(data.draw(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1)))
    knots, scores = numeric.normal_scores(present)
    assert (np.diff(knots) > 0).all() and (np.diff(scores) > 0).all()
    given = one(column, np.r_[rows, column], numeric="quantile")[:, 0]
    np.testing.assert_allclose(given, np.interp(np.r_[rows, column], knots, scores), atol=1e-5)


def test_zeros_and_the_smallest_of_the_others_stay_apart():
    column = np.r_[np.zeros(900), np.random.default_rng(0).lognormal(size=100)]
    given = one(column, numeric="auto")[:, 0]
    assert given[:900].max() < 0 < 1.2 < given[900:].min()


def test_auto_scales_columns_near_normal_and_ranks_skewed_ones():
    draw = np.random.default_rng(0)
    for column, way in (
        (draw.normal(5, 2, 2000), "standard"),
        (draw.uniform(size=2000), "standard"),
        (draw.lognormal(0, 1.5, 2000), "quantile"),
        (np.r_[draw.normal(size=2000), 1e6], "quantile"),
        (draw.choice([0, 0, 0, 0, 0, 0, 0, 3.5], 2000), "quantile"),
    ):
        np.testing.assert_array_equal(one(column, numeric="auto"), one(column, numeric=way))


@pytest.mark.parametrize("way", ["auto", "standard", "robust", "quantile"])
@pytest.mark.parametrize(
    "column", [np.full(30, np.nan), np.full(30, 7.3), np.full(1003, 0.1), np.r_[np.full(29, np.nan), 5e8]]
)
def test_a_column_without_values_or_with_one_value_becomes_zero_whatever_comes(column, way):
    assert (one(column, [7.3, 1e9, np.nan, -3e38], numeric=way) == 0).all()


def test_a_spread_too_small_for_float32_counts_as_none():
    for way in ("standard", "robust", "quantile"):
        assert (one([0, 1e-40, 2e-40], numeric=way) == 0).all()


def test_numbers_of_a_large_offset_are_told_apart_as_far_as_float32_goes():
    column = 1.7e9 + 1024 * np.arange(200.0)
    np.testing.assert_allclose(one(column)[:, 0], (column - column.mean()) / column.std(), atol=0.01)


def test_a_missing_truth_is_the_more_frequent_one():
    assert one([1, 1, 0, np.nan], role="boolean")[:, 0].tolist() == [1, 1, 0, 1]
    assert one([1, 0, 0, np.nan], role="boolean", indicator=True).tolist() == [[1, 0], [0, 0], [0, 0], [0, 1]]
    assert (one(np.full(5, np.nan), role="boolean", indicator=True) == np.zeros((5, 1))).all()


# Texts.


def test_rare_texts_share_a_column_which_unknown_ones_take_too():
    texts = pd.Categorical(["a"] * 600 + ["b"] * 395 + ["c"] * 3 + ["d"] * 2)
    given = one(texts, ["a", "b", "c", "d", "never seen", "A", "a" * 10_000], role="categorical", rare=10)
    assert given.tolist() == [[1, 0, 0], [0, 1, 0], *[[0, 0, 1]] * 5]


def test_without_rare_texts_an_unknown_one_is_none_of_the_known():
    given = one(pd.Categorical(["a", "b", ""] * 10), ["", "a", "c", "b"], role="categorical", rare=10)
    assert given.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_in_a_small_table_a_level_of_one_row_in_a_hundred_is_not_rare():
    texts = pd.Categorical(["a"] * 297 + ["b"] * 3)
    assert one(texts, role="categorical", rare=10).shape == (300, 2)
    texts = pd.Categorical(["a"] * 298 + ["b"] * 2)
    assert one(texts, ["b", "x"], role="categorical", rare=10).tolist() == [[0, 1], [0, 1]]


def test_many_levels_become_one_code_for_the_network_to_embed():
    texts = pd.Categorical(np.repeat([f"{each:02}" for each in range(60)], 20))
    fit = fitted(pd.DataFrame({"x": texts}), (("x", "categorical"),), rare=10)
    assert fit.blocks == (Block("x", "code", 0, 1, 61),)
    given = encode.Encoder(fit.graph).encode(pd.DataFrame({"x": ["00", "01", "59", "", "60"]}))
    assert given[:, 0].tolist() == [1, 2, 60, 0, 0]


def test_rare_levels_do_not_count_towards_those_to_embed():
    texts = pd.Categorical([f"{each}" for each in range(500)] + ["often"] * 1500)
    fit = fitted(pd.DataFrame({"x": texts}), (("x", "categorical"),), rare=10)
    assert fit.blocks == (Block("x", "binary", 0, 2),)


def test_a_column_of_rare_texts_alone_is_the_same_for_all():
    texts = pd.Categorical([f"{each}" for each in range(500)])
    assert (one(texts, ["1", "x", ""], role="categorical", rare=10) == [[1]] * 3).all()


def test_levels_that_only_other_rows_have_are_unknown():
    frame = pd.DataFrame({"x": pd.Categorical(["a", "b", "c", "c"])})
    assert encoded(frame[:2], (("x", "categorical"),), frame).tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=5), min_size=1, max_size=12, unique=True))
def test_any_texts_are_told_apart(texts):
    assert (one(pd.Categorical(texts), texts, role="categorical").sum(axis=1) == 1).all()
    assert len(np.unique(one(pd.Categorical(texts), texts, role="categorical", embed=1), axis=0)) == len(texts)


# Dates.


def test_a_date_tells_how_late_it_is_the_season_the_day_and_the_hour():
    train = np.array(["2023-01-02", "2025-01-01T06:00", "NaT"], "datetime64[us]")
    rows = np.array(["2023-01-02", "2025-01-01T06:00", "1900-01-01", "2099-07-04", "NaT"], "datetime64[us]")
    given = one(train, rows, role="date", indicator=True)
    assert given.shape == (5, 1 + 2 + 2 + 7 + 1)
    np.testing.assert_allclose(given[:, 0], [-1, 1, -1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(given[1, 3:5], [1, 0], atol=1e-6)  # a quarter of the day
    np.testing.assert_allclose(np.hypot(given[:, 1], given[:, 2]), [1, 1, 1, 1, 0], atol=1e-6)
    assert given[:, 5:12].tolist() == np.eye(8)[[0, 2, 0, 5, 7], :7].tolist()  # Monday, Wednesday, Monday, Saturday
    assert given[:, 12].tolist() == [0, 0, 0, 0, 1]


def test_days_without_hours_have_no_numbers_for_the_time_of_day():
    assert one(np.array(["2023-01-02", "2025-01-01"], "datetime64[us]"), role="date").shape == (2, 1 + 2 + 7)


@pytest.mark.parametrize("column", [["NaT", "NaT"], ["2024-02-29", "2024-02-29"]])
def test_dates_that_do_not_vary_are_equally_late(column):
    rows = np.array(["2024-02-29", "2030-01-01", "NaT"], "datetime64[us]")
    assert (one(np.array(column, "datetime64[us]"), rows, role="date", indicator=True)[:, 0] == 0).all()


# The graph.


def test_odd_names_are_kept_and_do_not_meet():
    odd = ("a b", "a.b", "a_b", "é/ü", "f0", "variable", "encoder/1", "encoder_/2", "row", "1", "'\"\\")
    frame = pd.DataFrame({name: np.arange(10.0) * (place + 1) for place, name in enumerate(odd)})
    frame["a-b"] = pd.Categorical(["u", "v"] * 5)
    roles = tuple((name, "categorical" if name == "a-b" else "numeric") for name in frame)
    graph = fitted(frame, roles).graph
    encoder = encode.Encoder(graph)
    assert encoder.inputs == roles
    np.testing.assert_allclose(encoder.encode(frame), expected(frame, roles, frame, prepare()), atol=1e-6)
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)


@pytest.mark.parametrize("name", ["encoded", "probabilities", "prediction"])
def test_a_column_named_as_an_output_is_refused_before_anything_is_trained(name):
    with pytest.raises(DataError, match=f"^column '{name}' has the name of an output of the graph: rename it in the"):
        fitted(pd.DataFrame({name: [1.0]}), ((name, "numeric"),))


@pytest.mark.parametrize("roles", [MIXED, MIXED[:1], MIXED[1:2], MIXED[2:3], MIXED[4:5], MIXED[::2], MIXED[1::3]])
@pytest.mark.parametrize("opset", [18, 20])
def test_the_graph_has_the_opset_asked_for_and_one_input_per_feature(roles, opset):
    graph = onnx.load_from_string(encode.fit(mixed(), roles, prepare(numeric="auto", embed=3), opset).graph)
    onnx.checker.check_model(graph, full_check=True)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", opset), ("ai.onnx.ml", 3)]
    assert [value.name for value in graph.graph.input] == [name for name, _ in roles]
    assert [value.name for value in graph.graph.output] == ["encoded"]


@pytest.mark.parametrize("way", ["standard", "quantile"])
def test_the_same_rows_give_the_same_bytes_and_others_give_others(way):
    assert fitted(mixed(), MIXED, numeric=way) == fitted(mixed(), MIXED, numeric=way)
    assert fitted(mixed(), MIXED, numeric=way) != fitted(mixed(31), MIXED, numeric=way)
    backwards = mixed().assign(n=[-0.0, 0.0, 1.0] * 10), mixed().assign(n=[0.0, -0.0, 1.0] * 10)
    assert fitted(backwards[0], MIXED, numeric=way) == fitted(backwards[1], MIXED, numeric=way)


def test_other_columns_of_the_table_have_no_influence():
    crowded = mixed().assign(f0="text", encoded=1.0, f1=2.0)
    assert fitted(crowded, MIXED) == fitted(mixed(), MIXED)


def test_a_file_encodes_as_its_bytes_do_in_pieces_as_at_once(tmp_path, monkeypatch):
    path, frame = tmp_path / "encoder.onnx", mixed(100)
    path.write_bytes(fitted(frame, MIXED).graph)
    whole = encode.Encoder(path.read_bytes()).encode(frame)
    monkeypatch.setattr(encode, "CHUNK", 33)
    np.testing.assert_array_equal(encode.Encoder(path).encode(frame), whole)
    assert whole.dtype == np.float32
    assert encode.Encoder(path).encode(frame[:0]).shape == (0, 22)


def test_feeds_are_columns_of_float32_of_seconds_and_of_text():
    frame = pd.DataFrame({"n": [1, None], "c": ["x", None], "other": [0, 0]})
    frame["t"] = pd.to_datetime(["1970-01-02T00:00:00.5", None])
    fed = encode.feeds(frame, (("n", "numeric"), ("c", "categorical"), ("t", "date")))
    assert list(fed) == ["n", "c", "t"]
    assert (fed["n"].dtype, fed["c"].dtype, fed["t"].dtype) == (np.float32, object, np.float64)
    np.testing.assert_array_equal(fed["n"], [[1], [np.nan]])
    np.testing.assert_array_equal(fed["t"], [[86_400.5], [np.nan]])
    assert fed["c"].tolist() == [["x"], [""]]


def test_a_table_that_lacks_a_feature_is_refused():
    encoder = encode.Encoder(fitted(mixed(), MIXED).graph)
    with pytest.raises(DataError, match=r"^the table lacks 'n', 'd', which the encoder takes$"):
        encoder.encode(mixed()[["c", "b", "m", "t"]])


def test_an_encoder_that_is_not_there_is_named_with_the_command(tmp_path):
    with pytest.raises(DataError, match=r"encoder.onnx is not there: run `dvc repro prepare`$"):
        encode.Encoder(tmp_path / "encoder.onnx")


@pytest.mark.parametrize("content", [b"", b"no graph"])
def test_a_damaged_encoder_is_refused(tmp_path, content):
    path = tmp_path / "encoder.onnx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"encoder.onnx is not an ONNX graph: run `dvc repro --force prepare`$"):
        encode.Encoder(path)
    with pytest.raises(DataError, match=r"^the encoder is not an ONNX graph"):
        encode.Encoder(content)


# Raw text.


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(tables(), tables(), ways, st.data())
def test_rows_of_text_are_encoded_as_the_pipeline_encodes_its_columns(table, other, how, data):
    """From a CSV file through the signature, with spaces around values, unknown texts and any marker for no value."""
    frame, roles = table
    fit = encode.fit(frame, roles, how)
    served = frame.sample(len(frame), replace=True, random_state=0).reset_index(drop=True)
    for name, role in roles:  # values that training had not
        served[name] = canonical(data.draw(st.lists(values[role], min_size=len(frame), max_size=len(frame))), role)
    text = as_csv(served, roles, data)
    inputs = tuple(signature.Input(name, TYPES[role]) for name, role in roles)
    contract = signature.Signature("regression", "y", inputs, "prediction", (), None, None, MISSING)
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    arrays = contract.arrays({name: [row[place] for row in rows] for place, name in enumerate(header)})
    np.testing.assert_array_equal(
        runtime.run(runtime.session(fit.graph), arrays), encode.Encoder(fit.graph).encode(served)
    )


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29", "2024/02/29", "2024-02-29 23", "2024-02-29 23:59", "2024-02-29T23:59:58", "1899-01-01 00:00:00.5",
        "2024-02-29T23:59:58.123456", "2024-02-29 23:59:58.1234567", "2024-02-29T23:59:58Z", "2024-02-29T23:59+02:00",
        "2024-02-29T23:59:58.25-0930", "0001-01-01", "9999-12-31",
    ],
)  # fmt: skip
def test_a_date_is_read_in_service_as_from_a_file(text):
    column = pd.Series(texts.instants(pa.chunked_array([[text]])).to_numpy())
    contract = signature.Signature("regression", "y", (signature.Input("t", "date"),), "prediction", (), None, None)
    np.testing.assert_array_equal(
        contract.arrays({"t": [text]})["t"], encode.feeds(pd.DataFrame({"t": column}), (("t", "date"),))["t"]
    )


def as_csv(frame: pd.DataFrame, roles: Any, data: Any) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow([name for name, _ in roles])
    for row in range(len(frame)):
        cells = []
        for name, role in roles:
            value = frame[name].iloc[row]
            if value == "" or pd.isna(value):
                text = data.draw(st.sampled_from(MISSING))
            elif role == "date":
                text = data.draw(st.sampled_from([value.isoformat(), value.isoformat(" ") + "Z"]))
            elif role == "boolean":
                text = data.draw(st.sampled_from(["Yes", "true", "1"] if value else ["no", "F", "0"]))
            else:
                text = str(value)
            cells.append(data.draw(st.sampled_from(["{}", " {}", "{}\t", "\u00a0{} "])).format(text))
        writer.writerow(cells)
    return file.getvalue()


def test_the_real_file_is_encoded_as_documented(section, real_file: Path):
    described = section("csv", source=str(real_file))
    table = load.table(described, FILES)
    roles = features(table, described)
    train, test = table[:9000], table[9000:]
    how = prepare(numeric="auto", indicator=True, rare=10)
    found = encode.Encoder(encode.fit(train, roles, how).graph).encode(test)
    np.testing.assert_allclose(found, expected(train, roles, test, how), rtol=1e-4, atol=1e-5)
