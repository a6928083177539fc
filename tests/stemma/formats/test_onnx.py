"""Encoder, network and head as one graph: the same numbers as the parts, nothing of this machine in the bytes."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stemma import runtime
from stemma.errors import ExportError
from stemma.formats import onnx as export
from stemma.formats import parity
from stemma.task import of


def encoder(opset: int = 18) -> onnx.ModelProto:
    """Two numbers, doubled side by side."""
    nodes = [
        helper.make_node("Concat", ["a", "b"], ["pair"], axis=1),
        helper.make_node("Add", ["pair", "pair"], ["encoded"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("a", "b")]
    output = helper.make_tensor_value_info("encoded", TensorProto.FLOAT, [None, 2])
    graph = helper.make_graph(nodes, "encoder", inputs, [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def network(outputs: int, opset: int = 18, names: tuple[str, str] = ("encoded", "scores")) -> onnx.ModelProto:
    """Scores are encoded rows times a matrix of 1, 2, 3..."""
    matrix = np.arange(1, 2 * outputs + 1, dtype=np.float32).reshape(2, outputs) / 10
    node = helper.make_node("MatMul", [names[0], "matrix"], [names[1]], doc_string="/home/somebody/file.py:3")
    graph = helper.make_graph(
        [node],
        "network",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [None, outputs])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {"stack_trace": "/home/somebody/file.py"})
    return model


ROWS = {"a": np.array([[1.0], [-2.0]], np.float32), "b": np.array([[0.5], [3.0]], np.float32)}


def scores(outputs: int) -> np.ndarray:
    encoded = 2 * np.concatenate([ROWS["a"], ROWS["b"]], axis=1)
    return encoded @ (np.arange(1, 2 * outputs + 1, dtype=np.float32).reshape(2, outputs) / 10)


def run(graph: onnx.ModelProto) -> np.ndarray:
    return runtime.run(runtime.session(graph.SerializeToString()), ROWS)


def test_two_classes_give_both_probabilities() -> None:
    p = 1 / (1 + np.exp(-scores(1)))
    assert run(export.join(encoder(), network(1), of("binary"), 18)) == pytest.approx(np.hstack([1 - p, p]), abs=1e-6)


def test_several_classes_give_a_softmax() -> None:
    e = np.exp(scores(3))
    expected = e / e.sum(axis=1, keepdims=True)
    assert run(export.join(encoder(), network(3), of("multiclass"), 18)) == pytest.approx(expected, abs=1e-6)


def test_a_regression_is_scaled_back() -> None:
    graph = export.join(encoder(), network(1), of("regression", mean=100.0, deviation=7.0), 18)
    assert run(graph) == pytest.approx(scores(1) * 7 + 100, rel=1e-6)


def test_a_logarithm_is_undone_and_what_is_too_large_stays_finite() -> None:
    task = of("regression", mean=5.0, deviation=7.0, log=(1.0, 0.5))
    assert run(export.join(encoder(), network(1), task, 18)) == pytest.approx(np.exp(scores(1) * 0.5 + 1), rel=1e-6)
    task = of("regression", log=(1000.0, 0.5))
    graph = export.join(encoder(), network(1), task, 18)
    assert run(graph) == pytest.approx(task.predictions(scores(1)), rel=1e-5) and np.isfinite(run(graph)).all()


def test_a_temperature_divides_the_scores_of_classes() -> None:
    p = 1 / (1 + np.exp(-scores(1) / 2.5))
    binary = export.join(encoder(), network(1), of("binary"), 18, temperature=2.5)
    assert run(binary) == pytest.approx(np.hstack([1 - p, p]), abs=1e-6)
    e = np.exp(scores(3) / 0.5)
    several = export.join(encoder(), network(3), of("multiclass"), 18, temperature=0.5)
    assert run(several) == pytest.approx(e / e.sum(axis=1, keepdims=True), abs=1e-6)


def test_a_temperature_of_one_leaves_no_trace() -> None:
    plain = export.join(encoder(), network(3), of("multiclass"), 18)
    assert export.join(encoder(), network(3), of("multiclass"), 18, temperature=1.0) == plain


@pytest.mark.parametrize(
    ("task", "temperature"), [("binary", 0), ("binary", -1), ("binary", np.inf), ("binary", np.nan), ("regression", 2)]
)
def test_what_is_no_temperature_is_refused(task: str, temperature: float) -> None:
    with pytest.raises(ExportError, match=f"^{temperature} is not a temperature for a {task}$"):
        export.join(encoder(), network(1), of(task), 18, temperature=temperature)


def test_extreme_scores_stay_probabilities() -> None:
    graph = export.join(encoder(), network(1), of("binary"), 18)
    far = {"a": np.array([[1e6], [-1e6]], np.float32), "b": np.zeros((2, 1), np.float32)}
    assert runtime.run(runtime.session(graph.SerializeToString()), far).tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(("first", "second"), [(18, 15), (15, 18), (13, 20)])
def test_parts_of_different_opsets_are_aligned(first: int, second: int) -> None:
    graph = export.join(encoder(first), network(1, second), of("binary"), 18)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 18)]
    assert run(graph).shape == (2, 2)


def test_the_names_that_an_exporter_chose_do_not_matter() -> None:
    plain = export.join(encoder(), network(1), of("binary"), 18)
    other = export.join(encoder(), network(1, names=("x:0", "Identity:0")), of("binary"), 18)
    assert np.array_equal(run(plain), run(other))


def test_no_path_line_number_or_exporter_is_left() -> None:
    content = export.join(encoder(), network(1), of("binary"), 18).SerializeToString()
    assert b"somebody" not in content and b"stack_trace" not in content


def test_parts_that_do_not_fit_are_refused_in_one_line() -> None:
    wrong = network(1)
    wrong.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    wrong.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((5, 1), np.float32), "matrix"))
    with pytest.raises(ExportError, match="encoder and network do not join") as error:
        export.join(encoder(), wrong, of("binary"), 18)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "scores",
        "head/Mul",
        "stemma/head/zeros",
        "stemma/scores",
        "encoded/x",
        "zeros",
        "encoder/pair",
        "network/matrix",
    ],
)
def test_a_column_may_have_the_name_of_what_lies_between(name: str) -> None:
    renamed = encoder()
    export._rename(renamed.graph, "a", name)
    graph = export.join(renamed, network(1), of("binary"), 18)
    columns = {name: ROWS["a"], "b": ROWS["b"]}
    assert runtime.run(runtime.session(graph.SerializeToString()), columns).shape == (2, 2)


def test_parity_of_large_targets_is_measured_in_their_deviation() -> None:
    prices = np.array([[300_000.0], [412_345.0]], np.float32)
    assert parity.compare(np.nextafter(prices, np.inf, dtype=np.float32), prices, 1e-4, unit=80_000).largest < 1e-6
    with pytest.raises(ExportError, match="differs from the network"):
        parity.compare(prices + 100, prices, 1e-4, unit=80_000)


def test_parity_measures_the_worst_row() -> None:
    expected = np.array([[0.1, 0.9], [0.5, 0.5]], np.float32)
    found = parity.compare(expected + np.array([[0, 0], [2e-5, 0]], np.float32), expected, 1e-4)
    assert (found.rows, found.worst_row) == (2, 1) and found.largest == pytest.approx(2e-5, rel=1e-2)


@pytest.mark.parametrize(
    ("exported", "expected"),
    [
        ([[0.2], [0.5]], r"differs from the network by 0.1 in test row 0, export.tolerance allows 0.0001"),
        ([[np.nan], [0.5]], r"not finite for test row 0"),
        ([[0.1]], r"gives the shape \(1, 1\), the network \(2, 1\)"),
    ],
)
def test_a_graph_that_gives_something_else_is_refused(exported: list, expected: str) -> None:
    with pytest.raises(ExportError, match=expected):
        parity.compare(np.array(exported, np.float32), np.array([[0.1], [0.5]], np.float32), 1e-4)
