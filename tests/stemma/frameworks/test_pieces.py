"""A batch that is cut into pieces: the fit is that of the whole batch, or it is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from fits import CASES, PROBLEMS, assert_alike, fit, judged, linear, tabular, tiny
from stemma.errors import TrainingError
from stemma.frameworks.torch.network import TorchNetwork
from stemma.training import objective
from stemma.training.own import Parts

torch = pytest.importorskip("torch")


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
    ],
)
def test_settings_that_cannot_be_together_are_refused_before_anything_runs(
    train: dict[str, object], framework: str, line: str
) -> None:
    (fault,) = objective.faults({"train": train, "model": {"framework": framework}}, {})
    assert re.match(line, fault)
    assert objective.faults({"train": {"workers": 1, "shard": False, "accumulate": 1}, "model": {}}, {}) == []
