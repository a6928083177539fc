"""The products of a graph with constant weights: what integers replace, and what is told by layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Product:
    """A node MatMul or Gemm.

    Attributes:
        weights: float32, (inputs, units), or (members, inputs, units).
        name: of them in the graph.
    """

    node: Any
    name: str
    weights: NDArray[np.float32]


def products(graph: Any) -> Iterator[Product]:
    """Those of a float graph, in its order."""
    from onnx import helper, numpy_helper

    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in constants:
            weights = numpy_helper.to_array(constants[node.input[1]])
            turned = any(each.name == "transB" and helper.get_attribute_value(each) for each in node.attribute)
            yield Product(node, node.input[1], weights.T if turned else weights)
