"""The model for tables, and codes in every model: the same claims for both frameworks."""

from pathlib import Path

import numpy as np
import pytest

from purchase_intent.networks import NETWORKS
from purchase_intent.networks.settings import LinearSettings, MlpSettings, TabularSettings
from stemma import runtime, weights
from stemma.errors import TrainingError
from stemma.tables.profile import Block
from stemma.task import of
from stemma.training import fit as training
from stemma.training import networks
from stemma.training.base import Epoch, Network, Problem, Rows
from stemma.training.settings import TrainSettings
from worlds import PREFIXES

FRAMEWORKS = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in PREFIXES]
LEVELS = 40
BLOCKS = (
    Block("x", "numeric", 0, 3), Block("flag", "binary", 3, 1), Block("city", "code", 4, 1, LEVELS),
)  # fmt: skip
PROBLEMS = {
    "binary": Problem(of("binary", ("no", "yes")), 5, blocks=BLOCKS),
    "multiclass": Problem(of("multiclass", ("a", "b", "c")), 5, blocks=BLOCKS),
    "regression": Problem(of("regression", mean=100.0, deviation=20.0), 5, BLOCKS),
}


def rows(task: str = "binary", count: int = 800, seed: int = 0) -> Rows:
    """The product of two numbers decides, turned round in half of the cities; code 0 does not occur."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, 5)).astype(np.float32)
    x[:, 3] = draw.integers(0, 2, count)
    x[:, 4] = draw.integers(1, LEVELS, count)
    value = np.sign(x[:, 0] * x[:, 1]) * np.where(x[:, 4] % 2 == 0, 1, -1)
    if task == "regression":
        return Rows(x, (100 + 20 * value).astype(np.float32))
    if task == "multiclass":
        return Rows(x, np.where(x[:, 3] == 1, 2, value > 0).astype(np.int64))
    return Rows(x, (value > 0).astype(np.float32))


def tabular(framework: str, task: str = "binary", **changes: object) -> Network:
    values = {"members": 4, "hidden": (32, 16), "embedding": 4, "bins": 8, "dropout": 0.1} | changes
    settings = TabularSettings.model_validate(
        {"name": f"{PREFIXES[framework]}_tabular", "framework": framework, **values}
    )
    return networks.create(NETWORKS, settings, PROBLEMS[task])


def settings(**changes: object) -> TrainSettings:
    values = {
        "epochs": 3, "batch_size": None, "optimizer": "adam", "learning_rate": 0.01, "schedule": "constant",
        "weight_decay": 0.01, "clip_norm": None, "class_weight": "none", "patience": None, "device": "cpu",
        "precision": "float32", "threads": 1, "seed": 0, "init_from": None, "freeze": (),
        "stepper": "auto",
        "resume": False,
        "loss": None,
    }  # fmt: skip
    return TrainSettings.model_validate(values | changes)


@pytest.fixture(params=FRAMEWORKS, scope="module")
def framework(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Fitted to the interactions; no test changes it."""
    model = tabular(framework)
    training.run(model, rows(), rows(count=200, seed=1), settings(epochs=20), tmp_path_factory.mktemp("fitted") / "c")
    return model


def parity(model: Network, x: np.ndarray) -> float:
    """Greatest difference between the graph and the framework."""
    session = runtime.session(model.onnx(18).SerializeToString())
    given = session.run(None, {session.get_inputs()[0].name: x})[0]
    return float(np.abs(given - model.scores(x)).max())


def test_it_learns_an_interaction_that_a_linear_model_cannot(fitted: Network, framework: str, tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    straight = networks.create(
        NETWORKS,
        LinearSettings(name=f"{PREFIXES[framework]}_linear", framework=framework),  # type: ignore[arg-type]
        PROBLEMS["binary"],
    )
    training.run(straight, rows(), rows(count=200, seed=1), settings(epochs=10), tmp_path / "c")
    test = rows(count=400, seed=2)
    assert roc_auc_score(test.y, fitted.predict(test.x)[:, 1]) > 0.9
    assert roc_auc_score(test.y, straight.predict(test.x)[:, 1]) < 0.65


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
    x = rows(count=50, seed=3).x
    edge, far = x.copy(), x.copy()
    edge[:, 0], far[:, 0] = rows().x[:, 0].max(), 1e9
    assert np.allclose(fitted.scores(edge), fitted.scores(far), atol=1e-5)


def test_the_edges_are_buffers_and_come_back_with_the_weights(fitted: Network, framework: str, tmp_path: Path) -> None:
    fitted.save(tmp_path / "weights")
    tensors = {tensor.name: tensor for tensor in weights.index(tmp_path / "weights").tensors}
    assert [name for name, tensor in tensors.items() if tensor.buffer] == ["embedding.numeric.edges"]
    assert tensors["embedding.numeric.edges"].layer == "embedding.numeric"
    edges = weights.read(tmp_path / "weights")["embedding.numeric.edges"]
    assert np.array_equal(edges[:, 0], rows().x[:, :3].min(axis=0))
    other = tabular(framework)
    other.load(tmp_path / "weights")
    x = rows(seed=2).x
    assert np.array_equal(other.scores(x), fitted.scores(x))


def test_the_store_names_layers_alike_in_both_frameworks(fitted: Network, tmp_path: Path) -> None:
    fitted.save(tmp_path / "weights")
    names = [layer.name for layer in weights.index(tmp_path / "weights").layers]
    helpers = ("embedding", "code_1", "vector_1")  # Keras slices and joins in layers of their own
    names = [name for name in names if name not in helpers]
    assert set(names[:3]) == {"embedding.plain", "embedding.numeric", "embedding.code_1"}  # side by side
    assert names[3:] == [
        "adapter", "hidden_1", "activation_1", "dropout_1", "hidden_2", "activation_2", "dropout_2", "output", "mean",
        "sigmoid",
    ]  # fmt: skip


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
    task = "multiclass"
    whole, cut = tabular(framework, task), tabular(framework, task)
    expected = training.run(whole, rows(task, 200), rows(task, 100, 1), settings(), tmp_path / "whole")

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.run(cut, rows(task, 200), rows(task, 100, 1), settings(), tmp_path / "cut", stop)
    cut = tabular(framework, task)
    assert training.run(cut, rows(task, 200), rows(task, 100, 1), settings(resume=True), tmp_path / "cut") == expected
    for model, name in ((whole, "a"), (cut, "b")):
        model.save(tmp_path / name)
    files = [{f.name: f.read_bytes() for f in (tmp_path / name).rglob("*") if f.is_file()} for name in ("a", "b")]
    assert files[0] == files[1]


def test_an_exploding_loss_names_the_layer(framework: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"epoch \d+ .*layer '(embedding|adapter|hidden_|output)"):
        training.run(
            tabular(framework, "regression"),
            rows("regression", 200),
            rows("regression", 100, 1),
            settings(learning_rate=1e6, epochs=6),
            tmp_path / "c",
        )


def test_mixed_precision_keeps_codes_apart(framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 has 8 bits, too few for codes above 256: they are looked up in float32."""
    import importlib

    network = importlib.import_module(f"stemma.frameworks.{framework}.session")
    cpu = network.choose_device(settings())
    monkeypatch.setattr(network, "choose_device", lambda settings: cpu)
    problem = Problem(of("binary", ("no", "yes")), 1, blocks=(Block("city", "code", 0, 1, 1001),))
    draw = np.random.default_rng(0)
    codes = draw.integers(900, 1001, 600)
    table = Rows(codes[:, None].astype(np.float32), (codes % 2).astype(np.float32))
    name = {"name": f"{PREFIXES[framework]}_mlp", "framework": framework}
    model = networks.create(NETWORKS, MlpSettings(hidden=(8,), activation="relu", dropout=0.0, **name), problem)  # type: ignore[arg-type]
    training.run(model, table, table, settings(precision="mixed", epochs=25, learning_rate=0.03), tmp_path / "c")
    assert ((model.predict(table.x)[:, 1] > 0.5) == table.y).mean() > 0.95
    assert parity(model, table.x) < 1e-4


@pytest.mark.parametrize("name", ["mlp", "linear"])
def test_other_models_embed_codes_too(framework: str, name: str, tmp_path: Path) -> None:
    values = {"name": f"{PREFIXES[framework]}_{name}", "framework": framework}
    more = {"hidden": (8,), "activation": "relu", "dropout": 0.0} if name == "mlp" else {}
    model = networks.create(
        NETWORKS, NETWORKS[values["name"]].settings.model_validate(values | more), PROBLEMS["binary"]
    )
    x = rows(count=50).x
    x[:5, 4] = 0
    assert parity(model, x) < 1e-4
    model.save(tmp_path / "weights")
    tensors = {tensor.name: tensor.shape for tensor in weights.index(tmp_path / "weights").tensors}
    assert any(name.startswith("embedding.code_1.") and shape == (LEVELS, 13) for name, shape in tensors.items())


def test_a_batch_is_by_the_number_of_rows_where_it_is_not_set() -> None:
    assert [training.batch_size(settings(), rows) for rows in (1, 300, 8000, 10**6)] == [32, 32, 128, 512]
    assert training.batch_size(settings(batch_size=7), 8000) == 7
