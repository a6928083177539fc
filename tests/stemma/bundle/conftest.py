"""The bundles of tests/bundles.py in files."""

from pathlib import Path

import pytest
from onnx import TensorProto, helper

from bundles import DATED, MULTICLASS, REGRESSION, contents
from stemma import bundle


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binary network in a bundle."""
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle.build(path, contents())
    return path


@pytest.fixture(scope="session")
def multiclass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle.build(path, contents(MULTICLASS, width=3))
    return path


@pytest.fixture(scope="session")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle.build(path, contents(REGRESSION, output="prediction", width=1))
    return path


@pytest.fixture(scope="session")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predicts the days since 1970 of a date, -1 for none."""
    info, node = helper.make_tensor_value_info, helper.make_node
    nodes = [
        node("Div", ["Day", "day"], ["days"]),
        node("IsNaN", ["Day"], ["missing"]),
        node("Where", ["missing", "none", "days"], ["number"]),
        node("Cast", ["number"], ["prediction"], to=TensorProto.FLOAT),
    ]
    constants = [
        helper.make_tensor(name, TensorProto.DOUBLE, [1], [value]) for name, value in (("day", 86400.0), ("none", -1.0))
    ]
    whole = helper.make_graph(
        nodes, "test", [info("Day", TensorProto.DOUBLE, ["rows", 1])],
        [info("prediction", TensorProto.FLOAT, ["rows", 1])], constants,
    )  # fmt: skip
    content = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle.build(path, contents(DATED) | {"model.onnx": content.SerializeToString(deterministic=True)})
    return path
