"""The fit, the same claims for both frameworks."""

import contextlib
import itertools
import math
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from fits import EACH, PROBLEMS, contents, fit, linear, rows, settings, tiny
from stemma import weights
from stemma.errors import EntryError, TrainingError, WeightsError
from stemma.training import fit as training
from stemma.training.base import MEAN, Draw, Epoch, Given, Network, Rows, below
from stemma.training.progress import SMOOTH, judged
from stemma.training.rows import row_weights
from timing import until


@pytest.fixture(params=EACH)
def framework(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.mark.parametrize("task", PROBLEMS)
def test_a_fit_learns_and_gives_predictions_of_the_promised_shape(framework: str, task: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS[task], dropout=0.0)
    done = fit(model, tmp_path, task, epochs=25)
    predicted = model.predict(rows(task, 50, 2).x)
    assert done.epochs[-1].validation_loss < 0.5 * done.epochs[0].validation_loss
    assert predicted.dtype == np.float32
    if task == "regression":
        assert predicted.shape == (50, 1)
        assert np.abs(predicted[:, 0] - rows(task, 50, 2).y).mean() < 8
    else:
        assert predicted.shape == (50, len(PROBLEMS[task].task.classes))
        assert np.allclose(predicted.sum(axis=1), 1, atol=1e-6)
        assert (predicted.argmax(axis=1) == rows(task, 50, 2).y).mean() > 0.85


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(framework: str, tmp_path: Path) -> None:
    stores = []
    for number, seed in enumerate((0, 0, 1)):
        model = tiny(framework, PROBLEMS["binary"])
        fit(model, tmp_path, seed=seed)
        model.save(tmp_path / str(number))
        stores.append(contents(tmp_path / str(number)))
    assert stores[0] == stores[1]
    assert stores[0] != stores[2]


def test_the_state_names_the_mean_of_gradients_by_tensor(framework: str) -> None:
    """For who watches a fit: after one step a tenth of the gradient, here that of a logistic regression."""
    network, given = linear(framework, PROBLEMS["binary"]), rows("binary")
    session = network.session(Given(given, settings(batch_size=300)))
    wrong = network.predict(given.x)[:, 1] - given.y
    session.run_epoch(Draw(np.arange(300), 0.01, 0))
    slots = below("optimizer/", session.state())
    means = {name.removesuffix(f"/{MEAN}"): mean for name, mean in slots.items() if name.endswith(f"/{MEAN}")}
    assert set(means) == set(network.tensors())
    for mean in means.values():
        gradient = wrong.mean(keepdims=True) if mean.ndim == 1 else (given.x * wrong[:, None]).mean(axis=0)
        np.testing.assert_allclose(mean.ravel(), gradient / 10, rtol=1e-4, atol=1e-7)


def test_a_saved_network_loads_into_a_new_one_and_predicts_the_same(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["multiclass"])
    fit(model, tmp_path, "multiclass")
    model.save(tmp_path / "weights")
    other = tiny(framework, PROBLEMS["multiclass"])
    other.load(tmp_path / "weights")
    x = rows("multiclass", 40, 3).x
    assert np.array_equal(model.predict(x), other.predict(x))


def test_the_store_names_layers_alike_in_both_frameworks(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["binary"])
    model.save(tmp_path / "weights")
    names = [layer.name for layer in weights.index(tmp_path / "weights").layers]
    assert [name for name in names if name != "encoded"] == [
        "hidden_1", "activation_1", "dropout_1", "output", "sigmoid",
    ]  # fmt: skip


def test_weights_of_another_network_are_refused(framework: str, tmp_path: Path) -> None:
    tiny(framework, PROBLEMS["binary"], hidden=(8,)).save(tmp_path / "weights")
    with pytest.raises(WeightsError, match=r"weights.*another network.*dvc repro"):
        tiny(framework, PROBLEMS["binary"], hidden=(9,)).load(tmp_path / "weights")


class Interrupted(Exception):
    """Stands for a kill between two epochs."""


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("binary", {}),
        ("binary", {"patience": 2, "schedule": "cosine", "optimizer": "sgd", "clip_norm": 1.0}),
        ("multiclass", {"class_weight": "balanced", "weight_decay": 0.1}),
        ("regression", {"schedule": "step", "optimizer": "sgd", "weight_decay": 0.1, "patience": 1}),
    ],
)
def test_a_resumed_fit_ends_with_the_bytes_of_an_uninterrupted_one(
    framework: str, task: str, changes: dict[str, object], tmp_path: Path
) -> None:
    whole = tiny(framework, PROBLEMS[task])
    expected = fit(whole, tmp_path, task, **changes)
    (tmp_path / "last.safetensors").unlink()

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        training.run(
            tiny(framework, PROBLEMS[task]),
            Given(rows(task), settings(**changes)),
            rows(task, 100, 1),
            tmp_path / "last.safetensors",
            stop,
        )
    resumed = tiny(framework, PROBLEMS[task])
    seen: list[Epoch] = []
    done = fit(resumed, tmp_path, task, seen.append, resume=True, **changes)
    assert done == expected
    assert tuple(seen) == expected.epochs  # the curves are told whole
    for name, tensor in whole.tensors().items():
        assert np.array_equal(tensor, resumed.tensors()[name]), name


def test_a_checkpoint_of_other_settings_or_rows_is_refused_by_name(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["binary"])
    fit(model, tmp_path)
    with pytest.raises(TrainingError, match=r"last.safetensors is of another fit \(train.learning_rate changed\)"):
        fit(model, tmp_path, resume=True, learning_rate=0.5)
    with pytest.raises(TrainingError, match="training rows changed"):
        training.run(
            model,
            Given(rows("binary", seed=9), settings(resume=True)),
            rows("binary", 100, 1),
            tmp_path / "last.safetensors",
        )


def test_a_checkpoint_of_other_code_is_refused(framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the epochs would be of one network's code, half of another's."""
    stage = "stages: {train: {deps: [src/net.py, data], params: [stemma.lock: [rooms.training]]}}"
    files = {"dvc.yaml": stage, "src/net.py": "", "data": "", "stemma.lock": "rooms: {training: a}"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    model = tiny(framework, PROBLEMS["binary"])
    fit(model, tmp_path)
    (tmp_path / "data").write_text("other", encoding="utf-8")  # rows are looked at as such
    fit(tiny(framework, PROBLEMS["binary"]), tmp_path, resume=True)
    for name in ("src/net.py", "stemma.lock"):
        (tmp_path / name).write_text("rooms: {training: b}", encoding="utf-8")
        with pytest.raises(TrainingError, match=r"last.safetensors is of another fit \(code changed\)"):
            fit(tiny(framework, PROBLEMS["binary"]), tmp_path, resume=True)
        (tmp_path / name).write_text(files[name], encoding="utf-8")


def test_a_checkpoint_of_another_network_is_refused(framework: str, tmp_path: Path) -> None:
    """The settings are the same, the code of `build` is not."""
    fit(tiny(framework, PROBLEMS["binary"]), tmp_path)
    other = tiny(framework, PROBLEMS["binary"])
    other.build = tiny(framework, PROBLEMS["binary"], hidden=(17,)).build  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"of another fit \(network or optimizer, weights at the start changed\)"):
        fit(other, tmp_path, resume=True)


def test_mixed_precision_fits_and_leaves_a_float32_network(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU, which also has bfloat16: what needs a GPU is only the speed."""
    import importlib

    network = importlib.import_module(f"stemma.frameworks.{framework}.session")
    cpu = network.choose_device(settings())
    monkeypatch.setattr(network, "choose_device", lambda settings: cpu)
    model = tiny(framework, PROBLEMS["binary"], dropout=0.0)
    done = fit(model, tmp_path, precision="mixed", epochs=20)
    assert done.epochs[-1].validation_loss < 0.7 * done.epochs[0].validation_loss
    model.save(tmp_path / "weights")
    assert {tensor.dtype for tensor in weights.index(tmp_path / "weights").tensors} == {"float32"}
    assert "bfloat16" not in (tmp_path / "weights" / "index.json").read_text(encoding="utf-8")
    assert {part.data_type for part in model.onnx(18).graph.initializer} <= {1, 7}  # float32, int64
    plain = tiny(framework, PROBLEMS["binary"], dropout=0.0)
    plain.load(tmp_path / "weights")
    x = rows("binary", 20, 3).x
    assert np.array_equal(plain.predict(x), model.predict(x))


def test_a_damaged_checkpoint_is_refused(framework: str, tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="is damaged"):
        fit(tiny(framework, PROBLEMS["binary"]), tmp_path, resume=True)


def test_early_stopping_restores_the_best_epoch(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["binary"], hidden=(64,), dropout=0.0)
    noise = np.random.default_rng(5)
    train = Rows(rows("binary", 60).x, noise.integers(0, 2, 60).astype(np.float32))  # nothing to learn: it overfits
    judge = Rows(rows("binary", 60, 1).x, noise.integers(0, 2, 60).astype(np.float32))
    done = training.run(model, Given(train, settings(epochs=60, patience=3, learning_rate=0.02)), judge, tmp_path / "c")
    losses = [epoch.validation_loss for epoch in done.epochs]
    means = [math.inf] * (SMOOTH - 1) + np.convolve(losses, np.ones(SMOOTH) / SMOOTH, "valid").tolist()
    assert len(losses) == done.kept + 3 < 60
    assert done.kept == int(np.argmin(means)) + 1
    kept = float(model.problem.task.losses(model.scores(judge.x), judge.y).mean())
    assert kept == pytest.approx(losses[done.kept - 1], rel=1e-6)


def test_one_lucky_epoch_is_not_kept() -> None:
    """A loss that is low once, by few validation rows, and then high, beside a lower level that lasts."""
    losses = [0.9, 0.9, 0.9, 0.2, 0.9, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5]
    epochs = tuple(Epoch(number, 0.1, 0.0, loss, 0.0) for number, loss in enumerate(losses, start=1))
    ends = range(1, len(losses) + 1)
    assert min(ends, key=lambda end: judged(epochs[:end])) > 6


def test_without_patience_the_last_epoch_is_kept(framework: str, tmp_path: Path) -> None:
    done = fit(tiny(framework, PROBLEMS["binary"]), tmp_path, epochs=3)
    assert (done.kept, len(done.epochs)) == (3, 3)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_an_exploding_loss_stops_with_the_epoch_and_the_layer(framework: str, optimizer: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["regression"], dropout=0.0)
    with pytest.raises(TrainingError, match=r"epoch \d+ .*layer '(hidden_1|output|activation_1)'.*learning_rate") as e:
        fit(model, tmp_path, "regression", optimizer=optimizer, learning_rate=1e6, epochs=10)
    assert e.value.run is not None and "train.learning_rate=100000" in e.value.run


def test_an_input_that_is_not_finite_is_named(framework: str, tmp_path: Path) -> None:
    bad = rows("binary")
    bad.x[7, 0] = np.nan
    given = Given(bad, settings())
    with pytest.raises(TrainingError, match=r"epoch 1 .*input that is not finite"):
        training.run(tiny(framework, PROBLEMS["binary"]), given, rows("binary", 100, 1), tmp_path / "c")


def test_balanced_classes_raise_the_recall_of_a_rare_class(framework: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 5)).astype(np.float32)
    train = Rows(x, (x[:, 0] + generator.normal(size=600) > 2).astype(np.float32))
    shares = []
    for class_weight in ("none", "balanced"):
        model = linear(framework, PROBLEMS["binary"])
        training.run(model, Given(train, settings(class_weight=class_weight, epochs=15)), train, tmp_path / "c")
        shares.append(float((model.predict(x)[:, 1] > 0.5).mean()))
    assert shares[1] > 2 * shares[0]


def test_balanced_classes_are_refused_for_a_regression(framework: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="balanced needs classes"):
        fit(linear(framework, PROBLEMS["regression"]), tmp_path, "regression", class_weight="balanced")


def test_weight_decay_shrinks_matrices_and_spares_biases(framework: str, tmp_path: Path) -> None:
    """With a target that is constant in the inputs, only the decay moves the matrix."""
    norms, biases = [], []
    for decay in (0.0, 5.0):
        model = linear(framework, PROBLEMS["binary"])
        fit(model, tmp_path, optimizer="sgd", weight_decay=decay, epochs=10)
        tensors = {name.rpartition(".")[2]: t for name, t in model.tensors().items()}
        norms.append(float(np.linalg.norm(tensors.get("kernel", tensors.get("weight")))))
        biases.append(tensors["bias"])
    assert norms[1] < 0.5 * norms[0]
    assert not np.array_equal(biases[0], np.zeros(1)) and np.all(np.isfinite(biases[1]))


def test_a_driver_that_is_not_there_is_no_warning_and_one_that_is_too_old_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build for CUDA beside TensorFlow, on a machine without a GPU."""
    import torch

    from stemma.frameworks.torch import session

    said = iter(("Unexpected error. Error 302: Error loading CUDA libraries", "The NVIDIA driver is too old"))

    def available() -> bool:
        warnings.warn(f"CUDA initialization: {next(said)}. (Triggered internally)", UserWarning, stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", available)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert [session.choose_device(settings()).type in ("cpu", "mps") for _ in range(2)] == [True, True]
    assert ["too old" in str(each.message) for each in seen] == [True]


def test_a_device_that_is_not_there_is_refused(framework: str, tmp_path: Path) -> None:
    import torch

    if torch.backends.mps.is_available() or torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(TrainingError, match=r"train.device: mps is not on this machine \(there: cpu\)"):
        fit(linear(framework, PROBLEMS["binary"]), tmp_path, device="mps")
    with pytest.raises(TrainingError, match="mixed needs a GPU"):
        fit(linear(framework, PROBLEMS["binary"]), tmp_path, precision="mixed")


def test_recorded_steps_are_refused_where_there_are_none(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    with pytest.raises(TrainingError, match="recorded steps are PyTorch's") as error:
        fit(linear("tensorflow", PROBLEMS["binary"]), tmp_path, stepper="recorded")
    assert error.value.run == "dvc exp run -S train.stepper=auto"


@pytest.mark.parametrize("when", ["session", "scores", "scores of an epoch"])
def test_a_device_that_is_full_is_one_line_with_the_way_to_another(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """As a GPU whose memory another process has: PyTorch says so where rows are brought to it."""
    model = linear(framework, PROBLEMS["binary"])

    def full(*_: object) -> None:
        model.device = "cuda:0"
        raise RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'")

    name = when.split()[0]
    calls = iter([getattr(model, name), full] if when.endswith("epoch") else [full])  # it is judged before the first
    monkeypatch.setattr(model, name, lambda given: next(calls)(given))
    with pytest.raises(EntryError, match=r"fails in training \(RuntimeError: CUDA error: out of memory S") as error:
        fit(model, tmp_path)
    assert error.value.run == "dvc exp run -S train.device=cpu"
    assert "\n" not in str(error.value)


ENDLESS = 10**6  # epochs: none is the last, however late the kill is


def _fit_slowly(framework: str, folder: Path) -> None:
    model = tiny(framework, PROBLEMS["binary"])
    (folder / "number").write_text(str(os.getpid()))
    given = Given(rows("binary"), settings(epochs=ENDLESS))
    training.run(model, given, rows("binary", 100, 1), folder / "last.safetensors",
        lambda epoch: (folder / f"epoch {epoch.number}").touch(),
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_killed_fit_leaves_a_checkpoint_that_can_be_read(framework: str, tmp_path: Path) -> None:
    found = {"PYTHONPATH": os.pathsep.join(sys.path)}  # what pytest imports from, such as worlds
    process = subprocess.Popen(["python", __file__, framework, str(tmp_path)], env=os.environ | found)
    until(lambda: (tmp_path / "epoch 3").exists() or process.poll() is not None)
    os.kill(int((tmp_path / "number").read_text()), signal.SIGKILL)
    process.wait()
    assert (tmp_path / "epoch 3").exists(), "it never came so far"
    told: list[int] = []

    def stop(epoch: Epoch) -> None:  # the epochs of the checkpoint are told first
        told.append(epoch.number)
        if len(told) >= 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        training.run(
            tiny(framework, PROBLEMS["binary"]),
            Given(rows("binary"), settings(epochs=ENDLESS, resume=True)),
            rows("binary", 100, 1),
            tmp_path / "last.safetensors",
            stop,
        )
    assert told == [1, 2]


def test_schedules_start_at_the_rate_and_fall_as_documented() -> None:
    assert [training.learning_rate(settings(schedule="constant"), e) for e in range(4)] == [0.01] * 4
    steps = [training.learning_rate(settings(schedule="step", epochs=8), e) for e in range(8)]
    assert steps == pytest.approx([0.01] * 4 + [0.001] * 2 + [0.0001] * 2)
    cosine = [training.learning_rate(settings(schedule="cosine"), e) for e in range(4)]
    assert cosine[0] == 0.01 and cosine[2] == pytest.approx(0.005)
    assert all(a > b > 0 for a, b in itertools.pairwise(cosine))


def test_class_weights_average_to_one_over_the_rows() -> None:
    y = np.array([0, 0, 0, 1], np.float32)
    given = row_weights(PROBLEMS["binary"], y, "balanced")
    assert given is not None and given.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2.0])
    assert row_weights(PROBLEMS["binary"], y, "none") is None


def test_losses_match_scikit_learn() -> None:
    from sklearn.metrics import log_loss

    generator = np.random.default_rng(0)
    scores = generator.normal(size=(50, 1)).astype(np.float32)
    y = generator.integers(0, 2, 50)
    binary = PROBLEMS["binary"].task
    assert binary.losses(scores, y).mean() == pytest.approx(log_loss(y, binary.predictions(scores)[:, 1]), rel=1e-5)
    scores = generator.normal(size=(50, 3)).astype(np.float32)
    y = generator.integers(0, 3, 50)
    many = PROBLEMS["multiclass"].task
    assert many.losses(scores, y).mean() == pytest.approx(log_loss(y, many.predictions(scores)), rel=1e-5)
    assert many.losses(np.array([[1e4, -1e4, 0.0]], np.float32), np.array([1]))[0] == pytest.approx(2e4)
    assert not math.isnan(binary.losses(np.array([[1e4]], np.float32), np.array([0]))[0])


def _named(model: Network, part: str) -> set[str]:
    return {name for name in model.tensors() if name.startswith(part)}


def test_frozen_tensors_keep_their_bytes_and_the_others_move(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["binary"])
    first = training.run(model, Given(rows("binary"), settings()), rows("binary", 100, 1), tmp_path / "a.safetensors")
    weights = model.tensors()
    begin = {name: weights[name] for name in _named(model, "hidden_1")}
    again = tiny(framework, PROBLEMS["binary"])
    changes = settings(freeze=("hidden_1.*",), weight_decay=0.1, seed=1)
    given = Given(rows("binary"), changes, begin)
    fit = training.run(again, given, rows("binary", 100, 1), tmp_path / "b.safetensors")
    assert set(fit.frozen) == _named(model, "hidden_1") and not first.frozen
    for name, tensor in again.tensors().items():
        assert (tensor.tobytes() == weights[name].tobytes()) == (name in fit.frozen), name
    assert set(fit.moved) == set(weights) - set(fit.frozen) and min(fit.moved.values()) > 1e-3


def test_a_resumed_fit_from_another_networks_weights_ends_with_the_bytes_of_an_uninterrupted_one(
    framework: str, tmp_path: Path
) -> None:
    problem = PROBLEMS["binary"]
    other = tiny(framework, problem)
    training.run(other, Given(rows("binary"), settings(seed=3)), rows("binary", 100, 1), tmp_path / "other.safetensors")
    begin = other.tensors()
    made = []
    for stopped in (False, True):
        checkpoint, seen = tmp_path / f"{stopped}.safetensors", []
        model = tiny(framework, problem)

        def stop(epoch: Epoch, seen: list[int] = seen, stopped: bool = stopped) -> None:
            seen.append(epoch.number)
            if stopped and seen == [1, 2]:
                raise Interrupted

        with contextlib.suppress(Interrupted):
            training.run(model, Given(rows("binary"), settings(), begin), rows("binary", 100, 1), checkpoint, stop)
        model = tiny(framework, problem)
        resumed = Given(rows("binary"), settings(resume=True), begin)
        fit = training.run(model, resumed, rows("binary", 100, 1), checkpoint)
        made.append((model.tensors(), fit))
    (whole, fit_whole), (resumed_weights, fit_resumed) = made
    assert all(whole[name].tobytes() == resumed_weights[name].tobytes() for name in whole)
    assert fit_whole == fit_resumed


@pytest.mark.parametrize(
    ("freeze", "told"),
    [(("hiden*",), "'hiden\\*' matches no tensor of the network"), (("*",), "leaves no tensor to train")],
)
def test_a_pattern_that_freezes_nothing_or_everything_is_refused(
    freeze: tuple[str, ...], told: str, framework: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=told):
        fit(linear(framework, PROBLEMS["binary"]), tmp_path, freeze=freeze)


if __name__ == "__main__":  # a process to kill
    _fit_slowly(sys.argv[1], Path(sys.argv[2]))
