"""What the section `evaluate` asks in vain, said when settings are read."""

import json
from typing import Any

import pytest

from stemma.entries import Entry
from stemma.errors import SettingsError
from stemma.evaluation import check
from stemma.metrics import Metric
from tiny.params import values

OF_VALUES = Metric("bias", "bias", "mean error", ("regression",), lambda sample: 0.0, "lower")
OWN = {"bias": Entry(f"{__name__}:OF_VALUES")}
BASELINES = {"neighbours": Entry("nobody:loads_this")}


def faults(task: str, own: Any = OWN, **evaluate: Any) -> list[str]:
    sections = values()
    sections = {"data": {"task": task}, "evaluate": sections["evaluate"] | evaluate}
    return check.faults(own, BASELINES, json.loads(json.dumps(sections)), {})


@pytest.mark.parametrize(
    ("minimum", "task", "line"),
    [
        ({"rocauc": 0.9}, "binary", "evaluate.minimum: 'rocauc' is no metric of a binary task (did you mean roc_auc?)"),
        ({"roc_auc": 0.9}, "regression", "'roc_auc' is no metric of a regression task"),
        ({"bias": 0.9}, "multiclass", "'bias' is no metric of a multiclass task"),
        ({"better_than": "logistik"}, "binary", "none of majority, logistic, gradient_boosting, neighbours (did you"),
        ({"better_than": "logistic"}, "regression", "none of mean, ridge, gradient_boosting, neighbours"),
        ({"better_than": 0.9}, "binary", "evaluate.minimum.better_than: 0.9 is none of"),
        ({"roc_auc": "high"}, "binary", "evaluate.minimum.roc_auc: 'high' is not a number"),
        ({"roc_auc": 85}, "binary", "roc_auc: 85 is outside of what it can be, 0 to 1 (did you mean 0.85?)"),
        ({"brier": 5}, "binary", "evaluate.minimum.brier: 5 is outside of what it can be, 0 to 2"),
        ({"log_loss": -1}, "multiclass", "evaluate.minimum.log_loss: -1 is outside of what it can be, 0 to inf"),
        ({"r2": 95}, "regression", "r2: 95 is outside of what it can be, -inf to 1 (did you mean 0.95?)"),
        (
            {"gap.selection_rate.Region": 10},
            "binary",
            "gap.selection_rate.Region: 10 is outside of what it can be, 0 to 1 (did you",
        ),
        ({"gap.calibration.Regoin": 1}, "binary", "no fall of evaluate.robustness of a binary task (did you mean gap."),
        ({"gap.mean_error.Region": 1}, "binary", "'gap.mean_error.Region' is no gap of evaluate.slices"),
        ({"fall.nois": 1}, "binary", "did you mean fall.noise?"),
    ],
)
def test_a_name_of_the_gate_that_is_none_is_told_with_the_nearest(minimum: Any, task: str, line: str) -> None:
    (fault,) = faults(task, minimum=minimum, slices=["Region"])
    assert line in fault


def test_what_can_be_had_is_no_fault() -> None:
    minimum = {"roc_auc": 0.9, "better_than": "neighbours", "gap.calibration.Region": 1, "fall.noise": 0.1}
    assert faults("binary", minimum=minimum, slices=["Region"], threshold="f1", calibration="temperature") == []
    assert faults("regression", minimum={"bias": 1.0, "better_than": "ridge"}) == []


def test_all_wrong_names_are_told_at_once() -> None:
    assert len(faults("binary", minimum={"rocauc": 0.9, "fall.nois": 1, "better_than": "logistik"}, slices=[])) == 3


def test_a_change_that_is_not_tried_cannot_be_asked_for() -> None:
    off = values()["evaluate"]["robustness"] | {"noise": 0}
    assert "'fall.noise'" in faults("binary", minimum={"fall.noise": 0.1}, robustness=off)[0]


def test_a_metric_of_ones_own_that_cannot_be_loaded_is_told_where_a_gate_needs_it() -> None:
    own = {"gone": Entry("nobody.has:THIS")}
    assert faults("binary", own) == []
    assert "nobody.has:THIS cannot be loaded" in faults("binary", own, minimum={"roc_auc": 0.9})[0]


def test_a_slice_that_is_no_column_is_told_before_prepare() -> None:
    data = {"task": "binary", "columns": {"age": "numeric", "pixel_*": "numeric"}, "derive": {"ratio": "age / 2"},
            "target": "bought", "group": None, "time": "day"}  # fmt: skip
    evaluate = values()["evaluate"] | {"slices": ["age", "pixel_7", "ratio", "bought", "day", "agee", "group"]}
    assert check.faults(OWN, BASELINES, {"data": data, "evaluate": json.loads(json.dumps(evaluate))}, {}) == [
        "evaluate.slices: 'agee' is no column of the table (did you mean age?)",
        "evaluate.slices: 'group' is no column of the table",
    ]


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_rule_needs_two_classes(task: str) -> None:
    assert faults(task, threshold="auto") == []
    assert faults(task, threshold="f1") == [f"evaluate.threshold: the rule f1 needs two classes, data.task is {task}"]


def test_a_regression_has_nothing_to_calibrate() -> None:
    assert faults("multiclass", calibration="temperature") == []
    assert faults("regression", calibration="temperature") == [
        "evaluate.calibration: temperature needs classes, data.task is regression"
    ]


@pytest.mark.parametrize("data", [None, [], {}, {"task": None}, {"task": ["binary"]}, {"task": "binery"}])
def test_sections_whose_types_are_wrong_are_left_to_these(data: Any) -> None:
    assert check.faults(OWN, {}, {"data": data, "evaluate": values()["evaluate"]}, {}) == []
    assert check.faults(OWN, {}, {"data": {"task": "binary"}, "evaluate": data}, {}) == []


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"'Mnth' is not a column of data/prepared \(did you mean Month\?\)"):
        check.slices(["Month", "Mnth"], ["row", "Month", "Region"], "row")
    with pytest.raises(SettingsError, match="'row' is not a column"):
        check.slices(["row"], ["row", "Month"], "row")
