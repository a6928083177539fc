"""Two versions in service, judged by outcomes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import stemma.task
from stemma import metrics
from stemma.errors import StemmaError
from stemma.watch import ab, log, outcomes, sequential
from stemma.watch.ab import Options
from stemma.watch.answers import measured
from watched import DAY, MULTICLASS, REGRESSION, SIGNATURE, START, logged, source


def served(
    folder: Path, version: str, rows: int, right: float, *, seed: int = 0, told: float = 1.0, **more: Any
) -> np.ndarray:
    """Two classes, decided rightly with this chance; outcomes are told of a share of the rows. (rows,) what came."""
    draw = np.random.default_rng(seed)
    actual = draw.random(rows) < 0.4
    decided = np.where(draw.random(rows) < right, actual, ~actual)
    times = START + 7 * DAY * np.arange(rows) / rows
    logged(folder, np.where(decided, 0.8, 0.2), of=source(version), **({"times": times} | more))
    tell(folder, version, ["TRUE" if one else "FALSE" for one in actual[: int(told * rows)]])
    return actual


def tell(folder: Path, version: str, texts: list[str]) -> None:
    if texts:
        outcomes.Ledger(folder).keep({(f"{version}-{n}", 0): text for n, text in enumerate(texts)}, START)


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """b is right in 80 %, a in 70 %; in b's rows of November it is a tenth better still."""
    folder = tmp_path_factory.mktemp("better")
    months = np.array(["May", "Nov"] * 750, object)
    users = [{"group": "new" if n % 3 else "old"} for n in range(1500)]
    served(folder, "a", 1500, 0.7, seed=1, inputs={"Month": months}, headers=users)
    served(folder, "b", 1500, 0.8, seed=2, inputs={"Month": months}, headers=users)
    return folder


def test_requests_that_named_their_version_are_not_of_the_split(tmp_path: Path) -> None:
    times = START + np.arange(200)
    for version, arm in (("a", "stable"), ("b", "split"), ("b", "named"), ("a", None)):
        ids = [f"{version}{arm}{n}" for n in range(200)]
        logged(tmp_path, [0.5] * 200, of=source(version), ids=ids, times=times, arm=arm)
        outcomes.Ledger(tmp_path).keep(dict.fromkeys(((id, 0) for id in ids), "TRUE"), START)
    found = ab.compare(tmp_path, "a", "b", Options("accuracy"))
    assert found.requests == found.rows == (400, 200)


def test_the_better_version_is_told_in_one_sentence(better: Path) -> None:
    found = ab.compare(better, "a", "b", Options("accuracy"))
    assert (found.verdict, found.requests, found.rows, found.skipped) == ("better", (1500, 1500), (1500, 1500), ())
    moved, low, high = found.difference.difference, found.difference.low, found.difference.high
    assert 0 < low < moved < high and found.p is not None and found.p < 0.05
    assert found.sentence == (
        f"b is better than a: accuracy {found.difference.a:.4f} -> {found.difference.b:.4f} on 3,000 rows, "
        f"difference +{moved:.4f}, 95 % interval +{low:.4f} to +{high:.4f}"
    )
    assert found.meets("better") and found.meets("not-worse")
    back = ab.compare(better, "b", "a", Options("accuracy"))
    assert (back.verdict, back.meets("not-worse")) == ("worse", False)
    assert back.difference.low == pytest.approx(-high)


def test_error_of_a_mean_is_that_of_welch(better: Path) -> None:
    found = ab.compare(better, "a", "b", Options("accuracy")).difference
    a, b = (np.arange(1500) < round(value * 1500) for value in (found.a, found.b))
    welch = stats.ttest_ind(b.astype(float), a.astype(float), equal_var=False)
    assert found.difference / found.error == pytest.approx(welch.statistic)


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "brier", "roc_auc"])
def test_every_figure_is_that_of_evaluate_on_the_same_rows(better: Path, name: str) -> None:
    """The mean of rows is the figure; a figure that is none has the error of the bootstrap."""
    found = ab.compare(better, "a", "b", Options(name))
    answers = ab.read(log.Log(better), ab.PREDICTED)["b"]
    task = stemma.task.of("binary", ("FALSE", "TRUE"))
    p = answers.table["probability.TRUE"].to_numpy().astype(np.float64)
    actual = np.array([text == "TRUE" for text in answers.table["outcome"].to_pylist()], int)
    rows = metrics.Rows.of(task, actual, np.column_stack([1 - p, p]), task.decide(np.column_stack([1 - p, p]), 0.5))
    assert found.difference.b == pytest.approx(metrics.figures(rows)[name], rel=1e-6)
    assert found.verdict == "better" and found.higher_is_better == (metrics.better(name) == "higher")


def test_slices_are_of_inputs_and_of_headers(better: Path) -> None:
    found = ab.compare(better, "a", "b", Options("accuracy", by=("Month", "group")))
    assert [(each.column, each.value) for each in found.slices] == [
        ("Month", "May"), ("Month", "Nov"), ("group", "new"), ("group", "old")
    ]  # fmt: skip
    assert [each.rows for each in found.slices] == [(750, 750), (750, 750), (1000, 1000), (500, 500)]
    weighted = sum(each.difference.b * each.rows[1] for each in found.slices[:2]) / 1500
    assert weighted == pytest.approx(found.difference.b)
    assert all(each.corrected is not None and each.corrected >= found.p for each in found.slices)
    with pytest.raises(StemmaError, match=r"no column 'Mont' \(did you mean Month"):
        ab.compare(better, "a", "b", Options(by=("Mont",)))


def test_equal_versions_are_not_told_apart_and_the_time_to_a_verdict_is(tmp_path: Path) -> None:
    served(tmp_path, "a", 400, 0.7, seed=1)
    served(tmp_path, "b", 400, 0.7, seed=4)
    found = ab.compare(tmp_path, "a", "b", Options("accuracy"))
    assert found.verdict == "not distinguishable" and found.needed is not None and found.needed > 800
    assert found.days == pytest.approx((found.needed / 800 - 1) * 7, rel=0.01)
    assert f"about {found.needed:,} rows would be needed, in {found.days:,.1f} days" in found.sentence
    assert found.meets("not-worse") and not found.meets("better")


def test_a_few_rows_say_nothing_however_different(tmp_path: Path) -> None:
    served(tmp_path, "a", 99, 0.0)
    served(tmp_path, "b", 99, 1.0)
    found = ab.compare(tmp_path, "a", "b", Options("accuracy", by=("Month",)))
    assert (found.verdict, found.p, found.slices[0].corrected) == ("not distinguishable", None, None)
    assert "nothing is said before each has 100 rows" in found.sentence


def test_a_split_that_is_not_the_one_that_was_meant_is_found_first(tmp_path: Path) -> None:
    served(tmp_path, "a", 900, 0.5)
    served(tmp_path, "b", 600, 1.0)
    found = ab.compare(tmp_path, "a", "b", Options("accuracy"))
    assert found.verdict == "not compared" and not found.meets("not-worse")
    assert found.sentence.startswith("b is not compared with a: it got 600 of 1,499 requests, and 50% were meant (p = ")
    assert ab.compare(tmp_path, "a", "b", Options("accuracy", share=0.4)).verdict == "better"


def by_callers(folder: Path, version: str, callers: int, rows: int, right: float, seed: int) -> None:
    """Each caller's rows are all decided rightly, or all wrongly; the first ones ask most."""
    draw = np.random.default_rng(seed)
    whom = np.sort(draw.integers(0, callers, rows) * draw.integers(0, 2, rows))
    whom[:callers] = np.arange(callers)
    decided = np.where((draw.random(callers) < right)[whom], 0.8, 0.2)
    times = START + 7 * DAY * np.arange(rows) / rows
    logged(folder, decided, of=source(version), times=times, callers=[f"{version} {n}" for n in whom])
    tell(folder, version, ["TRUE"] * rows)


def test_a_split_by_callers_is_tested_by_callers_and_not_by_their_requests(tmp_path: Path) -> None:
    by_callers(tmp_path, "a", 29, 460, 0.7, seed=1)
    by_callers(tmp_path, "b", 21, 336, 0.7, seed=2)
    found = ab.compare(tmp_path, "a", "b", Options("accuracy", by=("Month",)))
    assert (found.verdict, found.callers, found.judged) == ("not distinguishable", (29, 21), (29, 21))
    assert sequential.mismatch(*found.requests, 0.5) < sequential.MISMATCH < found.mismatch
    assert "nothing is said before each has 100 callers with an outcome" in found.sentence
    assert found.slices[0].corrected is None
    skewed = ab.compare(tmp_path, "a", "b", Options("accuracy", share=0.9))
    assert skewed.sentence.startswith("b is not compared with a: it got 21 of 50 callers, and 90% were meant")


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "brier", "roc_auc"])
def test_rows_of_one_caller_are_not_independent(tmp_path: Path, metric: str) -> None:
    """A thousand rows of forty callers who are alike tell no more than forty rows, also where they take turns."""
    draw, callers = np.random.default_rng(0), np.tile(np.arange(40), 25)
    actual, p = draw.random(40) < 0.5, np.round(draw.random(40), 2)
    texts = ["TRUE" if one else "FALSE" for one in actual]
    for name, whom, told in (("few", None, texts), ("many", [str(n) for n in callers], texts * 25)):
        logged(tmp_path, p if whom is None else p[callers], of=source(name), callers=whom)
        tell(tmp_path, name, told)
    found = {name: each.judged for name, each in ab.read(log.Log(tmp_path), ab.PREDICTED).items()}
    few, many = (measured(each, each.task, metrics.METRICS[metric]) for each in (found["few"], found["many"]))
    assert many == (pytest.approx(few[0]), pytest.approx(few[1]))


def test_only_the_time_in_which_both_were_in_service_counts(tmp_path: Path) -> None:
    """a is older: its requests before b came are no part of the experiment."""
    served(tmp_path, "a", 600, 0.7, times=START + np.arange(600) * 60)
    served(tmp_path, "b", 300, 0.7, times=START + 18_000 + np.arange(300) * 60)
    found = ab.compare(tmp_path, "a", "b", Options("accuracy"))
    assert (found.requests, found.first, found.last) == ((300, 300), START + 18_000, START + 35_940)
    later = ab.compare(tmp_path, "a", "b", Options("accuracy", since=START + 30_000))
    assert later.requests == (100, 100)


def test_what_came_of_it_is_a_figure_of_its_own(tmp_path: Path) -> None:
    """As in a test on the behaviour of users: what was predicted plays no part."""
    actual = [served(tmp_path, name, 300, 0.5, seed=seed) for seed, name in enumerate("ab")]
    found = ab.compare(tmp_path, "a", "b", Options("outcome")).difference
    assert (found.a, found.b) == pytest.approx([each.mean() for each in actual])


def test_of_a_rare_class_the_figure_leads_that_evaluate_led_with(tmp_path: Path) -> None:
    for version in ("a", "b"):
        logged(tmp_path, [0.2, 0.6] * 60, of=source(version, SIGNATURE | {"rare": True}))
        tell(tmp_path, version, ["FALSE", "TRUE"] * 60)
    assert ab.compare(tmp_path, "a", "b").metric == "pr_auc"


def test_values_are_compared_by_their_errors(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for version, noise in (("a", 2.0), ("b", 1.0)):
        truth = draw.normal(size=300)
        logged(tmp_path, truth + noise * draw.normal(size=300), of=source(version, REGRESSION))
        tell(tmp_path, version, [repr(float(value)) for value in truth])
    found = ab.compare(tmp_path, "a", "b")
    assert (found.metric, found.verdict, found.higher_is_better) == ("rmse", "better", False)
    assert found.difference.a == pytest.approx(2, abs=0.3) and found.difference.b == pytest.approx(1, abs=0.2)
    assert ab.compare(tmp_path, "a", "b", Options("mae")).verdict == "better"


def test_classes_in_another_order_are_the_same(tmp_path: Path) -> None:
    """And outcomes that a server was told, which are none, count as none."""
    draw = np.random.default_rng(0)
    for version, classes in (("a", ["a", "b", "c"]), ("b", ["c", "b", "a"])):
        place = draw.integers(0, 3, 200)
        of = source(version, MULTICLASS | {"classes": classes})
        logged(tmp_path, np.eye(3)[place] * 0.7 + 0.1, of=of)
        tell(tmp_path, version, [classes[n] for n in place[:-1]] + ["DROP TABLE"])
    found = ab.compare(tmp_path, "a", "b", Options("accuracy"))
    assert (found.difference.a, found.difference.b, found.rows) == (1, 1, (199, 199))
    assert found.verdict == "not distinguishable" and "no number of rows" in found.sentence


def test_what_cannot_be_compared_is_refused_in_a_line(tmp_path: Path) -> None:
    logged(tmp_path, [0.5] * 3, of=source("a"))
    logged(tmp_path, [0.5] * 3, of=source("b"))
    logged(tmp_path, [0.5] * 3, of=source("c", REGRESSION))
    logged(tmp_path, [0.5] * 3, of=source("d"), times=START + DAY + np.arange(3))
    for a, b, told in (
        ("a", "x", "has no version 'x': it has a, b, c, d"),
        ("a", "a", "cannot be compared with itself"),
        ("a", "b", "no request to a has an outcome while both were in service: run `stemma watch outcomes"),
        ("a", "c", "one predicts Revenue (binary, FALSE, TRUE, positive TRUE), the other Revenue (regression)"),
        ("a", "d", "a and d were never in service at the same time"),
    ):
        with pytest.raises(StemmaError) as error:
            ab.compare(tmp_path, a, b)
        assert told in str(error.value) and "\n" not in str(error.value)
    logged(tmp_path / "a log", [0.5] * 3, of=source("a"))
    logged(tmp_path / "a log", [0.5] * 3, of=source("b"))
    with pytest.raises(StemmaError, match=r"run `stemma watch outcomes '.*a log' OUTCOMES\.csv`"):
        ab.compare(tmp_path / "a log", "a", "b")
    with pytest.raises(StemmaError, match=r"'acuracy' is no metric of a binary task \(did you mean accuracy\?\)"):
        ab.compare(tmp_path, "a", "b", Options("acuracy"))


def test_a_figure_that_has_no_meaning_on_the_rows_is_told(tmp_path: Path) -> None:
    """And a slice where it has none has no verdict."""
    for version in ("a", "b"):
        logged(tmp_path, [0.2, 0.8] * 60, of=source(version), headers=[{"u": "x" if n else "y"} for n in range(120)])
        tell(tmp_path, version, ["FALSE", "TRUE"] * 60)
    found = ab.compare(tmp_path, "a", "b", Options("roc_auc", by=("u",)))
    assert [each.verdict for each in found.slices] == ["not distinguishable"] * 2
    assert np.isnan(found.slices[1].difference.a)
    for version in ("a", "b"):
        logged(tmp_path / "one", [0.2], of=source(version))
        tell(tmp_path / "one", version, ["TRUE"])
    with pytest.raises(StemmaError, match="roc_auc has no meaning on 2 rows"):
        ab.compare(tmp_path / "one", "a", "b")


def test_versions_of_one_name_are_told_apart_and_the_last_has_it(tmp_path: Path) -> None:
    """A bundle's number is another's after a restart."""
    for count, of in enumerate((source("x"), replace(source("x"), digest="b"), source("x", REGRESSION)), start=1):
        logged(tmp_path, [0.5] * count, of=of, times=[START + DAY * count] * count)
    found = ab.read(log.Log(tmp_path), ())
    assert {name: len(each.times) for name, each in found.items()} == {"x (1)": 1, "x (2)": 2, "x": 3}


def test_a_column_that_was_treated_otherwise_meanwhile_is_left_out(tmp_path: Path) -> None:
    """And the rows stay."""
    logged(tmp_path, [0.5], of=source("x"))
    logged(tmp_path, [0.5], of=source("x"), options=log.Options(columns={"PageValues": "mask", "Weekend": "omit"}))
    found = ab.read(log.Log(tmp_path), ("input",))["x"]
    assert len(found.table) == 2 and found.treated == {"PageValues", "Weekend"}
    assert [name for name in found.table.column_names if name.startswith("input.")] == ["input.Month"]


def test_a_time_without_requests_is_told(tmp_path: Path) -> None:
    logged(tmp_path, [0.5], of=source("x"))
    with pytest.raises(StemmaError, match="holds no request since then"):
        ab.read(log.Log(tmp_path, START + DAY), ())
