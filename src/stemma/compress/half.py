"""float16: the graph with half the bits inside; what goes in and comes out stays float32.

So does what float16 does not hold: an operation with a constant of more than 65,504 stays as it is.
"""

import copy
from typing import Any

import numpy as np

from stemma.compress.plain import Plain
from stemma.errors import ExportError
from stemma.formats.optimise import keep_opsets_in_use
from stemma.text import counted
from stemma.training import inputs

LARGEST = 65_504.0  # that float16 holds
EXACT = 2_048  # whole numbers up to here are exact in float16


def halved(given: Plain) -> Any:
    """The graph in float16; an ExportError where float16 does not tell the codes of a column apart."""
    for block in inputs.codes(given.problem):
        if block.size > EXACT:
            raise ExportError(
                f"compress.method: float16 tells no numbers above {EXACT:,} apart, and column {block.name!r} has "
                f"{counted(block.size, 'code')}",
                run="dvc exp run -S compress.method=none",
            )
    return halve(given.graph)


def halve(network: Any) -> Any:
    """As `halved`, for a graph of any inputs."""
    from onnx import TensorProto, numpy_helper
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    floats = [each for each in network.graph.initializer if each.data_type == TensorProto.FLOAT]
    large = {each.name for each in floats if np.abs(numpy_helper.to_array(each)).max(initial=0) > LARGEST}
    whole = [node.name for node in network.graph.node if large & {*node.input}]
    made = convert_float_to_float16(copy.deepcopy(network), keep_io_types=True, node_block_list=whole)
    OnnxModel.graph_topological_sort(made.graph, is_deterministic=True)
    keep_opsets_in_use(made)
    return made
