"""A fit by several workers is that of one, whatever happens to them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fits import CASES, PROBLEMS, Deadly, assert_alike, fatal, judged, plain, rows, settings, tabular, tiny
from processes import spawned
from stemma import runners
from stemma.errors import RunnerError, TrainingError
from stemma.runners import Runner
from stemma.runners.local import Local
from stemma.training.base import Draw, Epoch, Given, Network
from stemma.training.own import Parts

torch = pytest.importorskip("torch")

from stemma.frameworks.torch.parallel import ParallelSession  # noqa: E402 - it imports PyTorch

pytestmark = pytest.mark.usefixtures("forked")  # from a process that has imported PyTorch


class Interrupted(Exception):
    """Stands for a kill between two epochs."""


def stop(epoch: Epoch) -> None:
    if epoch.number == 2:
        raise Interrupted


def same(one: Network, other: Network) -> bool:
    return all(np.array_equal(tensor, other.tensors()[name]) for name, tensor in one.tensors().items())


@pytest.mark.parametrize("case", ["costs", "shrunk", "lonely"])  # test_pieces has the others: the sum is the same
def test_workers_follow_the_curve_of_one(case: str, tmp_path: Path) -> None:
    task, changes = CASES[case]
    found = []
    for workers in (1, 2):
        model = tiny("torch", PROBLEMS[task], dropout=0.0)
        found.append((judged(model, tmp_path, task, workers=workers, accumulate=workers, **changes), model))
    assert_alike(found[1], found[0])


def test_a_gang_of_one_gives_the_bytes_of_a_fit_without_one(tmp_path: Path) -> None:
    states = []
    for kind in ("plain", "gang"):
        network, given = tabular("torch", PROBLEMS["binary"]), Given(rows("binary"), settings())
        session = network.session(given) if kind == "plain" else ParallelSession(network, given)
        for epoch in range(2):
            session.run_epoch(Draw(np.random.default_rng(epoch).permutation(300), 0.01, epoch))
        states.append(session.state())
        session.close()
    assert states[0].keys() == states[1].keys()
    assert all(np.array_equal(tensor, states[1][name]) for name, tensor in states[0].items())


def killed(folder: Path, deaths: int, optimizer: Callable[..., Any] | None = None) -> Network:
    folder.mkdir()
    network = tiny("torch", PROBLEMS["regression"])
    judged(network, folder, "regression", Parts(Deadly(folder, deaths), optimizer), workers=2, epochs=4, batch_size=32)
    return network


@pytest.mark.parametrize("optimizer", [None, plain])
def test_a_worker_that_is_killed_costs_its_epoch_and_no_byte(
    optimizer: Callable[..., Any] | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert same(killed(tmp_path / "killed", 1, optimizer), killed(tmp_path / "whole", 0, optimizer))
    assert "its process was killed by signal 9; all workers are started again" in capsys.readouterr().err
    assert spawned(os.getpid()) == []


def test_a_worker_that_is_killed_again_and_again_ends_the_fit_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"^worker \d of 2: .* signal 9, 3 times in one epoch: run .*resume=true"):
        killed(tmp_path / "killed", 9)


class Watched(Local):
    """Tells whether it is open; asked how many cores it has, it may fail."""

    def __init__(self, failure: BaseException | None) -> None:
        super().__init__()
        self.failure, self.open = failure, False

    def __enter__(self) -> Runner:
        self.open = True
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        self.open = False

    def cores(self) -> int:
        if self.failure is not None:
            raise self.failure
        return super().cores()


@pytest.mark.parametrize(
    ("failure", "told"), [(None, "3 times"), (RunnerError("it is gone"), "it is gone"), (KeyboardInterrupt(), "^$")]
)
def test_a_session_that_does_not_begin_leaves_nothing_open(
    failure: BaseException | None, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = Watched(failure)
    monkeypatch.setattr(runners, "chosen", lambda _: runner)
    given = Given(rows("binary"), settings(workers=2), parts=Parts(optimizer=fatal))
    with pytest.raises(BaseException, match=told) as caught:
        tiny("torch", PROBLEMS["binary"]).session(given)
    assert not runner.open and type(caught.value) is (TrainingError if failure is None else type(failure))
    assert capsys.readouterr().err.count("all workers are started again") == (2 if failure is None else 0)


@pytest.mark.parametrize("changes", [{"averaging": 0.9, "prune": 0.3}, {"shard": True, "clip_norm": 0.5}])
def test_a_resumed_fit_ends_with_the_bytes_of_an_uninterrupted_one(changes: dict[str, Any], tmp_path: Path) -> None:
    models = [tiny("torch", PROBLEMS["multiclass"]) for _ in range(3)]
    changes = {"workers": 2, "epochs": 4} | changes
    expected = judged(models[0], tmp_path, "multiclass", **changes)
    with pytest.raises(Interrupted):
        judged(models[1], tmp_path, "multiclass", watch=stop, **changes)
    assert judged(models[2], tmp_path, "multiclass", resume=True, **changes) == expected
    assert same(models[2], models[0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_shared_parameters_are_fitted_as_whole_ones(optimizer: str, tmp_path: Path) -> None:
    found = []
    changes = {"optimizer": optimizer, "weight_decay": 0.1, "clip_norm": 0.1, "freeze": ("hidden_1.bias",)}
    for shared in ({}, {"workers": 2, "shard": True, "accumulate": 2}):
        model = tiny("torch", PROBLEMS["binary"], dropout=0.0)
        found.append((judged(model, tmp_path, "binary", batch_size=299, **changes, **shared), model))
    assert_alike(found[1], found[0])


def test_a_network_that_changes_values_in_their_place_is_shared_right_and_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from inplace import Inplace

    found = []
    for shared in ({}, {"workers": 2, "shard": True}):
        of = tiny("torch", PROBLEMS["binary"])
        model = Inplace(of.settings, of.problem)
        found.append((judged(model, tmp_path, "binary", **shared), model))
    assert_alike(found[1], found[0])
    assert capfd.readouterr() == ("", "")


def test_what_fails_in_a_worker_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"^worker \d of 2: the loss that train.loss names fails \(TypeError"):
        judged(tiny("torch", PROBLEMS["binary"]), tmp_path, "binary", Parts(loss=divmod), workers=2)
    with pytest.raises(RunnerError, match=r"train.freeze: 'no' matches no tensor"):
        judged(tiny("torch", PROBLEMS["binary"]), tmp_path, "binary", workers=2, freeze=("no",))
    with pytest.raises(Exception, match=r"^train.workers: .* cannot be sent to another process \("):
        judged(tiny("torch", PROBLEMS["binary"]), tmp_path, "binary", Parts(loss=lambda a, b: a), workers=2)


def test_a_loss_that_explodes_is_looked_into_as_with_one_worker(tmp_path: Path) -> None:
    told = []
    for workers in (1, 2):
        with pytest.raises(TrainingError) as caught:
            judged(tiny("torch", PROBLEMS["regression"]), tmp_path, "regression", workers=workers, learning_rate=1e9)
        told.append(str(caught.value).partition(": ")[2])
    assert "in epoch" in str(caught.value) and ("grew most" in told[1] or "finite" in told[1])


def test_more_workers_than_cores_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged(tiny("torch", PROBLEMS["binary"]), tmp_path, "binary", workers=2, threads=100, epochs=1)
    assert "note: train.workers: 200 threads share " in capsys.readouterr().err
