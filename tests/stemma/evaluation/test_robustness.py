"""What is lost where rows are worse."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stemma.evaluation import robustness
from stemma.evaluation.decision import Decision
from stemma.evaluation.probe import COLUMNS, Probe
from stemma.tables import encode
from tiny.params import settled

ROWS = 800  # of the fixture probe


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_column_that_the_network_ignores_costs_nothing_and_one_it_goes_by_does(
    make: Any, probe: Any, task: str
) -> None:
    told = robustness.of(probe(task), make.settings())["robustness"]
    changes = told["changes"]
    assert (told["rows"], told["alone"]) == (ROWS, 250) and list(changes) == ["noise", "missing", "shift", "unknown"]
    for name, column in (("noise", "other"), ("missing", "day"), ("missing", "flag"), ("shift", "day")):
        assert changes[name]["columns"][column] == 0
    for name, column in (("noise", "size"), ("missing", "size"), ("unknown", "kind"), ("missing", "kind")):
        assert changes[name]["columns"][column] > 0
        assert changes[name]["low"] <= changes[name]["value"] <= changes[name]["high"]
    assert changes["shift"]["value"] > 0 if task == "regression" else changes["shift"]["value"] == 0  # order stays


def test_more_of_it_costs_more_and_none_of_it_is_not_told(make: Any, probe: Any) -> None:
    sizes = {"noise": 0.0, "missing": 0.0, "shift": 0.0, "unknown": 0.0}
    assert robustness.of(probe("binary"), make.settings(robustness=sizes)) == {}
    falls = [
        robustness.of(probe("binary"), make.settings(robustness=sizes | {"noise": size}))["robustness"]["changes"]
        for size in (0.1, 1.0)
    ]
    assert all(list(each) == ["noise"] for each in falls)
    assert 0 < falls[0]["noise"]["value"] < falls[1]["noise"]["value"]


def test_of_a_target_in_small_units_the_fall_is_told_too(make: Any, probe: Any) -> None:
    asked = probe("regression")
    task = replace(asked.about.task, deviation=1e-9)
    small = replace(asked, about=replace(asked.about, task=task), y=asked.y * 1e-9)
    fall = robustness.of(small, make.settings())["robustness"]["changes"]["noise"]
    assert 0 < fall["low"] < fall["value"] < fall["high"] < 1e-8


def test_the_same_seed_gives_the_same_and_the_rows_stay_as_they_were(make: Any, probe: Any) -> None:
    asked = probe("binary")
    before = asked.frame.copy()
    first, again = (robustness.of(asked, make.settings()) for _ in range(2))
    assert first == again != robustness.of(asked, make.settings(seed=1))
    pd.testing.assert_frame_equal(asked.frame, before)


def test_where_the_figure_is_not_defined_or_the_table_is_wide_nothing_is_told(make: Any, probe: Any) -> None:
    asked = probe("binary")
    wide = tuple((f"c{place}", "numeric") for place in range(COLUMNS + 1))
    for other in (
        replace(asked, y=np.zeros(ROWS, np.float32)),
        replace(asked, frame=asked.frame[:0], y=asked.y[:0]),
        replace(asked, about=replace(asked.about, features=wide)),
    ):
        assert robustness.of(other, make.settings()) == {}


def test_a_change_goes_through_the_encoder_that_serves(make: Any) -> None:
    """A text that was never seen is encoded as a rare one, and a number that is gone as its indicator says."""
    _, about, rows = make.prepared("binary", 400)
    graph = encode.fit(rows.frame, about.features, settled().prepare).graph
    asked: list[np.ndarray] = []

    def scores(encoded: np.ndarray) -> np.ndarray:
        asked.append(encoded)
        return encoded[:, :1]

    probe = Probe(about, encode.Encoder(graph).encode, scores, Decision("fixed", 0.5), rows.frame, rows.y)
    told = robustness.of(probe, make.settings(robustness={"noise": 0, "missing": 0, "shift": 0, "unknown": 1.0}))
    assert list(told["robustness"]["changes"]["unknown"]["columns"]) == ["kind"]
    assert len(np.unique(asked[1][:, 2:], axis=0)) == 1 < len(np.unique(asked[0][:, 2:], axis=0))


def test_the_gate_can_ask_of_every_fall_and_of_no_other(make: Any, probe: Any) -> None:
    settings = make.settings()
    told = robustness.of(probe("binary"), settings)["robustness"]
    assert tuple(robustness.figures(told)) == robustness.conditions(settings.robustness)
