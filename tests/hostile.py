"""Graphs as an enemy would make them, over one column of numbers: `PageValues` in, `prediction` out."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bundles import REGRESSION, contents
from stemma import bundle

TEXTS = ["", "Loop", "Expand", "x" * 10_000, "PageValues", "prediction"]
SIGNATURE = {**REGRESSION, "inputs": [{"name": "PageValues", "type": "number"}]}
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
node, info = helper.make_node, helper.make_tensor_value_info


def constant(name: str, value: Any, kind: Any = np.int64) -> TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def model(nodes: Sequence[Any], constants: Sequence[Any] = (), output: int = FLOAT) -> Any:
    inputs, outputs = [info("PageValues", FLOAT, ["rows", 1])], [info("prediction", output, ["rows", 1])]
    whole = helper.make_graph(nodes, "hostile", inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=10)


def made(nodes: Sequence[Any], constants: Sequence[Any] = (), output: int = FLOAT) -> bytes:
    content: bytes = model(nodes, constants, output).SerializeToString()
    return content


def plain() -> bytes:
    return made([node("Identity", ["PageValues"], ["prediction"])])


def packed(path: Path, graph: bytes) -> Path:
    bundle.build(path, contents(SIGNATURE) | {"model.onnx": graph})
    return path


def loop(trips: str, inner: Sequence[Any] = (), kind: str = "Loop") -> Any:
    """A node that adds the first number to a sum, so many times."""
    body = helper.make_graph(
        [*inner, node("Identity", ["go"], ["on"]), node("Add", ["sum", "PageValues"], ["more"])],
        "body", [info("turn", INT64, []), info("go", TensorProto.BOOL, []), info("sum", FLOAT, ["rows", 1])],
        [info("on", TensorProto.BOOL, []), info("more", FLOAT, ["rows", 1])],
    )  # fmt: skip
    return node(kind, [trips, "", "PageValues"], ["prediction"], body=body)


def looped(trips: Any, inner: Sequence[Any] = ()) -> bytes:
    return made([loop("trips", inner)], [constant("trips", trips)])


def computed_turns() -> bytes:
    """As many turns as the rows say."""
    shortened = node("ReduceMax", ["PageValues"], ["largest"], keepdims=0)
    return made([shortened, node("Cast", ["largest"], ["trips"], to=INT64), loop("trips")])


def shaped(operator: str, size: Sequence[int]) -> bytes:
    """The sum of a tensor of that size is added to each row."""
    words = {"ConstantOfShape": ["size"], "Expand": ["one", "size"], "Tile": ["one", "size"]}[operator]
    nodes = [
        node(operator, words, ["large"]),
        node("ReduceSum", ["large"], ["all"], keepdims=0),
        node("Add", ["PageValues", "all"], ["prediction"]),
    ]
    return made(nodes, [constant("size", size), constant("one", np.ones([1] * min(len(size), 8)), np.float32)])


def grown(sizes: Sequence[int]) -> bytes:
    """As `shaped`, of a size that no constant says."""
    rows = [node("Shape", ["PageValues"], ["rows"]), node("Div", ["rows", "rows"], ["ones"])]
    first = [node("Slice", ["ones", "zero", "end"], ["single"]), node("Mul", ["single", "sizes"], ["size"])]
    last = [
        node("ConstantOfShape", ["size"], ["large"]),
        node("ReduceMax", ["large"], ["all"], keepdims=0),
        node("Add", ["PageValues", "all"], ["prediction"]),
    ]
    return made([*rows, *first, *last], [constant("sizes", sizes), constant("zero", [0]), constant("end", [1])])


def slow() -> bytes:
    """Some minutes of multiplications, without a loop."""
    nodes = [node("Expand", ["one", "size"], ["x0"])]
    nodes += [node("Tanh", [f"x{turn}"], [f"x{turn + 1}"]) for turn in range(2000)]
    nodes += [
        node("ReduceSum", ["x2000"], ["all"], keepdims=0), node("Add", ["PageValues", "all"], ["prediction"]),
    ]  # fmt: skip
    rows = [node("Shape", ["PageValues"], ["rows"]), node("Mul", ["rows", "large"], ["size"])]
    return made([*rows, *nodes], [constant("one", [[1.0]], np.float32), constant("large", [2**11, 2**11])])


def two_answers() -> bytes:
    return made([node("Concat", ["PageValues", "PageValues"], ["prediction"], axis=0)])


def texts() -> bytes:
    return made([node("Cast", ["PageValues"], ["prediction"], to=TensorProto.STRING)], output=TensorProto.STRING)


def nested(depth: int) -> bytes:
    """A branch in a branch in a branch."""
    leaf = inner = helper.make_graph(
        [node("Identity", ["PageValues"], ["b0"])], "b", [], [info("b0", FLOAT, ["rows", 1])]
    )
    for level in range(1, depth):
        chosen = node("If", ["always"], [f"b{level}"], then_branch=inner, else_branch=leaf)
        inner = helper.make_graph([chosen], "b", [], [info(f"b{level}", FLOAT, ["rows", 1])])
    last = node("If", ["always"], ["prediction"], then_branch=inner, else_branch=leaf)
    return made([last], [constant("always", True, np.bool_)])


def messages(found: Any) -> list[Any]:
    """A message of protobuf and all in it."""
    held = [value for field, value in found.ListFields() if field.message_type]
    inner = [
        each for value in held for each in (value if hasattr(value, "append") or hasattr(value, "add") else [value])
    ]
    return [found, *(message for each in inner for message in messages(each))]


def with_a_field_changed(content: bytes, draw: Callable[[Sequence[Any]], Any]) -> bytes:
    """The graph with a value of one of its fields changed, left out or doubled; `draw` chooses."""
    found = onnx.load_from_string(content)
    message = draw(messages(found))
    field, value = draw([*message.ListFields()] or [(None, None)])
    if field is None or draw([True, False, False, False]):
        message.Clear()
    elif hasattr(value, "MergeFrom") and hasattr(value, "__len__"):
        value.MergeFrom([draw(value)] if draw([True, False]) else list(value))
    elif field.message_type:
        message.ClearField(field.name)
    elif isinstance(value, bytes | str):
        setattr(message, field.name, draw(TEXTS) if isinstance(value, str) else value * 3)
    else:
        with contextlib.suppress(ValueError, TypeError):  # no such value of an enumeration
            setattr(message, field.name, draw([0, -1, 1, 7, 2**31 - 1, 2**62]))
    written: bytes = found.SerializeToString()
    return written
