"""Temperature and decision."""

from typing import Any

import numpy as np
import pytest

from stemma.errors import EvaluationError
from stemma.evaluation import calibration, decision
from stemma.task import Task, of

BINARY = of("binary", ("no", "yes"))


def sure(rows: int, by: float, classes: int = 2) -> tuple[Task, np.ndarray, np.ndarray]:
    """Scores that are `by` times too large, and outcomes of the right ones."""
    generator = np.random.default_rng(0)
    problem = BINARY if classes == 2 else of("multiclass", tuple("abc"[:classes]))
    scores = generator.normal(0, 2, (rows, problem.outputs)).astype(np.float32)
    chances = problem.predictions(scores).cumsum(axis=1)
    y = (generator.random((rows, 1)) > chances).sum(axis=1)
    return problem, scores * np.float32(by), y


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("by", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_scores_that_are_too_sure_or_too_shy(by: float, classes: int) -> None:
    assert calibration.temperature(*sure(20_000, by, classes)) == pytest.approx(by, rel=0.05)


def test_no_neighbouring_temperature_has_a_lower_loss() -> None:
    problem, scores, y = sure(500, 2.0)
    found = calibration.temperature(problem, scores, y)

    def loss(by: float) -> float:
        return problem.losses(calibration.cooled(scores, by), y).mean()

    assert loss(found) <= min(loss(found * 1.02), loss(found / 1.02))


def test_scores_that_separate_the_classes_stop_at_the_lowest_temperature() -> None:
    y = np.array([0, 0, 1, 1])
    found = calibration.temperature(BINARY, np.array([[-1], [-1], [1], [1]], np.float32), y)
    assert found == pytest.approx(calibration.COLDEST, rel=1e-3)


def test_a_decision_divides_scores_by_its_temperature_in_float32() -> None:
    scores = np.array([[0.3], [-2.0]], np.float32)
    chosen = decision.Decision("fixed", 0.5, 1.7)
    expected = BINARY.predictions(scores / np.float32(1.7))
    assert np.array_equal(chosen.predictions(BINARY, scores), expected)
    assert np.array_equal(decision.Decision("fixed", 0.5).predictions(BINARY, scores), BINARY.predictions(scores))


def test_the_threshold_is_chosen_after_the_temperature(make: Any) -> None:
    problem, scores, y = sure(4000, 3.0)
    cost = {"threshold": "cost", "costs": {"false_positive": 3.0, "false_negative": 1.0}}
    chosen = decision.decide(problem, scores, y, make.settings(**cost, calibration="temperature"))
    assert chosen.rule == "cost" and chosen.temperature == pytest.approx(3, rel=0.1)
    assert chosen.threshold == pytest.approx(0.75, abs=0.1)  # of calibrated probabilities (Elkan, IJCAI 2001)


def test_a_precision_out_of_reach_is_one_line_with_the_best_there_is(make: Any) -> None:
    scores, y = np.array([[1.0], [1.0], [2.0]], np.float32), np.array([1, 0, 0])
    with pytest.raises(EvaluationError) as error:
        decision.decide(BINARY, scores, y, make.settings(threshold="recall_at_precision", precision=0.9))
    assert str(error.value) == (
        "evaluate.precision: 0.9 is not reached on the validation rows at any threshold (the most is 0.3333): "
        "run `dvc exp run -S evaluate.precision=0.3333`"
    )
