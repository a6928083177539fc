"""A loss, an optimizer and a schedule of one's own, in both frameworks."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from purchase_intent.networks import NETWORKS
from purchase_intent.networks.settings import LinearSettings
from stemma.entries import Entry
from stemma.errors import EntryError
from stemma.task import of
from stemma.training import networks, own
from stemma.training.base import Fit, Model, Problem, Rows
from stemma.training.own import Lines, Parts
from stemma.training.settings import TrainSettings
from worlds import PREFIXES

FRAMEWORKS = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in PREFIXES]
BASE = {
    "epochs": 4, "batch_size": 32, "loss": None, "optimizer": "adam", "learning_rate": 0.1, "schedule": "constant",
    "weight_decay": 0.0, "clip_norm": None, "class_weight": "none", "patience": None, "device": "cpu",
    "precision": "float32", "threads": 1, "seed": 0, "init_from": None, "freeze": (), "resume": False,
}  # fmt: skip


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


def fitted(framework: str, folder: Path, parts: Parts, **changes: Any) -> tuple[Model, Fit]:
    x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    rows = Rows(x, (x[:, 0] > 0).astype(np.float32))
    model = networks.create(
        NETWORKS, LinearSettings(name=f"{PREFIXES[framework]}_linear", framework=framework),
        Problem(of("binary", ("no", "yes")), 3),
    )  # fmt: skip
    model.parts = parts
    settings = TrainSettings.model_validate(BASE | changes)
    return model, model.fit(rows, rows, settings, folder / "last.safetensors")


@pytest.mark.parametrize("weighted", ["none", "balanced"])
def test_a_loss_of_ones_own_is_what_is_fitted(framework: str, weighted: str, tmp_path: Path) -> None:
    def away(scores: Any, targets: Any) -> Any:
        """Least where every score is 3."""
        return ((scores - 3.0) ** 2)[:, 0]

    model, fit = fitted(framework, tmp_path, Parts(loss=away), class_weight=weighted, epochs=40)
    assert fit.epochs[-1].train_loss < 0.05 and fit.epochs[-1].validation_loss > 0.5
    assert np.abs(model.scores(np.zeros((1, 3), np.float32)) - 3).max() < 0.3


def test_an_optimizer_of_ones_own_takes_the_steps_and_its_state_is_kept(framework: str, tmp_path: Path) -> None:
    parts = Parts(optimizer=torch_nadam if framework == "torch" else keras_nadam)
    whole, _ = fitted(framework, tmp_path / "a", parts)
    plain, _ = fitted(framework, tmp_path / "b", Parts())
    assert any((tensor != plain.network_weights()[name]).any() for name, tensor in whole.network_weights().items())
    state = whole.state()
    whole.restore({name: np.zeros_like(tensor) if tensor.ndim else tensor for name, tensor in state.items()})
    whole.restore(state)
    assert all((whole.state()[name] == tensor).all() for name, tensor in state.items())


def torch_nadam(groups: Any, settings: TrainSettings) -> Any:
    import torch

    return torch.optim.NAdam(groups, lr=settings.learning_rate)


def keras_nadam(settings: TrainSettings) -> Any:
    import keras

    return keras.optimizers.Nadam(settings.learning_rate)


def test_a_schedule_of_ones_own_sets_the_rate_of_each_epoch(framework: str, tmp_path: Path) -> None:
    _, fit = fitted(framework, tmp_path, Parts(schedule=lambda done: 1 - done))
    assert [epoch.rate for epoch in fit.epochs] == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_what_settings_name_is_loaded_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("own_parts")
    module.half = lambda done: 0.5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_parts", module)
    lines = Lines(loss={"lost": Entry("no_such_module:lost")}, schedule={"half": Entry("own_parts:half")})
    found = own.chosen(TrainSettings.model_validate(BASE | {"schedule": "half"}), lines)
    assert found == Parts(schedule=module.half)
    assert own.chosen(TrainSettings.model_validate(BASE), lines) == Parts()
    with pytest.raises(EntryError, match="no_such_module:lost cannot be loaded"):
        own.chosen(TrainSettings.model_validate(BASE | {"loss": "lost"}), lines)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"loss": "focl"}, "train.loss: 'focl' is none of focal (did you mean focal?)"),
        ({"optimizer": "adm"}, "train.optimizer: 'adm' is none of adam, sgd (did you mean adam?)"),
        ({"schedule": "linear"}, "train.schedule: 'linear' is none of constant, cosine, step"),
        ({"loss": "focal", "optimizer": "sgd", "schedule": None}, None),
    ],
)
def test_a_name_that_no_table_has_is_told_with_the_nearest(section: dict[str, Any], told: str | None) -> None:
    lines = Lines(loss={"focal": Entry("a:focal")})
    assert own.faults(lines, {"train": section}, {}) == ([] if told is None else [told])


def test_a_name_of_the_toolkit_is_not_taken_over() -> None:
    lines = Lines(optimizer={"adam": Entry("a:adam")})
    (told,) = own.faults(lines, {"train": {"optimizer": "adam"}}, {})
    assert told == "train.optimizer: optimizers: the toolkit has a 'adam', so a:adam needs another name"
