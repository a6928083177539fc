"""Figures against scikit-learn with the same weights, and against hand-computed examples."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve

from purchase_intent.evaluation import curves, metrics

Y = np.array([0, 0, 1, 1], np.float32)
P = np.array([0.1, 0.4, 0.35, 0.8], np.float32)  # the example of scikit-learn's roc_auc_score: 0.75
PROBABILITIES = np.stack([1 - P, P], axis=1)
Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def drawn(draw: st.DrawFn, classes: int) -> Drawn:
    """Truth, probabilities with many ties, and weights of which some are 0; every class has weight."""
    rows = draw(st.integers(classes * 2, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = np.concatenate([np.arange(classes), generator.integers(0, classes, rows - classes)])
    p = generator.integers(1, draw(st.sampled_from([3, 30])), (rows, classes)) + generator.integers(0, 2, (rows, 1))
    weights = generator.integers(0, 4, rows).astype(float)
    weights[:classes] += 1
    return y, p / p.sum(axis=1, keepdims=True), weights


@given(drawn(2), st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_binary_figures_are_those_of_scikit_learn_for_any_weights(data: Drawn, threshold: float) -> None:
    y, p, w = data
    found = metrics.judged("binary", y, p, threshold, 5).figures(w)
    decided, score = (p[:, 1] >= threshold).astype(int), p[:, 1]
    expected = {
        "log_loss": sklearn.log_loss(y, p, sample_weight=w),
        "accuracy": sklearn.accuracy_score(y, decided, sample_weight=w),
        "balanced_accuracy": sklearn.balanced_accuracy_score(y, decided, sample_weight=w),
        "recall": sklearn.recall_score(y, decided, sample_weight=w),
        "f1": sklearn.f1_score(y, decided, sample_weight=w),
        "roc_auc": sklearn.roc_auc_score(y, score, sample_weight=w),
        "pr_auc": sklearn.average_precision_score(y, score, sample_weight=w),
        "brier": sklearn.brier_score_loss(y, score, sample_weight=w),
    }
    if 0 < (decided * w).sum() < w.sum():
        expected["precision"] = sklearn.precision_score(y, decided, sample_weight=w)
        expected["mcc"] = sklearn.matthews_corrcoef(y, decided, sample_weight=w)
    else:
        assert np.isnan(found["mcc"])
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


@given(drawn(3))
@settings(max_examples=60, deadline=None)
def test_multiclass_figures_are_those_of_scikit_learn_for_any_weights(data: Drawn) -> None:
    y, p, w = data
    ready = metrics.judged("multiclass", y, p, None, 5)
    found, decided, each = ready.figures(w), p.argmax(axis=1), np.eye(3)[y]
    macro = {"average": "macro", "zero_division": 0.0, "sample_weight": w}
    expected = {
        "log_loss": sklearn.log_loss(y, p, sample_weight=w),
        "accuracy": sklearn.accuracy_score(y, decided, sample_weight=w),
        "balanced_accuracy": sklearn.balanced_accuracy_score(y, decided, sample_weight=w),
        "precision": sklearn.precision_score(y, decided, **macro),
        "recall": sklearn.recall_score(y, decided, **macro),
        "f1": sklearn.f1_score(y, decided, **macro),
        "roc_auc": sklearn.roc_auc_score(y, p, multi_class="ovr", sample_weight=w),
        "pr_auc": np.mean([sklearn.average_precision_score(each[:, k], p[:, k], sample_weight=w) for k in range(3)]),
        "brier": sklearn.brier_score_loss(y, p, sample_weight=w),
    }
    if np.unique(decided[w > 0]).size > 1:
        expected["mcc"] = sklearn.matthews_corrcoef(y, decided, sample_weight=w)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert ready.main(w) == found["balanced_accuracy"]


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_regression_figures_are_those_of_scikit_learn_for_any_weights(rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    y, values = generator.normal(1000, 5, rows), generator.normal(1000, 5, (rows, 1))
    w = generator.integers(0, 4, rows).astype(float)
    w[:2] += 1
    ready = metrics.judged("regression", y, values, None, 5)
    found, error = ready.figures(w), np.abs(values[:, 0] - y)
    quantiles = {
        name: float(np.quantile(error, share, weights=w, method="inverted_cdf"))
        for name, share in metrics.ERROR_QUANTILES.items()
    }
    assert found == pytest.approx(
        {
            "mae": sklearn.mean_absolute_error(y, values, sample_weight=w),
            "rmse": sklearn.root_mean_squared_error(y, values, sample_weight=w),
            "r2": sklearn.r2_score(y, values, sample_weight=w),
            **quantiles,
        },
        rel=1e-9,
    )
    assert ready.main(w) == pytest.approx(found["rmse"])


def test_the_calibration_error_is_the_gap_of_the_calibration_curve() -> None:
    generator = np.random.default_rng(0)
    p = generator.random(1000)
    y = (generator.random(1000) < p**2).astype(int)
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    found = metrics.judge("binary", y, np.stack([1 - p, p], axis=1), 0.5, 10)["calibration_error"]
    assert found == pytest.approx(np.abs(observed - predicted).mean())  # bins of 100 rows each
    assert found > 0.1


def test_a_weight_counts_as_that_many_rows_in_the_calibration_error() -> None:
    y, p, w = np.array([0, 1, 1, 0]), np.array([0.2, 0.2, 0.7, 0.9]), np.array([3.0, 1.0, 2.0, 2.0])
    found = metrics.judged("binary", y, np.stack([1 - p, p], axis=1), 0.5, 2).figures(w)["calibration_error"]
    assert found == pytest.approx((4 * abs(0.2 - 0.25) + 4 * abs(0.8 - 0.5)) / 8)


def test_binary_figures_of_a_known_example() -> None:
    figures = metrics.judge("binary", Y, PROBABILITIES, 0.5, 2)
    assert figures["roc_auc"] == pytest.approx(0.75)
    assert figures["accuracy"] == 0.75 and figures["precision"] == 1.0 and figures["recall"] == 0.5
    assert figures["balanced_accuracy"] == 0.75 and figures["mcc"] == pytest.approx(1 / 3**0.5)
    assert figures["f1"] == pytest.approx(2 / 3)
    assert figures["brier"] == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4, rel=1e-5)
    assert figures["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean(), rel=1e-5)


def test_the_threshold_decides_and_belongs_to_the_positive_class() -> None:
    assert metrics.classify("binary", PROBABILITIES, float(P[2])).tolist() == [0, 1, 1, 1]
    assert metrics.judge("binary", Y, PROBABILITIES, 0.3, 2)["recall"] == 1.0


def test_probabilities_whose_sum_misses_1_by_float32_are_taken() -> None:
    y = np.array([0, 1, 2, 2])
    p = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7], [0.6, 0.1, 0.3]], np.float32)
    figures = metrics.judge("multiclass", y, p, None, 2)
    assert figures["accuracy"] == 0.75
    assert figures["recall"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert figures["precision"] == pytest.approx((0.5 + 1 + 1) / 3)


@pytest.mark.parametrize(
    ("task", "y", "undefined"),
    [
        ("binary", [0, 0, 0], {"roc_auc", "pr_auc", "recall", "f1", "balanced_accuracy", "precision", "mcc"}),
        ("binary", [1, 1, 1], {"roc_auc", "balanced_accuracy", "precision", "mcc"}),
        ("binary", [0, 1, 1], {"precision", "mcc"}),  # nothing is decided positive
        ("binary", [1], {"roc_auc", "balanced_accuracy", "precision", "mcc"}),
        ("multiclass", [0, 1], {"roc_auc", "pr_auc", "recall", "f1", "precision", "balanced_accuracy", "mcc"}),
        ("regression", [3.0, 3.0], {"r2"}),
        ("regression", [0.1], {"r2"}),
    ],
)
def test_a_figure_that_is_not_defined_is_nan_without_a_warning(task: str, y: list[float], undefined: set[str]) -> None:
    width = {"binary": [0.9, 0.1], "multiclass": [0.5, 0.3, 0.2], "regression": [2.0]}[task]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = metrics.judge(task, np.array(y), np.tile(width, (len(y), 1)), 0.5, 10)
    assert {name for name, value in figures.items() if np.isnan(value)} == undefined


def test_a_class_that_is_never_decided_counts_as_precision_0_in_the_macro_average() -> None:
    y, p = np.array([0, 1, 2]), np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.6, 0.3, 0.1]])
    assert metrics.judge("multiclass", y, p, None, 2)["precision"] == pytest.approx((0.5 + 1 + 0) / 3)


def test_without_a_threshold_only_the_figures_of_decisions_are_undefined() -> None:
    figures = metrics.judge("binary", Y, PROBABILITIES, None, 2)
    undefined = {name for name, value in figures.items() if np.isnan(value)}
    assert undefined == {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc"}


def test_curves_are_short_and_end_where_they_must() -> None:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 5000)
    p = np.clip(y * 0.3 + generator.random(5000) * 0.7, 0, 1)
    tables = curves.tables("binary", ("no", "yes"), y, np.stack([1 - p, p], axis=1), 0.5, 10)
    roc = tables["roc"]
    assert len(roc) <= curves.POINTS and roc.iloc[0].tolist() == [0, 0] and roc.iloc[-1].tolist() == [1, 1]
    assert len(tables["calibration"]) == 10
    assert len(tables["confusion"]) == 5000 and set(tables["confusion"]["actual"]) == {"no", "yes"}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_has_every_table_with_the_columns_that_dvc_yaml_names(task: str) -> None:
    y = np.array([0, 1, 2, 0] if task == "multiclass" else [0, 1, 1, 0], float)
    width = {"binary": 2, "multiclass": 3, "regression": 1}[task]
    predictions = np.full((4, width), 1 / width)
    classes = tuple("abc"[:width]) if task != "regression" else ()
    tables = curves.tables(task, classes, y, predictions, 0.5, 2)
    entries = yaml.safe_load((Path(__file__).parents[3] / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    for entry in (body for item in entries for body in item.values()):
        for file, column in entry["y"].items():
            if file.startswith("reports/plots/"):
                assert {entry["x"], column} <= set(tables[Path(file).stem].columns), file
