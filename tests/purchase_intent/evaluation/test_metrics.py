"""Figures against hand-computed examples; scikit-learn itself is not tested again."""

import numpy as np
import pytest

from purchase_intent.evaluation import curves, metrics

Y = np.array([0, 0, 1, 1], np.float32)
P = np.array([0.1, 0.4, 0.35, 0.8], np.float32)  # the example of scikit-learn's roc_auc_score: 0.75
PROBABILITIES = np.stack([1 - P, P], axis=1)


def test_binary_figures_of_a_known_example() -> None:
    figures = metrics.judge("binary", Y, PROBABILITIES, 0.5)
    assert figures["roc_auc"] == pytest.approx(0.75)
    assert figures["accuracy"] == 0.75 and figures["precision"] == 1.0 and figures["recall"] == 0.5
    assert figures["f1"] == pytest.approx(2 / 3)
    assert figures["brier"] == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4, rel=1e-5)
    assert figures["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean(), rel=1e-5)


def test_the_threshold_decides_and_belongs_to_the_positive_class() -> None:
    assert metrics.classify("binary", PROBABILITIES, 0.35).tolist() == [0, 1, 1, 1]
    assert metrics.judge("binary", Y, PROBABILITIES, 0.3)["recall"] == 1.0


def test_multiclass_figures_are_macro_averages_and_take_float32_sums() -> None:
    y = np.array([0, 1, 2, 2])
    p = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7], [0.6, 0.1, 0.3]], np.float32)
    figures = metrics.judge("multiclass", y, p, 0.5)
    assert figures["accuracy"] == 0.75
    assert figures["recall"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert figures["precision"] == pytest.approx((0.5 + 1 + 1) / 3)


def test_regression_figures_are_in_the_unit_of_the_target() -> None:
    figures = metrics.judge("regression", np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [5.0]]), 0.5)
    assert figures["mae"] == pytest.approx(2 / 3)
    assert figures["rmse"] == pytest.approx((4 / 3) ** 0.5)
    assert figures["r2"] == pytest.approx(1 - 4 / 2)


def test_curves_are_short_and_end_where_they_must() -> None:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 5000)
    p = np.clip(y * 0.3 + generator.random(5000) * 0.7, 0, 1)
    tables = curves.tables("binary", ("no", "yes"), y, np.stack([1 - p, p], axis=1), (p > 0.5).astype(int), 10)
    roc = tables["roc"]
    assert len(roc) <= curves.POINTS and roc.iloc[0].tolist() == [0, 0] and roc.iloc[-1].tolist() == [1, 1]
    assert len(tables["calibration"]) == 10
    assert len(tables["confusion"]) == 5000 and set(tables["confusion"]["actual"]) == {"no", "yes"}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_has_every_table_with_the_columns_that_dvc_yaml_names(task: str) -> None:
    from pathlib import Path

    import yaml

    y = np.array([0, 1, 2, 0] if task == "multiclass" else [0, 1, 1, 0], float)
    width = {"binary": 2, "multiclass": 3, "regression": 1}[task]
    predictions = np.full((4, width), 1 / width)
    classes = tuple("abc"[:width]) if task != "regression" else ()
    tables = curves.tables(task, classes, y, predictions, predictions.argmax(axis=1), 2)
    entries = yaml.safe_load((Path(__file__).parents[3] / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    for entry in (body for item in entries for body in item.values()):
        for file, column in entry["y"].items():
            if file.startswith("reports/plots/"):
                assert {entry["x"], column} <= set(tables[Path(file).stem].columns), file
