"""A batch that is cut into pieces: the fit is that of the whole batch, or it is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from fits import CASES, PROBLEMS, assert_alike, fit, judged, linear, rows, settings, tabular, tiny
from stemma.errors import TrainingError
from stemma.frameworks.torch.network import TorchNetwork
from stemma.training import fit as training
from stemma.training import objective
from stemma.training.own import Parts

torch = pytest.importorskip("torch")

from stemma.frameworks.torch import session  # noqa: E402 - it imports PyTorch


@pytest.mark.parametrize("case", CASES)
def test_a_batch_in_pieces_is_the_fit_of_the_whole_batch(case: str, tmp_path: Path) -> None:
    task, changes = CASES[case]
    found = []
    for pieces in (1, 3):
        model = tiny("torch", PROBLEMS[task], dropout=0.0)
        found.append((judged(model, tmp_path, task, accumulate=pieces, **changes), model))
    assert_alike(found[1], found[0])


def test_members_with_a_loss_each_and_a_loss_of_ones_own_are_cut_alike(tmp_path: Path) -> None:
    found = []
    for pieces in (1, 4):
        model = tabular("torch", PROBLEMS["regression"], dropout=0.0)
        parts = Parts(loss=lambda scores, targets: (scores - targets).abs()[:, 0])
        found.append((judged(model, tmp_path, "regression", parts, accumulate=pieces), model))
    assert_alike(found[1], found[0])


class Whole(TorchNetwork):
    """One layer on rows less the mean of their batch, by no layer of PyTorch's."""

    def build(self) -> Any:
        return Centred(torch.nn.Linear(self.problem.inputs, self.problem.outputs))


class Centred(torch.nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x - x.mean(0) if self.training else x)


class Normed(TorchNetwork):
    def build(self) -> Any:
        inputs, outputs = self.problem.inputs, self.problem.outputs
        return torch.nn.Sequential(torch.nn.BatchNorm1d(inputs), torch.nn.Linear(inputs, outputs))


class Remembering(TorchNetwork):
    """Its scores are each row's own, but it keeps a mean of what it saw."""

    def build(self) -> Any:
        return Seen(torch.nn.Linear(self.problem.inputs, self.problem.outputs))


class Seen(torch.nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, x: Any) -> Any:
        if self.training:
            self.mean = 0.9 * self.mean + x.mean()
        return self.layer(x)


class Noisy(TorchNetwork):
    """It draws at random without a layer for it, each row by itself."""

    def build(self) -> Any:
        return Drawing(torch.nn.Linear(self.problem.inputs, self.problem.outputs))


class Drawing(torch.nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(torch.nn.functional.dropout(x, 0.5, self.training))


@pytest.mark.parametrize(
    ("kind", "named"), [(Normed, "BatchNorm1d"), (Whole, "a layer of its own"), (Remembering, "its")]
)
def test_a_network_that_computes_over_a_batch_is_refused_by_name(kind: Any, named: str, tmp_path: Path) -> None:
    network = linear("torch", PROBLEMS["binary"])
    own = kind(network.settings, network.problem)
    with pytest.raises(
        TrainingError, match=rf"the network tiny_torch computes over a whole one .*{named}.*accumulate=1"
    ):
        fit(own, tmp_path, accumulate=2)
    assert fit(kind(network.settings, network.problem), tmp_path).epochs


def test_a_network_that_draws_at_random_is_not_taken_for_one(tmp_path: Path) -> None:
    network = linear("torch", PROBLEMS["binary"])
    assert fit(Noisy(network.settings, network.problem), tmp_path, accumulate=2).epochs
    assert fit(tiny("torch", PROBLEMS["binary"], dropout=0.5), tmp_path, accumulate=2).epochs


@pytest.mark.parametrize(
    ("train", "framework", "line"),
    [
        ({"workers": 2}, "tensorflow", r"train.workers: it is PyTorch's: TensorFlow"),
        ({"accumulate": 2}, "tensorflow", r"train.accumulate: it is PyTorch's: TensorFlow"),
        ({"shard": True}, "tensorflow", r"train.shard: it is PyTorch's: TensorFlow"),
        ({"shard": True, "workers": 1}, "torch", r"train.shard: .* set train.workers"),
        ({"shard": True, "workers": 2, "prune": 0.5}, "torch", r"train.shard: train.prune computes with whole weights"),
        ({"workers": 2, "stepper": "recorded"}, "torch", r"train.stepper: a batch that train.workers cuts"),
        ({"workers": 2, "device": "mps"}, "torch", r"train.workers: those of mps cannot sum gradients: set train.dev"),
        (
            {"workers": 3, "accumulate": 3, "batch_size": 8},
            "torch",
            r"train.workers: a batch of 8 rows cannot be cut into 9 pieces: ask for fewer$",
        ),
        (
            {"workers": 1, "accumulate": 2, "batch_size": 1},
            "torch",
            r"train.accumulate: a batch of 1 row cannot be cut into 2 pieces: ask for fewer$",
        ),
    ],
)
def test_settings_that_cannot_be_together_are_refused_before_anything_runs(
    train: dict[str, object], framework: str, line: str
) -> None:
    (fault,) = objective.faults({"train": train, "model": {"framework": framework}}, {})
    assert re.match(line, fault)
    assert objective.faults({"train": {"workers": 1, "shard": False, "accumulate": 1}, "model": {}}, {}) == []
    assert objective.faults({"train": {"workers": "two", "accumulate": 9, "batch_size": 8}, "model": {}}, {}) == []


@pytest.mark.parametrize(("changes", "size"), [({"batch_size": None}, 32), ({"batch_size": 512}, 300)])
def test_batches_that_follow_from_the_rows_are_not_cut_into_more_pieces_than_rows(
    changes: dict[str, Any], size: int
) -> None:
    x = rows("binary").x
    assert training.settled(settings(accumulate=size, **changes), x).accumulate == size
    with pytest.raises(TrainingError, match=rf"train.accumulate: a batch of {size} rows .* {size + 1} pieces"):
        training.settled(settings(accumulate=size + 1, **changes), x)


def test_the_device_of_several_workers_is_one_that_sums_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(session, "_has_cuda", lambda: False)
    devices = [session.choose_device(settings(device="auto", workers=workers)).type for workers in (1, 2)]
    assert devices == ["mps", "cpu"]
