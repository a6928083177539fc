"""Small networks and rows to fit them to, the same for both frameworks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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
