"""Rules for the threshold against a search over all of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from stemma.evaluation import threshold

Y = np.array([0, 0, 1, 0, 1, 1])
RULES = ["f1", "macro_f1", "youden", "cost", "recall_at_precision"]
P = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.9])


def worth(rule: str, y: np.ndarray, p: np.ndarray, t: float) -> float:
    decided = (p >= t).astype(int)
    tn, fp, fn, tp = sklearn.confusion_matrix(y, decided, labels=[0, 1]).ravel()
    match rule:
        case "f1":
            return sklearn.f1_score(y, decided, zero_division=0)
        case "youden":
            return tp / (tp + fn) + tn / (tn + fp) - 1
        case "macro_f1":
            return sklearn.f1_score(y, decided, average="macro", zero_division=0)
        case "cost":
            return -(1.0 * fp + 5.0 * fn)
        case _:
            return tp / (tp + fn) if tp and tp / (tp + fp) >= 0.6 else -1


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), rule=st.sampled_from(RULES))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_rule_finds_what_a_search_over_every_threshold_finds(make: Any, seed: int, rule: str) -> None:
    generator = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], generator.integers(0, 2, 15)])
    p = generator.integers(0, 9, 17).astype(np.float32) / 8  # ties, and 0 and 1 themselves
    costs = {"false_positive": 1.0, "false_negative": 5.0}
    found = threshold.choose(y, p, make.settings(threshold=rule, costs=costs, precision=0.6))
    best = max(worth(rule, y, p, t) for t in np.arange(0.5, 8) / 8)
    if found is None:
        assert rule == "recall_at_precision" and best == -1
    else:
        assert 0 < found < 1 and worth(rule, y, p, found) == pytest.approx(best)
        assert found not in p


def test_of_equally_good_thresholds_the_highest_is_taken(make: Any) -> None:
    # Youden's index is 2/3 from 0.3 (recall 1, one false positive) and from 0.6 (recall 2/3, none).
    assert threshold.choose(Y, P, make.settings(threshold="youden")) == pytest.approx(0.5)


def test_a_number_is_taken_as_it_is(make: Any) -> None:
    assert threshold.choose(Y, P, make.settings(threshold=0.123)) == 0.123


@pytest.mark.parametrize("flipped", [False, True], ids=["rare positive", "rare negative"])
def test_auto_leaves_a_half_only_where_it_misses_most_of_a_class(make: Any, flipped: bool) -> None:
    draw, auto = np.random.default_rng(0), make.settings(threshold="auto")
    x = draw.normal(size=4000)
    p = 1 / (1 + np.exp(3.5 - x))
    y, p = ((draw.random(4000) >= p).astype(int), 1 - p) if flipped else ((draw.random(4000) < p).astype(int), p)
    assert threshold.rule(y, p, auto) == "macro_f1"
    found = threshold.choose(y, p, auto)
    assert found == threshold.choose(y, p, make.settings(threshold="macro_f1"))
    assert worth("macro_f1", y, p, found) > 1.1 * worth("macro_f1", y, p, 0.5)
    assert (found > 0.5) == flipped
    assert (threshold.choose(Y, P, auto), threshold.rule(Y, P, auto)) == (0.5, 0.5)


def test_dear_false_alarms_decide_for_no_row(make: Any) -> None:
    costs = {"false_positive": 1000.0, "false_negative": 1.0}
    y = np.array([1, 0])
    assert threshold.choose(y, np.array([0.3, 0.5]), make.settings(threshold="cost", costs=costs)) == 0.75


def test_the_precision_asked_for_is_kept_or_there_is_no_threshold(make: Any) -> None:
    by_rule = {"threshold": "recall_at_precision"}
    assert threshold.choose(Y, P, make.settings(**by_rule, precision=0.7)) == pytest.approx(0.25)  # 3 of 4
    assert threshold.choose(Y, P, make.settings(**by_rule, precision=0.8)) == pytest.approx(0.5)  # 2 of 2
    assert threshold.choose(Y, 1 - P, make.settings(**by_rule, precision=0.9)) is None
    assert threshold.best_precision(Y, 1 - P) == 0.5
