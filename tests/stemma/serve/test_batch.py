"""Calls that run together: each gets what it would get alone, bit for bit."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from bundles import REGRESSION, ROWS
from serving import asked
from stemma.bundle import Bundle
from stemma.errors import RowError
from stemma.serve import batch
from stemma.serve.batch import Batcher, Shape, shape_of
from stemma.serve.load import load
from stemma.serve.models import Model, Models, Split, Version
from stemma.serve.process import app_of
from stemma.serve.routes import SHADOW, Answer, Call, Ran
from stemma.serve.settings import Limits, ServeSettings

ONE = {"Month": ["May"], "PageValues": ["0.5"], "Weekend": ["yes"]}
OTHER = {"Month": ["Nov", ""], "PageValues": [3, None], "Weekend": [False, True]}
WRONG = {"Month": ["May"], "PageValues": ["many"], "Weekend": ["yes"]}


@pytest.fixture
def binary(bundles: dict[str, Path]) -> Bundle:
    return load(bundles["binary"])


@pytest.fixture
def runs(binary: Bundle, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each run of a network."""
    seen: list[int] = []
    run = Bundle.run

    def counted(bundle: Bundle, arrays: dict[str, Any], first_row: int = 1) -> Any:
        seen.append(len(next(iter(arrays.values()))))
        return run(bundle, arrays, first_row)

    monkeypatch.setattr(Bundle, "run", counted)
    return seen


def together(batcher: Batcher, *calls: dict[str, list[Any]]) -> list[Any]:
    async def wait() -> list[Any]:
        return await asyncio.gather(*map(batcher.predict, calls), return_exceptions=True)

    return asyncio.run(wait())


def test_calls_that_are_ready_at_once_run_once_and_get_their_own_answers(binary: Bundle, runs: list[int]) -> None:
    first, second, third = together(Batcher(binary, Shape(64, 1)), ONE, OTHER, ONE)
    assert runs == [4]
    np.testing.assert_array_equal(first, binary.predict(ONE))
    np.testing.assert_array_equal(second, binary.predict(OTHER))
    np.testing.assert_array_equal(third, first)


def test_a_column_that_is_no_input_counts_for_nothing(binary: Bundle) -> None:
    first, second = together(Batcher(binary, Shape(64, 1)), {"Note": ["a", "b", "c"], **ONE}, OTHER)
    np.testing.assert_array_equal(first, binary.predict(ONE))
    np.testing.assert_array_equal(second, binary.predict(OTHER))


def test_a_batch_is_filled_up_to_its_multiple(binary: Bundle, runs: list[int]) -> None:
    alone, *_ = together(Batcher(binary, Shape(64, 4)), ONE)
    both = together(Batcher(binary, Shape(64, 4)), OTHER, ONE, OTHER)
    assert runs == [4, 8]
    assert [len(each) for each in both] == [2, 1, 2]
    np.testing.assert_array_equal(both[1], alone)


def test_more_than_a_batch_may_hold_runs_in_several_and_in_order(binary: Bundle, runs: list[int]) -> None:
    months = [
        {"Month": [month], "PageValues": [number], "Weekend": [0]} for number in range(9) for month in ("May", "")
    ]
    answers = together(Batcher(binary, Shape(8, 1)), *months)
    assert runs == [8, 8, 2]
    for columns, answer in zip(months, answers, strict=True):
        np.testing.assert_array_equal(answer, binary.predict(columns))


def test_a_value_that_does_not_fit_is_told_to_its_own_caller_alone(binary: Bundle) -> None:
    first, wrong, last = together(Batcher(binary, Shape(64, 4)), ONE, WRONG, OTHER)
    assert isinstance(wrong, RowError)
    assert (wrong.column, wrong.row) == ("PageValues", 1)
    assert (len(first), len(last)) == (1, 2)


def test_a_caller_that_is_gone_takes_nobody_along(binary: Bundle) -> None:
    async def one_leaves() -> Any:
        batcher = Batcher(binary, Shape(64, 1))
        gone, stays = batcher.predict(ONE), batcher.predict(OTHER)
        gone.cancel()
        return await stays

    assert len(asyncio.run(one_leaves())) == 2


@pytest.mark.parametrize(
    "columns",
    [
        {name: [] for name in ROWS},
        {name: values * 3 for name, values in ROWS.items()},
        {**ONE, "Weekend": ["yes", "no"]},
        {" Month ": ["May"], "PageValues": [1], "Weekend": [1]},
    ],
    ids=["no row", "many rows", "columns of two lengths", "a name in spaces"],
)
def test_what_is_no_small_call_runs_by_itself(binary: Bundle, columns: dict[str, list[Any]]) -> None:
    assert not Batcher(binary, Shape(64, 1)).takes(columns)
    assert Batcher(binary, Shape(64, 1)).takes(ONE)


# What is found out when a version is loaded.

CONSTANTS = {"four": 4, "one": 1}


def network(nodes: Callable[[Any], list[Any]]) -> Bundle:
    """Of x, with a sample; `nodes` make y of it."""
    info = helper.make_tensor_value_info
    constants = [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in CONSTANTS.items()]
    graph = helper.make_graph(
        nodes(helper.make_node), "g", [info("x", TensorProto.FLOAT, ["rows", 1])],
        [info("prediction", TensorProto.FLOAT, ["rows", 1])], constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    known = {**REGRESSION, "inputs": [{"name": "x", "type": "number"}]}
    sample = {"request.json": {"inputs": {"x": [1.5, 2.5]}}, "response.json": {"prediction": [[0], [0]]}}
    files = {"signature.json": known} | sample
    made = Bundle.of({"model.onnx": model.SerializeToString()} | {k: json.dumps(v).encode() for k, v in files.items()})
    made.ready()
    return made


def doubled(node: Any) -> list[Any]:
    return [node("Add", ["x", "x"], ["prediction"])]


def by_the_mean(node: Any) -> list[Any]:
    return [node("ReduceMean", ["x"], ["mean"]), node("Sub", ["x", "mean"], ["prediction"])]


def by_the_rest(node: Any) -> list[Any]:
    """x and how many rows are more than a multiple of four."""
    return [
        node("Shape", ["x"], ["rows"], end=1),
        node("Mod", ["rows", "four"], ["rest"]),
        node("Cast", ["rest"], ["number"], to=TensorProto.FLOAT),
        node("Add", ["x", "number"], ["prediction"]),
    ]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock by which each run takes as long."""
    monkeypatch.setattr(batch, "_seconds", lambda bundle, rows: 1e-4)
    return


@pytest.mark.usefixtures("steady")
def test_rows_share_a_run_where_their_answers_do_not_depend_on_it() -> None:
    assert shape_of(network(doubled)) == Shape(64, 1)
    assert shape_of(network(by_the_rest)) == Shape(64, 4)
    assert shape_of(network(by_the_mean)) is None


@pytest.mark.usefixtures("steady")
def test_a_bundle_without_a_sample_runs_call_by_call(bundles: dict[str, Path]) -> None:
    assert shape_of(load(bundles["dated"])) is None


@pytest.mark.parametrize(
    ("of_a_row", "of_a_run", "found"),
    [
        (0.0, 1e-4, Shape(64, 1)),  # a run costs as much for one as for many
        (1e-4, 0.0, None),  # each row costs as much as the first
        (0.0, 5e-3, None),  # nobody shall wait so long for others
        (3e-5, 1e-3, Shape(32, 1)),
        (0.0, 1e-5, None),  # to join others costs as much
    ],
)
def test_what_is_measured_decides(
    monkeypatch: pytest.MonkeyPatch, of_a_row: float, of_a_run: float, found: Shape | None
) -> None:
    monkeypatch.setattr(batch, "_seconds", lambda bundle, rows: of_a_run + of_a_row * len(rows["x"]))
    assert shape_of(network(doubled)) == found


def test_a_real_clock_finds_that_small_networks_gain() -> None:
    assert shape_of(network(doubled)) in {Shape(size, 1) for size in batch.SIZES} | {None}
    rows = {"x": [0.5] * 64}
    assert 0 < batch._seconds(network(doubled), rows) < 1


# In a server.


def test_calls_of_every_protocol_share_runs_and_keep_their_versions(
    bundles: dict[str, Path], runs: list[int], binary: Bundle
) -> None:
    version = Version("shop", 3, binary, Batcher(binary, Shape(64, 1)))
    app = app_of(ServeSettings.of(), lambda: Models({"shop": Model("shop", {3: version})}))
    row = {name: values[0] for name, values in ONE.items()}
    tensors = [{"name": name, "shape": [1], "datatype": "BYTES", "data": values} for name, values in ONE.items()]

    told = asyncio.run(asked(app, "GET", "/status")).json["models"][0]["versions"]
    assert told == [{"version": "3", "registered": None, "batch": {"most": 64, "multiple": 1}}]

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(
            asked(app, "POST", "/predict", row),
            asked(app, "POST", "/v1/models/shop:predict", {"instances": [row]}),
            asked(app, "POST", "/v1/models/shop:classify", {"examples": [row]}),
            asked(app, "POST", "/v2/models/shop/infer", {"inputs": tensors}),
        )

    plain, predicted, classified, inferred = asyncio.run(all_at_once())
    assert runs == [4]
    expected = [float(value) for value in plain.json["predictions"][0]["probabilities"].values()]
    assert predicted.json["predictions"] == [expected]
    assert [value for _, value in classified.json["results"][0]] == expected
    assert inferred.json["outputs"][0]["data"] == expected
    assert {each.headers["x-model-version"] for each in (plain, predicted, classified, inferred)} == {"3"}


@pytest.mark.parametrize("ran", [{"arm": SHADOW}, {"split": Split(by="column:Month")}], ids=["shadow", "split"])
def test_a_copy_for_a_shadow_and_a_call_that_a_column_shares_out_run_by_themselves(
    binary: Bundle, ran: dict[str, Any]
) -> None:
    version = Version("shop", 3, binary, Batcher(binary, Shape(64, 1)))
    models = Models({"shop": Model("shop", {3: version})})
    call = Call("/predict", {}, b"", (), b"", models, Limits(), None, ran=Ran(version=version, **ran))
    answer = call.predicted(ONE, lambda output: Answer(rows=len(output)))
    assert isinstance(answer, Answer)
    assert answer.rows == 1


def test_off_is_off_in_yaml_too(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("batch: off\n")
    assert ServeSettings.of(tmp_path / "serve.yaml").batch == "off"
    assert ServeSettings.of().batch == "auto"
