"""Half precision: what float16 cannot hold is refused, wherever it stands."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from stemma.errors import ExportError
from stemma.formats.optimise import halve


@pytest.mark.parametrize("as_node", [False, True])
@pytest.mark.parametrize("value", [1e6, -np.inf])
def test_a_constant_that_float16_cannot_hold_is_refused_by_name(as_node: bool, value: float) -> None:
    tensor = numpy_helper.from_array(np.array([1, value], np.float32), "large")
    nodes = [helper.make_node("Constant", [], ["large"], value=tensor)] if as_node else []
    graph = helper.make_graph(
        [*nodes, helper.make_node("Mul", ["x", "large"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [] if as_node else [tensor],
    )
    with pytest.raises(ExportError, match=r"float16 holds numbers up to 65,504, and large has (1e\+06|inf)"):
        halve(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))
