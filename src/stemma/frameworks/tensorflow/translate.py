"""The operators of an ONNX graph as TensorFlow's: for the encoder, and for networks of the other framework.

Only what the encoder and the layers of this project are made of is here; any other operator is refused by name. To add
one: a function of (inputs, attributes) in OPERATORS. A test compares ONNX and TensorFlow on every operator.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

from stemma.errors import ExportError

Inputs = Sequence[Any]
Attributes = Mapping[str, Any]
TYPES = {
    onnx.TensorProto.FLOAT: tf.float32,
    onnx.TensorProto.DOUBLE: tf.float64,
    onnx.TensorProto.INT32: tf.int32,
    onnx.TensorProto.INT64: tf.int64,
    onnx.TensorProto.BOOL: tf.bool,
    onnx.TensorProto.STRING: tf.string,
}
LATEST = {"Clip": 11, "Slice": 10, "ReduceMean": 18, "Split": 13, "Squeeze": 13, "Unsqueeze": 13}  # as read here


def translate(model: onnx.ModelProto, columns: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """The outputs of a graph for these inputs, by TensorFlow; and the operations that fill its tables.

    Args:
        model: its inputs are among `columns`, by name.
        columns: tensors of a graph in the making.

    Raises:
        ExportError: an operator, or a version of one, has no translation.
    """
    known = dict(columns)
    known |= {each.name: tf.constant(numpy_helper.to_array(each)) for each in model.graph.initializer}
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    tables: list[Any] = []
    for node in model.graph.node:
        if node.op_type not in OPERATORS or opset < LATEST.get(node.op_type, 1):
            raise ExportError(f"saved_model: the operator {node.op_type} of opset {opset} has no translation")
        given = [known[name] if name else None for name in node.input]
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        results = OPERATORS[node.op_type](given, attributes | {"tables": tables, "outputs": len(node.output)})
        results = results if isinstance(results, list | tuple) else [results]
        known.update(zip(node.output, results, strict=True))
    return [known[value.name] for value in model.graph.output], tables


def _clip(inputs: Inputs, attributes: Attributes) -> Any:
    x, low, high = (*inputs, None, None)[:3]
    x = x if low is None else tf.maximum(x, low)
    return x if high is None else tf.minimum(x, high)


def _flatten(inputs: Inputs, attributes: Attributes) -> Any:
    if attributes.get("axis", 1) != 1:
        raise ExportError(f"saved_model: Flatten at axis {attributes['axis']} has no translation")
    return tf.reshape(inputs[0], (-1, math.prod(inputs[0].shape[1:])))


def _gemm(inputs: Inputs, attributes: Attributes) -> Any:
    a, b, c = (*inputs, None)[:3]
    product = tf.matmul(a, b, bool(attributes.get("transA", 0)), bool(attributes.get("transB", 0)))
    product *= attributes.get("alpha", 1.0)
    return product if c is None else product + attributes.get("beta", 1.0) * c


def _gather(inputs: Inputs, attributes: Attributes) -> Any:
    data, places = inputs
    axis = attributes.get("axis", 0)
    size = tf.cast(tf.shape(data)[axis], places.dtype)
    return tf.gather(data, tf.where(places < 0, places + size, places), axis=axis)


def _look_up(inputs: Inputs, attributes: Attributes) -> Any:
    """LabelEncoder: texts to numbers. The table's name tells its content, so that no other is taken for it."""
    keys, values = attributes["keys_strings"], attributes["values_int64s"]
    name = hashlib.sha256(repr((keys, values)).encode()).hexdigest()[:16]
    table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name=f"levels_{name}")
    fill = tf.raw_ops.LookupTableImportV2(
        table_handle=table, keys=tf.constant(list(keys)), values=tf.constant(list(values), tf.int64)
    )
    attributes["tables"].append(fill)
    other = tf.constant(attributes["default_int64"], tf.int64)
    return tf.raw_ops.LookupTableFindV2(table_handle=table, keys=inputs[0], default_value=other)


def _mean(inputs: Inputs, attributes: Attributes) -> Any:
    return tf.reduce_mean(inputs[0], _axes(inputs), keepdims=bool(attributes.get("keepdims", 1)))


def _reshape(inputs: Inputs, attributes: Attributes) -> Any:
    """A 0 keeps the size that is there."""
    x, shape = inputs
    rank = len(x.shape)
    kept = tf.concat([tf.shape(x, shape.dtype), tf.zeros(max(0, shape.shape[0] - rank), shape.dtype)], 0)
    return tf.reshape(x, tf.where(tf.equal(shape, 0), kept[: shape.shape[0]], shape))


def _slice(inputs: Inputs, attributes: Attributes) -> Any:
    x = inputs[0]
    starts, ends, axes, steps = (*map(_plain, inputs[1:]), None, None)[:4]
    places: list[Any] = [slice(None)] * len(x.shape)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        step = 1 if steps is None else steps[number]
        if step < 0:
            raise ExportError("saved_model: Slice backwards has no translation")
        last = None if end >= 2**31 - 1 else end
        places[number if axes is None else axes[number]] = slice(start, last, step)
    return x[tuple(places)]


def _split(inputs: Inputs, attributes: Attributes) -> Any:
    axis = attributes.get("axis", 0)
    sizes = attributes["outputs"] if len(inputs) < 2 else _plain(inputs[1])
    return tf.split(inputs[0], sizes, axis)


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Any:
    x = inputs[0]
    places = _plain(inputs[1])
    rank = len(x.shape) + len(places)
    for place in sorted(each % rank for each in places):
        x = tf.expand_dims(x, place)
    return x


def _axes(inputs: Inputs) -> Any:
    """Those that the second input names; None: all."""
    return _plain(inputs[1]) if len(inputs) > 1 else None


def _plain(tensor: Any) -> Any:
    """The numbers of a constant of the graph; an ExportError where it is none."""
    value = tf.get_static_value(tensor)
    if value is None:
        raise ExportError("saved_model: an operator whose shape depends on the rows has no translation")
    return value.tolist()


def _each(function: Callable[..., Any]) -> Callable[[Inputs, Attributes], Any]:
    """An operator without attributes."""
    return lambda inputs, attributes: function(*inputs)


def _all(function: Callable[[Any, Any], Any]) -> Callable[[Inputs, Attributes], Any]:
    """An operator of two inputs that ONNX lets have any number of."""
    return lambda inputs, attributes: reduce(function, inputs)


OPERATORS: dict[str, Callable[[Inputs, Attributes], Any]] = {
    "Add": _each(tf.add),
    "Cast": lambda inputs, attributes: tf.cast(inputs[0], TYPES[attributes["to"]]),  # both cut off fractions
    "Clip": _clip,
    "Concat": lambda inputs, attributes: tf.concat(list(inputs), attributes["axis"]),
    "Constant": lambda inputs, attributes: tf.constant(numpy_helper.to_array(attributes["value"])),
    "Cos": _each(tf.cos),
    "Div": _each(tf.divide),
    "Equal": _each(tf.equal),
    "Erf": _each(tf.math.erf),
    "Flatten": _flatten,
    "Floor": _each(tf.floor),
    "Gather": _gather,
    "Gelu": lambda inputs, attributes: tf.nn.gelu(inputs[0], attributes.get("approximate") == b"tanh"),
    "Gemm": _gemm,
    "GreaterOrEqual": _each(tf.greater_equal),
    "Identity": _each(tf.identity),
    "IsNaN": _each(tf.math.is_nan),
    "LabelEncoder": _look_up,
    "Less": _each(tf.less),
    "MatMul": _each(tf.matmul),
    "Max": _all(tf.maximum),
    "Min": _all(tf.minimum),
    "Mul": _each(tf.multiply),
    "Not": _each(tf.logical_not),
    "ReduceMean": _mean,
    "Relu": _each(tf.nn.relu),
    "Reshape": _reshape,
    "Shape": lambda inputs, attributes: tf.shape(inputs[0], tf.int64),
    "Sin": _each(tf.sin),
    "Slice": _slice,
    "Softmax": lambda inputs, attributes: tf.nn.softmax(inputs[0], attributes.get("axis", -1)),
    "Split": _split,
    "Sqrt": _each(tf.sqrt),
    "Squeeze": lambda inputs, attributes: tf.squeeze(inputs[0], _axes(inputs)),
    "Sub": _each(tf.subtract),
    "Tanh": _each(tf.tanh),
    "Transpose": lambda inputs, attributes: tf.transpose(inputs[0], attributes.get("perm")),
    "Unsqueeze": _unsqueeze,
    "Where": _each(tf.where),
}
