"""Each operator of ONNX as TensorFlow's: both give the same."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stemma import runtime
from stemma.errors import ExportError

pytestmark = pytest.mark.xdist_group("tensorflow")
pytest.importorskip("tensorflow")

DRAW = np.random.default_rng(0)
A = DRAW.normal(size=(6, 4)).astype(np.float32)
B = DRAW.normal(size=(6, 4)).astype(np.float32)
W = DRAW.normal(size=(4, 3)).astype(np.float32)
C = DRAW.normal(size=3).astype(np.float32)
CUBE = DRAW.normal(size=(6, 4, 2)).astype(np.float32)
ODD = np.array([[np.nan, 1.5], [-np.inf, np.inf], [-1.5, 0]], np.float32)
TRUE = A > 0


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# operator -> cases: (inputs that vary, inputs that are constants, attributes)
CASES: dict[str, list[tuple[list[np.ndarray], list[np.ndarray], dict[str, Any]]]] = {
    "Add": [([A, B], [], {}), ([A], [A[:1]], {})],
    "Cast": [([A * 3], [], {"to": TensorProto.INT64}), ([TRUE], [], {"to": TensorProto.FLOAT})],
    "Clip": [([A], [np.float32(-0.5), np.float32(0.5)], {}), ([A], [np.float32(0)], {})],
    "Concat": [([A, B], [], {"axis": 1}), ([A, B], [], {"axis": 0})],
    "Constant": [([], [], {"value": numpy_helper.from_array(A)})],
    "Cos": [([A], [], {})],
    "Div": [([A, B], [], {})],
    "Equal": [([np.round(A), np.round(B)], [], {})],
    "Erf": [([A * 3], [], {})],
    "Flatten": [([CUBE], [], {}), ([CUBE], [], {"axis": 1})],
    "Floor": [([A * 3], [], {})],
    "Gather": [([A], [whole(0, 2, 5, -1)], {}), ([A], [whole(3, 0)], {"axis": 1})],
    "Gelu": [([A * 3], [], {}), ([A * 3], [], {"approximate": "tanh"})],
    "Gemm": [([A], [W, C], {}), ([A], [W.T.copy()], {"transB": 1, "alpha": 2.0}), ([A], [W, C], {"beta": 0.5})],
    "GreaterOrEqual": [([A, B], [], {}), ([A, A], [], {})],
    "Identity": [([A], [], {})],
    "IsNaN": [([ODD], [], {})],
    "LabelEncoder": [
        (
            [np.array([["a"], ["ü"], ["other"], [""]], object)],
            [],
            {"keys_strings": ["a", "ü"], "values_int64s": [4, 2], "default_int64": 0, "domain": "ai.onnx.ml"},
        )
    ],
    "Less": [([A, B], [], {})],
    "MatMul": [([A], [W], {}), ([CUBE], [DRAW.normal(size=(2, 5)).astype(np.float32)], {})],
    "Max": [([A, B], [], {}), ([A, B], [np.float32(0)], {})],
    "Min": [([A, B], [], {}), ([A], [], {})],
    "Mul": [([A, B], [], {})],
    "Not": [([TRUE], [], {})],
    "ReduceMean": [([CUBE], [whole(1)], {"keepdims": 0}), ([CUBE], [whole(0, 2)], {}), ([CUBE], [], {})],
    "Relu": [([A], [], {})],
    "Reshape": [([CUBE], [whole(0, -1)], {}), ([CUBE], [whole(-1, 4)], {}), ([CUBE], [whole(0, 0, 2, 1)], {})],
    "Shape": [([CUBE], [], {})],
    "Sin": [([A], [], {})],
    "Slice": [
        ([CUBE], [whole(1), whole(3), whole(1)], {}),
        ([CUBE], [whole(0, 1), whole(2**31, -1), whole(0, 1), whole(2, 1)], {}),
        ([CUBE], [whole(1, 0), whole(5, 2)], {}),
    ],
    "Softmax": [([A], [], {}), ([CUBE], [], {"axis": 1})],
    "Split": [([A], [whole(1, 3)], {"axis": 1, "outputs": 2}), ([CUBE], [whole(2, 4)], {"outputs": 2})],
    "Sqrt": [([np.abs(A)], [], {})],
    "Squeeze": [([A[:, :1]], [whole(1)], {}), ([A[:1, :1]], [], {})],
    "Sub": [([A, B], [], {})],
    "Tanh": [([A], [], {})],
    "Transpose": [([CUBE], [], {"perm": [1, 0, 2]}), ([CUBE], [], {})],
    "Unsqueeze": [([A], [whole(0, 2)], {}), ([A], [whole(-1)], {})],
    "Where": [([TRUE, A, B], [], {})],
}


def one_node(
    operator: str, inputs: list[np.ndarray], constants: list[np.ndarray], attributes: dict[str, Any]
) -> onnx.ModelProto:
    """A graph of one operator."""
    attributes = dict(attributes)
    outputs = [f"out_{number}" for number in range(attributes.pop("outputs", 1))]
    names = [f"in_{number}" for number in range(len(inputs))]
    fixed = [f"constant_{number}" for number in range(len(constants))]
    node = helper.make_node(operator, names + fixed, outputs, **attributes)
    types = [
        helper.np_dtype_to_tensor_dtype(each.dtype) if each.dtype != object else TensorProto.STRING for each in inputs
    ]
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(name, kind, each.shape)
            for name, kind, each in zip(names, types, inputs, strict=True)
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in zip(fixed, constants, strict=True)],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=10))
    return model


def by_tensorflow(model: onnx.ModelProto, inputs: list[np.ndarray]) -> list[np.ndarray]:
    import tensorflow as tf

    from stemma.frameworks.tensorflow.translate import translate

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        places = [
            tf.compat.v1.placeholder(tf.string if each.dtype == object else each.dtype, each.shape) for each in inputs
        ]
        outputs, tables = translate(model, {f"in_{number}": place for number, place in enumerate(places)})
        session.run(tables)
        return session.run(outputs, dict(zip(places, inputs, strict=True)))


@pytest.mark.parametrize(
    ("operator", "case"), [(operator, number) for operator, cases in CASES.items() for number in range(len(cases))]
)
def test_an_operator_gives_what_onnx_gives(operator: str, case: int) -> None:
    inputs, constants, attributes = CASES[operator][case]
    model = one_node(operator, inputs, constants, attributes)
    feeds = {f"in_{number}": each for number, each in enumerate(inputs)}
    expected = runtime.session(model.SerializeToString()).run(None, feeds)
    for ours, theirs in zip(by_tensorflow(model, inputs), expected, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_every_operator_has_a_case() -> None:
    from stemma.frameworks.tensorflow.translate import OPERATORS

    assert set(CASES) == set(OPERATORS)


@pytest.mark.parametrize(
    ("operator", "inputs", "constants", "attributes", "told"),
    [
        ("Sinh", [A], [], {}, "the operator Sinh of opset 20 has no translation"),
        ("Flatten", [CUBE], [], {"axis": 2}, "Flatten at axis 2 has no translation"),
        ("Slice", [A], [whole(3), whole(0), whole(0), whole(-1)], {}, "Slice backwards has no translation"),
        ("Squeeze", [A[:, :1], whole(1)], [], {}, "an operator whose shape depends on the rows has no translation"),
    ],
)
def test_what_has_no_translation_is_refused_by_name(
    operator: str, inputs: list[np.ndarray], constants: list[np.ndarray], attributes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ExportError, match=told):
        by_tensorflow(one_node(operator, inputs, constants, attributes), inputs)
