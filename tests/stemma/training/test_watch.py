"""What a person sees of a fit."""

import time
from pathlib import Path

import pytest
import yaml

from stemma.errors import TrainingError
from stemma.training.base import Epoch
from stemma.training.settings import TrainSettings
from stemma.training.watch import watched
from worlds import ROOT


def settings(**changes: object) -> TrainSettings:
    values = yaml.safe_load((ROOT / "conf/train/default.yaml").read_text(encoding="utf-8"))
    return TrainSettings.model_validate(values | changes, strict=False)


def test_every_epoch_is_a_point_of_the_curves_and_an_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    checkpoint = tmp_path / "last.safetensors"
    with pytest.raises(TrainingError) as error, watched(tmp_path / "c", settings(), "roc_auc", checkpoint) as watch:
        watch(Epoch(1, 0.1, 0.5, 0.6, 0.7))
        raise KeyboardInterrupt
    assert str(error.value) == (
        f"interrupted: models/weights is as it was before, and {checkpoint} holds the last finished epoch: "
        "run `dvc exp run -S train.resume=true`"
    )
    points = (tmp_path / "c/plots/metrics/validation/roc_auc.tsv").read_text(encoding="utf-8")
    assert points == "step\troc_auc\n0\t0.7\n"


def test_a_fit_to_resume_without_a_checkpoint_starts_anew_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with watched(tmp_path / "c", settings(resume=True), "r2", tmp_path / "last"):
        pass
    told = f"note: {tmp_path / 'last'} is not there, so training starts with the first epoch\n"
    assert capsys.readouterr().err == told


def test_without_a_terminal_a_line_says_now_and_then_how_far_the_fit_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter((0.0, 10.0, 29.0, 31.0, 45.0, 62.0, 70.0))  # of the start, and of each epoch's end
    clock = [next(now)]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with watched(tmp_path / "c", settings(epochs=20), "accuracy", tmp_path / "last") as watch:
        for number in range(1, 7):
            clock[0] = next(now)
            watch(Epoch(number, 0.1, 0.5, 0.6, 0.75))
    assert capsys.readouterr().err.splitlines() == [
        "epoch 3 of 20: validation loss 0.6000, accuracy 0.7500, at most 34 s left",
        "epoch 5 of 20: validation loss 0.6000, accuracy 0.7500, at most 255 s left",
    ]
