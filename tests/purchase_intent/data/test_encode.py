from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purchase_intent.data import encode, load
from purchase_intent.data.columns import features
from stemma.errors import DataError

MIXED = (("n", "numeric"), ("c", "categorical"), ("b", "boolean"), ("m", "numeric"), ("d", "categorical"))
values = {
    "numeric": st.none() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6, width=32),
    "boolean": st.sampled_from([1.0, 0.0, None]),
    "categorical": st.sampled_from(["", "a", "b", "é ü", "0", "1.0", 'q"\\']) | st.text(max_size=4),
}


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
        columns[name] = pd.Categorical(column) if role == "categorical" else np.array(column, float)
    return pd.DataFrame(columns), tuple(zip(names, roles, strict=True))


def mixed(rows: int = 30) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    numbers = np.where(draw.random((2, rows)) < 0.1, np.nan, draw.normal(3, 5, (2, rows)))
    return pd.DataFrame(
        {
            "n": numbers[0],
            "c": pd.Categorical(draw.choice(["", "x", "y y", "ü"], rows)),
            "b": draw.choice([0, 1, np.nan], rows),
            "m": numbers[1],
            "d": pd.Categorical(draw.choice(["1", "2", "10"], rows)),
        }
    )


def by_scikit_learn(train: pd.DataFrame, roles: tuple[tuple[str, str], ...], rows: pd.DataFrame) -> np.ndarray:
    """What the encoder is documented to give, computed by scikit-learn from the float64 table."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def named(*wanted: str) -> list[int]:
        return [place for place, (_, role) in enumerate(roles) if role in wanted]

    median = SimpleImputer(strategy="median", keep_empty_features=True)
    transformer = ColumnTransformer(
        [
            ("numeric", make_pipeline(median, StandardScaler()), named("numeric")),
            ("boolean", SimpleImputer(strategy="most_frequent", keep_empty_features=True), named("boolean")),
            ("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), named("categorical")),
        ],
        sparse_threshold=0,
    )
    names = [name for name, _ in roles]
    texts = {name: object for name, role in roles if role == "categorical"}
    return transformer.fit(train[names].astype(texts)).transform(rows[names].astype(texts))


@settings(max_examples=60, deadline=None)
@given(tables())
def test_the_graph_gives_what_scikit_learn_gives(table):
    frame, roles = table
    encoded = encode.Encoder(encode.fit(frame, roles)).encode(frame)
    expected = by_scikit_learn(frame, roles, frame)
    assert encoded.shape == expected.shape
    # float32 carries a column's offset with an error of 6e-8 of it, which scaling multiplies.
    numeric = frame[[name for name, role in roles if role == "numeric"]]
    spread = (
        (numeric.abs().max() / numeric.std(ddof=0).where(lambda std: std > 0, 1)).max() if len(numeric.columns) else 0
    )
    np.testing.assert_allclose(encoded, expected, rtol=1e-4, atol=1e-5 + 1e-6 * np.nan_to_num(spread))


def test_unseen_rows_are_encoded_by_what_was_learned_from_the_training_rows():
    train, test = mixed(), mixed(500)
    expected = by_scikit_learn(train, MIXED, test)
    np.testing.assert_allclose(encode.Encoder(encode.fit(train, MIXED)).encode(test), expected, rtol=1e-5, atol=1e-5)


def test_columns_come_in_the_order_numeric_boolean_categorical():
    encoded = encode.Encoder(encode.fit(mixed(), MIXED)).encode(mixed())
    assert encoded.shape == (30, 2 + 1 + 4 + 3)
    assert set(np.unique(encoded[:, 2])) == {0.0, 1.0}
    assert (encoded[:, 3:7].sum(axis=1) == 1).all()
    assert (encoded[:, 7:].sum(axis=1) == 1).all()


def test_an_unknown_text_is_none_of_the_known_and_an_empty_one_is_one_of_them():
    encoder = encode.Encoder(encode.fit(mixed(), MIXED))
    rows = mixed()[:2].assign(c=["", "never seen"])
    assert encoder.encode(rows)[:, 3:7].tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("column", [np.full(30, np.nan), np.full(30, 7.3), np.r_[np.full(29, np.nan), 5e8]])
def test_a_column_without_values_or_with_one_value_becomes_zero(column):
    frame = mixed().assign(n=column)
    assert (encode.Encoder(encode.fit(frame, MIXED)).encode(frame)[:, 0] == 0).all()


def test_a_spread_too_small_for_float32_counts_as_none():
    frame = pd.DataFrame({"n": [0, 1e-40, 2e-40]})
    encoded = encode.Encoder(encode.fit(frame, (("n", "numeric"),))).encode(frame)
    np.testing.assert_allclose(encoded, 0, atol=1e-30)


def test_a_boolean_column_without_values_becomes_zero():
    frame = mixed().assign(b=np.nan)
    assert (encode.Encoder(encode.fit(frame, MIXED)).encode(frame)[:, 2] == 0).all()


def test_odd_names_are_kept_and_do_not_meet():
    odd = ("a b", "a.b", "a_b", "é/ü", "f0", "variable", "encoder/x", "row", "1", "input")
    frame = pd.DataFrame({name: np.arange(10.0) * (place + 1) for place, name in enumerate(odd)})
    frame["a-b"] = pd.Categorical(["u", "v"] * 5)
    roles = tuple((name, "categorical" if name == "a-b" else "numeric") for name in frame)
    graph = encode.fit(frame, roles)
    encoder = encode.Encoder(graph)
    assert encoder.inputs == roles
    np.testing.assert_allclose(encoder.encode(frame), by_scikit_learn(frame, roles, frame), atol=1e-6)
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)


@pytest.mark.parametrize("name", ["encoded", "probabilities", "prediction"])
def test_a_column_named_as_an_output_is_refused_before_anything_is_trained(name):
    with pytest.raises(DataError, match=f"^column '{name}' has the name of an output of the graph: rename it in the"):
        encode.fit(pd.DataFrame({name: [1.0]}), ((name, "numeric"),))


@pytest.mark.parametrize("roles", [MIXED, MIXED[:1], MIXED[1:2], MIXED[2:3], MIXED[::2], MIXED[1::3], MIXED[3:]])
@pytest.mark.parametrize("opset", [18, 20])
def test_the_graph_has_the_opset_asked_for_and_one_input_per_feature(roles, opset):
    graph = onnx.load_from_string(encode.fit(mixed(), roles, opset))
    onnx.checker.check_model(graph, full_check=True)
    assert [entry.version for entry in graph.opset_import if entry.domain == ""] == [opset]
    assert sorted(entry.domain for entry in graph.opset_import) == ["", "ai.onnx.ml"]
    assert [value.name for value in graph.graph.input] == [name for name, _ in roles]
    assert [value.name for value in graph.graph.output] == ["encoded"]


def test_the_same_rows_give_the_same_bytes_and_others_give_others():
    assert encode.fit(mixed(), MIXED) == encode.fit(mixed(), MIXED)
    assert encode.fit(mixed(), MIXED) != encode.fit(mixed(31), MIXED)


def test_other_columns_of_the_table_have_no_influence():
    crowded = mixed().assign(f0="text", encoded=1.0, f1=2.0)
    assert encode.fit(crowded, MIXED) == encode.fit(mixed(), MIXED)


def test_a_file_encodes_as_its_bytes_do_in_pieces_as_at_once(tmp_path, monkeypatch):
    path, frame = tmp_path / "encoder.onnx", mixed(100)
    path.write_bytes(encode.fit(frame, MIXED))
    whole = encode.Encoder(path.read_bytes()).encode(frame)
    monkeypatch.setattr(encode, "CHUNK", 33)
    np.testing.assert_array_equal(encode.Encoder(path).encode(frame), whole)
    assert whole.dtype == np.float32
    assert encode.Encoder(path).encode(frame[:0]).shape == (0, 10)


def test_feeds_are_columns_of_float32_and_of_text():
    fed = encode.feeds(pd.DataFrame({"n": [1, None], "c": ["x", None], "other": [0, 0]}), MIXED[:2])
    assert list(fed) == ["n", "c"]
    assert fed["n"].dtype == np.float32
    np.testing.assert_array_equal(fed["n"], [[1], [np.nan]])
    assert fed["c"].dtype == object
    assert fed["c"].tolist() == [["x"], [""]]


def test_plain_values_are_those_of_json():
    assert encode.plain(pd.Series([1.5, np.nan])) == [1.5, None]
    assert encode.plain(pd.Series(pd.Categorical(["x", ""]))) == ["x", ""]


def test_a_table_that_lacks_a_feature_is_refused():
    encoder = encode.Encoder(encode.fit(mixed(), MIXED))
    with pytest.raises(DataError, match=r"^the table lacks 'n', 'd', which the encoder takes$"):
        encoder.encode(mixed()[["c", "b", "m"]])


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


def test_the_real_file_is_encoded_as_by_scikit_learn(section, real_file: Path):
    described = section("csv", source=str(real_file))
    table = load.table(described)
    roles = features(table, described)
    train, test = table[:9000], table[9000:]
    encoder = encode.Encoder(encode.fit(train, roles))
    np.testing.assert_allclose(encoder.encode(test), by_scikit_learn(train, roles, test), rtol=1e-4, atol=1e-5)
