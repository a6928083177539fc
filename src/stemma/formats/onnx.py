"""One ONNX graph from raw named columns to probabilities: encoder, network and head joined.

The encoder takes one tensor (rows, 1) per column and gives `encoded` (rows, width); the network takes `encoded` and
gives `scores` (rows, outputs); the head turns scores into `probabilities` (rows, classes) or `prediction` (rows, 1).
"""

import re
from typing import Any

import numpy as np

from stemma.errors import ExportError
from stemma.task import HIGHEST, Task
from stemma.text import in_one_line

IR_VERSION = 10  # read by onnxruntime since 1.18
ROWS = "rows"  # name of the free dimension
COUNTED = re.compile(r"__\d+")
ENCODED, SCORES, HEAD = "stemma/encoded", "stemma/scores", "stemma/head/"


def join(encoder: Any, network: Any, task: Task, opset: int, temperature: float = 1.0) -> Any:
    """The whole graph, checked.

    Args:
        encoder, network: ModelProtos as above; the network is settled.
        task: its head turns scores into predictions.
        opset: of the standard operators; that of the encoder where it needs a later one (`cat` in `data.derive`).
        temperature: divides the scores of classes, above 0; more than 1 draws probabilities together (Guo et al., On
            Calibration of Modern Neural Networks, ICML 2017).

    Raises:
        ExportError: a part cannot be converted to this opset, the joined graph is not valid, or the temperature is not
            one.
    """
    import onnx
    from onnx import compose

    if not 0 < temperature < float("inf") or (task.head == "rescale" and temperature != 1):
        raise ExportError(f"{temperature} is not a temperature for a {task.kind}")
    wanted = max(opset, _opset(encoder))
    parts = [_at_opset(part, wanted) for part in (encoder, network)]
    # Inputs are named as columns, and exporters name what they like: what lies between has names that neither takes.
    columns = [value.name for value in parts[0].graph.input]
    encoded, scores = _free(ENCODED, columns), _free(SCORES, columns)
    _rename(parts[0].graph, "encoded", encoded)
    _rename(parts[1].graph, parts[1].graph.input[0].name, encoded)
    _rename(parts[1].graph, parts[1].graph.output[0].name, scores)
    parts = [
        compose.add_prefix(part, _free(prefix, columns), rename_inputs=False, rename_outputs=False)
        for part, prefix in zip(parts, ("encoder/", "network/"), strict=True)
    ]
    for part in parts:
        part.ir_version = IR_VERSION
        _align_opsets(part, parts)
    try:
        graph = compose.merge_models(*parts, io_map=[(encoded, encoded)])
        _align_opsets(graph, [graph])
        _add_head(graph.graph, task, temperature)
        clean(graph)
        onnx.checker.check_model(graph, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise ExportError(f"encoder and network do not join ({in_one_line(error, None)})") from None
    return graph


def settled(network: Any, opset: int, given: str, gives: str) -> Any:
    """The graph of a network in the form that every process gives it, with its one input and output named.

    Raises:
        ExportError: it cannot be converted to this opset.
    """
    network = _at_opset(network, opset)
    _number(network.graph)
    _rename(network.graph, network.graph.input[0].name, given)
    _rename(network.graph, network.graph.output[0].name, gives)
    network.ir_version = IR_VERSION
    _align_opsets(network, [network])
    clean(network)
    return network


def clean(model: Any) -> None:
    """Remove what differs from folder to folder: paths, line numbers, names and versions of the exporters."""
    model.producer_name, model.producer_version, model.doc_string = "stemma", "", ""
    model.domain, model.model_version = "", 0
    del model.metadata_props[:]
    _clean_graph(model.graph)
    for function in model.functions:
        _clean_nodes(function)
        function.doc_string = ""


def _clean_graph(graph: Any) -> None:
    graph.name, graph.doc_string = "stemma", ""
    del graph.metadata_props[:]
    for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        value.doc_string = ""
        del value.metadata_props[:]
    del graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = ROWS
    _clean_nodes(graph)


def _clean_nodes(holder: Any) -> None:
    for node in holder.node:
        node.doc_string = ""
        del node.metadata_props[:]


def _number(graph: Any) -> None:
    """Count anew what tf2onnx counts in the order of a set, which each process has another of.

    Of equal constants it keeps the name of any one, so constants are named by their places alone.
    """
    order = list(dict.fromkeys(name for node in graph.node for name in (*node.input, *node.output)))
    if not any(COUNTED.search(name) for name in order):
        return
    constants = {each.name: each for each in graph.initializer}
    used = [name for name in order if name in constants]
    counted = [name for name in order if name not in constants and COUNTED.search(name)]
    names = {name: COUNTED.sub(f"__{place}", name) for place, name in enumerate(counted)}
    names |= {name: f"constant_{place}" for place, name in enumerate(used)}
    for place, node in enumerate(graph.node):
        node.name = COUNTED.sub(f"__{place}", node.name)
        for each in (node.input, node.output):
            each[:] = [names.get(name, name) for name in each]
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    kept = [constants[name] for name in used]
    for each in kept:
        each.name = names[each.name]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _free(prefix: str, columns: list[str]) -> str:
    """The prefix, or one like it that no column's name starts with."""
    while any(name.startswith(prefix) for name in columns):
        prefix = "_" + prefix
    return prefix


def _rename(graph: Any, old: str, new: str) -> None:
    """Rename a value of a graph wherever it stands."""
    for value in [*graph.input, *graph.output]:
        if value.name == old:
            value.name = new
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new


def _opset(model: Any) -> int:
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def _at_opset(model: Any, opset: int) -> Any:
    from onnx import version_converter

    now = _opset(model)
    if now == opset:
        return model
    try:
        return version_converter.convert_version(model, opset)
    except RuntimeError as error:
        raise ExportError(
            f"a graph of opset {now} cannot be converted to {opset} ({in_one_line(error, None)})",
            run="dvc exp run -S export.opset=18",
        ) from None


def _align_opsets(part: Any, parts: list[Any]) -> None:
    """Give every part the same versions of all operator sets: the highest one that any part asks for."""
    versions: dict[str, int] = {}
    for entry in (entry for each in parts for entry in each.opset_import):
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        versions[domain] = max(entry.version, versions.get(domain, 0))
    del part.opset_import[:]
    for domain, version in sorted(versions.items()):
        part.opset_import.add(domain=domain, version=version)


def _add_head(graph: Any, task: Task, temperature: float) -> None:
    from onnx import TensorProto, helper, numpy_helper

    head = _free(HEAD, [value.name for value in graph.input])

    def constant(name: str, value: float) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), head + name))
        return head + name

    def node(kind: str, inputs: list[str], output: str, **attributes: int) -> str:
        graph.node.append(helper.make_node(kind, inputs, [output], name=head + kind, **attributes))
        return output

    last, width = graph.output[0].name, graph.output[0].type.tensor_type.shape.dim[1].dim_value
    if task.head == "rescale":
        mean, deviation = task.rescaling
        scaled = node("Mul", [last, constant("deviation", deviation)], head + "scaled")
        value = task.output if task.log is None else head + "logarithm"
        node("Add", [scaled, constant("mean", mean)], value)
        if task.log is not None:
            node("Exp", [node("Min", [value, constant("highest", HIGHEST)], head + "bounded")], task.output)
    else:
        if temperature != 1:
            last = node("Div", [last, constant("temperature", temperature)], head + "tempered")
        if task.head == "sigmoid":
            # Softmax over (0, s) gives (1 - p, p) with p = sigmoid(s), without the rounding of 1 - p.
            zeros = node("Mul", [last, constant("zero", 0)], head + "zeros")
            last, width = node("Concat", [zeros, last], head + "pair", axis=1), 2
        node("Softmax", [last], task.output, axis=1)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(task.output, TensorProto.FLOAT, [ROWS, width]))
