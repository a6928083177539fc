"""Every figure equals scikit-learn's: for any weights, on resamples, and in every corner that is not defined."""

import dataclasses
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from stemma import metrics
from stemma.entries import Entry
from stemma.errors import EntryError, EvaluationError
from stemma.task import of

Array = np.ndarray[Any, Any]
Y = np.array([0, 0, 1, 1], np.float32)
P = np.array([0.1, 0.4, 0.35, 0.8], np.float32)  # the example of scikit-learn's roc_auc_score: 0.75
TASKS = {"binary": of("binary", "ab"), "multiclass": of("multiclass", "abc"), "regression": of("regression")}
DECIDED = {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc"}


def two(p: Any) -> Array:
    return np.stack([1 - np.asarray(p), np.asarray(p)], axis=1)


def rows(kind: str, y: Any, predictions: Any, threshold: float | None = 0.5, bins: int = 10) -> metrics.Rows:
    task, predictions = TASKS[kind], np.asarray(predictions)
    return metrics.Rows.of(task, np.asarray(y), predictions, task.decide(predictions, threshold), bins)


def expected(kind: str, y: Array, predictions: Array, w: Array | None = None, threshold: float = 0.5) -> dict[str, Any]:
    """What scikit-learn says: 0 for 0 / 0, averages over all classes; NaN where it calls a figure undefined."""
    weighed: dict[str, Any] = {"sample_weight": w}
    if kind == "regression":
        found = {
            "mae": reference.mean_absolute_error(y, predictions[:, 0], **weighed),
            "rmse": reference.root_mean_squared_error(y, predictions[:, 0], **weighed),
            "r2": reference.r2_score(y, predictions[:, 0], **weighed),
        }
        error = np.abs(predictions[:, 0] - y)
        shares = {"error_p50": 0.5, "error_p90": 0.9, "error_p95": 0.95}
        w = np.ones(len(y)) if w is None else w
        return found | {n: np.quantile(error, s, weights=w, method="inverted_cdf") for n, s in shares.items()}
    labels = range(predictions.shape[1])
    if kind == "binary":
        decided, score, average = (predictions[:, 1] >= threshold).astype(int), predictions[:, 1], "binary"
        own = {"roc_auc": reference.roc_auc_score(y, score, **weighed)}
        areas = [reference.average_precision_score(y, score, **weighed) if y.any() else np.nan]
    else:
        decided, average, each = predictions.argmax(axis=1), "macro", np.eye(len(labels))[y]
        own = {"roc_auc": reference.roc_auc_score(y, predictions, multi_class="ovr", labels=labels, **weighed)}
        areas = [
            reference.average_precision_score(each[:, k], predictions[:, k], **weighed) if each[:, k].any() else np.nan
            for k in labels
        ]
    macro: dict[str, Any] = {"average": average, "zero_division": 0, "labels": labels, **weighed}
    if average == "binary":
        macro["labels"] = None
    return own | {
        "log_loss": reference.log_loss(y, predictions, labels=labels, **weighed),
        "accuracy": reference.accuracy_score(y, decided, **weighed),
        "balanced_accuracy": reference.balanced_accuracy_score(y, decided, **weighed),
        "precision": reference.precision_score(y, decided, **macro),
        "recall": reference.recall_score(y, decided, **macro),
        "f1": reference.f1_score(y, decided, **macro),
        "mcc": reference.matthews_corrcoef(y, decided, **weighed),
        "pr_auc": np.mean(areas),
        "brier": reference.brier_score_loss(
            y, predictions if kind == "multiclass" else score, labels=labels, **weighed
        ),
    }


def same(found: dict[str, float], kind: str, *told: Any, **more: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is not defined
        wanted = expected(kind, *told, **more)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)


Drawn = tuple[Array, Array, Array]


@st.composite
def drawn(draw: st.DrawFn, classes: int) -> Drawn:
    """Truth, probabilities with many ties, and weights of which some are 0; a class may be absent."""
    count = draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = draw(st.integers(1, classes))
    y = generator.integers(0, present, count)
    p = generator.integers(1, draw(st.sampled_from([3, 30])), (count, classes)) + generator.integers(0, 2, (count, 1))
    weights = generator.integers(0, 4, count).astype(float)
    weights[generator.integers(count)] += 1
    return y, p / p.sum(axis=1, keepdims=True), weights


@given(drawn(2), st.floats(0.05, 0.95))
@settings(max_examples=80, deadline=None)
def test_figures_of_two_classes_are_those_of_scikit_learn_for_any_weights(data: Drawn, threshold: float) -> None:
    y, p, w = data
    same(metrics.figures(rows("binary", y, p, threshold), w), "binary", y[w > 0], p[w > 0], w[w > 0], threshold)


@given(drawn(3))
@settings(max_examples=80, deadline=None)
def test_figures_of_several_classes_are_those_of_scikit_learn_for_any_weights(data: Drawn) -> None:
    y, p, w = data
    same(metrics.figures(rows("multiclass", y, p), w), "multiclass", y[w > 0], p[w > 0], w[w > 0])


@given(st.integers(2, 40), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1000.0]))
@settings(max_examples=60, deadline=None)
def test_figures_of_a_regression_are_those_of_scikit_learn_for_any_weights(count: int, seed: int, mean: float) -> None:
    generator = np.random.default_rng(seed)
    y, values = generator.normal(mean, 5, count), generator.normal(mean, 5, (count, 1))
    w = generator.integers(0, 4, count).astype(float)
    w[:2] += 1
    same(metrics.figures(rows("regression", y, values), w), "regression", y, values, w)


@given(drawn(2), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_a_weighting_gives_the_figures_of_the_resampled_rows(data: Drawn, seed: int) -> None:
    y, p, _ = data
    sample = np.random.default_rng(seed).integers(len(y), size=len(y))
    counts = np.bincount(sample, minlength=len(y)).astype(float)
    found = metrics.figures(rows("binary", y, p), counts, [*metrics.of_task("binary"), metrics.cost(1.0, 5.0)])
    same(found, "binary", y[sample], p[sample])
    y, decided = y[sample], p[sample, 1] >= 0.5
    wrong = [((y == 0) & decided).sum(), ((y == 1) & ~decided).sum()]
    assert found["cost"] == pytest.approx((wrong[0] + 5 * wrong[1]) / len(y))


# Corners: every one that either of the engines before this one decided otherwise.

NO, YES, SPREAD = [0.9, 0.1], [0.2, 0.8], [0.5, 0.3, 0.2]
CORNERS: dict[str, tuple[str, Sequence[float], Sequence[Sequence[float]], dict[str, float]]] = {
    "nothing predicted positive": ("binary", [0, 1, 1], [NO] * 3,
        {"precision": 0, "recall": 0, "f1": 0, "mcc": 0, "balanced_accuracy": 0.5, "roc_auc": 0.5}),
    "no row is positive": ("binary", [0, 0], [NO, YES],
        {"recall": 0, "f1": 0, "roc_auc": np.nan, "pr_auc": np.nan, "balanced_accuracy": 0.5, "mcc": 0}),
    "every row is positive": ("binary", [1, 1], [YES, YES],
        {"precision": 1, "recall": 1, "roc_auc": np.nan, "pr_auc": 1, "balanced_accuracy": 1, "mcc": 0}),
    "neither positive nor predicted so": ("binary", [0, 0], [NO, NO],
        {"precision": 0, "recall": 0, "f1": 0, "accuracy": 1, "balanced_accuracy": 1, "mcc": 0}),
    "one row": ("binary", [1], [YES], {"accuracy": 1, "roc_auc": np.nan, "calibration_error": 0.2}),
    "all scores tie": ("binary", [0, 1, 1, 0], [[0.5, 0.5]] * 4, {"roc_auc": 0.5, "pr_auc": 0.5, "recall": 1}),
    "a class is absent": ("multiclass", [0, 1, 0, 1], [SPREAD, [0.2, 0.6, 0.2], [0.3, 0.4, 0.3], [0.5, 0.4, 0.1]],
        {"f1": 1 / 3, "recall": 1 / 3, "precision": 1 / 3, "balanced_accuracy": 0.5, "roc_auc": np.nan,
         "pr_auc": np.nan, "mcc": 0}),
    "a class is never decided": ("multiclass", [0, 1, 2], [[0.9, 0.1, 0], [0.2, 0.8, 0], [0.6, 0.3, 0.1]],
        {"precision": 0.5, "balanced_accuracy": 2 / 3}),
    "one class alone of several": ("multiclass", [0, 0], [SPREAD, SPREAD],
        {"f1": 1 / 3, "balanced_accuracy": 1, "accuracy": 1, "mcc": 0, "roc_auc": np.nan}),
    "probabilities of 0 and 1": ("binary", [0, 1, 1], [[0, 1], [0, 1], [1, 0]], {"brier": 2 / 3}),
    "a constant target": ("regression", [3.0, 3.0], [[2.0], [3.0]], {"r2": 0, "mae": 0.5}),
    "a constant target, met": ("regression", [3.0, 3.0], [[3.0], [3.0]], {"r2": 1, "rmse": 0}),
    "one value": ("regression", [3.0], [[2.0]], {"r2": np.nan, "rmse": 1, "error_p95": 1}),
}  # fmt: skip


@pytest.mark.parametrize("corner", CORNERS)
def test_a_corner_is_as_scikit_learn_has_it_and_as_the_docs_say(corner: str) -> None:
    kind, y, predictions, said = CORNERS[corner]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.figures(rows(kind, y, predictions))
    assert {name: found[name] for name in said} == pytest.approx(said, nan_ok=True)
    same(found, kind, np.array(y), np.array(predictions))


def test_a_target_that_is_constant_but_for_rounding_is_constant() -> None:
    found = metrics.figures(rows("regression", [0.1] * 3, [[0.2]] * 3), np.array([1.0, 2.0, 3.0]))
    assert found["r2"] == 0  # scikit-learn gives -5e31


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("weights", [np.zeros(0), np.zeros(2)], ids=["no rows", "no weight"])
def test_every_figure_of_nothing_is_nan(kind: str, weights: Array) -> None:
    count = len(weights)
    found = metrics.figures(rows(kind, np.zeros(count), np.full((count, TASKS[kind].width), 0.5)), weights)
    assert tuple(found) == metrics.names(kind) and np.isnan([*found.values()]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_that_are_no_numbers_are_refused_with_their_row(value: float) -> None:
    with pytest.raises(EvaluationError, match="1 of 2 predictions is no finite number, the first in row 2"):
        metrics.Rows.of(TASKS["binary"], np.array([0, 1]), np.array([[0.5, 0.5], [0.5, value]]))


def test_where_nothing_is_decided_the_figures_of_decisions_alone_are_nan() -> None:
    found = metrics.figures(metrics.Rows.of(TASKS["binary"], Y, two(P)))
    assert {name for name, value in found.items() if np.isnan(value)} == DECIDED


def test_the_positive_class_may_stand_first() -> None:
    task = of("binary", ("yes", "no"), "yes")
    predictions = two(P)[:, ::-1]
    turned = metrics.Rows.of(task, 1 - Y, predictions, task.decide(predictions, 0.5))
    assert metrics.figures(turned) == pytest.approx(metrics.figures(rows("binary", Y, two(P))))


# Known examples.


def test_figures_of_a_known_example() -> None:
    found = metrics.figures(rows("binary", Y, two(P), bins=2))
    assert found["roc_auc"] == pytest.approx(0.75)
    assert found["accuracy"] == 0.75 and found["precision"] == 1.0 and found["recall"] == 0.5
    assert found["balanced_accuracy"] == 0.75 and found["mcc"] == pytest.approx(1 / 3**0.5)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4, rel=1e-5)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean(), rel=1e-5)
    assert metrics.roc_auc(Y == 1, P) == pytest.approx(0.75)
    assert metrics.areas(Y, two(P))[1][0] == pytest.approx(0.75)


def test_probabilities_whose_sum_misses_1_by_float32_are_taken() -> None:
    y = np.array([0, 1, 2, 2])
    p = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7], [0.6, 0.1, 0.3]], np.float32)
    found = metrics.figures(rows("multiclass", y, p))
    assert found["accuracy"] == 0.75
    assert found["recall"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert found["precision"] == pytest.approx((0.5 + 1 + 1) / 3)


def test_the_calibration_error_is_the_gap_of_the_calibration_curve() -> None:
    generator = np.random.default_rng(0)
    p = generator.random(1000)
    y = (generator.random(1000) < p**2).astype(int)
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    found = metrics.figures(rows("binary", y, two(p)))["calibration_error"]
    assert found == pytest.approx(np.abs(observed - predicted).mean())  # bins of 100 rows each
    assert found > 0.1


def test_a_weight_counts_as_that_many_rows_in_the_calibration_error() -> None:
    y, p, w = np.array([0, 1, 1, 0]), np.array([0.2, 0.2, 0.7, 0.9]), np.array([3.0, 1.0, 2.0, 2.0])
    found = metrics.figures(rows("binary", y, two(p), bins=2), w)["calibration_error"]
    assert found == pytest.approx((4 * abs(0.2 - 0.25) + 4 * abs(0.8 - 0.5)) / 8)


# The table.


@pytest.mark.parametrize("kind", TASKS)
def test_the_figures_shown_first_are_in_the_table_with_direction_and_words(kind: str) -> None:
    assert set(TASKS[kind].shown) <= set(metrics.names(kind))
    assert all(metrics.METRICS[name].label and metrics.METRICS[name].meaning for name in metrics.names(kind))


@pytest.mark.parametrize("kind", TASKS)
def test_a_figure_is_better_in_its_direction(kind: str) -> None:
    generator, width = np.random.default_rng(0), TASKS[kind].width
    if kind == "regression":
        y = generator.normal(size=300)
        near, far = (y[:, None] + spread * generator.normal(size=(300, 1)) for spread in (0.1, 2.0))
    else:
        y = generator.integers(0, width, 300)
        near, far = (0.8 * np.eye(width)[(y + wrong) % width] + 0.2 / width for wrong in (0, 1))
    good, bad = (metrics.figures(rows(kind, y, predictions)) for predictions in (near, far))
    for name in metrics.names(kind):
        assert (good[name] > bad[name]) == (metrics.better(name) == "higher"), name


@pytest.mark.parametrize(
    ("name", "better"),
    [("test.rmse", "lower"), ("validation.error_p50", "lower"), ("cost", "lower"), ("train.loss", "lower"),
     ("my_loss", "lower"), ("validation.roc_auc", "higher"), ("bayes_roc_auc", "higher"), ("mine", "higher")],
)  # fmt: skip
def test_a_name_tells_its_direction(name: str, better: str) -> None:
    assert metrics.better(name) == better


def test_a_figure_of_ones_own_is_measured_beside_the_others_and_by_weight() -> None:
    def profit(sample: metrics.Sample) -> float:
        gained = np.where(sample.decided == 1, np.where(sample.actual == 1, 10.0, -1.0), 0.0)
        return float((gained * sample.weights).sum() / sample.total)

    own = dataclasses.replace(metrics.METRICS["accuracy"], name="profit", measure=profit)
    ready = rows("binary", Y, two(P), threshold=0.36)
    assert metrics.figures(ready, None, [own, metrics.METRICS["accuracy"]]) == {"profit": 9 / 4, "accuracy": 0.5}
    assert metrics.figures(ready, np.array([0.0, 1.0, 0.0, 3.0]), [own]) == {"profit": 29 / 4}


def test_one_figure_is_measured_without_the_work_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = rows("binary", Y, two(P))
    monkeypatch.setattr(metrics.Sample, "confusion", property(lambda sample: pytest.fail("measured")))
    assert metrics.figures(ready, of=[metrics.METRICS["roc_auc"]]) == {"roc_auc": pytest.approx(0.75)}


SHARE = metrics.Metric(
    "any", "share", "of rows that are positive", ("binary",), lambda s: np.average(s.actual), "lower"
)
BROKEN = dataclasses.replace(SHARE, measure=lambda s: 1 / 0)  # type: ignore[arg-type]
SIDEWAYS = dataclasses.replace(SHARE, better="sideways")  # type: ignore[arg-type]


def test_a_figure_of_ones_own_has_the_name_of_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "own_figures", sys.modules[__name__])
    (share,) = metrics.added_to({"share": Entry("own_figures:SHARE")})
    assert (share.name, share.entry, share.better) == ("share", "own_figures:SHARE", "lower")
    found = metrics.figures(rows("binary", [0, 1, 1, 1], two(P)), of=metrics.of_task("binary", [share]))
    assert found["share"] == 0.75 and "roc_auc" in found
    assert share not in metrics.of_task("regression", [share])


def test_a_figure_of_ones_own_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "own_figures", sys.modules[__name__])
    (broken,) = metrics.added_to({"broken": Entry("own_figures:BROKEN")})
    with pytest.raises(EntryError, match=r"^the metric broken .own_figures:BROKEN. fails .ZeroDivisionError"):
        metrics.figures(rows("binary", [0, 1], two([0.1, 0.2])), of=[broken])
    for name, told in (("P", " is no Metric"), ("SIDEWAYS", ": better is 'sideways', not higher or lower")):
        with pytest.raises(EntryError, match=f"own_figures:{name}{told}"):
            metrics.added_to({"it": Entry(f"own_figures:{name}")})
    with pytest.raises(EntryError, match="the toolkit has a 'f1'"):
        metrics.added_to({"f1": Entry("own_figures:SHARE")})
