"""A loss, an optimizer and a schedule of one's own, in both frameworks."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fits import EACH, PROBLEMS, fit, linear, rows, settings
from stemma.entries import Entry
from stemma.errors import EntryError
from stemma.training import own
from stemma.training.base import Draw, Given
from stemma.training.own import Lines, Parts
from stemma.training.settings import TrainSettings


@pytest.fixture(params=EACH)
def framework(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.mark.parametrize("weighted", ["none", "balanced"])
def test_a_loss_of_ones_own_is_what_is_fitted(framework: str, weighted: str, tmp_path: Path) -> None:
    def away(scores: Any, targets: Any) -> Any:
        """Least where every score is 3."""
        return ((scores - 3.0) ** 2)[:, 0]

    network = linear(framework, PROBLEMS["binary"])
    parts = Parts(loss=away)
    done = fit(network, tmp_path, parts=parts, class_weight=weighted, epochs=40, learning_rate=0.1)
    assert done.epochs[-1].train_loss < 0.05 and done.epochs[-1].validation_loss > 0.5
    assert np.abs(network.scores(np.zeros((1, 5), np.float32)) - 3).max() < 0.3


@pytest.mark.parametrize(
    ("loss", "line"),
    [
        (lambda scores, targets: scores.nothing, "the loss that train.loss names fails \\(AttributeError: .*nothing.*"),
        (lambda scores, targets: scores - targets, "the loss .* gives \\(.*, 1\\), not \\(.*,\\), a value for .*"),
        (lambda scores, targets: 0.5, "the loss that train.loss names fails \\(AttributeError: .*shape.*"),
    ],
)
def test_a_loss_that_fails_or_gives_something_else_is_one_line(
    framework: str, loss: Any, line: str, tmp_path: Path
) -> None:
    with pytest.raises(EntryError, match=f"^{line}$"):
        fit(linear(framework, PROBLEMS["binary"]), tmp_path, parts=Parts(loss=loss))


def test_an_optimizer_of_ones_own_takes_the_steps_and_its_state_is_kept(framework: str, tmp_path: Path) -> None:
    parts = Parts(optimizer=torch_nadam if framework == "torch" else keras_nadam)
    network, plain = linear(framework, PROBLEMS["binary"]), linear(framework, PROBLEMS["binary"])
    fit(network, tmp_path, parts=parts)
    fit(plain, tmp_path)
    assert any((tensor != plain.tensors()[name]).any() for name, tensor in network.tensors().items())
    session = network.session(Given(rows("binary"), settings(), parts=parts))
    session.run_epoch(Draw(np.arange(300), 0.01, 0))
    state = session.state()
    session.restore({name: np.zeros_like(tensor) if tensor.ndim else tensor for name, tensor in state.items()})
    session.restore(state)
    assert all((session.state()[name] == tensor).all() for name, tensor in state.items())


def torch_nadam(groups: Any, settings: TrainSettings) -> Any:
    import torch

    return torch.optim.NAdam(groups, lr=settings.learning_rate)


def keras_nadam(settings: TrainSettings) -> Any:
    import keras

    return keras.optimizers.Nadam(settings.learning_rate)


def test_a_schedule_of_ones_own_sets_the_rate_of_each_epoch(framework: str, tmp_path: Path) -> None:
    parts = Parts(schedule=lambda share: 1 - share)
    done = fit(linear(framework, PROBLEMS["binary"]), tmp_path, parts=parts, learning_rate=0.1)
    assert [epoch.rate for epoch in done.epochs] == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_what_settings_name_is_loaded_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("own_parts")
    module.half = lambda done: 0.5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_parts", module)
    lines = Lines(loss={"lost": Entry("no_such_module:lost")}, schedule={"half": Entry("own_parts:half")})
    found = own.chosen(settings(schedule="half"), lines)
    assert found == Parts(schedule=module.half)
    assert own.chosen(settings(), lines) == Parts()
    with pytest.raises(EntryError, match="no_such_module:lost cannot be loaded"):
        own.chosen(settings(loss="lost"), lines)


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
