"""int8: dense layers as products of whole numbers; the rest of the graph stays float32.

Weights are whole numbers from -64 to 64 times a scale for each unit: 7 bits, for a processor without VNNI adds two
products in 16 bits, which 8 hold no more (onnxruntime, Quantize ONNX Models). So every processor gives the same answer.
Inputs have 8 bits. int8_static takes their range from validation rows. int8_dynamic takes it from each row by itself,
where onnxruntime's own tool takes one from the whole batch, and a row's answer depends on its neighbours.
"""

import copy
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from stemma.compress.layers import Product, products
from stemma.compress.plain import Plain
from stemma.errors import ExportError
from stemma.formats.optimise import keep_opsets_in_use
from stemma.training.exported import ENCODED

WEIGHTS, INPUTS, MIDDLE = 64, 127, 128  # the largest of each, and the whole number that stands for 0 of an input
LEAST = np.float32(1e-30)  # of what a row is divided by


def calibrated(given: Plain) -> Any:
    """The graph with QuantizeLinear and DequantizeLinear at each dense layer, by ranges seen on the given rows.

    Raises:
        ExportError: it has no dense layer.
    """
    import onnx
    from onnxruntime import quantization as tools

    names = [product.node.name for product in _dense(given)]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        file = Path(folder) / "network.onnx"
        tools.quantize_static(
            copy.deepcopy(given.graph),  # it changes what it is given
            file,
            _Rows(given.rows),
            tools.QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_quantize=names,
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
        if node.name in dense:
            more, values = _in_integers(dense[node.name])
            nodes += more
            constants += values
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.extend(each for each in constants if each.name in used)
    return made


def _dense(given: Plain) -> list[Product]:
    """Products with one matrix: those of members, with one for each, have no kernel for a scale by unit."""
    found = [product for product in products(given.graph.graph) if product.weights.ndim == 2]
    if not found:
        raise ExportError(
            "compress.method: the network has no dense layer to give to integers",
            run="dvc exp run -S compress.method=none",
        )
    return found


def _in_integers(product: Product) -> tuple[list[Any], list[Any]]:
    """The nodes in the place of a product, and their constants."""
    from onnx import helper, numpy_helper

    old = product.node
    scale = np.maximum(np.abs(product.weights).max(axis=0) / WEIGHTS, LEAST).astype(np.float32)
    values = {
        "weights": np.round(product.weights / scale).astype(np.int8),
        "scale": scale,
        "middle": np.array(MIDDLE, np.uint8),
        "shift": np.array(MIDDLE, np.float32),
        "largest": np.array(INPUTS, np.float32),
        "least": LEAST,
        "last": np.array([-1], np.int64),
    }
    steps = [
        ("Abs", [old.input[0]], "size"),
        ("ReduceMax", ["size", "last"], "peak"),
        ("Div", ["peak", "largest"], "unbounded"),
        ("Max", ["unbounded", "least"], "step"),
        ("Div", [old.input[0], "step"], "steps"),
        ("Round", ["steps"], "whole"),
        ("Add", ["whole", "shift"], "shifted"),
        ("Cast", ["shifted"], "input"),
        ("MatMulInteger", ["input", "weights", "middle"], "sum"),
        ("Cast", ["sum"], "product"),
        ("Mul", ["product", "step"], "stepped"),
        ("Mul", ["stepped", "scale"], "scaled" if len(old.input) > 2 else old.output[0]),
        *([("Add", ["scaled", old.input[2]], old.output[0])] if len(old.input) > 2 else []),
    ]
    own = {*values, *(out for _, _, out in steps)} - {old.output[0]}

    def name(each: str) -> str:
        return f"{old.name}/{each}" if each in own else each

    types = {"input": helper.TensorProto.UINT8, "product": helper.TensorProto.FLOAT}
    nodes = [
        helper.make_node(
            kind,
            [*map(name, inputs)],
            [name(out)],
            old.name if kind == "MatMulInteger" else f"{old.name}/{out}",
            **_attributes(kind, types.get(out)),
        )
        for kind, inputs, out in steps
    ]
    return nodes, [numpy_helper.from_array(np.asarray(value), name(each)) for each, value in values.items()]


def _attributes(kind: str, to: int | None) -> dict[str, Any]:
    return {"to": to} if kind == "Cast" else {"keepdims": 1} if kind == "ReduceMax" else {}


class _Rows:
    """One batch, as onnxruntime's calibration asks for it."""

    def __init__(self, rows: Any) -> None:
        self.left = [{ENCODED: rows}]

    def get_next(self) -> Any:
        return self.left.pop() if self.left else None


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime's tools advise by the root logger what does not concern a user here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
