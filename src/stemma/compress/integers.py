"""int8: dense layers as products of whole numbers; the rest of the graph stays float32.

Weights are whole numbers from -64 to 64 times a scale for each unit: 7 bits, for a processor without VNNI adds two
products in 16 bits, which 8 hold no more (onnxruntime, Quantize ONNX Models). So every processor gives the same answer.
Inputs have 8 bits. int8_static takes their range from validation rows. int8_dynamic takes it from each row by itself,
where onnxruntime's own tool takes one from the whole batch, and a row's answer depends on its neighbours.
"""

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np

from stemma import layout
from stemma.compress.layers import SCALE, Product, products
from stemma.compress.plain import Plain
from stemma.errors import ExportError
from stemma.files import scratch
from stemma.formats.optimise import keep_opsets_in_use
from stemma.training import shrink
from stemma.training.exported import ENCODED

WEIGHTS, INPUTS = shrink.LEVELS, 127  # the largest of each
MIDDLE = 128  # the whole number that stands for 0 of an input
LEAST = np.float32(1e-30)  # of what a row or a unit is divided by
BY_ROW = """
    size = Abs(given)
    peak = ReduceMax <keepdims = 1> (size, last)
    share = Div(peak, largest)
    step = Max(share, least)
    steps = Div(given, step)
    whole = Round(steps)
    shifted = Add(whole, shift)
    input = Cast <to = 2> (shifted)
    sum = MatMulInteger(input, weights, middle)
    product = Cast <to = 1> (sum)
    stepped = Mul(product, step)
    scaled = Mul(stepped, scale)
    gives = Add(scaled, bias)
"""  # 2: uint8, 1: float32
PRE_PROCESSED = {"onnx.quant.pre_process": "onnxruntime.quant"}  # else onnxruntime advises to fold, which `plain` did


def calibrated(given: Plain) -> Any:
    """The graph with QuantizeLinear and DequantizeLinear at each dense layer, by ranges seen on the given rows.

    Raises:
        ExportError: it has no dense layer.
    """
    import onnx
    from onnxruntime import quantization as tools

    graph = copy.deepcopy(given.graph)  # the tool changes what it is given
    onnx.helper.set_model_props(graph, PRE_PROCESSED)
    with scratch("graph") as folder:
        file = folder / layout.NETWORK.name
        tools.quantize_static(
            graph,
            file,
            SimpleNamespace(get_next=iter([{ENCODED: given.rows}, None]).__next__),
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_quantize=[product.node.name for product in _dense(given)],
            per_channel=True,
            reduce_range=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            # What a layer gives stays float32: else the scores themselves would take one of 256 values.
            extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
        )
        made = onnx.load(file)
    keep_opsets_in_use(made)
    return made


def by_row(given: Plain) -> Any:
    """The graph with MatMulInteger at each dense layer, by the largest number of each row of its input.

    Raises:
        ExportError: it has no dense layer.
    """
    made = copy.deepcopy(given.graph)
    dense = {product.node.name: product for product in _dense(given)}
    nodes, constants = [], list(made.graph.initializer)
    for node in made.graph.node:
        more, values = _in_integers(dense[node.name]) if node.name in dense else ([node], [])
        nodes += more
        constants += values
    used = {name for node in nodes for name in node.input}
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.extend(each for each in constants if each.name in used)
    return made


def _dense(given: Plain) -> list[Product]:
    """Products with one matrix: those of members, with one for each, have no kernel for a scale by unit."""
    found = [product for product in products(given.graph.graph) if product.weights.ndim == 2]
    if not found:
        what = "compress.method: the network has no dense layer to give to integers"
        raise ExportError(what, run="dvc exp run -S compress.method=none")
    return found


def _in_integers(product: Product) -> tuple[list[Any], list[Any]]:
    """The nodes in the place of a product, and their constants."""
    from onnx import numpy_helper, parser

    old = product.node
    scale = np.maximum(np.abs(product.weights).max(axis=0) / WEIGHTS, LEAST).astype(np.float32)
    values = {
        "weights": np.round(product.weights / scale).astype(np.int8),
        SCALE: scale,
        "middle": np.uint8(MIDDLE),
        "shift": np.float32(MIDDLE),
        "largest": np.float32(INPUTS),
        "least": LEAST,
        "last": np.array([-1]),
    }
    names = {"given": old.input[0], "gives": old.output[0]}
    steps = BY_ROW.strip().splitlines()
    if len(old.input) > 2:
        names["bias"] = old.input[2]
    else:
        steps, names["scaled"] = steps[:-1], old.output[0]
    nodes = [parser.parse_node(step) for step in steps]
    for node in nodes:
        node.name = old.name if node.op_type == "MatMulInteger" else f"{old.name}/{node.output[0]}"
        for each in (node.input, node.output):
            each[:] = [names.get(name, f"{old.name}/{name}") for name in each]
    return nodes, [numpy_helper.from_array(np.asarray(value), f"{old.name}/{name}") for name, value in values.items()]
