"""Every figure equals scikit-learn's, on the rows as they are and on resamples of them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from stemma.statistics import metrics

Array = np.ndarray[Any, Any]


def drawn(seed: int, rows: int) -> tuple[np.random.Generator, Array]:
    """Random numbers, and the rows of one resample."""
    generator = np.random.default_rng(seed)
    return generator, np.sort(generator.integers(rows, size=rows))


def on_resample(parts: metrics.Parts, rows: Array) -> dict[str, float]:
    counts = np.bincount(rows, minlength=len(rows)).astype(float)
    return {name: float(value) for part in parts for name, value in zip(part.names, part.values(counts), strict=True)}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(10, 80), ties=st.booleans())
def test_figures_of_two_classes_are_those_of_scikit_learn_on_the_resampled_rows(
    seed: int, rows: int, ties: bool
) -> None:
    generator, sample = drawn(seed, rows)
    y, p = generator.random(rows) < 0.4, generator.random(rows).astype(np.float32)
    y[:2], sample[:2] = [False, True], [0, 1]
    if ties:
        p = np.round(p, 1)
    decided = p >= 0.3
    found = on_resample(metrics.binary(y, decided, p, (1.0, 5.0)), sample)
    y, decided, p = y[sample], decided[sample], p[sample].astype(np.float64)
    wrong = [(~y & decided).sum(), (y & ~decided).sum()]
    expected = {
        "roc_auc": reference.roc_auc_score(y, p),
        "pr_auc": reference.average_precision_score(y, p),
        "log_loss": reference.log_loss(y, p),
        "brier": reference.brier_score_loss(y, p),
        "accuracy": reference.accuracy_score(y, decided),
        "balanced_accuracy": reference.balanced_accuracy_score(y, decided),
        "precision": reference.precision_score(y, decided, zero_division=0),
        "recall": reference.recall_score(y, decided),
        "f1": reference.f1_score(y, decided, zero_division=0),
        "mcc": reference.matthews_corrcoef(y, decided),
        "cost": (wrong[0] + 5 * wrong[1]) / rows,
    }
    assert found == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(3, 6))
def test_figures_of_several_classes_are_those_of_scikit_learn_on_the_resampled_rows(seed: int, classes: int) -> None:
    rows = 60
    generator, sample = drawn(seed, rows)
    y, p = generator.integers(classes, size=rows), generator.dirichlet(np.ones(classes), rows).astype(np.float32)
    y[:classes] = sample[:classes] = np.arange(classes)  # no class is left out
    decided = p.argmax(axis=1)
    found = on_resample(metrics.multiclass(y, decided, p), sample)
    y, decided, p = y[sample], decided[sample], p[sample].astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0}
    expected = {
        "log_loss": reference.log_loss(y, p, labels=range(classes)),
        "roc_auc": reference.roc_auc_score(y, p, multi_class="ovr", labels=range(classes)),
        "accuracy": reference.accuracy_score(y, decided),
        "balanced_accuracy": reference.balanced_accuracy_score(y, decided),
        "precision": reference.precision_score(y, decided, **macro),
        "recall": reference.recall_score(y, decided, **macro),
        "f1": reference.f1_score(y, decided, **macro),
        "mcc": reference.matthews_corrcoef(y, decided),
    }
    assert found == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), mean=st.sampled_from([0.0, 1e6]))
def test_figures_of_a_regression_are_those_of_scikit_learn_on_the_resampled_rows(seed: int, mean: float) -> None:
    generator, sample = drawn(seed, 30)
    y = generator.normal(mean, 2, 30)
    predicted = y + generator.normal(0.1, 1, 30)
    found = on_resample(metrics.regression(y, predicted), sample)
    y, predicted = y[sample], predicted[sample]
    expected = {
        "mae": reference.mean_absolute_error(y, predicted),
        "rmse": reference.root_mean_squared_error(y, predicted),
        "r2": reference.r2_score(y, predicted),
    }
    assert found == pytest.approx(expected, rel=1e-6)


ONE_CLASS = np.array([True, True, True])


@pytest.mark.parametrize("name", ["roc_auc", "balanced_accuracy"])
def test_a_figure_without_meaning_is_nan(name: str) -> None:
    found = metrics.figures(metrics.binary(ONE_CLASS, ONE_CLASS, np.array([0.5, 0.7, 0.9])), 3)
    assert math.isnan(found[name])
    assert found["accuracy"] == 1


def test_r2_of_a_constant_target_is_nan() -> None:
    found = metrics.figures(metrics.regression(np.full(3, 2.0), np.array([1.0, 2.0, 3.0])), 3)
    assert math.isnan(found["r2"]) and found["mae"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("make", [metrics.binary, metrics.multiclass])
def test_only_keeps_the_part_of_a_figure(make: Callable[..., metrics.Parts]) -> None:
    p = np.array([[0.2, 0.8], [0.6, 0.4]])
    parts = make(np.array([1, 0]), np.array([1, 0]), p[:, 1] if make is metrics.binary else p)
    assert [part.names for part in metrics.only(parts, "roc_auc")] == [("roc_auc",)]
    assert metrics.only(parts, "no such figure") == ()
