"""The files of a bundle, from what the stages wrote."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper

import bundles
from stemma import task
from stemma.bundle import contents
from stemma.bundle.model import BACKGROUND, Bundle
from stemma.errors import BundleError
from stemma.tables.profile import Profile

ROLES = (("n", "numeric"), ("c", "categorical"), ("t", "date"), ("b", "boolean"))


def graph() -> bytes:
    """prediction = n + t, of columns of every kind."""
    kinds = {"numeric": TensorProto.FLOAT, "boolean": TensorProto.FLOAT, "date": TensorProto.DOUBLE}
    inputs = [helper.make_tensor_value_info(n, kinds.get(r, TensorProto.STRING), [None, 1]) for n, r in ROLES]
    nodes = [
        helper.make_node("Cast", ["t"], ["s"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["n", "s"], ["prediction"]),
    ]
    output = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, 1])
    made = helper.make_graph(nodes, "sum", inputs, [output])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


def test_the_sample_has_the_values_of_json_and_what_the_graph_gives_for_them(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "n": [1.5, np.nan, 3.0, 4.0],
            "c": pd.Categorical(["x", None, "", "y"]),
            "t": np.array(["2024-02-29", "2024-02-29T12:30:01.5", "NaT", "NaT"], "datetime64[us]"),
            "b": [1.0, 0.0, np.nan, 1.0],
        }
    )
    frame.to_parquet(tmp_path / "test.parquet")
    about = Profile(task.of("regression", (), None, 0.0, 1.0), "y", ROLES, 4, (), None, "row", {"missing": None})
    request, response = contents.sample(about, contents.describe(about, None), graph(), tmp_path / "test.parquet")
    assert request == {
        "inputs": {
            "n": [1.5, None, 3.0],
            "c": ["x", "", ""],
            "t": ["2024-02-29T00:00:00", "2024-02-29T12:30:01.500000", None],
            "b": [1.0, 0.0, None],
        }
    }
    seconds = np.float32(pd.Timestamp("2024-02-29").timestamp())
    assert response["prediction"][0] == [float(np.float32(1.5) + seconds)]
    assert np.isnan(response["prediction"][1:]).all()


def test_the_sample_has_dates_as_their_column_has_them(tmp_path: Path) -> None:
    moments = np.array(["2024-02-29", "NaT"], "datetime64[us]")
    pd.DataFrame({"n": [1.0, 2.0], "c": ["x", "y"], "t": moments, "b": [1.0, 0.0]}).to_parquet(tmp_path / "t.parquet")
    raw = {"missing": [""], "date_format": {"t": "%d.%m.%y"}}
    about = Profile(task.of("regression", (), None, 0.0, 1.0), "y", ROLES, 4, (), None, "row", raw)
    request, response = contents.sample(about, contents.describe(about, None), graph(), tmp_path / "t.parquet")
    assert request["inputs"]["t"] == ["29.02.24", None]
    assert response["prediction"][0] == [float(np.float32(1) + np.float32(pd.Timestamp("2024-02-29").timestamp()))]


def test_the_background_is_drawn_alike_every_time_and_read_as_the_inputs_alone(tmp_path: Path) -> None:
    rows = 50
    frame = pd.DataFrame({"y": np.arange(rows), "row": np.arange(rows), "n": np.arange(rows) / 2, "b": 1.0})
    frame = frame.assign(c=pd.Categorical(["x", None] * 25), t=pd.Timestamp("2024-02-29"))
    frame.to_parquet(tmp_path / "train.parquet")
    about = Profile(task.of("regression", (), None, 0.0, 1.0), "y", ROLES, 4, (), None, "row", {"missing": None})
    contract = contents.describe(about, None)
    drawn = [contents.background(about, contract, tmp_path / "train.parquet", count) for count in (20, 20, 1000)]
    assert drawn[0] == drawn[1] and drawn[2]["inputs"]["n"] == frame["n"].tolist()
    columns = drawn[0]["inputs"]
    assert set(columns) == {"n", "c", "t", "b"} and columns["n"] == sorted(columns["n"])
    assert len(set(columns["n"])) == 20 and set(columns["c"]) == {"x", ""}
    files = {"signature.json": json.dumps(contract).encode(), BACKGROUND: json.dumps(drawn[0]).encode()}
    bundle = Bundle.of(files)
    assert bundle.background == columns and len(bundle.signature.arrays(bundle.background)["t"]) == 20


def test_the_background_of_a_table_that_is_read_piece_by_piece_is_the_same_rows(tmp_path: Path) -> None:
    rows = 2**16 + 1  # one more than are read at once
    frame = pd.DataFrame({"n": np.arange(rows) / 2, "b": 1.0, "c": pd.Categorical(["x"] * rows), "t": pd.NaT})
    frame.astype({"t": "datetime64[us]"}).to_parquet(tmp_path / "train.parquet")
    about = Profile(task.of("regression", (), None, 0.0, 1.0), "y", ROLES, 4, (), None, "row", {"missing": None})
    contract = contents.describe(about, None)
    whole, some = (
        contents.background(about, contract, tmp_path / "train.parquet", count)["inputs"]["n"] for count in (rows, 20)
    )
    assert whole == frame["n"].tolist()
    assert some == frame["n"][np.sort(np.random.default_rng(0).choice(rows, 20, replace=False))].tolist()


@pytest.mark.parametrize("text", ["{}", "[]", "no", '{"format": 2}', '{"format": 1, "inputs": {"n": 1}}'])
def test_a_bundle_from_before_has_no_background_and_a_damaged_one_is_one_line(text: str) -> None:
    files = {name: data for name, data in bundles.contents().items() if name != BACKGROUND}
    assert Bundle.of(files).background == {}
    with pytest.raises(BundleError, match=r"^background\.json (is damaged|has format 2)"):
        _ = Bundle.of(files | {BACKGROUND: text.encode()}).background


def test_a_signature_tells_how_the_file_was_written_where_that_is_unusual() -> None:
    usual = {"separator": ",", "decimal": ".", "encoding": "utf-8", "header": True}
    for data in (usual, {"kind": "simulated", "rows": 10}, usual | {"kind": "file"}):
        assert contents.dialect(data) == {}
    assert contents.dialect(usual | {"separator": ";", "kind": "file"}) == {"file": usual | {"separator": ";"}}
