"""One object for two classes, several classes and a value."""

import numpy as np
import pytest

from stemma.task import KINDS, Task, of

BINARY, SEVERAL, VALUE = (
    of("binary", ("no", "yes")),
    of("multiclass", "abc"),
    of("regression", mean=10.0, deviation=2.0),
)
TASKS = pytest.mark.parametrize("task", [BINARY, SEVERAL, VALUE], ids=lambda task: task.kind)
SCORES = np.array([[0.5, -1.0, 2.0], [0.0, 1.0, 0.5], [3.0, 0.0, -2.0]], np.float32)


def scores(task: Task) -> np.ndarray:
    return SCORES[:, : task.outputs]


@TASKS
def test_predictions_have_the_promised_width_and_probabilities_sum_to_1(task: Task) -> None:
    found = task.predictions(scores(task))
    assert found.shape == (3, task.width) and found.dtype == np.float32
    if task.classes:
        assert found.sum(axis=1) == pytest.approx(1)


@TASKS
def test_a_loss_is_least_for_what_was_predicted(task: Task) -> None:
    said = task.decide(task.predictions(scores(task)), 0.5)
    other = (said + 1) % task.width if task.classes else said + 5
    assert (task.losses(scores(task), said) <= task.losses(scores(task), other)).all()
    assert task.losses(scores(task), said).sum() < task.losses(scores(task), other).sum()
    assert task.losses(scores(task), said).dtype == np.float64


@pytest.mark.parametrize(("share", "main"), [(0.058, "pr_auc"), (0.1, "roc_auc"), (0.9, "roc_auc")])
def test_precision_and_recall_lead_where_positive_rows_are_rare(share: float, main: str) -> None:
    assert of("binary", ("no", "yes"), share=share).main == main


def test_losses_of_classes_are_their_log_likelihood() -> None:
    for task in (BINARY, SEVERAL):
        y = np.array([0, 1, 1])
        own = task.predictions(scores(task)).astype(float)[np.arange(3), y]
        assert task.losses(scores(task), y) == pytest.approx(-np.log(own), rel=1e-5)


def test_a_regression_is_standardised_and_back() -> None:
    y = np.array([8.0, 10.0, 14.0])
    assert VALUE.targets(y).ravel().tolist() == [-1, 0, 2]
    assert VALUE.predictions(VALUE.targets(y))[:, 0].tolist() == y.tolist()


def test_a_logarithm_is_standardised_and_undone_and_what_is_too_large_stays_finite() -> None:
    y = np.array([1.0, 20.0, 4e5])
    priced = of("regression", mean=10.0, deviation=2.0).fitted(y)
    assert priced.log is None
    logged = of("regression", log=(0.0, 1.0)).fitted(y)
    assert logged.log == pytest.approx((np.log(y).mean(), np.log(y).std()))
    assert (logged.mean, logged.deviation) == (y.mean(), y.std())
    assert logged.predictions(logged.targets(y))[:, 0] == pytest.approx(y, rel=1e-6)
    assert logged.losses(logged.targets(y), y).max() == 0
    assert np.isfinite(logged.predictions(np.array([[1e6]], np.float32))).all()


def test_the_threshold_decides_and_belongs_to_the_positive_class() -> None:
    p = np.array([0.1, 0.4, 0.35, 0.8], np.float32)
    predictions = np.stack([1 - p, p], axis=1)
    assert BINARY.decide(predictions, float(p[2])).tolist() == [0, 1, 1, 1]
    assert BINARY.decide(predictions, None).tolist() == [0, 0, 0, 0]
    first = of("binary", ("yes", "no"), "yes")
    assert first.decide(predictions[:, ::-1], 0.5).tolist() == [1, 1, 1, 0]


@TASKS
def test_what_predictions_parquet_holds_is_read_back(task: Task) -> None:
    predictions = task.predictions(scores(task))
    decided, actual = task.decide(predictions, 0.5), np.array([1, 0, 1])
    columns = task.columns(actual, predictions, decided)
    assert [*columns] == ["actual", "predicted", *(f"probability_{name}" for name in task.classes)]
    for found, expected in zip(task.read(columns), (actual, decided, predictions), strict=True):
        assert np.array_equal(found, expected)


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(KeyError):
        SEVERAL.read({"actual": np.array(["a", "z"]), "predicted": np.array(["a", "b"])})


def test_tasks_are_values() -> None:
    assert of("multiclass", ["a", "b", "c"]) == SEVERAL != of("multiclass", "abd")
    assert of("multiclass", ("no", "yes")) != BINARY
    assert BINARY.positive == "yes" and SEVERAL.positive is VALUE.positive is None
    with pytest.raises(KeyError):
        of("ranking")


def test_every_kind_says_all_that_a_task_must() -> None:
    for kind in KINDS.values():
        for name in ("head", "loss", "score", "output", "shown"):
            assert getattr(kind, name), (kind, name)
