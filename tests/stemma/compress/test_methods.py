"""Each method on the graph of a small network with every kind of layer, in both frameworks and three tasks."""

import functools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import fits
from fits import EACH, PROBLEMS, tabular
from forks import OTHER
from stemma.compress import half, integers, making, plain, record
from stemma.compress.plain import Plain
from stemma.compress.settings import CompressSettings
from stemma.errors import ExportError
from stemma.formats.settings import ExportSettings
from stemma.tables.profile import Block
from stemma.training import fit as training
from stemma.training.base import Given, Network, Problem, Rows
from stemma.training.exported import scorer
from tiny import FRAMEWORKS

EXPORT = ExportSettings(formats=("onnx",), opset=18, optimise=True, tolerance=1e-4)
APART = {"none": 1e-6, "float16": 1e-3, "int8_dynamic": 1e-2, "int8_static": 2e-2}  # probability, or deviations
CITIES = 12
BLOCKS = (Block("number", "numeric", 0, 5), Block("city", "code", 5, 1, CITIES))
METHODS = [name for name in making.METHODS if name != "none"]
each_framework = pytest.mark.parametrize("framework", EACH)
each_method = pytest.mark.parametrize("method", METHODS)


def rows(task: str, count: int, seed: int) -> Any:
    """As `fits.rows`, with a code."""
    found = fits.rows(task, count, seed)
    codes = np.random.default_rng(seed).integers(0, CITIES, (count, 1)).astype(np.float32)
    return SimpleNamespace(x=np.hstack([found.x, codes]), y=found.y)


def network(framework: str, task: str) -> Network:
    problem = Problem(PROBLEMS[task].task, 6, BLOCKS)
    return tabular(framework, problem, members=2, hidden=(16, 8), embedding=3, bins=4, dropout=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def fitted(folder: Path) -> Any:
    """Networks, each fitted and traced once; the weights lie in the folder."""

    @functools.cache
    def get(framework: str, task: str) -> Network:
        pytest.importorskip(framework)
        made, train = network(framework, task), rows(task, 300, 0)
        given = Given(Rows(train.x, train.y), fits.settings(epochs=1))
        training.run(made, given, given.train, folder / "last.safetensors")
        made.save(folder / f"{framework}-{task}")
        traced = functools.cache(lambda opset, onnx=made.onnx: onnx(opset).SerializeToString())
        made.onnx = lambda opset: onnx.load_from_string(traced(opset))  # type: ignore[method-assign]
        return made

    return get


def compressed(made: Network, method: str, **changes: Any) -> making.Compressed:
    settings = CompressSettings(method=method, rows=200, tolerance=1e-2)
    task = made.problem.task.kind
    return making.compress(made, settings, EXPORT.model_copy(update=changes), rows(task, 200, 1), rows(task, 100, 2))


def gap(made: Network, graph: bytes, x: np.ndarray) -> float:
    """The mean difference from the network, in probability or in deviations."""
    task = made.problem.task
    given, expected = (task.predictions(each) for each in (scorer(graph)(x), made.scores(x)))
    return float(np.abs(given - expected).mean() / task.deviation)


@pytest.mark.parametrize("task", PROBLEMS)
@each_framework
def test_a_method_makes_a_smaller_graph_that_is_near_the_network(framework: str, task: str, fitted: Any) -> None:
    made, x = fitted(framework, task), rows(task, 500, 3).x
    for method in making.METHODS:
        found = compressed(made, method)
        onnx.checker.check_model(onnx.load_from_string(found.graph), full_check=True)
        assert gap(made, found.graph, x) < APART[method], method
        assert found.record.bytes[1] == len(found.graph)
        assert found.record.parity["rows"] == 100 and found.record.parity["largest"] < 1e-5


@each_framework
@each_method
def test_rows_are_answered_the_same_alone_and_among_others(framework: str, method: str, fitted: Any) -> None:
    made = fitted(framework, "binary")
    x = rows("binary", 300, 4).x
    x[0, :5] = 40.0  # of a batch that shares one range, this row would take all the steps
    score = scorer(compressed(made, method).graph)
    together, alone = score(x), np.concatenate([score(x[place : place + 1]) for place in range(len(x))])
    assert np.abs(together - alone).max() < 1e-5


@each_framework
@each_method
@pytest.mark.parametrize("opset", [18, 20])
def test_operators_are_standard_and_of_the_opset(framework: str, method: str, opset: int, fitted: Any) -> None:
    made = fitted(framework, "binary")
    graph = onnx.load_from_string(compressed(made, method, opset=opset).graph)
    assert {entry.domain: entry.version for entry in graph.opset_import} == {"": opset}
    assert {node.domain for node in graph.graph.node} == {""}
    (given,), (gives,) = graph.graph.input, graph.graph.output
    assert (given.name, gives.name) == ("encoded", "scores")
    assert {each.type.tensor_type.elem_type for each in (given, gives)} == {TensorProto.FLOAT}


def again(folder: str) -> None:
    """Every graph of the networks in a folder, written beside them; for another process."""
    for framework in FRAMEWORKS:
        if Path(folder, f"{framework}-binary").is_dir():
            made = network(framework, "binary")
            made.load(Path(folder, f"{framework}-binary"))
            for method in METHODS:
                Path(folder, f"{framework}-{method}.onnx").write_bytes(compressed(made, method).graph)


@pytest.mark.xdist_group("tensorflow")
def test_another_process_makes_the_same_bytes(folder: Path, fitted: Any) -> None:
    networks = {framework: fitted(framework, "binary") for framework in FRAMEWORKS}
    script, paths = folder / "again.py", os.pathsep.join(map(str, [Path(__file__).parent, *sys.path]))
    script.write_text("import sys, test_methods; test_methods.again(sys.argv[1])")
    environment = os.environ | OTHER | {"PYTHONPATH": paths}
    subprocess.run(["python", script, folder], env=environment, check=True)
    for framework, made in networks.items():
        for method in METHODS:
            content = compressed(made, method).graph
            assert (folder / f"{framework}-{method}.onnx").read_bytes() == content, (framework, method)
            assert not any(text in content for text in (b"/tmp", b"site-packages", b"onnx.quantize", b"unk__"))


@each_framework
def test_layers_are_told_by_the_names_of_the_weights(framework: str, fitted: Any) -> None:
    made = fitted(framework, "binary")
    kernel = "weight" if framework == "torch" else "kernel"
    dense = [f"hidden_1.{kernel}", f"hidden_2.{kernel}"]
    for method, types in {
        "none": "float32",
        "float16": "float16",
        "int8_dynamic": "int8",
        "int8_static": "int8",
    }.items():
        layers = {layer.name: layer for layer in compressed(made, method).record.layers}
        assert {layers[name].type for name in dense} == {types}
        assert all((layers[name].scale is not None) == (types == "int8") for name in dense)
        assert all((layers[name].input is not None) == (method == "int8_static") for name in dense)
    assert layers["output.weight"].type == "float32"  # a matrix for each member


@each_framework
def test_the_share_of_zeros_is_that_of_the_weights(framework: str, folder: Path, fitted: Any) -> None:
    made = network(framework, "binary")
    made.load(folder / f"{fitted(framework, 'binary').framework}-binary")
    tensors = made.tensors()
    name = next(each for each in tensors if each.startswith("hidden_1") and tensors[each].ndim == 2)
    tensors[name].reshape(-1)[: tensors[name].size // 4] = 0
    made.set_tensors(tensors)
    told = {layer.name: layer.sparsity for layer in compressed(made, "none").record.layers}
    assert told[name] == 0.25


# What whole numbers do, known beforehand.


def dense(weights: np.ndarray, gemm: bool = False) -> Plain:
    """A graph of one product, which PyTorch writes as Gemm with turned weights and Keras as MatMul."""
    node = helper.make_node("Gemm", ["encoded", "w", "b"], ["scores"], "dense", transB=1)
    if not gemm:
        node = helper.make_node("MatMul", ["encoded", "w"], ["scores"], "dense")
    info, count = helper.make_tensor_value_info, weights.shape[1]
    constants = [numpy_helper.from_array(np.ascontiguousarray(weights.T if gemm else weights), "w")]
    constants += [numpy_helper.from_array(np.arange(count, dtype=np.float32), "b")] if gemm else []
    graph = helper.make_graph(
        [node], "one", [info("encoded", TensorProto.FLOAT, ["rows", len(weights)])],
        [info("scores", TensorProto.FLOAT, ["rows", count])], constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    rows = np.float32([[127] * len(weights)] * 2)
    return Plain(model, replace(PROBLEMS["binary"], inputs=len(weights)), rows, answers=rows[:, :0])


@pytest.mark.parametrize("method", ["none", "float16"])
def test_a_graph_answers_rows_once(fitted: Any, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def counted(graph: bytes) -> Any:
        score = scorer(graph)
        return lambda x: (asked.append((graph, x.tobytes())), score(x))[1]

    for module in (making, plain):
        monkeypatch.setattr(module, "scorer", counted)
    compressed(fitted("torch", "binary"), method)
    assert len(asked) == len({rows for _, rows in asked}) * (1 if method == "none" else 2)


@pytest.mark.parametrize("gemm", [False, True])
def test_by_row_numbers_on_the_grid_are_exact(gemm: bool) -> None:
    draw = np.random.default_rng(0)
    weights = draw.integers(-64, 65, (40, 3)).astype(np.float32)
    weights[0], x = 64, draw.integers(-127, 128, (50, 40)).astype(np.float32)
    x[:, 0] = 127
    x[:25] *= 4  # each row has a step of its own
    score = scorer(integers.by_row(dense(weights, gemm)).SerializeToString())
    np.testing.assert_allclose(score(x), x @ weights + gemm * np.arange(3), rtol=1e-6)
    assert (score(np.zeros((2, 40), np.float32)) == gemm * np.arange(3)).all()


@given(st.integers(1, 30), st.integers(1, 4), st.booleans(), st.integers(0, 10**6), st.floats(-3, 3))
def test_whatever_the_table_by_row_numbers_are_within_the_steps_and_go_by_no_neighbour(
    inputs: int, units: int, gemm: bool, seed: int, size: float
) -> None:
    draw = np.random.default_rng(seed)
    weights = draw.normal(size=(inputs, units)).astype(np.float32) * np.float32(10**size)
    x = draw.standard_t(2, size=(6, inputs)).astype(np.float32) * draw.integers(0, 2, (6, 1)).astype(np.float32)
    peak, most = np.abs(x).max(axis=1, keepdims=True), np.abs(weights).max(axis=0)
    score = scorer(integers.by_row(dense(weights, gemm)).SerializeToString())
    found, expected = score(x), x.astype(np.float64) @ weights + gemm * np.arange(units)
    step = 0.5 / 64 + 0.5 / 127 + 0.25 / 64 / 127  # half of one of the weights, of the inputs, of both
    assert (np.abs(found - expected) <= inputs * peak * most * step + 1e-5 * (1 + np.abs(expected))).all()
    assert np.array_equal(found, np.concatenate([score(x[[place]]) for place in range(len(x))]))


def test_the_largest_products_do_not_saturate() -> None:
    """Two products of 255 and 127 are more than 16 bits hold, in which some processors add them."""
    weights, x = np.ones((64, 1), np.float32), np.full((1, 64), 127, np.float32)
    for method in (integers.by_row, integers.calibrated):
        made = method(dense(weights))
        held = [numpy_helper.to_array(each) for each in made.graph.initializer]
        assert max(np.abs(each.astype(int)).max() for each in held if each.dtype == np.int8) <= 64
        assert scorer(made.SerializeToString())(x)[0, 0] == pytest.approx(64 * 127, rel=0.01)


def test_a_network_without_a_dense_layer_is_refused_by_whole_numbers() -> None:
    members = dense(np.ones((2, 3), np.float32))
    members.graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((2, 2, 3), np.float32), "w"))
    for method in (integers.by_row, integers.calibrated):
        with pytest.raises(ExportError, match=r"no dense layer to give to integers: run `dvc exp run -S compress.m"):
            method(members)


def test_more_codes_than_float16_tells_apart_are_refused() -> None:
    few, many = (Block("city", "code", 0, 2, size) for size in (2048, 2049))
    given = dense(np.ones((2, 1), np.float32))
    half.halved(replace(given, problem=replace(given.problem, blocks=(few,))))
    with pytest.raises(ExportError, match="above 2,048 apart, and column 'city' has 2,049 codes: run `dvc exp run"):
        half.halved(replace(given, problem=replace(given.problem, blocks=(many,))))


# compression.json.


def test_a_record_is_read_as_it_was_written(fitted: Any, tmp_path: Path) -> None:
    import json

    for method in making.METHODS:
        made = compressed(fitted("torch", "multiclass"), method).record
        record.write(tmp_path / "c.json", made)
        assert record.read(json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))) == made
        assert str(made).startswith(f"{method}, {made.bytes[0]:,} -> {made.bytes[1]:,} bytes, balanced_accuracy on ")


GOOD = {"format": 1, "method": "none", "rows": None, "bytes": [1, 1], "metric": "r2", "validation": [None, 0.5],
        "layers": [{"name": "a", "shape": [1], "type": "int8", "sparsity": 0, "scale": [1, 2], "input": [1, 0]}],
        "parity": {}, "apart": {}}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"format": 2}, {"bytes": [1]}, {"bytes": None}, {"layers": [{}]}, {"layers": 1}, {"validation": ["x", 1]},
     {"parity": 3}, *({"layers": [GOOD["layers"][0] | {name: {"a": 1}}]} for name in ("scale", "input", "sparsity"))],
)  # fmt: skip
def test_a_record_of_another_form_is_refused(wrong: dict[str, Any]) -> None:
    record.read(GOOD)
    with pytest.raises(ValueError):
        record.read(GOOD | wrong)
