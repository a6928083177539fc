"""Two versions side by side: what is refused, what is told, and that the verdict is right."""

import dataclasses
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from judged import ROWS, FakeVersion, packaged, parquet, predictions, prepared, profile, version
from stemma import metrics
from stemma.errors import StemmaError
from stemma.versions import speed
from stemma.versions.compare import Comparison, Options, compare

PREDICTIONS = "reports/predictions.parquet"


def between(a: FakeVersion, b: FakeVersion, **options: Any) -> Comparison:
    return compare(".", a, b, Options(**options))  # type: ignore[arg-type]


def changed(one: FakeVersion, path: str, content: bytes) -> FakeVersion:
    return dataclasses.replace(one, files=one.files | {path: content})


def without(one: FakeVersion, path: str) -> FakeVersion:
    return dataclasses.replace(one, files={name: content for name, content in one.files.items() if name != path})


def test_a_table_that_a_version_was_trained_on_is_told(tmp_path: Path) -> None:
    """Written otherwise than the prepared rows, and with rows that are new."""
    train = prepared("binary").assign(x=lambda rows: rows.x + 100)
    trained = changed(version("a", tmp_path), "data/prepared/train.parquet", parquet(train))
    table = pd.concat([train[:90], prepared("binary")[:30]])
    table.to_csv(tmp_path / "table.csv", index=False)
    found = between(trained, version("b", tmp_path), on=tmp_path / "table.csv", latency=False, resamples=20)
    known, unknown = found.notes[-2:]
    rows = f"90 of 120 rows of {tmp_path / 'table.csv'}"
    assert known == f"warning: a was trained on {rows}: judge by rows that are new to both"
    assert unknown.startswith("whether b was trained on rows of ") and "train.parquet is not in b" in unknown
    prepared("binary").to_csv(tmp_path / "new.csv", index=False)
    found = between(trained, trained, on=tmp_path / "new.csv", latency=False, resamples=20)
    assert not any("trained on" in note for note in found.notes)


@pytest.mark.parametrize(
    ("task", "metric"), [("binary", "roc_auc"), ("multiclass", "balanced_accuracy"), ("regression", "rmse")]
)
def test_a_clearly_better_version_is_better_and_the_other_way_round_worse(
    task: str, metric: str, tmp_path: Path
) -> None:
    a, b = version("a", tmp_path, task, noise=1.5), version("b", tmp_path, task, noise=0.2)
    forth, back = between(a, b, latency=False), between(b, a, latency=False)
    assert (forth.metric, forth.verdict, back.verdict) == (metric, "better", "worse")
    assert forth.sentence.startswith(f"b is better than a: {metric} ")
    assert back.sentence.startswith("a is worse than b: ")
    assert forth.needed is None and "needed" not in forth.sentence
    assert forth.meets("better") and forth.meets("not-worse") and forth.meets("not-worse", margin=0)
    assert not back.meets("better") and not back.meets("not-worse")
    assert max(test.p for test in forth.tests) < 0.01


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_equally_good_versions_are_not_told_apart_and_the_rows_needed_are_said(task: str, tmp_path: Path) -> None:
    a, b = version("a", tmp_path, task, noise=0.6, seed=1), version("b", tmp_path, task, noise=0.6, seed=2)
    found = between(a, b, latency=False)
    assert found.verdict == "not distinguishable"
    assert found.needed is not None and found.needed > ROWS
    assert f"at this sample size: {found.metric}" in found.sentence
    assert f"about {found.needed:,} rows would be needed" in found.sentence
    assert not found.meets("better") and found.meets("not-worse")
    assert found.meets("not-worse", margin=100) and not found.meets("not-worse", margin=0)


def test_a_version_beside_itself_differs_in_nothing(tmp_path: Path) -> None:
    a = version("a", tmp_path)
    found = between(a, a, latency=False)
    assert (found.verdict, found.needed, found.main.difference) == ("not distinguishable", None, 0)
    assert "no number of rows would tell them apart" in found.sentence
    assert [test.p for test in found.tests] == [1, 1]


def test_the_figures_are_those_of_scikit_learn(tmp_path: Path) -> None:
    a, b = version("a", tmp_path, noise=1.0), version("b", tmp_path, noise=0.5)
    found = between(a, b, cost=(1.0, 5.0), latency=False).differences
    table = predictions("binary", 0.5)
    y, p, decided = table.actual == "TRUE", table.probability_TRUE, table.predicted == "TRUE"
    assert found["roc_auc"].b == pytest.approx(reference.roc_auc_score(y, p))
    assert found["f1"].b == pytest.approx(reference.f1_score(y, decided))
    assert found["cost"].b == pytest.approx(((~y & decided).sum() + 5 * (y & ~decided).sum()) / ROWS)
    assert tuple(found) == (*metrics.names("binary"), "cost")


def test_the_tests_fit_the_task(tmp_path: Path) -> None:
    names = {}
    for task in ("binary", "multiclass", "regression"):
        a, b = version("a", tmp_path, task, noise=1.5), version("b", tmp_path, task)
        names[task] = [test.name for test in between(a, b, latency=False, resamples=20).tests]
    assert names == {"binary": ["DeLong", "McNemar"], "multiclass": ["McNemar"], "regression": ["Wilcoxon"]}


def test_ranks_of_errors_that_see_more_than_a_figure_ruled_by_a_few_rows_say_why(tmp_path: Path) -> None:
    a, huge = version("a", tmp_path, "regression", noise=1.5), np.where(np.arange(ROWS) < 2, 1e6, 0.0)
    worse, less = (predictions("regression", noise) for noise in (1.5, 0.2))
    of = [parquet(table.assign(actual=table.actual + huge)) for table in (worse, less)]
    found = between(*(changed(a, PREDICTIONS, content) for content in of), latency=False)
    assert found.verdict == "not distinguishable"
    note = next(note for note in found.notes if note.startswith("Wilcoxon"))
    assert f"p = {found.tests[0].p:.2g}): it goes by the ranks of errors" in note and found.tests[0].p < 0.001


def test_the_metric_can_be_chosen_and_lower_cost_is_better(tmp_path: Path) -> None:
    a, b = version("a", tmp_path, noise=1.5), version("b", tmp_path, noise=0.2)
    found = between(a, b, metric="cost", cost=(1.0, 5.0), latency=False)
    assert (found.metric, found.higher_is_better, found.verdict) == ("cost", False, "better")
    assert found.main.difference < 0


def test_the_newer_version_is_judged_by_the_figure_that_it_recorded(tmp_path: Path) -> None:
    old, rare = (
        dataclasses.replace(version("a", tmp_path), evaluation={"main": main}) for main in ("roc_auc", "pr_auc")
    )
    pairs = ((old, rare), (rare, old), (rare, rare))
    assert [between(*pair, latency=False, resamples=20).metric for pair in pairs] == ["pr_auc", "roc_auc", "pr_auc"]


@pytest.mark.parametrize(
    ("metric", "named"),
    [("roc_acu", "did you mean roc_auc"), ("cost", r"give --cost fp=...,fn=..."), ("rmse", "is no metric of a binary")],
)
def test_a_metric_that_is_none_is_named_with_the_nearest(metric: str, named: str, tmp_path: Path) -> None:
    a = version("a", tmp_path)
    with pytest.raises(StemmaError, match=named):
        between(a, a, metric=metric, latency=False)


def test_a_cost_is_for_two_classes(tmp_path: Path) -> None:
    a = version("a", tmp_path, "regression")
    with pytest.raises(StemmaError, match="needs two classes, and the task is regression"):
        between(a, a, cost=(1, 1), latency=False)


def test_a_comparison_gives_the_same_again(tmp_path: Path) -> None:
    a, b = version("a", tmp_path, noise=1), version("b", tmp_path)
    assert between(a, b, by=["Month"], latency=False) == between(a, b, by=["Month"], latency=False)


# Refused, in one line.


def refused(a: FakeVersion, b: FakeVersion, **options: object) -> str:
    with pytest.raises(StemmaError) as caught:
        between(a, b, latency=False, resamples=20, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_data_are_other_test_rows_and_the_command_is_named(tmp_path: Path) -> None:
    message = refused(version("v1", tmp_path), version("v2", tmp_path, content="c1"))
    assert message == (
        "v1 and v2 were judged on different test rows (the data are not the same): "
        "run `stemma compare v1 v2 --on DATA.csv`"
    )


def test_another_split_of_the_same_data_is_other_test_rows(tmp_path: Path) -> None:
    a, table = version("a", tmp_path), predictions("binary", 0.5)
    for other in (table.assign(row=table.row + 1), table.iloc[:-1], table.assign(actual=table.actual.to_numpy()[::-1])):
        assert "(the split is not the same)" in refused(a, changed(a, PREDICTIONS, parquet(other)))


def test_rows_in_another_order_are_the_same_rows(tmp_path: Path) -> None:
    a = version("a", tmp_path)
    shuffled = predictions("binary", 0.5).sample(frac=1, random_state=0)
    found = between(a, changed(a, PREDICTIONS, parquet(shuffled)), latency=False, resamples=20)
    assert {each.difference for each in found.differences.values()} == {0}


def test_classes_in_another_order_are_brought_into_one(tmp_path: Path) -> None:
    a = version("a", tmp_path, "multiclass")
    order = ("c", "a", "b")
    b = FakeVersion("b", profile("multiclass", classes=order), {
        PREDICTIONS: parquet(predictions("multiclass", 0.5, classes=order))
    })  # fmt: skip
    found = between(a, b, latency=False, resamples=20)
    assert {each.difference for each in found.differences.values()} == {0}


@pytest.mark.parametrize(
    ("task", "other", "named"),
    [
        ("binary", profile("regression"), "the task of one is binary, of the other regression"),
        ("binary", profile("binary") | {"target": "Bought"}, "the target of one is Revenue, of the other Bought"),
        ("multiclass", profile("multiclass", classes=("a", "b")), "of the classes a alone has 'c', b has nothing"),
        ("binary", profile("binary") | {"positive": "FALSE"}, "the positive class of one is TRUE, of the other FALSE"),
    ],
)
def test_versions_that_predict_other_things_are_refused(
    task: str, other: dict[str, object], named: str, tmp_path: Path
) -> None:
    a = version("a", tmp_path, task)
    table = predictions(str(other["task"]), 0.5)
    table = table[~table.isin(["c"]).any(axis=1)] if other["classes"] == ["a", "b"] else table
    message = refused(a, FakeVersion("b", other, {PREDICTIONS: parquet(table)}))
    assert message.startswith("a and b cannot be compared: ") and message.endswith(named)


def test_predictions_that_are_missing_or_strange_are_one_line(tmp_path: Path) -> None:
    a = version("a", tmp_path)
    assert "reports/predictions.parquet is not in b" in refused(a, FakeVersion("b", a.profile))
    table = predictions("binary", 0.5)
    for content in (
        b"not parquet",
        parquet(table.drop(columns="probability_TRUE")),
        parquet(table.drop(columns="row")),
        parquet(table.assign(actual="maybe")),
    ):
        assert "reports/predictions.parquet of a does not fit its profile (" in refused(
            a, changed(a, PREDICTIONS, content)
        )


def test_a_profile_that_lacks_what_a_comparison_needs_is_one_line(tmp_path: Path) -> None:
    a = version("a", tmp_path)
    lacking = {key: value for key, value in a.profile.items() if key not in ("content", "row")}
    assert "profile.json of a does not say its content.sha256" in refused(a, dataclasses.replace(a, profile=lacking))
    lacking = {key: value for key, value in a.profile.items() if key != "row"}
    assert "profile.json of a does not say its row" in refused(a, dataclasses.replace(a, profile=lacking), by=["Month"])
    assert "a has no data/prepared/profile.json" in refused(a, dataclasses.replace(a, profile=None))


def test_a_metric_without_meaning_on_the_rows_is_said(tmp_path: Path) -> None:
    table = predictions("binary", 0.5)
    a = changed(version("a", tmp_path), PREDICTIONS, parquet(table[table.actual == "TRUE"]))
    assert "roc_auc has no meaning on 300 rows" in refused(a, a)


def test_fewer_than_ten_rows_tell_nothing(tmp_path: Path) -> None:
    made = []
    for name, noise in (("a", 3.0), ("b", 0.0)):
        table = predictions("regression", noise)[:9]
        made.append(changed(version(name, tmp_path, "regression"), PREDICTIONS, parquet(table)))
    found = between(*made, latency=False)
    assert found.main.high < 0 and found.verdict == "not distinguishable" and found.needed == 10
    assert not found.meets("not-worse", margin=100.0) and not found.meets("better")


# On a table.


@pytest.fixture
def table(tmp_path: Path) -> Path:
    prepared("binary").drop(columns="row").to_csv(tmp_path / "new.csv", index=False)
    return tmp_path / "new.csv"


def test_both_bundles_are_run_on_a_table_whatever_rows_they_were_judged_on(tmp_path: Path, table: Path) -> None:
    a, b = version("a", tmp_path, weight=-2), version("b", tmp_path, weight=2, content="other data")
    found = between(a, b, on=table, latency=False)
    rows = pd.read_csv(table)
    expected = reference.roc_auc_score(rows.Revenue, rows.x)
    assert (found.on, found.rows, found.verdict) == (str(table), ROWS, "better")
    assert (found.main.a, found.main.b) == pytest.approx((1 - expected, expected))


def test_a_parquet_table_gives_what_the_csv_gives(tmp_path: Path, table: Path) -> None:
    a, b = version("a", tmp_path, weight=-2), version("b", tmp_path)
    rows = pd.read_csv(table)
    for frame in (rows, rows.assign(Revenue=rows.Revenue.astype(str).str.upper())):
        frame.to_parquet(tmp_path / "new.parquet", index=False)
        one = between(a, b, on=table, latency=False, resamples=20)
        other = between(a, b, on=tmp_path / "new.parquet", latency=False, resamples=20)
        assert one.differences == other.differences


@pytest.mark.parametrize("change", [{}, {"separator": "\t", "decimal": "."}, {"encoding": "utf-8"}])
def test_a_table_is_read_as_that_of_training_was_written_or_plainly(
    tmp_path: Path, table: Path, change: dict[str, Any]
) -> None:
    file = {"separator": ";", "decimal": ",", "encoding": "cp1252", "header": True} | change
    a = version("a", tmp_path, weight=-2)
    two = packaged(tmp_path / "two.zip", "binary", 2.0, file=file)
    b = changed(a, "models/package/model.zip", two)
    rows = prepared("binary").drop(columns="row").assign(Maß="ß")
    plain = between(b, b, on=table, latency=False, resamples=20)
    rows.to_csv(
        tmp_path / "as.csv", sep=file["separator"], decimal=file["decimal"], encoding=file["encoding"], index=False
    )
    assert (
        between(b, b, on=tmp_path / "as.csv", by=["Maß"], latency=False, resamples=20).differences == plain.differences
    )


def test_bundles_with_other_features_are_compared_on_a_table(tmp_path: Path, table: Path) -> None:
    a = version("a", tmp_path)
    prepared("binary").assign(y=np.random.default_rng(0).normal(size=ROWS) * 3).to_csv(table, index=False)
    two = packaged(tmp_path / "two.zip", "binary", 2.0, inputs=("x", "y"))
    found = between(a, changed(a, "models/package/model.zip", two), on=table, latency=False)
    assert found.verdict == "worse"


def test_every_task_is_compared_on_a_table(tmp_path: Path) -> None:
    for task, metric in (("multiclass", "accuracy"), ("regression", "mae")):
        prepared(task).to_parquet(tmp_path / f"{task}.parquet", index=False)
        a, b = version("a", tmp_path, task, weight=-1), version("b", tmp_path, task, weight=10)
        found = between(a, b, on=tmp_path / f"{task}.parquet", metric=metric, latency=False, resamples=50)
        assert found.verdict == "better"
    assert found.main.b == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x,Revenue\n1,TRUE\n2,maybe\n", "target 'Revenue', row 2: 'maybe' is not one of FALSE, TRUE"),
        ("x,Revenue\n1,TRUE\n2,\n", "target 'Revenue', row 2: '' is not one of FALSE, TRUE"),
        ("x\n1\n", "has no column 'Revenue', the target"),
        ("Month;Revenue\n1;2\n", "; it has 'Month;Revenue'"),
        ("y,Revenue\n1,TRUE\n", "the rows lack the column 'x'"),
        ("x,Revenue\n1,TRUE\nwide,FALSE\n", "column 'x', row 2: 'wide' is not a finite number"),
        ("x,Revenue\n", "has no rows"),
        ("", "is empty"),
        ("x,Revenue\n1,TRUE\n1,2,3\n", "row 2: 3 values, and the header has 2"),
        ("x,x,Revenue\n1,1,TRUE\n", "two columns named 'x'"),
        ("x,Revenue\n1,TRUE\n2,TRUE\n", "roc_auc has no meaning on 2 rows"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line_with_the_row(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text(text)
    a = version("a", tmp_path)
    message = refused(a, a, on=path)
    assert named in message
    assert str(path) in message or "no meaning" in message


def test_a_table_that_is_not_there_and_a_damaged_bundle_are_one_line(tmp_path: Path, table: Path) -> None:
    a = version("a", tmp_path)
    assert "nowhere.csv is not there" in refused(a, a, on="nowhere.csv")
    assert ". is no file" in refused(a, a, on=".")
    damaged = changed(a, "models/package/model.zip", b"PK" + bytes(100))
    assert refused(a, damaged, on=table).startswith("models/package/model.zip of a is damaged")
    assert "models/package/model.zip is not in a" in refused(a, without(a, "models/package/model.zip"), on=table)


# Slices.


def test_slices_hold_every_row_once_and_their_p_values_are_corrected(tmp_path: Path) -> None:
    a, b = version("a", tmp_path, noise=1.5), version("b", tmp_path, noise=0.3)
    found = between(a, b, by=["Month", "x"], latency=False).slices
    assert [(each.column, each.value) for each in found[:4]] == [
        ("Month", "Dec"), ("Month", "May"), ("Month", "Nov"), ("Month", "(missing)"),
    ]  # fmt: skip
    for column in ("Month", "x"):
        assert sum(each.rows for each in found if each.column == column) == ROWS
    tested = [each for each in found if each.test is not None]
    assert all(each.corrected >= each.test.p for each in tested)  # type: ignore[operator, union-attr]
    assert found[1].verdict == "better" and found[1].test is not None and found[1].test.name == "DeLong"


def test_a_slice_where_the_metric_has_no_meaning_is_shown_untested(tmp_path: Path) -> None:
    a, b = version("a", tmp_path, noise=1.5), version("b", tmp_path)
    found = between(a, b, by=["Revenue"], latency=False, resamples=20).slices
    assert [each.test for each in found] == [None, None]
    assert all(math.isnan(each.difference.difference) and each.verdict == "not distinguishable" for each in found)


@pytest.mark.slow
def test_holm_keeps_twenty_slices_of_equal_versions_from_a_false_alarm(tmp_path: Path) -> None:
    """With twenty tests at 5 %, one of three comparisons of equals would ring; corrected, one of twenty."""
    alarms = 0
    rows = prepared("regression").assign(group=[f"g{row % 20}" for row in range(ROWS)])
    for seed in range(20):
        a = changed(version("a", tmp_path, "regression", seed=2 * seed), "data/prepared/test.parquet", parquet(rows))
        b = changed(
            version("b", tmp_path, "regression", seed=2 * seed + 1), "data/prepared/test.parquet", parquet(rows)
        )
        found = between(a, b, by=["group"], latency=False, resamples=20).slices
        assert len(found) == 20
        alarms += any(each.verdict != "not distinguishable" for each in found)
    assert alarms <= 4


def test_a_column_to_slice_by_that_is_not_there_is_named_with_the_nearest(tmp_path: Path, table: Path) -> None:
    a = version("a", tmp_path)
    assert "data/prepared/test.parquet of a has no column 'Mnth' (did you mean Month?)" in refused(a, a, by=["Mnth"])
    assert "has no column 'Mnth' (did you mean Month?)" in refused(a, a, by=["Mnth"], on=table)


# Size and latency.


def test_size_and_latency_of_both_bundles_are_measured(tmp_path: Path) -> None:
    a = version("a", tmp_path)
    sizes = between(a, a, resamples=20).sizes
    for size in sizes:
        assert size.bytes == len(a.files["models/package/model.zip"])
        assert size.latency is not None and 0 < size.latency.single < size.latency.batch < 1000
        assert size.memory is not None or not sys.platform.startswith("linux")


def test_without_a_bundle_the_rest_is_said_and_the_gap_named(tmp_path: Path) -> None:
    a = version("a", tmp_path)
    found = between(a, without(a, "models/package/model.zip"), resamples=20)
    assert found.sizes[1].bytes is found.sizes[1].latency is found.sizes[1].memory is None
    assert found.notes == ("latency of a is not known: models/package/model.zip is not in a",)


def test_a_slower_bundle_takes_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stemma.versions.predictions import bundle_of

    one, wide = version("a", tmp_path), version("b", tmp_path)
    inputs = tuple(f"x{number}" for number in range(60))
    wide = changed(wide, "models/package/model.zip", packaged(tmp_path / "wide.zip", "binary", 1.0, inputs=inputs))
    a, b = speed.latencies(bundle_of(one), bundle_of(wide))  # type: ignore[arg-type]
    assert b.batch > a.batch
