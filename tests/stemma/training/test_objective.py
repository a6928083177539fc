"""What a fit brings down beside the plain loss of its rows, the same claims for both frameworks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fits import EACH, PROBLEMS, contents, fit, linear, rows, settings, tabular, tiny
from stemma import weights
from stemma.compress import integers, layers
from stemma.errors import TrainingError
from stemma.tables.profile import Block
from stemma.training import fit as training
from stemma.training import narrow, objective, origin, shrink
from stemma.training import rows as arrays
from stemma.training.base import Epoch, Given, Network, Problem, Rows

CODED = Problem(PROBLEMS["binary"].task, 5, (
    Block("size", "numeric", 0, 2), Block("size", "binary", 2, 1), Block("colour", "binary", 3, 1),
    Block("place", "code", 4, 1, 3),
))  # fmt: skip


@pytest.fixture(params=EACH)
def framework(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


def settled(**changes: object) -> Any:
    return training.settled(settings(**changes), rows("binary").x)


def dense(network: Network) -> dict[str, np.ndarray]:
    tensors = network.tensors()
    return {name: tensors[name] for name in shrink.matrices(tensors)}


# Weights.


@pytest.mark.parametrize("changes", [{}, {"patience": 1}, {"optimizer": "sgd", "weight_decay": 0.1}, {"l1": 0.01}])
def test_just_the_asked_share_of_dense_weights_is_zero_at_the_end(
    framework: str, changes: dict[str, object], tmp_path: Path
) -> None:
    model = tabular(framework, PROBLEMS["binary"])
    fit(model, tmp_path, epochs=8, prune=0.6, **changes)
    found = dense(model)
    size = sum(tensor.size for tensor in found.values())
    assert sum(np.count_nonzero(tensor == 0) for tensor in found.values()) == round(0.6 * size)
    model.save(tmp_path / "weights")
    assert all(
        np.array_equal(tensor, found[name]) for name, tensor in weights.read(tmp_path / "weights", found).items()
    )
    assert json.loads((tmp_path / "weights/index.json").read_text())["format"] == 2  # without its zeros
    rest = model.tensors().keys() - found.keys()
    assert rest and all("embedding" in name or "bias" in name for name in rest)


def test_by_layer_each_one_loses_the_same_share(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["multiclass"])
    fit(model, tmp_path, "multiclass", prune=0.5, prune_by="layer")
    assert [(tensor == 0).mean() for tensor in dense(model).values()] == [0.5, 0.5]


def test_pruned_weights_are_the_smallest_and_of_equals_the_first() -> None:
    tensors = {
        "a.weight": np.array([[3, -1, 1], [1, 9, -2]], np.float32), "b.kernel": np.array([[1, -8]], np.float32),
        "a.bias": np.zeros(3, np.float32), "embedding.numeric.weight": np.zeros((2, 2), np.float32),
    }  # fmt: skip
    found = shrink.masks(tensors, settled(prune=0.375, epochs=1), 0, ())
    assert {name: mask.tolist() for name, mask in found.items()} == {
        "a.weight": [[True, False, False], [False, True, True]],
        "b.kernel": [[True, True]],
    }
    assert not shrink.masks(tensors, settled(prune=0.5, epochs=1), 0, ("b.kernel",)).keys() & {"b.kernel"}


def test_the_pruned_share_rises_in_three_epochs_and_stays() -> None:
    tensors = {"a.weight": np.arange(1, 1001, dtype=np.float32).reshape(10, 100)}
    shares = [1 - shrink.masks(tensors, settled(prune=0.8, epochs=8), done, ())["a.weight"].mean() for done in range(5)]
    expected = [0.8 * (1 - (1 - done / 3) ** 3) for done in range(3)] + [0.8] * 2
    assert np.allclose(shares, expected, atol=1e-3)
    assert not shrink.masks(tensors, settled(prune=0.8, epochs=1), 0, ())["a.weight"].all()  # one epoch has no time


def test_frozen_tensors_are_not_pruned(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["binary"])
    fit(model, tmp_path, prune=0.5, freeze=("hidden_1.*",))
    found = dense(model)
    (still,) = (tensor for name, tensor in found.items() if name.startswith("hidden_1."))
    (moved,) = (tensor for name, tensor in found.items() if name.startswith("output."))
    assert (still != 0).all() and (moved == 0).mean() == 0.5


def test_quantisation_aware_weights_are_those_of_whole_numbers(framework: str, tmp_path: Path) -> None:
    """As `stemma.compress` makes them: 64 on either side of 0, with a scale for each unit. Members keep theirs."""
    model = tabular(framework, PROBLEMS["binary"])
    fit(model, tmp_path, epochs=6, quantisation_aware=True)
    hidden, output = dense(model).items()
    by_unit = hidden[1] if framework == "torch" else hidden[1].T
    steps = by_unit / (np.abs(by_unit).max(axis=1, keepdims=True) / 64)
    assert np.allclose(steps, np.rint(steps), atol=1e-4) and np.allclose(np.abs(steps).max(axis=1), 64)
    again = shrink.on_grid(hidden[1], shrink.takes(hidden[0], 2))
    assert np.allclose(again, hidden[1], rtol=1e-6)
    steps = output[1] / (np.abs(output[1]).max(axis=1, keepdims=True) / 64)
    assert not np.allclose(steps, np.rint(steps), atol=1e-4)
    assert np.array_equal(shrink.on_grid(np.zeros((2, 2), np.float32), 1), np.zeros((2, 2)))


def test_compress_changes_no_weight_that_learned_to_be_whole(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["binary"])
    fit(model, tmp_path, quantisation_aware=True)
    found = [product.weights for product in layers.products(model.onnx(18).graph)]
    steps = [weights / (np.abs(weights).max(axis=0) / integers.WEIGHTS) for weights in found]
    assert len(found) == 2 and all(np.allclose(each, np.rint(each), atol=1e-4) for each in steps)


def test_gradients_pass_straight_through_the_grid(framework: str, tmp_path: Path) -> None:
    """Weights that move less than a step of int8 at once move all the same, and learn as much as without it."""
    plain, aware = (linear(framework, PROBLEMS["binary"]) for _ in range(2))
    losses = [
        fit(model, tmp_path, epochs=10, quantisation_aware=on, learning_rate=0.003).epochs[-1].validation_loss
        for model, on in ((plain, False), (aware, True))
    ]
    assert losses[1] == pytest.approx(losses[0], abs=0.01)
    assert not np.array_equal(dense(plain)[shrink.matrices(plain.tensors())[0]], dense(aware)[
        shrink.matrices(aware.tensors())[0]])  # fmt: skip


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_averaged_weights_are_the_mean_of_those_after_each_epoch(framework: str, decay: float, tmp_path: Path) -> None:
    """Of a fit without momentum of the average: what is trained is what it would be without it."""
    after = []
    for epochs in (1, 2, 3):
        model = linear(framework, PROBLEMS["binary"])
        fit(model, tmp_path, epochs=epochs)
        after.append(model.tensors())
        (tmp_path / "last.safetensors").unlink()
    model = linear(framework, PROBLEMS["binary"])
    fit(model, tmp_path, epochs=3, averaging=decay)
    counts = np.array([decay**2, decay, 1.0])
    for name, tensor in model.tensors().items():
        mean = sum(count * each[name] for count, each in zip(counts, after, strict=True)) / counts.sum()
        assert np.allclose(tensor, mean, atol=1e-6)


def test_a_price_of_squares_gives_ridge_regression(framework: str, tmp_path: Path) -> None:
    """Of the mean squared error plus l2 / 2 * |w|^2 the least is known."""
    problem, given, price = PROBLEMS["regression"], rows("regression"), 0.5
    model = linear(framework, problem)
    fit(model, tmp_path, "regression", epochs=150, batch_size=300, learning_rate=0.02, l2=price, schedule="cosine")
    x, y = np.hstack([given.x, np.ones((300, 1))]), problem.task.targets(given.y)[:, 0]
    known = np.linalg.solve(2 / 300 * x.T @ x + np.diag([price] * 5 + [0]), 2 / 300 * x.T @ y)
    (found,) = dense(model).values()
    assert np.allclose(found.ravel(), known[:5], atol=1e-2)


def test_a_price_of_sizes_takes_what_decides_nothing(framework: str, tmp_path: Path) -> None:
    model = linear(framework, PROBLEMS["regression"])
    changes = {"epochs": 150, "batch_size": 300, "learning_rate": 0.02, "schedule": "cosine"}
    fit(model, tmp_path, "regression", l1=0.5, **changes)
    (found,) = dense(model).values()
    decisive, *others = np.abs(found.ravel())
    assert decisive == pytest.approx(0.75, abs=0.08) and max(others) < 5e-3  # a quarter of the price for each


COMBINED = {"prune": 0.5, "quantisation_aware": True, "averaging": 0.8, "l2": 1e-3, "mixup": 0.2, "warm_up": 2,
            "input_noise": 0.1, "column_dropout": 0.1, "patience": 3}  # fmt: skip


def test_all_of_it_together_repeats_and_resumes_to_the_same_bytes(framework: str, tmp_path: Path) -> None:
    whole, again, resumed = (tabular(framework, PROBLEMS["multiclass"]) for _ in range(3))
    changes = COMBINED | {"label_smoothing": 0.1, "epochs": 6}
    done = fit(whole, tmp_path, "multiclass", **changes)
    (tmp_path / "last.safetensors").unlink()

    class Interrupted(Exception):
        pass

    def stop(epoch: Epoch) -> None:
        if epoch.number == 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(again, tmp_path, "multiclass", stop, **changes)
    assert fit(resumed, tmp_path, "multiclass", resume=True, **changes) == done
    for name, model in {"whole": whole, "resumed": resumed}.items():
        model.save(tmp_path / name)
    assert contents(tmp_path / "whole") == contents(tmp_path / "resumed")


def test_recorded_steps_yield_where_a_step_needs_the_weights(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(TrainingError, match=r"prune, quantisation_aware, l1 and l2 take ordinary ones"):
        fit(tiny("torch", PROBLEMS["binary"]), tmp_path, stepper="recorded", prune=0.5)


def test_rows_that_are_changed_are_recorded_to_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = []
    for stepper in ("ordinary", "recorded"):
        model = tabular("torch", PROBLEMS["multiclass"])
        given = Given(
            rows("multiclass"), settings(stepper=stepper, mixup=0.3, label_smoothing=0.1, input_noise=0.2),
            taught=np.full((300, 3), 1 / 3, np.float32),
        )  # fmt: skip
        training.run(model, given, rows("multiclass", 100, 1), tmp_path / "last.safetensors")
        found.append(model.tensors())
    assert all(np.array_equal(tensor, found[1][name]) for name, tensor in found[0].items())


# Units.


def fitted(framework: str, folder: Path, **changes: object) -> Network:
    model = tiny(framework, PROBLEMS["binary"], **({"hidden": (12, 8), "dropout": 0.0} | changes))
    fit(model, folder, epochs=6)
    (folder / "last.safetensors").unlink()
    return model


@pytest.mark.parametrize("members", [None, 3])
def test_units_that_do_nothing_go_first_and_answers_stay(framework: str, members: int | None, tmp_path: Path) -> None:
    whole = fitted(framework, tmp_path, members=members)
    tensors = whole.tensors()
    for name, tensor in tensors.items():  # half of the units of each hidden layer are silenced
        layer, _, role = name.partition(".")
        if layer != "output":
            silent = slice(None, None, 2)
            tensor[(silent, slice(None)) if role == "weight" else (Ellipsis, silent)] = 0
    whole.set_tensors(tensors)
    smaller = tiny(framework, PROBLEMS["binary"], hidden=(12, 8), dropout=0.0, members=members)
    begin = narrow.of(smaller, origin.Origin(tensors), 0.5)
    assert smaller.settings.hidden == (6, 4) and smaller.cut_from == (12, 8)
    smaller.set_tensors(smaller.tensors() | begin.tensors)
    x = rows("binary", 50, 3).x
    assert np.allclose(smaller.scores(x), whole.scores(x), atol=1e-6)


def test_a_cut_network_is_stored_and_loaded_by_the_settings_of_the_whole_one(framework: str, tmp_path: Path) -> None:
    whole = fitted(framework, tmp_path)
    smaller = tiny(framework, PROBLEMS["binary"], hidden=(12, 8), dropout=0.0)
    begin = narrow.of(smaller, origin.Origin(whole.tensors()), 0.5)
    given = Given(rows("binary"), settings(), begin.tensors)
    training.run(smaller, given, rows("binary", 100, 1), tmp_path / "last.safetensors")
    smaller.save(tmp_path / "weights")
    loaded = tiny(framework, PROBLEMS["binary"], hidden=(12, 8), dropout=0.0)
    loaded.load(tmp_path / "weights")
    x = rows("binary", 40, 3).x
    assert np.array_equal(loaded.scores(x), smaller.scores(x))
    stored = {layer.name: layer for layer in weights.index(tmp_path / "weights").layers}
    assert stored["sigmoid"].settings == {"cut_from": [12, 8], "hidden": [6, 4]}
    assert {"weights of the graph": sum(np.prod(each.dims) for each in loaded.onnx(18).graph.initializer)} == {
        "weights of the graph": pytest.approx(5 * 6 + 6 + 6 * 4 + 4 + 4 + 1, abs=4)
    }


def test_a_cut_network_of_other_settings_is_refused(framework: str, tmp_path: Path) -> None:
    smaller = tiny(framework, PROBLEMS["binary"], hidden=(12, 8))
    narrow.cut(smaller, 0.5)
    smaller.save(tmp_path / "weights")
    with pytest.raises(Exception, match="another network"):
        tiny(framework, PROBLEMS["binary"], hidden=(12, 10)).load(tmp_path / "weights")


def test_a_unit_stays_in_each_layer(framework: str) -> None:
    model = tiny(framework, PROBLEMS["binary"], hidden=(3, 1))
    narrow.cut(model, 0.99)
    assert model.settings.hidden == (1, 1)


def test_units_that_come_from_nowhere_are_not_chosen_from(framework: str, tmp_path: Path) -> None:
    model = tiny(framework, PROBLEMS["binary"])
    tensors = {name: t for name, t in model.tensors().items() if not name.startswith("output.")}
    with pytest.raises(TrainingError, match=r"output\.\w+ does not come from train.init_from.*stemma show abc"):
        narrow.of(model, origin.Origin(tensors, {"revision": "abc"}), 0.5)


# Rows and targets.


def taught(task: str, predictions: np.ndarray, **changes: object) -> Given:
    return Given(rows(task), settings(**changes), taught=predictions)


def test_a_network_learns_from_its_teacher_alone(framework: str, tmp_path: Path) -> None:
    """All of the truth is wrong, and the teacher right."""
    right = rows("binary")
    wrong = Rows(right.x, 1 - right.y)
    says = np.stack([1 - right.y, right.y], axis=1).astype(np.float32) * 0.9 + 0.05
    model = tiny(framework, PROBLEMS["binary"], dropout=0.0)
    given = Given(wrong, settings(epochs=15, distil_weight=1.0), taught=says)
    training.run(model, given, rows("binary", 100, 1), tmp_path / "last.safetensors")
    other = rows("binary", 100, 2)
    assert (model.predict(other.x).argmax(axis=1) == other.y).mean() > 0.9


@pytest.mark.parametrize("task", PROBLEMS)
def test_a_teacher_that_says_the_truth_changes_nothing_at_temperature_1(
    framework: str, task: str, tmp_path: Path
) -> None:
    problem, given = PROBLEMS[task], rows(task)
    says = given.y[:, None].astype(np.float32) if task == "regression" else np.eye(
        len(problem.task.classes), dtype=np.float32)[given.y.astype(int)]  # fmt: skip
    plain, learned = (linear(framework, problem) for _ in range(2))
    fit(plain, tmp_path, task)
    training.run(
        learned, taught(task, says, distil_temperature=1.0, distil_weight=0.7), rows(task, 100, 1),
        tmp_path / "last.safetensors",
    )  # fmt: skip
    for name, tensor in plain.tensors().items():
        assert np.allclose(tensor, learned.tensors()[name], atol=1e-4)


def test_a_teachers_word_is_softened_as_softmax_over_the_temperature_is() -> None:
    scores = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], np.float32)
    of_three = PROBLEMS["multiclass"].task
    soft = arrays.softened(of_three, of_three.predictions(scores), 2.0)
    assert np.allclose(soft, of_three.predictions(scores / 2), atol=1e-6)
    binary = PROBLEMS["binary"].task
    logits = np.array([[1.5], [-4.0]], np.float32)
    assert np.allclose(
        arrays.softened(binary, binary.predictions(logits), 4.0)[:, 0], 1 / (1 + np.exp(-logits[:, 0] / 4))
    )
    regression = PROBLEMS["regression"].task
    assert np.allclose(arrays.softened(regression, np.array([[140.0]], np.float32), 2.0), [[1.0]])


def test_smoothing_gives_all_classes_a_share() -> None:
    smoothed = {
        task: arrays.of(PROBLEMS[task], Given(Rows(np.zeros((2, 5), np.float32), y), settings(label_smoothing=0.1)))[1]
        for task, y in (("binary", np.array([0, 1], np.float32)), ("multiclass", np.array([0, 2])))
    }
    assert np.allclose(smoothed["binary"], [[0.05], [0.95]])
    third = 0.1 / 3
    assert np.allclose(smoothed["multiclass"], [[0.9 + third, third, third], [third, third, 0.9 + third]])
    with pytest.raises(TrainingError, match=r"label_smoothing needs classes.*label_smoothing=0"):
        arrays.of(PROBLEMS["regression"], Given(rows("regression"), settings(label_smoothing=0.1)))


def changed(problem: Problem, **changes: object) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The rows as they are, in another order, and as they are changed."""
    draw = np.random.default_rng(3)
    x = draw.normal(size=(4000, 5)).astype(np.float32)
    x[:, 2:4] = draw.integers(0, 2, (4000, 2))
    x[:, 4] = draw.integers(0, 3, 4000)
    given = Given(Rows(x, (x[:, 0] > 0).astype(np.float32)), settings(**changes))
    whole, order = arrays.of(problem, given), draw.permutation(4000)
    assert arrays.are_changed(given.settings)
    return tuple(part[order] for part in whole), arrays.changed(problem, whole, order, given.settings, draw)


def test_rows_are_left_alone_by_default() -> None:
    given = Given(rows("binary"), settings())
    whole = arrays.of(PROBLEMS["binary"], given)
    assert [part.shape for part in whole] == [(300, 5), (300, 1)]
    assert not arrays.are_changed(given.settings)


def test_noise_of_the_asked_deviation_comes_to_numeric_inputs_alone() -> None:
    before, after = changed(CODED, input_noise=0.3)
    moved = after[0] - before[0]
    assert moved[:, :2].std() == pytest.approx(0.3, rel=0.05) and abs(moved[:, :2].mean()) < 0.02
    assert not moved[:, 2:].any() and np.array_equal(before[1], after[1])


def test_a_dropped_column_has_the_values_of_another_row_in_all_its_numbers() -> None:
    before, after = changed(CODED, column_dropout=0.25)
    moved = before[0] != after[0]
    assert moved[:, 0].mean() == pytest.approx(0.25, abs=0.03)
    assert np.array_equal(moved[:, 0], moved[:, 1])  # numbers of one column go together
    kept = {tuple(row) for row in before[0][:, :3].tolist()}
    assert all(tuple(row) in kept for row in after[0][:, :3].tolist())
    assert set(np.unique(after[0][:, 4])) == {0, 1, 2}


def test_mixed_rows_lie_between_two_and_their_targets_alike() -> None:
    before, after = changed(CODED, mixup=0.5)
    assert np.array_equal(before[0][:, 4], after[0][:, 4])  # a code has no middle
    share = after[1][:, 0]
    assert ((share > 0) & (share < 1)).mean() > 0.2 and np.array_equal(share > 0.5, before[1][:, 0] > 0.5)
    assert after[0].dtype == after[1].dtype == np.float32
    assert np.allclose(after[0].mean(axis=0), before[0].mean(axis=0), atol=0.05)
    assert after[0][:, 0].std() < before[0][:, 0].std()


def test_the_rate_rises_to_where_the_schedule_is(framework: str, tmp_path: Path) -> None:
    done = fit(linear(framework, PROBLEMS["binary"]), tmp_path, epochs=5, warm_up=3, learning_rate=0.4)
    assert [epoch.rate for epoch in done.epochs] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


@pytest.mark.parametrize(
    ("train", "model", "told"),
    [
        ({"teacher": "abc", "loss": "own"}, {}, ["train.teacher: it shares a row among classes"]),
        ({"mixup": 0.1, "label_smoothing": 0.1, "loss": "own"}, {}, ["train.label_smoothing", "train.mixup"]),
        ({"prune_structured": 0.5}, {"hidden": [8]}, ["train.prune_structured: units are chosen in a fitted network"]),
        ({"prune_structured": 0.5, "init_from": "abc"}, {"name": "flat"}, ["flat has no hidden layers"]),
        ({"prune_structured": 0.5, "init_from": "abc"}, {"hidden": [8]}, []),
        ({"loss": "own", "mixup": 0.0, "teacher": None, "freeze": []}, {}, []),
    ],
)
def test_settings_that_cannot_be_together_are_refused_by_name(
    train: dict[str, Any], model: dict[str, Any], told: list[str]
) -> None:
    faults = objective.faults({"train": train, "model": model}, {})
    assert len(faults) == len(told) and all(a in b for a, b in zip(told, sorted(faults), strict=True))
