"""Figures from probabilities alone: true where these are right, and doubted where outcomes say that they are not."""

from pathlib import Path

import numpy as np
import pytest

from stemma import metrics, task
from stemma.watch import outcomes
from stemma.watch.drift import drift
from stemma.watch.expected import of_probabilities
from watched import DAY, MULTICLASS, REGRESSION, logged, source

MONDAY = 7 * DAY * 2900
BINARY = task.of("binary", ("FALSE", "TRUE"))
SEVERAL = task.of("multiclass", ("a", "b", "c"))


def drawn(probabilities: np.ndarray, seed: int) -> np.ndarray:
    """An outcome of each row."""
    return (np.random.default_rng(seed).random((len(probabilities), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)


def two(scores: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-scores))
    return np.column_stack([1 - p, p])


@pytest.mark.parametrize("of", [BINARY, SEVERAL], ids=lambda of: of.kind)
def test_what_is_expected_is_the_mean_of_the_figures_that_could_come(of: task.Task) -> None:
    draw = np.random.default_rng(0)
    probabilities = two(draw.normal(-1, 2, 400)) if of is BINARY else draw.dirichlet([0.5, 0.7, 1.0], 400)
    decided = of.decide(probabilities, 0.4)
    told = of_probabilities(of, probabilities, decided)
    came = [metrics.figures(metrics.Rows.of(of, drawn(probabilities, n), probabilities, decided)) for n in range(300)]
    assert "calibration_error" not in told and {"accuracy", "f1", "roc_auc", "mcc"} <= told.keys()
    for name, value in told.items():
        seen = np.array([each[name] for each in came])
        assert value == pytest.approx(seen.mean(), abs=4 * seen.std() / 300**0.5 + 0.002), name


def test_the_area_is_within_a_hundredth_of_the_true_one_when_the_inputs_move() -> None:
    for seed, (middle, spread) in enumerate([(0, 1), (1.5, 1), (-2, 0.5), (0, 2.5)]):
        probabilities = two(2 * np.random.default_rng(seed).normal(middle, spread, 60_000) - 1)
        decided = BINARY.decide(probabilities, 0.5)
        told = of_probabilities(BINARY, probabilities, decided)["roc_auc"]
        came = metrics.Rows.of(BINARY, drawn(probabilities, seed), probabilities, decided)
        assert told == pytest.approx(metrics.figures(came)["roc_auc"], abs=0.01)


def week(folder: Path, right: bool) -> None:
    """1,500 rows of which the first 600 get an outcome: as probable as was said, or the other way round."""
    probabilities = two(np.random.default_rng(1).normal(0, 2, 1500))
    ids = [f"{n}" for n in range(1500)]
    logged(folder, probabilities[:, 1], times=MONDAY + np.arange(1500), ids=ids)
    came = drawn(probabilities if right else probabilities[:, ::-1], 2)[:600]
    outcomes.Ledger(folder).keep({(f"{n}", 0): ("FALSE", "TRUE")[one] for n, one in enumerate(came)}, MONDAY)


@pytest.mark.parametrize("right", [True, False])
def test_what_was_expected_stands_beside_what_came_and_is_doubted_where_it_is_wrong(
    right: bool, tmp_path: Path
) -> None:
    week(tmp_path, right)
    (window,) = drift(tmp_path).windows
    assert window.expected is not None
    told, came = window.expected.judged["roc_auc"]
    assert window.expected.figures["roc_auc"] == pytest.approx(told, abs=0.03)
    assert (abs(told - came) < 0.05) == right == (window.doubt is None)
    if not right:
        assert str(window.doubt).startswith(
            "where outcomes came, roc_auc is 0."
        ) and "probabilities are not right" in str(window.doubt)


def test_what_training_never_saw_is_a_doubt_too(tmp_path: Path) -> None:
    for week, size in enumerate((1.0, 100.0)):
        values = {"PageValues": np.linspace(0.1, 2, 300).astype(np.float32) * size}
        logged(tmp_path, [0.3, 0.6] * 150, inputs=values, times=MONDAY + 7 * DAY * week + np.arange(300))
    first, second = drift(tmp_path).windows
    assert (first.doubt, second.doubt) == (None, "training saw nothing like PageValues")


def test_several_classes_have_expected_figures_and_values_have_none(tmp_path: Path) -> None:
    for name, known, output in (("c", MULTICLASS, [[0.2, 0.3, 0.5]] * 60), ("r", REGRESSION, np.zeros(60))):
        logged(tmp_path / name, output, of=source(name, known), times=MONDAY + np.arange(60))
    (of_classes,), (of_values,) = (drift(tmp_path / name).windows for name in ("c", "r"))
    assert of_classes.expected is not None and of_classes.expected.figures["accuracy"] == pytest.approx(0.5)
    assert of_values.expected is None and of_values.doubt is None
