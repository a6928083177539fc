"""Half precision: what float16 cannot hold stays as it is, wherever it stands."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from stemma.compress.half import halve
from stemma.training.exported import scorer


@pytest.mark.parametrize("value", [1e6, 7e4, 6e4])
def test_a_constant_that_float16_cannot_hold_stays_in_float32(value: float) -> None:
    """1 / 3 as float16 is 2e-4 off."""
    tensor = numpy_helper.from_array(np.array([1 / 3, value], np.float32), "large")
    small = numpy_helper.from_array(np.array([1 / 3, 1e-3], np.float32), "small")
    nodes = [
        helper.make_node("Mul", ["encoded", "large"], ["product"], "large_product"),
        helper.make_node("Clip", ["product", "", "most"], ["clipped"], "clip"),
        helper.make_node("Mul", ["clipped", "small"], ["scores"], "small_product"),
    ]
    most = numpy_helper.from_array(np.array(100, np.float32), "most")
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("encoded", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", 2])],
        [small, most, tensor],
    )
    made = halve(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))
    got = scorer(made.SerializeToString())(np.array([[1, 1], [2, 1e-5]], np.float32))
    expected = np.array([[1 / 9, min(value, 100) / 1000], [2 / 9, min(value * 1e-5, 100) / 1000]])
    assert got == pytest.approx(expected, rel=3e-3)
    kinds = {each.name: each.data_type for each in made.graph.initializer}
    assert kinds["small"] == TensorProto.FLOAT16
    assert (kinds["large"] == TensorProto.FLOAT) == (abs(value) > 65_504)
