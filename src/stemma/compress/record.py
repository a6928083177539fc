"""compression.json: what was done to the network's graph, layer by layer, and what that gains and costs."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from stemma import metrics
from stemma.compress.layers import Product, products
from stemma.compress.plain import Plain
from stemma.compress.settings import CompressSettings
from stemma.files import finite
from stemma.tables.arrays import Arrays
from stemma.training.base import Floats, State
from stemma.training.exported import scorer

FORMAT = 1


def spread(x: Floats, count: int) -> Floats:
    """So many rows, at even steps over all of them."""
    return x[np.unique(np.linspace(0, len(x) - 1, min(len(x), count)).astype(np.int64))]


def make(settings: CompressSettings, given: Plain, made: Any, tensors: State, validation: Arrays) -> dict[str, Any]:
    """The record: bytes and the main figure on validation rows, before and after, and each layer as it is now.

    Args:
        given, made: the graph before and after.
        tensors: of the network, by the names that a version has them under.
    """
    graphs = [each.SerializeToString(deterministic=True) for each in (given.graph, made)]
    task = given.problem.task
    main = metrics.METRICS[task.main]
    figures = [
        metrics.figures(metrics.Rows.of(task, validation.y, task.predictions(scorer(graph)(validation.x))), of=[main])
        for graph in graphs
    ]
    before, after = (finite(found[main.name]) for found in figures)
    return {
        "format": FORMAT,
        "method": settings.method,
        "rows": len(given.rows) if settings.method == "int8_static" else None,
        "bytes": {"before": len(graphs[0]), "after": len(graphs[1])},
        "validation": {"metric": main.name, "before": before, "after": after},
        "layers": list(_layers(given.graph.graph, made.graph, dict(tensors))),
    }


def _layers(before: Any, after: Any, tensors: State) -> Iterator[dict[str, Any]]:
    """Each product of the graph: the name of its weights in the version, else of its node, and how it is kept now.

    `scale` is the least and the greatest of its units', `input` what static ranges say of what goes into it.
    """
    from onnx import numpy_helper

    held = {each.name: numpy_helper.to_array(each) for each in after.initializer}
    nodes = {node.name: node for node in after.node}
    givers = {name: [*node.input] for node in after.node if node.op_type == "DequantizeLinear" for name in node.output}
    for product in products(before):
        node = nodes[product.node.name]
        weights = givers.get(node.input[1], [node.input[1], f"{node.name}/scale"])
        values, scale = held[weights[0]], held.get(weights[1])
        ranges = givers.get(node.input[0])
        yield {
            "name": _name(product, tensors),
            "shape": list(product.weights.shape),
            "type": str(values.dtype),
            "sparsity": _rounded(np.mean(values == 0)),
            "scale": None if scale is None else [_rounded(scale.min()), _rounded(scale.max())],
            "input": ranges and {"scale": _rounded(held[ranges[1]]), "zero_point": int(held[ranges[2]])},
        }


def _name(product: Product, tensors: State) -> str:
    """That of the tensor of these values, which no later layer of the same values takes too."""
    for name, each in tensors.items():
        for values in (each, each.T):
            if values.shape == product.weights.shape and np.array_equal(values, product.weights):
                del tensors[name]
                return name
    return str(product.node.name)


def _rounded(value: Any) -> float:
    return float(f"{float(value):.6g}")
