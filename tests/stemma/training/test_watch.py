"""What a person sees of a fit."""

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
