"""One definition of what models are compared by: evaluate, the gate, log, best, compare and the report agree."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

import stemma
from judged import TASKS, predictions, version
from stemma import metrics, task
from stemma.evaluation import gate
from stemma.report import evaluation as report
from stemma.versions.best import Facts, among
from stemma.versions.compare import Options, compare
from version_worlds import new, parts


@pytest.mark.parametrize("kind", TASKS)
def test_all_commands_agree_on_the_main_figure_its_value_and_its_direction(kind: str, tmp_path: Path) -> None:
    posed = task.of(kind, TASKS[kind])
    main, better = posed.main, metrics.METRICS[posed.main].better
    made = []
    for name, noise in (("poor", 1.5), ("good", 0.3)):
        found = judged(posed, noise)
        test = {each: {"value": value, "better": metrics.better(each)} for each, value in found.items()}
        one = version(name, tmp_path, kind, noise=noise)
        made.append(dataclasses.replace(one, metrics={"test": found}, evaluation={"main": main, "test": test}))
    poor, good = made

    compared = compare(".", poor, good, Options(latency=False, resamples=50))  # type: ignore[arg-type]
    assert (compared.metric, compared.higher_is_better, compared.verdict) == (main, better == "higher", "better")
    of_good = good.metrics["test"][main]
    assert compared.main.b == of_good

    facts = [Facts(one, one.name, (), datetime(2026, 1, 1, tzinfo=UTC)) for one in made]  # type: ignore[arg-type]
    best = among(facts, resamples=50)
    assert (best.metric, best.higher_is_better, best.candidates[0].name) == (main, better == "higher", "good")
    assert best.candidates[0].value == of_good

    world = new(tmp_path / "world")
    world.version("good", parts(metrics=good.metrics, evaluation=good.evaluation))
    entry = stemma.log(world.folder)
    assert (entry.metric, entry.entries[0].metric) == (f"test.{main}", of_good)

    baseline = {"simple": {main: poor.metrics["test"][main]}}
    (demand,) = gate.demands({"better_than": "simple"}, posed, good.metrics["test"], baseline)
    assert (demand.metric, demand.better, demand.passed) == (main, better, True)
    assert report.KINDS[kind].shown[0] == main


def judged(posed: task.Task, noise: float) -> dict[str, float]:
    """The figures that evaluate records of the predictions of `judged.version`."""
    table = predictions(posed.kind, noise)
    columns = {name: table[name].to_numpy() for name in table}
    actual, decided, outputs = posed.read(columns)
    return metrics.figures(metrics.Rows.of(posed, actual, outputs, decided))


def test_versions_from_before_directions_were_recorded_are_ranked_by_the_table(tmp_path: Path) -> None:
    figures = [("a", 3.0), ("b", 2.0)]
    made = [
        dataclasses.replace(
            version(name, tmp_path, "regression"),
            metrics={"test": {"error_p90": value}}, evaluation={"test": {"error_p90": {"value": value}}},
        )
        for name, value in figures
    ]  # fmt: skip
    facts = [Facts(one, one.name, (), datetime(2026, 1, 1, tzinfo=UTC)) for one in made]  # type: ignore[arg-type]
    found = among(facts, metric="error_p90", resamples=20)
    assert [each.name for each in found.candidates] == ["b", "a"] and not found.higher_is_better


def test_a_recorded_direction_needs_no_table(tmp_path: Path) -> None:
    """A figure of the owner's, which the toolkit knows nothing of."""
    made = [
        dataclasses.replace(
            version(name, tmp_path), metrics={"test": {"regret": value}},
            evaluation={"main": "regret", "test": {"regret": {"value": value, "better": "lower", "unit": "EUR"}}},
        )
        for name, value in (("a", 3.0), ("b", 2.0))
    ]  # fmt: skip
    facts = [Facts(one, one.name, (), datetime(2026, 1, 1, tzinfo=UTC)) for one in made]  # type: ignore[arg-type]
    found = among(facts, resamples=20)
    assert (found.metric, found.higher_is_better) == ("regret", False)
    assert [each.name for each in found.candidates] == ["b", "a"]
    assert found.lead is not None and found.lead.why == "regret is not a figure of predictions"
