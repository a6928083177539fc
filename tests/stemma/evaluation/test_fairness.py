"""Gaps between groups, on rows where they were planted."""

from typing import Any

import numpy as np
import pytest

from stemma import metrics, task
from stemma.evaluation import fairness
from stemma.metrics.slices import cut

ROWS = 4000
KINDS = {"binary": task.of("binary", "ny"), "multiclass": task.of("multiclass", "abc"),
         "regression": task.of("regression")}  # fmt: skip


def binary(groups: np.ndarray, found: dict[str, float], alarm: float = 0.2) -> metrics.Rows:
    """Half the rows are positive; in each group so many of them are found, and as many of the others are taken."""
    draw = np.random.default_rng(2)
    y = draw.integers(0, 2, len(groups))
    rate = np.array([found[group] for group in groups])
    said = (draw.random(len(groups)) < np.where(y == 1, rate, alarm)).astype(np.int64)
    p = np.where(said == 1, 0.75, 0.25)
    return metrics.Rows.of(KINDS["binary"], y, np.stack([1 - p, p], axis=1), said)


def gaps(make: Any, rows: metrics.Rows, groups: np.ndarray, **changed: Any) -> dict[str, Any]:
    return fairness.gaps(rows, cut(groups.tolist()), make.settings(**{"bootstrap": 200} | changed))


def test_a_planted_gap_is_found_between_the_right_groups_and_its_interval_holds_it(make: Any) -> None:
    groups = np.repeat(["north", "south"], ROWS // 2)
    found = gaps(make, binary(groups, {"north": 0.8, "south": 0.5}), groups)
    gap = found["true_positive_rate"]
    assert (gap["most"], gap["least"]) == ("north", "south") and 0.05 < gap["low"] <= 0.3 <= gap["high"]
    assert gap["value"] == pytest.approx(gap["groups"]["north"] - gap["groups"]["south"])
    assert found["false_positive_rate"]["low"] < 0  # none was planted
    assert found["selection_rate"]["value"] == pytest.approx(0.15, abs=0.03)


def test_gaps_are_those_counted_by_hand(make: Any) -> None:
    groups = np.repeat(["a", "b"], 20)
    y = np.tile([1, 0], 20)
    said = np.concatenate([y[:20], np.zeros(20, np.int64)])  # all that is positive in a, nothing in b
    p = np.where(said == 1, 0.9, 0.1)
    found = gaps(make, metrics.Rows.of(KINDS["binary"], y, np.stack([1 - p, p], axis=1), said), groups)
    assert {name: gap["value"] for name, gap in found.items()} == pytest.approx(
        {"selection_rate": 0.5, "true_positive_rate": 1.0, "false_positive_rate": 0.0, "calibration": 0.4}
    )
    assert found["calibration"]["groups"] == pytest.approx({"a": 0.0, "b": -0.4})
    assert (found["true_positive_rate"]["low"], found["true_positive_rate"]["high"]) == (1.0, 1.0)


def test_where_groups_are_alike_one_interval_for_all_pairs_seldom_says_otherwise(make: Any) -> None:
    """Of 12 groups the most and the least differ by chance: an interval for that pair alone would leave out 0."""
    alarms = 0
    for seed in range(20):
        groups = np.random.default_rng(seed).choice([f"g{n:02}" for n in range(12)], 1200)
        found = gaps(make, binary(groups, dict.fromkeys(groups, 0.6)), groups, seed=seed, bootstrap=200)
        alarms += found["true_positive_rate"]["low"] > 0
    assert alarms <= 3


def test_a_group_of_three_rows_is_held_beside_no_other(make: Any) -> None:
    groups = np.array(["north"] * 500 + ["south"] * 500 + ["tiny"] * 3)
    rows = binary(groups, {"north": 0.6, "south": 0.6, "tiny": 0.0})
    for gap in gaps(make, rows, groups).values():
        assert gap["groups"]["tiny"] is None and "tiny" not in (gap["most"], gap["least"])
    alone = np.array(["all"] * 1000 + ["tiny"] * 3)
    for gap in gaps(make, rows, alone).values():
        assert gap["value"] is None and gap["low"] is None and gap["most"] is None


def test_of_several_classes_the_one_that_differs_most_is_named(make: Any) -> None:
    draw = np.random.default_rng(0)
    groups = np.repeat(["x", "y"], ROWS // 2)
    actual = draw.integers(0, 3, ROWS)
    missed = (actual == 2) & (groups == "y") & (draw.random(ROWS) < 0.4)  # class c of y is taken for a
    said = np.where(missed, 0, actual)
    rows = metrics.Rows.of(KINDS["multiclass"], actual, np.eye(3)[said] * 0.94 + 0.02, said)
    gap = gaps(make, rows, groups)["true_positive_rate"]
    assert (gap["class"], gap["most"], gap["least"]) == ("c", "x", "y") and gap["low"] <= 0.4 <= gap["high"]


def test_of_a_regression_the_mean_error_says_who_is_told_too_much(make: Any) -> None:
    draw = np.random.default_rng(0)
    groups = np.repeat(["x", "y"], ROWS // 2)
    actual = draw.normal(size=ROWS)
    told = actual + 0.1 * draw.normal(size=ROWS) + np.where(groups == "x", 0.5, -0.25)
    gap = gaps(make, metrics.Rows.of(KINDS["regression"], actual, told[:, None]), groups)["mean_error"]
    assert (gap["most"], gap["least"]) == ("x", "y") and gap["low"] <= 0.75 <= gap["high"] and gap["low"] > 0.7
    assert gap["groups"]["x"] == pytest.approx(0.5, abs=0.02)


def test_without_resamples_there_is_no_interval_and_the_same_seed_gives_the_same(make: Any) -> None:
    groups = np.repeat(["north", "south"], 200)
    rows = binary(groups, {"north": 0.8, "south": 0.5})
    assert gaps(make, rows, groups, bootstrap=0)["selection_rate"]["low"] is None
    assert gaps(make, rows, groups) == gaps(make, rows, groups)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gate_can_ask_of_every_gap_and_of_no_other(make: Any, kind: str) -> None:
    groups = np.repeat(["x", "y"], 50)
    actual = np.arange(100) % max(2, len(KINDS[kind].classes))
    outputs = np.full((100, KINDS[kind].width), 0.5)
    decided = KINDS[kind].decide(outputs, 0.5)
    told = {"a b": gaps(make, metrics.Rows.of(KINDS[kind], actual, outputs, decided), groups)}
    assert tuple(fairness.figures(told)) == fairness.conditions(KINDS[kind], ["a b"])
