"""A network's graph made smaller: constants folded by onnxruntime. Standard operators before and after, and the same
bytes for the same graph.
"""

from typing import Any

from stemma.errors import ExportError
from stemma.files import scratch
from stemma.text import in_one_line


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
    with scratch("graph") as folder:
        file = folder / "optimised.onnx"
        options.optimized_model_filepath = str(file)
        try:
            onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the errors of onnxruntime have no other base
            raise ExportError(f"onnx: the network cannot be optimised ({in_one_line(error, 300)})") from None
        found = onnx.load(file)
    keep_opsets_in_use(found)
    other = {node.domain for node in found.graph.node} - {"", "ai.onnx", "ai.onnx.ml"}
    if other:
        raise ExportError(f"onnx: the optimised network has operators of {', '.join(sorted(other))}")
    return found


def keep_opsets_in_use(model: Any) -> None:
    """onnxruntime names every set of operators that it knows."""
    used = {"" if node.domain == "ai.onnx" else node.domain for node in model.graph.node} | {""}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    versions = [(entry.domain, entry.version) for entry in kept]
    del model.opset_import[:]
    for domain, version in versions:
        model.opset_import.add(domain=domain, version=version)
