"""Recorded steps of PyTorch: the bytes of ordinary ones, or none."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fits import PROBLEMS, fit, linear, rows, settings, tabular, tiny
from stemma.errors import TrainingError
from stemma.training.base import Draw, Given, Network
from stemma.training.own import PLAIN, Parts

torch = pytest.importorskip("torch")
recorded = pytest.importorskip("stemma.frameworks.torch.recorded")
MAKERS: dict[str, Callable[..., Network]] = {"tiny": tiny, "linear": linear, "tabular": tabular}


def state(
    network: Network, problem: str, stepper: str, epochs: int = 2, parts: Parts = PLAIN, **changes: object
) -> dict[str, bytes]:
    """Of network and optimizer after some epochs, and the losses of these."""
    session = network.session(Given(rows(problem), settings(stepper=stepper, **changes), parts=parts))
    draw = np.random.default_rng(0)
    losses = [session.run_epoch(Draw(draw.permutation(300), 0.01, number)) for number in range(epochs)]
    return {name: tensor.tobytes() for name, tensor in session.state().items()} | {"losses": repr(losses).encode()}


@pytest.mark.parametrize("weighted", ["none", "balanced"])
def test_a_loss_of_the_projects_own_is_recorded(weighted: str) -> None:
    def focal(scores: Any, targets: Any) -> Any:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        return (loss * (1 - torch.exp(-loss)) ** 2)[:, 0]

    own: dict[str, Any] = {"parts": Parts(loss=focal), "class_weight": weighted}
    states = [state(tiny("torch", PROBLEMS["binary"]), "binary", way, **own) for way in ("recorded", "ordinary")]
    assert states[0] == states[1]


def test_the_installed_release_of_pytorch_was_tried() -> None:
    """Until it is, every fit takes ordinary steps."""
    release = ".".join(torch.__version__.split(".")[:2])
    assert release in recorded.TRIED, (
        f"recorded steps were not tried with PyTorch {release}: add it to TRIED in "
        "stemma/frameworks/torch/recorded.py, and keep it there if the other tests of this file pass"
    )


@pytest.mark.parametrize(
    ("task", "kind", "network", "changes"),
    [
        ("binary", "tiny", {}, {}),
        ("binary", "tiny", {"activation": "gelu"}, {"class_weight": "balanced"}),
        ("binary", "tiny", {}, {"freeze": ("hidden_1.*",), "weight_decay": 0.1}),
        ("binary", "tiny", {}, {"freeze": ("*.bias",), "weight_decay": 0.1}),
        ("binary", "tiny", {}, {"freeze": ("*.weight",), "weight_decay": 0.1}),
        ("multiclass", "tiny", {"activation": "tanh"}, {"class_weight": "balanced", "schedule": "cosine"}),
        ("multiclass", "tiny", {"dropout": 0.0, "hidden": (16, 8)}, {"clip_norm": 0.1}),
        ("regression", "tiny", {}, {"optimizer": "sgd", "weight_decay": 0.1, "clip_norm": 0.5}),
        ("binary", "linear", {}, {"optimizer": "sgd"}),
        ("regression", "tabular", {}, {"weight_decay": 0.1}),  # a gradient lies in memory as its parameter does not
        ("multiclass", "tabular", {}, {"batch_size": 300}),
        ("multiclass", "tabular", {}, {}),
    ],
)
def test_a_recorded_step_gives_the_bytes_of_an_ordinary_one(
    task: str, kind: str, network: dict[str, Any], changes: dict[str, object], tmp_path: Path
) -> None:
    ordinary, quick = (MAKERS[kind]("torch", PROBLEMS[task], **network) for _ in range(2))
    expected = fit(ordinary, tmp_path, task, epochs=2, stepper="ordinary", **changes)
    assert fit(quick, tmp_path, task, epochs=2, stepper="recorded", **changes) == expected
    assert {n: t.tobytes() for n, t in quick.tensors().items()} == {
        n: t.tobytes() for n, t in ordinary.tensors().items()
    }


@pytest.mark.parametrize("kind", ["tiny", "tabular"])
@pytest.mark.parametrize("worth", [0.0, float("inf")])
def test_whatever_the_clock_says_the_bytes_are_the_same(
    kind: str, worth: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "WORTH", worth)
    problem = PROBLEMS["binary"]
    states = [state(MAKERS[kind]("torch", problem), "binary", stepper) for stepper in ("auto", "ordinary", "recorded")]
    assert states[0] == states[1] == states[2]


@pytest.mark.parametrize("stepper", ["ordinary", "recorded"])
@pytest.mark.parametrize("block", [1, 70, 200])
def test_rows_may_be_gathered_in_blocks_of_any_size(block: int, stepper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch alone, two, or all but the last."""
    problem = PROBLEMS["binary"]
    whole = state(tiny("torch", problem), "binary", stepper)
    monkeypatch.setattr("stemma.frameworks.torch.session.BLOCK", block)
    assert state(tiny("torch", problem), "binary", stepper) == whole


@pytest.mark.parametrize(("sure", "expected"), [(1_000_000, recorded.Recorded), (10, recorded.Ordinary)])
def test_steps_are_recorded_where_the_time_of_those_that_are_sure_is_worth_it(sure: int, expected: type) -> None:
    """Sure are those of the epochs that patience allows, not of the most there may be."""
    session = tiny("torch", PROBLEMS["binary"]).session(
        Given(rows("binary"), settings(epochs=1_000_000, patience=sure))
    )
    session.run_epoch(Draw(np.arange(300), 0.01, 0))
    assert type(session.stepper.stepper) is expected


def test_a_fit_that_goes_on_from_a_checkpoint_may_take_the_other_steps(tmp_path: Path) -> None:
    whole, cut = (tiny("torch", PROBLEMS["binary"]) for _ in range(2))
    expected = fit(whole, tmp_path, epochs=4, stepper="ordinary")

    class Interrupted(Exception): ...

    def stop(epoch: Any) -> None:
        if epoch.number == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(cut, tmp_path, epochs=4, stepper="recorded", watch=stop)
    assert fit(cut, tmp_path, epochs=4, stepper="ordinary", resume=True) == expected
    assert {n: t.tobytes() for n, t in cut.tensors().items()} == {n: t.tobytes() for n, t in whole.tensors().items()}


class Odd(torch.nn.Module):  # type: ignore[misc]
    """A layer whose step cannot be recorded."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros(()), persistent=False)
        self.fault, self.number = fault, 0.0

    def forward(self, x: Any) -> Any:
        if self.fault == "decides by values":
            return x * 2 if x.sum() > 0 else x
        if self.fault == "counts its steps":
            self.steps += 1
            return x + self.steps
        self.number += 0.25
        return x * self.number


@pytest.mark.parametrize("fault", ["decides by values", "counts its steps", "draws in Python"])
def test_a_step_that_cannot_be_recorded_exactly_is_ordinary_as_if_it_had_not_been_tried(
    fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorded, "WORTH", 0.0)

    def make() -> Network:
        network = tiny("torch", PROBLEMS["binary"])
        build = network.build
        monkeypatch.setattr(network, "build", lambda: torch.nn.Sequential(Odd(fault), *build()))
        return network

    with caplog.at_level(logging.INFO):
        assert state(make(), "binary", "auto") == state(make(), "binary", "ordinary")
    assert "the step is not recorded" in caplog.text
    with pytest.raises(TrainingError, match=r"train.stepper: the step is not recorded: .*"):
        state(make(), "binary", "recorded")


@pytest.mark.parametrize("options", [{}, {"fused": True, "amsgrad": True}, {"fused": True, "maximize": True}])
def test_an_optimizer_of_the_projects_own_takes_its_own_steps(options: dict[str, bool]) -> None:
    def adam(groups: Any, settings: Any) -> Any:
        return torch.optim.AdamW(groups, lr=settings.learning_rate, **options)

    parts = Parts(optimizer=adam)
    states = [state(tiny("torch", PROBLEMS["binary"]), "binary", way, parts=parts) for way in ("recorded", "ordinary")]
    assert states[0] == states[1]


def test_with_an_untried_pytorch_steps_are_ordinary_and_recorded_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "TRIED", ("1.0",))
    problem = PROBLEMS["binary"]
    session = tiny("torch", problem).session(Given(rows("binary"), settings()))
    assert type(session.stepper) is recorded.Ordinary
    with pytest.raises(TrainingError, match="was not tried") as error:
        tiny("torch", problem).session(Given(rows("binary"), settings(stepper="recorded")))
    assert error.value.run == "dvc exp run -S train.stepper=auto"
