"""The quality gate."""

from typing import Any

from stemma.evaluation import gate
from stemma.task import of

TASKS = {"binary": of("binary", "ab"), "regression": of("regression")}
TEST = {"roc_auc": 0.9, "log_loss": 0.25, "recall": None}
OTHERS = {"logistic": {"roc_auc": 0.89}, "gradient_boosting": {"roc_auc": 0.9}}


def passed(minimum: dict[str, Any], task: str = "binary", figures: Any = TEST, others: Any = OTHERS) -> list[bool]:
    return [demand.passed for demand in gate.demands(minimum, TASKS[task], figures, others)]


def test_a_number_is_the_least_that_is_allowed() -> None:
    assert passed({"roc_auc": 0.9}) == [True]
    assert passed({"roc_auc": 0.9001}) == [False]


def test_where_less_is_better_it_is_the_most() -> None:
    assert passed({"log_loss": 0.25}) == [True]
    assert passed({"log_loss": 0.2499}) == [False]


def test_a_baseline_must_be_surpassed_not_met() -> None:
    assert passed({"better_than": "logistic"}) == [True]
    assert passed({"better_than": "gradient_boosting"}) == [False]


def test_a_regression_is_better_when_its_rmse_is_lower() -> None:
    others = {"ridge": {"rmse": 2.0}}
    assert passed({"better_than": "ridge"}, "regression", {"rmse": 1.9}, others) == [True]
    assert passed({"better_than": "ridge"}, "regression", {"rmse": 2.1}, others) == [False]


def test_a_figure_that_is_not_defined_does_not_pass() -> None:
    assert passed({"recall": 0.1}) == [False]
    assert "recall not defined on the test rows" in str(gate.demands({"recall": 0.1}, TASKS["binary"], TEST, {})[0])


def test_a_failed_demand_names_the_figure_and_what_was_needed() -> None:
    minimum = {"roc_auc": 0.95, "log_loss": 0.2, "better_than": "logistic"}
    lines = [str(demand) for demand in gate.demands(minimum, TASKS["binary"], TEST, OTHERS)]
    assert lines == [
        "roc_auc 0.9000 on the test rows, evaluate.minimum asks for at least 0.95",
        "log_loss 0.2500 on the test rows, evaluate.minimum allows at most 0.2",
        "roc_auc 0.9000 on the test rows is not better than logistic (0.8900)",
    ]


def test_gaps_and_falls_are_at_most_what_is_asked_and_named_in_one_line() -> None:
    figures = TEST | {"gap.true_positive_rate.Region": 0.25, "fall.noise": 0.01, "gap.calibration.Region": None}
    minimum = {"gap.true_positive_rate.Region": 0.1, "fall.noise": 0.01, "gap.calibration.Region": 1.0}
    gap, fall, unknown = gate.demands(minimum, TASKS["binary"], figures, {})
    assert (gap.passed, fall.passed, unknown.passed) == (False, True, False)
    assert str(gap) == "gap.true_positive_rate.Region 0.2500 on the test rows, evaluate.minimum allows at most 0.1"


def test_a_figure_that_fails_by_a_later_digit_shows_it() -> None:
    (demand,) = gate.demands({"roc_auc": 1}, TASKS["binary"], {"roc_auc": 0.99995}, {})
    assert (
        not demand.passed and str(demand).startswith("roc_auc 0.99995 on the test rows") and "1.0000" not in str(demand)
    )
    (demand,) = gate.demands({"roc_auc": 0.99995}, TASKS["binary"], {"roc_auc": 0.9}, {})
    assert str(demand).endswith("asks for at least 0.99995")
