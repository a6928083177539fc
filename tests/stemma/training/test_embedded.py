"""Codes, curves of numbers, and members: the same claims for both frameworks."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from fits import EACH, PROBLEMS, contents, settings, tabular, tiny
from stemma import runtime, weights
from stemma.errors import TrainingError
from stemma.tables.profile import Block
from stemma.testing import rows
from stemma.testing.contracts import BLOCKS, LEVELS
from stemma.training import fit as training
from stemma.training.base import Epoch, Given, Network, Problem, Rows

BLOCKED = {kind: Problem(problem.task, 5, BLOCKS) for kind, problem in PROBLEMS.items()}


@pytest.fixture(params=EACH, scope="module")
def framework(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """On curves of the numbers, a vector for each code, and members; no test changes it."""
    model = tabular(framework, BLOCKED["binary"])
    checkpoint = tmp_path_factory.mktemp("fitted") / "c"
    training.run(model, Given(rows(), settings(batch_size=None)), rows(count=200, seed=1), checkpoint)
    return model


def parity(model: Network, x: np.ndarray) -> float:
    """Greatest difference between the graph and the framework."""
    session = runtime.session(model.onnx(18).SerializeToString())
    given = session.run(None, {session.get_inputs()[0].name: x})[0]
    return float(np.abs(given - model.scores(x)).max())


def test_the_graph_equals_the_framework_on_any_input(fitted: Network) -> None:
    far = rows(seed=3).x
    far[:, :3] *= 1e6
    unknown = rows(seed=4).x
    unknown[:, 4] = 0
    for x in (rows(seed=2).x, far, unknown):
        assert parity(fitted, x) < 1e-4
        assert np.isfinite(fitted.scores(x)).all()


def test_no_rows_give_no_scores(fitted: Network) -> None:
    """onnxruntime would end the process here."""
    graph = fitted.onnx(18)
    scores = runtime.run(runtime.session(graph.SerializeToString()), {graph.graph.input[0].name: rows().x[:0]})
    assert scores.shape == (0, fitted.scores(rows().x[:1]).shape[1])


def test_a_number_outside_the_training_rows_counts_as_the_nearest_end(fitted: Network) -> None:
    edge, far = rows(count=50, seed=3).x, rows(count=50, seed=3).x
    edge[:, 0], far[:, 0] = rows().x[:, 0].max(), 1e9
    assert np.allclose(fitted.scores(edge), fitted.scores(far), atol=1e-5)


def test_buffers_come_back_with_the_weights(fitted: Network, framework: str, tmp_path: Path) -> None:
    fitted.save(tmp_path / "weights")
    tensors = {tensor.name: tensor for tensor in weights.index(tmp_path / "weights").tensors}
    assert [name for name, tensor in tensors.items() if tensor.buffer] == ["embedding.numeric.edges"]
    assert tensors["embedding.numeric.edges"].layer == "embedding.numeric"
    edges = weights.read(tmp_path / "weights")["embedding.numeric.edges"]
    assert np.array_equal(edges[:, 0], rows().x[:, :3].min(axis=0))
    other = tabular(framework, BLOCKED["binary"])
    other.load(tmp_path / "weights")
    x = rows(seed=2).x
    assert np.array_equal(other.scores(x), fitted.scores(x))


def test_a_stored_network_is_written_back_as_one_of_its_framework(
    fitted: Network, framework: str, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "weights")
    x = rows(seed=2).x
    if framework == "torch":
        state = weights.to_state_dict(tmp_path / "weights")
        assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
            name: tensor.shape for name, tensor in fitted.tensors().items()
        }
        return
    assert np.array_equal(np.asarray(weights.to_keras(tmp_path / "weights")(x)), fitted.scores(x))


def test_a_resumed_fit_ends_with_the_bytes_of_an_uninterrupted_one(framework: str, tmp_path: Path) -> None:
    kind = "multiclass"
    whole, cut = tabular(framework, BLOCKED[kind]), tabular(framework, BLOCKED[kind])
    expected = training.run(whole, Given(rows(kind, 200), settings()), rows(kind, 100, 1), tmp_path / "whole")

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.run(cut, Given(rows(kind, 200), settings()), rows(kind, 100, 1), tmp_path / "cut", stop)
    cut = tabular(framework, BLOCKED[kind])
    resumed = Given(rows(kind, 200), settings(resume=True))
    assert training.run(cut, resumed, rows(kind, 100, 1), tmp_path / "cut") == expected
    a, b = tmp_path / "a", tmp_path / "b"
    whole.save(a)
    cut.save(b)
    assert contents(a) == contents(b)


def test_an_exploding_loss_names_the_layer(framework: str, tmp_path: Path) -> None:
    model, given = (
        tabular(framework, BLOCKED["regression"]),
        Given(rows("regression", 200), settings(learning_rate=1e6, epochs=6)),
    )
    with pytest.raises(TrainingError, match=r"epoch \d+ .*layer '(embedding|hidden_|output)"):
        training.run(model, given, rows("regression", 100, 1), tmp_path / "c")


def test_mixed_precision_keeps_codes_apart(framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 has 8 bits, too few for codes above 256: they are looked up in float32."""
    network = importlib.import_module(f"stemma.frameworks.{framework}.session")
    cpu = network.choose_device(settings())
    monkeypatch.setattr(network, "choose_device", lambda settings: cpu)
    problem = Problem(PROBLEMS["binary"].task, 1, blocks=(Block("city", "code", 0, 1, 1001),))
    draw = np.random.default_rng(0)
    codes = draw.integers(900, 1001, 600)
    table = Rows(codes[:, None].astype(np.float32), (codes % 2).astype(np.float32))
    model = tiny(framework, problem, hidden=(8,), dropout=0.0)
    given = Given(table, settings(precision="mixed", epochs=25, learning_rate=0.03))
    training.run(model, given, table, tmp_path / "c")
    assert ((model.predict(table.x)[:, 1] > 0.5) == table.y).mean() > 0.95
    assert parity(model, table.x) < 1e-4


def test_without_curves_codes_are_embedded_and_numbers_pass(framework: str, tmp_path: Path) -> None:
    model, x = tiny(framework, BLOCKED["binary"]), rows(count=50).x
    x[:5, 4] = 0
    assert parity(model, x) < 1e-4
    model.save(tmp_path / "weights")
    tensors = {tensor.name: tensor.shape for tensor in weights.index(tmp_path / "weights").tensors}
    assert any(name.startswith("embedding.code_1.") and shape == (LEVELS, 13) for name, shape in tensors.items())


def test_a_batch_is_by_the_number_of_rows_where_it_is_not_set() -> None:
    free = settings(batch_size=None)
    assert [training.settled(free, np.empty((rows, 0))).batch_size for rows in (1, 300, 8000, 10**6)] == [
        32,
        32,
        128,
        512,
    ]
    assert training.settled(settings(batch_size=7), np.empty((8000, 0))).batch_size == 7


def test_a_long_table_takes_fewer_epochs_and_a_wide_one_more_decay_unless_they_are_set() -> None:
    free = settings(epochs=None, weight_decay=None)
    shapes = [(100, 2), (80_000, 20), (320_000, 20), (833_333, 20), (10**7, 20), (2000, 300), (2000, 64)]
    found = [training.settled(free, np.empty(shape, np.bool_)) for shape in shapes]
    assert [(each.epochs, each.weight_decay) for each in found] == [
        (60, 0.001), (60, 0.001), (15, 0.001), (6, 0.001), (3, 0.001), (60, 1.0), (60, 0.001),
    ]  # fmt: skip
    assert training.settled(settings(epochs=70, weight_decay=0.0), np.empty((2000, 300))).weight_decay == 0
