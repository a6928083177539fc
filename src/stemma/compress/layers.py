"""The products of a graph with constant weights: what whole numbers replace, and what is told by layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.compress.record import Layer
from stemma.training.base import Floats, State

SCALE = "scale"  # of the units, below the name of a node that takes whole numbers


@dataclass(frozen=True)
class Product:
    """A node MatMul or Gemm with its weights: (inputs, units), or (members, inputs, units)."""

    node: Any
    weights: Floats


def products(graph: Any) -> Iterator[Product]:
    """Those of a float graph, in its order."""
    from onnx import helper, numpy_helper

    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in constants:
            weights = numpy_helper.to_array(constants[node.input[1]])
            said = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            if said.get("alpha", 1) == said.get("beta", 1) == 1 and not said.get("transA"):
                yield Product(node, weights.T if said.get("transB") else weights)


def kept(before: Any, after: Any, tensors: State) -> Iterator[Layer]:
    """How a compressed graph keeps each product of the float one.

    Args:
        tensors: of the network, by name: the weights of a product have the name of the tensor with their values.
    """
    from onnx import numpy_helper

    held = {each.name: numpy_helper.to_array(each) for each in after.initializer}
    nodes = {node.name: node for node in after.node}
    givers = {name: [*node.input] for node in after.node if node.op_type == "DequantizeLinear" for name in node.output}
    left = dict(tensors)
    for product in products(before):
        node = nodes[product.node.name]
        weights = givers.get(node.input[1], [node.input[1], f"{node.name}/{SCALE}"])
        values, scale = held[weights[0]], held.get(weights[1])
        ranges = givers.get(node.input[0])
        yield Layer(
            name=_name(product, left),
            shape=product.weights.shape,
            type=str(values.dtype),
            sparsity=_rounded(np.mean(values == 0)),
            scale=None if scale is None else (_rounded(scale.min()), _rounded(scale.max())),
            input=None if ranges is None else (_rounded(held[ranges[1]]), int(held[ranges[2]])),
        )


def _name(product: Product, left: dict[str, NDArray[Any]]) -> str:
    """That of a tensor with these values, which no later product of the same values takes too; else the node's."""
    for name, each in left.items():
        for values in (each, each.T):
            if values.shape == product.weights.shape and np.array_equal(values, product.weights):
                del left[name]
                return name
    return str(product.node.name)


def _rounded(value: Any) -> float:
    return float(f"{float(value):.6g}")
