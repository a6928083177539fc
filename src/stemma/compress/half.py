"""float16: the graph with half the bits inside; what goes in and comes out stays float32."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from stemma.compress.plain import Plain
from stemma.errors import ExportError
from stemma.formats.optimise import keep_opsets_in_use
from stemma.training import inputs

LARGEST = 65_504.0  # that float16 holds
EXACT = 2_048  # whole numbers up to here are exact in float16
INSTEAD = "dvc exp run -S compress.method=none"


def halved(given: Plain) -> Any:
    """The graph in float16.

    Raises:
        ExportError: float16 does not hold a weight, or does not tell the codes of a column apart.
    """
    for block in inputs.codes(given.problem):
        if block.size > EXACT:
            raise ExportError(
                f"compress.method: float16 tells no numbers above {EXACT:,} apart, and column {block.name!r} has "
                f"{block.size:,} codes",
                run=INSTEAD,
            )
    return halve(given.graph)


def halve(network: Any) -> Any:
    """As `halved`, for a graph of any inputs."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    for name, values in _constants(network.graph):
        largest = float(np.abs(values).max(initial=0))
        if largest > LARGEST:
            raise ExportError(
                f"compress.method: float16 holds numbers up to {LARGEST:,.0f}, and {name} has {largest:.6g}",
                run=INSTEAD,
            )
    made = convert_float_to_float16(copy.deepcopy(network), keep_io_types=True)
    OnnxModel.graph_topological_sort(made.graph, is_deterministic=True)
    keep_opsets_in_use(made)
    return made


def _constants(graph: Any) -> Iterator[tuple[str, Any]]:
    """Every constant of float32, by name."""
    from onnx import TensorProto, numpy_helper

    found = [(each.name, each) for each in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            found += [(node.output[0], each.t) for each in node.attribute if each.name == "value"]
    yield from ((name, numpy_helper.to_array(each)) for name, each in found if each.data_type == TensorProto.FLOAT)
