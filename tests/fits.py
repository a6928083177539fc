"""Small networks and rows to fit them to, the same for both frameworks."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stemma.runners.settings import RunnerSettings
from stemma.task import of
from stemma.training import fit as training
from stemma.training import networks
from stemma.training.base import Epoch, Fit, Given, Network, Problem, Rows
from stemma.training.own import PLAIN, Parts
from stemma.training.settings import TrainSettings
from tiny import FRAMEWORKS, NETWORKS, TinySettings

EACH = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in FRAMEWORKS]

BASE = {
    "epochs": 4,
    "batch_size": 32,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "schedule": "constant",
    "weight_decay": 0.0,
    "clip_norm": None,
    "class_weight": "none",
    "patience": None,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
    "workers": 1,
    "shard": False,
    "accumulate": 1,
    "seed": 0,
    "init_from": None,
    "freeze": (),
    "stepper": "auto",
    "resume": False,
    "trackers": (),
    "loss": None,
    "prune": None,
    "prune_by": "network",
    "prune_structured": None,
    "teacher": None,
    "distil_temperature": 2.0,
    "distil_weight": 0.5,
    "quantisation_aware": False,
    "l1": 0.0,
    "l2": 0.0,
    "label_smoothing": 0.0,
    "mixup": 0.0,
    "input_noise": 0.0,
    "column_dropout": 0.0,
    "averaging": None,
    "warm_up": 0,
}


def settings(**changes: object) -> TrainSettings:
    return TrainSettings.model_validate(BASE | changes)


def tiny(framework: str, problem: Problem, **changes: object) -> Network:
    values = {"name": f"tiny_{framework}", "framework": framework} | changes
    return networks.create(NETWORKS, TinySettings.model_validate(values), problem)


def linear(framework: str, problem: Problem) -> Network:
    return tiny(framework, problem, hidden=())


def tabular(framework: str, problem: Problem, **changes: object) -> Network:
    """On embedded numbers, with members."""
    return tiny(framework, problem, **({"members": 4, "bins": 8} | changes))


def rows(task: str, count: int = 300, seed: int = 0) -> Rows:
    """Rows whose first input decides."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 5)).astype(np.float32)
    if task == "regression":
        return Rows(x, (100 + 20 * x[:, 0]).astype(np.float32))
    if task == "multiclass":
        return Rows(x, np.digitize(x[:, 0], [-0.5, 0.5]).astype(np.int64))
    return Rows(x, (x[:, 0] > 0).astype(np.float32))


PROBLEMS = {
    "binary": Problem(of("binary", ("no", "yes")), 5),
    "multiclass": Problem(of("multiclass", ("a", "b", "c")), 5),
    "regression": Problem(of("regression", mean=100.0, deviation=20.0), 5),
}


def fit(
    network: Network,
    folder: Path,
    task: str = "binary",
    watch: Callable[[Epoch], None] = lambda epoch: None,
    parts: Parts = PLAIN,
    **changes: object,
) -> Fit:
    checkpoint = folder / "last.safetensors"
    given = Given(rows(task), settings(**changes), parts=parts)
    return training.run(network, given, rows(task, 100, 1), checkpoint, watch)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder: two of a store may have one name."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# Each holds several settings whose gradients a share of a batch could count wrongly; 300 rows: the last batch has 44.
CASES = {
    "plain": ("binary", {"batch_size": 64}),
    "costs": ("binary", {"batch_size": 64, "l1": 1e-3, "l2": 1e-2, "clip_norm": 0.05, "class_weight": "balanced"}),
    "soft": ("multiclass", {"batch_size": 64, "mixup": 0.3, "label_smoothing": 0.1, "input_noise": 0.1,
                            "column_dropout": 0.1, "teacher": "v1"}),
    "shrunk": ("multiclass", {"batch_size": 64, "prune": 0.5, "quantisation_aware": True, "averaging": 0.9}),
    "decayed": ("regression", {"batch_size": 64, "optimizer": "sgd", "weight_decay": 0.1,
                               "freeze": ("hidden_1.bias",)}),
    "lonely": ("regression", {"batch_size": 299}),  # the last batch has one row, fewer than pieces
}  # fmt: skip


def judged(
    network: Network,
    folder: Path,
    task: str,
    parts: Parts = PLAIN,
    watch: Callable[[Epoch], None] = lambda epoch: None,
    runner: RunnerSettings | None = None,
    **changes: Any,
) -> Fit:
    """A fit with a teacher who says the same of every row, where settings name one."""
    classes = len(network.problem.task.classes)
    taught = np.full((300, classes), 1 / classes, np.float32) if "teacher" in changes else None
    given = Given(rows(task), settings(**({"epochs": 3} | changes)), parts=parts, taught=taught, runner=runner)
    return training.run(network, given, rows(task, 100, 1), folder / "last.safetensors", watch)


def assert_alike(found: tuple[Fit, Network], expected: tuple[Fit, Network]) -> None:
    for one, other in zip(found[0].epochs, expected[0].epochs, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-4)
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-4)
    for name, tensor in expected[1].tensors().items():
        assert np.allclose(found[1].tensors()[name], tensor, rtol=1e-3, atol=1e-4), name


def plain(groups: Any, settings: TrainSettings) -> Any:
    """An optimizer of PyTorch without a state."""
    import torch

    return torch.optim.SGD(groups, settings.learning_rate)


def fatal(groups: Any, settings: TrainSettings) -> Any:
    """An optimizer that ends its process when it is made."""
    os._exit(3)


@dataclass(frozen=True)
class Deadly:
    """A loss that kills its process in the middle of the third epoch, until so many have died."""

    folder: Path
    deaths: int

    def __call__(self, scores: Any, targets: Any) -> Any:
        died, steps = len(list(self.folder.glob("died*"))), self.folder / f"steps_{os.getpid()}"
        with steps.open("a") as file:
            file.write(".")
        if died < self.deaths and steps.stat().st_size == (25 if died == 0 else 3):
            (self.folder / f"died_{died}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return ((scores - targets) ** 2)[:, 0]
