"""`stemma bundle verify`: what a bundle promises."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from bundles import REGRESSION, ROWS, SIGNATURE, contents, graph
from stemma import bundle
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
    with pytest.raises(BundleError, match=r"model\.onnx (cannot be run|keeps the tensor 'quarter' in another file)"):
        check(Path("m.zip"))


def branches(model: Any, change: Any = lambda tensor: None, domain: str = "") -> None:
    """The sum goes through an If, whose branches hold a tensor each."""
    sums = model.graph.node[-1]
    sums.output[0] = "summed"
    inner = []
    for name in ("yes", "no"):
        tensor = helper.make_tensor(name, TensorProto.FLOAT, [1], [0.0])
        change(tensor)
        node = helper.make_node("Add", ["summed", name], [f"{name}_out"], domain=domain)
        output = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, ["rows", 1])
        inner.append(helper.make_graph([node], name, [], [output], [tensor]))
    always = helper.make_tensor("always", TensorProto.BOOL, [], [True])
    model.graph.initializer.append(always)
    chosen = helper.make_node("If", ["always"], ["prediction"], then_branch=inner[0], else_branch=inner[1])
    model.graph.node.append(chosen)


def test_a_tensor_or_operator_in_a_branch_is_looked_at_too(tmp_path: Path) -> None:
    from stemma.bundle.check import _graph

    opened = bundle.open_bundle(_built(tmp_path, edited(branches)))
    assert _graph(opened).passed
    for content, message in (
        (edited(lambda model: branches(model, elsewhere)), "keeps the tensor '(yes|no)' in another file"),
        (edited(lambda model: branches(model, domain="com.microsoft")), "uses operators of com.microsoft"),
    ):
        hidden = dataclasses.replace(opened, files={**opened.files, "model.onnx": content})
        object.__setattr__(hidden, "_session", opened._session)  # as if the runtime had taken it
        with pytest.raises(BundleError, match=message):
            _graph(hidden)


def _built(folder: Path, content: bytes) -> Path:
    bundle.build(folder / "m.zip", with_sample() | {"model.onnx": content})
    return folder / "m.zip"


def test_an_operator_that_is_not_standard_is_refused(tmp_path: Path) -> None:
    def gelu(model: Any) -> None:
        model.graph.node[-1].output[0] = "summed"
        model.graph.node.append(helper.make_node("Gelu", ["summed"], ["prediction"], domain="com.microsoft"))
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    path = _built(tmp_path, edited(gelu))
    assert bundle.open_bundle(path).predict(ROWS).shape == (4, 1)  # this runtime has it
    with pytest.raises(BundleError, match=r"model\.onnx uses operators of com\.microsoft, which not every runtime has"):
        check(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**contents(), "model.onnx": b"no graph"}, r"m\.zip: model\.onnx cannot be run \("),
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
