"""Cross-validation: the summary against its formula; the runs themselves are in ../stages."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stemma import metrics, runners
from stemma.errors import RunnerError
from stemma.evaluation import folds
from stemma.runners.local import Local
from stemma.tables import check, prepared, profile
from stemma.task import of
from stemma.training.base import Fit, Given, Network
from tiny import NETWORKS, SOURCES
from tiny.params import settled

FIGURES = [{"roc_auc": value} for value in (0.90, 0.92, 0.91, 0.95, 0.92)]


def test_the_interval_is_the_corrected_resampled_t() -> None:
    found = folds.summary(FIGURES, ratio=0.25)["roc_auc"]
    values = np.array([each["roc_auc"] for each in FIGURES])
    assert found["mean"] == pytest.approx(0.92) and found["deviation"] == pytest.approx(values.std(ddof=1))
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + 0.25) * values.var(ddof=1))
    assert (found["low"], found["high"]) == pytest.approx((0.92 - half, 0.92 + half))


def test_without_test_rows_to_speak_of_it_is_the_plain_t() -> None:
    found = folds.summary(FIGURES, ratio=0.0)["roc_auc"]
    values = [each["roc_auc"] for each in FIGURES]
    plain = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize(
    ("name", "values", "ends"),
    [
        ("roc_auc", (0.99, 0.7, 1.0), (None, 1)), ("pr_auc", (0.0, 0.4, 0.1), (0, None)),
        ("mcc", (-0.9, 0.9, 0.0), (-1, 1)), ("r2", (0.9, -2.0, 0.95), (None, 1)), ("rmse", (0.1, 9.0, 0.2), (0, None)),
        ("log_loss", (0.1, 3.0, 0.2), (0, None)), ("own", (0.1, 9.0, 0.2), (None, None)),
    ],
)  # fmt: skip
def test_no_interval_holds_what_the_figure_cannot_be(name: str, values: tuple[float, ...], ends: tuple) -> None:
    figures = [{name: value} for value in values]
    free, cut = (folds.summary(figures, 0.5, known)[name] for known in ((), metrics.METRICS.values()))
    assert (cut["low"], cut["high"]) == tuple(
        free[side] if end is None else end for side, end in zip(("low", "high"), ends, strict=True)
    )
    assert (cut["mean"], cut["deviation"]) == (free["mean"], free["deviation"])


def test_a_figure_that_one_fold_lacks_has_no_summary() -> None:
    found = folds.summary([{"mcc": 0.5}, {"mcc": float("nan")}], ratio=0.25)["mcc"]
    assert all(np.isnan(value) for value in found.values())


def test_a_failing_fold_is_named_and_its_checkpoints_are_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = np.arange(3)
    monkeypatch.setattr(folds.profile, "read", lambda folder: None)
    monkeypatch.setattr(folds, "whole", lambda folder, about: None)
    monkeypatch.setattr(folds.split, "folds", lambda frame, settings, k: [(rows, rows, rows)] * k)

    def run(_: Local, work: Any, jobs: list[tuple], names: list[str], at_once: int, unit: str) -> None:
        assert work.func is folds.judge and len(jobs) == 2 and at_once >= 1 and unit == "fold"
        with runners.workplace(tmp_path / "scratch") as folder:
            assert folder.parent == tmp_path / "scratch"
        (tmp_path / "scratch/checkpoint").write_bytes(b"an epoch")
        raise RunnerError(f"{names[1]}: the loss went wrong")

    monkeypatch.setattr(Local, "run", run)
    with pytest.raises(RunnerError, match=r"^evaluate.folds: fold 2 of 2: the loss went wrong$"):
        folds.cross_validate(settled(), folds.Tables(NETWORKS), tmp_path, tmp_path / "scratch", 2)
    assert list(tmp_path.iterdir()) == []


def test_the_rows_of_all_splits_come_back_in_the_order_of_the_table(tmp_path: Path) -> None:
    kinds = pd.Categorical(["a", "b", "a", "c"], categories=["a", "b", "c"])
    table = pd.DataFrame({"row": range(4), "kind": kinds, "y": [1.0, 2.0, 3.0, 4.0]})
    for name, rows in {"train": [3, 0], "validation": [2], "test": [1]}.items():
        table.iloc[rows].to_parquet(tmp_path / f"{name}.parquet")
    about = profile.Profile(of("regression"), "y", (), 0, (), None, "row", {})
    whole = folds.whole(tmp_path, about)
    pd.testing.assert_frame_equal(whole, table.drop(columns="row"))


@pytest.mark.slow
def test_a_fold_has_as_few_units_as_the_network_that_was_pruned_and_no_teacher(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    train = {"epochs": 1, "prune_structured": 0.75, "init_from": "a" * 40, "teacher": "b" * 40}
    settings = settled(train=train, evaluate={"bootstrap": 0})
    checked = check.check(settings.data, SOURCES, strict=False)
    prepared.write(tmp_path / "prepared", checked, settings.data, settings.prepare)
    seen: list[tuple[object, object]] = []
    run = folds.fit.run

    def watched(network: Network, given: Given, *rest: Any) -> Fit:
        seen.append((network.settings.hidden, given.taught))
        return run(network, given, *rest)

    monkeypatch.setattr(folds.fit, "run", watched)
    triple = (np.arange(300), np.arange(300, 400), np.arange(400, 500))
    about = profile.read(tmp_path / "prepared")
    frame = folds.whole(tmp_path / "prepared", about)
    figures = folds.judge(folds.Common(settings, folds.Tables(NETWORKS), about, frame, tmp_path / "none"), triple)
    assert 0 <= figures["roc_auc"] <= 1 and seen == [((4,), None)]
