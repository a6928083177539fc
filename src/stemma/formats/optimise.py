"""A network's graph made smaller: constants folded by onnxruntime, numbers halved. Standard operators before and after.

Both give the same bytes for the same graph.
"""

import copy
import tempfile
from pathlib import Path
from typing import Any

from stemma.errors import ExportError
from stemma.text import in_one_line

LARGEST = 65_504.0  # that float16 holds
EXACT = 2_048  # whole numbers up to here are exact in float16


def optimise(network: Any) -> Any:
    """Constants folded, and what changes nothing left out: onnxruntime's basic level, which fits any machine.

    Raises:
        ExportError: onnxruntime cannot read the graph, or gives back operators that are not ONNX's own.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(file)
        try:
            onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the errors of onnxruntime have no other base
            raise ExportError(f"onnx: the network cannot be optimised ({in_one_line(error, 300)})") from None
        found = onnx.load(file)
    _keep_opsets_in_use(found)
    other = {node.domain for node in found.graph.node} - {"", "ai.onnx", "ai.onnx.ml"}
    if other:
        raise ExportError(f"onnx: the optimised network has operators of {', '.join(sorted(other))}")
    return found


def halve(network: Any) -> Any:
    """The graph with float16 inside; what goes in and comes out stays float32.

    Raises:
        ExportError: a weight is larger than float16 holds.
    """
    import numpy as np
    from onnx import TensorProto, numpy_helper
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    constants = [(each.name, each) for each in network.graph.initializer]
    for node in network.graph.node:
        if node.op_type == "Constant":
            constants += [(node.output[0], each.t) for each in node.attribute if each.name == "value"]
    for name, each in constants:
        if each.data_type == TensorProto.FLOAT:
            largest = float(np.abs(numpy_helper.to_array(each)).max(initial=0))
            if largest > LARGEST:
                raise ExportError(
                    f"export.precision: float16 holds numbers up to {LARGEST:,.0f}, and {name} has {largest:.6g}",
                    run="dvc exp run -S export.precision=float32",
                )
    halved = convert_float_to_float16(copy.deepcopy(network), keep_io_types=True)
    OnnxModel.graph_topological_sort(halved.graph, is_deterministic=True)
    _keep_opsets_in_use(halved)
    return halved


def _keep_opsets_in_use(model: Any) -> None:
    """onnxruntime names every set of operators that it knows."""
    used = {"" if node.domain == "ai.onnx" else node.domain for node in model.graph.node} | {""}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    versions = [(entry.domain, entry.version) for entry in kept]
    del model.opset_import[:]
    for domain, version in versions:
        model.opset_import.add(domain=domain, version=version)
