"""`stemma bundle verify`: what a bundle promises."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from bundles import REGRESSION, ROWS, SIGNATURE, contents, graph
from stemma import bundle, runtime
from stemma.bundle.check import check
from stemma.errors import BundleError

REQUEST = json.dumps({"inputs": ROWS}).encode()


def with_sample(**changes: Any) -> dict[str, bytes]:
    """A bundle whose sample is right; regressions, so that values are easy to see."""
    response = {"prediction": [[2.5], [5.0], [3.75], [-9.0]]} | changes
    files = contents(REGRESSION, output="prediction", width=1)
    return files | {"request.json": REQUEST, "response.json": json.dumps(response).encode()}


def states(path: Path) -> dict[str, bool | None]:
    return {each.name: each.passed for each in check(path).checks}


def test_all_that_is_there_is_checked_and_what_is_not_is_said(tmp_path: Path, model: Path) -> None:
    bundle.build(tmp_path / "m.zip", with_sample() | {"version.json": b'{"format": 1}'})
    assert states(tmp_path / "m.zip") == {
        "hashes": True, "signature": None, "graph": True, "sample": True, "record": True,
    }  # fmt: skip
    assert states(model) == {"hashes": True, "signature": None, "graph": True, "sample": None, "record": None}


def test_a_sample_that_gives_another_prediction_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    bundle.build(path, with_sample(prediction=[[2.5], [5.0001], [3.75], [-9.0]]))
    with pytest.raises(
        BundleError, match=r"row 2 of request\.json gives another prediction than response\.json \(2e-05"
    ):
        check(path)
    bundle.build(path, with_sample(prediction=[[2.5], [5.00001], [3.75], [-9.0]]))
    check(path)


def mixing(*, width: float) -> bytes:
    """The graph, with so much of the sum over the rows of a batch in every prediction."""
    model = onnx.load_from_string(graph("prediction", 1))
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.append(helper.make_node("ReduceSum", ["raw", "first"], ["sum"]))
    model.graph.node.append(helper.make_node("Mul", ["sum", "width"], ["part"]))
    model.graph.node.append(helper.make_node("Add", ["raw", "part"], ["prediction"]))
    model.graph.initializer.append(helper.make_tensor("first", TensorProto.INT64, [1], [0]))
    model.graph.initializer.append(helper.make_tensor("width", TensorProto.FLOAT, [1], [width]))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("width", "parity", "passes"),
    [
        (0.1, None, False),
        (0.1, 1e9, False),  # whoever made the bundle wrote that
        (1e-3, None, False),
        (1e-3, 1e-2, True),  # as float16 rounds
        (0.0, None, True),
    ],
)
def test_a_graph_whose_rows_depend_on_each_other_is_refused(
    width: float, parity: float | None, passes: bool, tmp_path: Path
) -> None:
    path, raw = tmp_path / "m.zip", np.array([[2.5], [5.0], [3.75], [-9.0]])
    record = {"format": 1} | ({} if parity is None else {"export": {"parity": {"tolerance": parity}}})
    more = {"model.onnx": mixing(width=width), "version.json": json.dumps(record).encode()}
    bundle.build(path, with_sample(prediction=(raw + width * raw.sum()).tolist()) | more)
    if passes:
        assert states(path)["sample"] is True
        return
    with pytest.raises(BundleError, match=r"row \d of request\.json gives alone another prediction than"):
        check(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prediction": [[2.5]]}, r"request\.json gives the shape \(4, 1\), and response\.json has \(1, 1\)"),
        ({"prediction": [[2.5], [5.0], [3.75], [float("nan")]]}, r"row 4 of request\.json gives another prediction"),
        ({"prediction": "x"}, r"request\.json or response\.json is damaged"),
        ({"prediction": None}, r"gives the shape \(4, 1\), and response\.json has \(\)"),
    ],
)
def test_a_damaged_sample_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    bundle.build(tmp_path / "m.zip", with_sample(**changes))
    with pytest.raises(BundleError, match=message):
        check(tmp_path / "m.zip")


def edited(change: Any) -> bytes:
    model = onnx.load_from_string(graph("prediction", 1))
    change(model)
    return model.SerializeToString(deterministic=True)


def elsewhere(tensor: Any) -> None:
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)


def test_a_tensor_outside_the_bundle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.bin").write_bytes(b"\0\0\0\0")
    bundle.build(
        Path("m.zip"), with_sample() | {"model.onnx": edited(lambda model: elsewhere(model.graph.initializer[0]))}
    )
    with pytest.raises(BundleError, match=r"model\.onnx keeps the tensor 'quarter' in another file"):
        check(Path("m.zip"))


def _built(folder: Path, content: bytes) -> Path:
    bundle.build(folder / "m.zip", with_sample() | {"model.onnx": content})
    return folder / "m.zip"


def test_an_operator_that_is_not_standard_is_refused(tmp_path: Path) -> None:
    def gelu(model: Any) -> None:
        model.graph.node[-1].output[0] = "summed"
        model.graph.node.append(helper.make_node("Gelu", ["summed"], ["prediction"], domain="com.microsoft"))
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    path = _built(tmp_path, edited(gelu))
    assert bundle.open_bundle(path, trusted=True).predict(ROWS).shape == (4, 1)  # this runtime has it
    with pytest.raises(BundleError, match=r"model\.onnx uses operators of 'com\.microsoft', which not every"):
        check(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**contents(), "model.onnx": b"no graph"}, r"m\.zip: model\.onnx is damaged \("),
        (contents({**SIGNATURE, "inputs": SIGNATURE["inputs"][:2]}), "does not take the inputs"),
    ],
)
def test_a_graph_that_is_none_or_does_not_fit_is_refused(files: dict[str, bytes], message: str, tmp_path: Path) -> None:
    bundle.build(tmp_path / "m.zip", files)
    with pytest.raises(BundleError, match=message):
        check(tmp_path / "m.zip")


def test_without_onnx_the_graph_is_run_all_the_same(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    found: Sequence[Any] = check(model).checks
    assert next(each.told for each in found if each.name == "graph").endswith("onnx is not installed")


def test_a_graph_reads_no_file_that_lies_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without the look, which would tell: onnxruntime takes such a tensor from the current folder, if it may."""
    weights = TensorProto(name="secret", data_type=TensorProto.FLOAT, dims=[1, 300])
    elsewhere(weights)
    weights.external_data[0].value, weights.external_data[2].value = "secret.bin", "1200"
    info, node = helper.make_tensor_value_info, helper.make_node
    nodes = [
        node("MatMul", ["PageValues", "secret"], ["all"]),
        node("ReduceMax", ["all", "axis"], ["prediction"], keepdims=1),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    whole = helper.make_graph(
        nodes, "test", [info("PageValues", TensorProto.FLOAT, ["rows", 1])],
        [info("prediction", TensorProto.FLOAT, ["rows", 1])], [weights, axis],
    )  # fmt: skip
    content = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    numbers = {**REGRESSION, "inputs": [{"name": "PageValues", "type": "number"}]}
    bundle.build(tmp_path / "m.zip", {**contents(numbers), "model.onnx": content})
    (tmp_path / "secret.bin").write_bytes(np.full(300, 42.5, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    plain = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert runtime.run(plain, {"PageValues": np.ones((1, 1), np.float32)}) == [[42.5]]
    with pytest.raises(BundleError, match=r"model\.onnx cannot be run \("):
        bundle.open_bundle(Path("m.zip"), trusted=True).predict({"PageValues": [1.0]})
    assert capfd.readouterr().err == ""


def test_a_graph_of_the_other_standard_operators_alone_is_valid(tmp_path: Path) -> None:
    info = helper.make_tensor_value_info
    scaled = helper.make_node("Scaler", ["PageValues"], ["prediction"], domain="ai.onnx.ml", offset=[0.0], scale=[2.0])
    inputs, outputs = ([info(name, TensorProto.FLOAT, ["rows", 1])] for name in ("PageValues", "prediction"))
    whole = helper.make_graph([scaled], "test", inputs, outputs)
    content = helper.make_model(whole, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)], ir_version=10)
    numbers = {**REGRESSION, "inputs": [{"name": "PageValues", "type": "number"}]}
    bundle.build(tmp_path / "m.zip", {**contents(numbers), "model.onnx": content.SerializeToString()})
    assert states(tmp_path / "m.zip")["graph"]


@pytest.mark.parametrize("version", [5, "x", "v1.2", ["v1.0.0"], "\x1b[2J", None])
def test_a_number_that_is_none_is_refused(version: Any, tmp_path: Path) -> None:
    told = json.dumps({"format": 1, "version": version}).encode()
    bundle.build(tmp_path / "m.zip", {**contents(), "registered.json": told})
    with pytest.raises(BundleError, match=r"m\.zip: registered\.json names .*, which is no version") as error:
        check(tmp_path / "m.zip")
    assert str(error.value).isprintable()


def test_a_number_that_no_float_holds_is_one_line(tmp_path: Path) -> None:
    bundle.build(tmp_path / "m.zip", with_sample(prediction=[[10**400]]))
    with pytest.raises(BundleError, match=r"is damaged \(OverflowError\)"):
        check(tmp_path / "m.zip")
