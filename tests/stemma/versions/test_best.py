"""The best of several versions: constraints, order, and whether its lead is noise."""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import stemma
from judged import FakeVersion, parquet, predictions, three_commits, version
from stemma.errors import StemmaError, VersionError
from stemma.versions.best import Best, Facts, among
from stemma.versions.constraints import parse
from version_worlds import METRICS, World, new, parts


def facts(one: FakeVersion, day: int = 1, stages: tuple[str, ...] = ()) -> Facts:
    return Facts(one, one.name, stages, datetime(2026, 1, day, tzinfo=UTC))  # type: ignore[arg-type]


@pytest.fixture
def three(tmp_path: Path) -> list[Facts]:
    """poor, fair and good, judged on the same rows; the metrics are those of their predictions, the newest first."""
    made = []
    for day, (name, noise) in enumerate([("poor", 1.5), ("fair", 0.4), ("good", 0.2)], start=1):
        one = version(name, tmp_path, noise=noise)
        roc_auc = {"poor": 0.74, "fair": 0.91, "good": 0.92}[name]
        metrics = {"test": {"roc_auc": roc_auc, "log_loss": 1 - roc_auc}, "validation": {"roc_auc": 1 - roc_auc}}
        made.append(facts(dataclasses.replace(one, metrics=metrics), day, ("prod",) if name == "fair" else ()))
    return made[::-1]


def names(found: Best) -> list[str]:
    return [each.name for each in found.candidates]


def test_versions_are_ranked_by_the_metric(three: list[Facts]) -> None:
    found = among(three)
    assert (found.metric, found.higher_is_better, names(found)) == ("roc_auc", True, ["good", "fair", "poor"])
    assert names(among(three, metric="log_loss")) == ["good", "fair", "poor"]
    assert names(among(three, metric="validation.roc_auc")) == ["poor", "fair", "good"]
    assert among(three, metric="test.roc_auc").candidates[0].value == 0.92


def test_a_version_whose_metrics_are_damaged_is_left_out_and_noted(three: list[Facts], tmp_path: Path) -> None:
    class Damaged(FakeVersion):
        def __getattribute__(self, name: str) -> Any:
            if name == "metrics":
                raise VersionError("reports/metrics.json of odd is damaged")
            return super().__getattribute__(name)

    odd = Damaged("odd", three[0].version.profile, {})  # type: ignore[attr-defined]
    found = among([facts(odd), *three], metric="roc_auc")
    assert (names(found), found.looked_at) == (["good", "fair", "poor"], 4)
    assert found.notes == ("metrics of 1 version is out of reach: reports/metrics.json of odd is damaged",)


def test_constraints_leave_out_what_does_not_fit(three: list[Facts]) -> None:
    for text, expected in {
        "roc_auc < 0.915": ["fair", "poor"],
        "validation.roc_auc > 0.2": ["poor"],
        "date < 2026-01-02": ["poor"],
        "stage = prod": ["fair"],
        "stage != prod": ["good", "poor"],
        "rows > 100": ["good", "fair", "poor"],
        "size < 1 MB": ["good", "fair", "poor"],
        "latency < 5 s": ["good", "fair", "poor"],
    }.items():
        assert names(among(three, [parse(text)])) == expected, text


def test_what_left_out_how_many_is_said(three: list[Facts]) -> None:
    found = among(three, [parse("roc_auc < 0.915"), parse("stage = prod")])
    assert found.left_out == (("roc_auc < 0.915", 1), ("stage = prod", 1), ("roc_auc", 0))
    assert found.sentence == "fair is the only version that fits: roc_auc 0.9100"
    with pytest.raises(StemmaError) as caught:
        among(three, [parse("rows > 5"), parse("roc_auc > 0.8"), parse("stage = dev")])
    assert str(caught.value) == "none of 3 versions fits: `roc_auc > 0.8` leaves out 1, `stage = dev` leaves out 2"


def test_a_version_without_the_metric_or_a_fact_does_not_fit(three: list[Facts], tmp_path: Path) -> None:
    bare = facts(FakeVersion("bare", {}, {}), 4)
    assert names(among([*three, bare])) == ["good", "fair", "poor"]
    assert bare.of("rows") is bare.of("size") is bare.of("latency") is bare.of("framework") is None


def test_a_lead_that_the_same_rows_show_is_more_than_noise(three: list[Facts]) -> None:
    found = among([each for each in three if each.name != "fair"])
    assert found.lead is not None and found.lead.within_noise is False
    assert "is more than noise" in found.sentence and "on the same test rows" in found.sentence


def test_a_lead_of_equals_is_within_noise(tmp_path: Path) -> None:
    made = []
    for name, seed, roc_auc in (("a", 1, 0.9), ("b", 2, 0.901)):
        one = version(name, tmp_path, noise=0.6, seed=seed)
        made.append(facts(dataclasses.replace(one, metrics={"test": {"roc_auc": roc_auc}})))
    found = among(made)
    assert found.lead is not None and found.lead.within_noise is True
    assert "is within noise (95 % interval -0." in found.sentence


def test_the_interval_of_a_lower_metric_is_that_of_the_best_minus_the_runner_up(three: list[Facts]) -> None:
    found = among([each for each in three if each.name != "fair"], metric="log_loss")
    lead = found.lead
    assert lead is not None and lead.low is not None and lead.high is not None
    assert lead.difference < 0 and lead.low < lead.high < 0


def test_no_version_is_the_best_across_targets_tasks_tables_or_test_rows(three: list[Facts], tmp_path: Path) -> None:
    good = three[0].version
    others = {
        "table": {"profile": good.profile | {"content": {"sha256": "c9"}}},
        "target": {"profile": good.profile | {"target": "Returned"}},
        "positive": {"profile": good.profile | {"positive": "FALSE"}},
        "task": {"profile": good.profile | {"task": "multiclass"}},
        "split": {"settings": {"data": {"split": {"test": 0.2, "seed": 1}}}},
    }
    for what, change in others.items():
        other = facts(dataclasses.replace(good, name=what, **change))  # type: ignore[type-var]
        found = among([other, *three])
        assert [[each.name for each in group.candidates] for group in found.groups] == [
            [what],
            ["good", "fair", "poor"],
        ]
        assert (found.candidates, found.lead) == ((), None), what
        assert found.sentence.startswith("no version is the best: those that fit were judged in 2 ways")
        assert names(among([other, *three], like=other.judged)) == [what]
        assert names(among([other, *three], like=three[1].judged)) == ["good", "fair", "poor"]


def test_the_same_rows_in_another_order_of_classes_are_the_same(three: list[Facts]) -> None:
    turned = dataclasses.replace(three[0].version, profile=three[0].version.profile | {"classes": ["TRUE", "FALSE"]})  # type: ignore[type-var]
    assert names(among([facts(turned), *three[1:]])) == ["good", "fair", "poor"]


@pytest.mark.parametrize(
    ("metrics", "metric", "why"),
    [
        ({"validation": {"f1": 0.5}}, "validation.f1", "kept for the test rows alone"),
        ({"test": {"surprise": 0.5}}, "surprise", "is not a figure of predictions"),
    ],
)
def test_a_lead_that_cannot_be_tested_says_why(
    metrics: dict[str, Any], metric: str, why: str, three: list[Facts]
) -> None:
    made = [facts(dataclasses.replace(each.version, metrics=metrics)) for each in three]  # type: ignore[type-var]
    found = among(made, metric=metric)
    assert found.lead is not None and found.lead.within_noise is None
    assert why in found.sentence


def test_a_lead_in_a_figure_without_meaning_on_the_test_rows_is_not_known(three: list[Facts]) -> None:
    made = []
    for each in three[:2]:
        table = predictions("binary", 0.5)
        files = each.version.files | {"reports/predictions.parquet": parquet(table[table.actual == "TRUE"])}
        made.append(facts(dataclasses.replace(each.version, files=files)))
    lead = among(made).lead
    assert lead is not None and lead.within_noise is None and lead.why == "it has no meaning on the test rows"


def test_a_direction_that_nobody_recorded_is_said_to_be_guessed(three: list[Facts]) -> None:
    notes = {}
    for metric, told in (
        ("depth_p90", None),
        ("depth_error", None),
        ("gain", {"test": {"gain": {"better": "higher"}}}),
    ):
        change = {"metrics": {"test": {metric: 0.5}}, "evaluation": told}
        notes[metric] = among([facts(dataclasses.replace(three[0].version, **change))], metric=metric).notes  # type: ignore[type-var]
    assert notes == {
        "depth_p90": ("which way depth_p90 is better is not recorded: more is taken for better",),
        "depth_error": ("which way depth_error is better is not recorded: less is taken for better",),
        "gain": (),
    }


def test_without_predictions_the_lead_is_not_known(three: list[Facts]) -> None:
    without = facts(dataclasses.replace(three[0].version, files={}))  # type: ignore[type-var]
    assert "is not known: reports/predictions.parquet is not in good" in among([without, three[1]]).sentence


@pytest.mark.parametrize(
    ("metric", "where", "named"),
    [
        ("roc_acu", [], "no version has a metric 'roc_acu' (did you mean roc_auc?)"),
        (None, ["row > 5"], "(did you mean rows?)"),
        (None, ["roc_aux > 0.5"], "(did you mean roc_auc?)"),
        ("rows", [], "no version has a metric 'rows'"),
    ],
)
def test_an_unknown_name_is_named_with_the_nearest(
    metric: str | None, where: list[str], named: str, three: list[Facts]
) -> None:
    with pytest.raises(StemmaError) as caught:
        among(three, [parse(text) for text in where], metric)
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_the_default_metric_follows_the_task_of_the_newest_version(tmp_path: Path) -> None:
    one = version("one", tmp_path, "regression")
    assert among([facts(dataclasses.replace(one, metrics={"test": {"rmse": 5.0, "mae": 4.0}}))]).metric == "rmse"
    odd = facts(dataclasses.replace(one, metrics={"test": {"odd": 5.0}}))
    with pytest.raises(StemmaError, match="name a metric"):
        among([odd])


def test_a_fact_out_of_reach_leaves_its_version_out_and_is_told(three: list[Facts]) -> None:
    class OutOfReach(FakeVersion):
        def output(self, path: str) -> None:
            raise VersionError(f"{path} of {self.name} is neither in the cache nor in a remote")

    lost = OutOfReach("good", three[0].version.profile, {}, metrics=three[0].version.metrics)
    found = among([facts(lost), three[1]], [parse("size > 1")])
    assert names(found) == ["fair"]
    assert found.notes == (
        "size of 1 version is out of reach: models/package/model.zip of good is neither in the cache nor in a remote",
    )


def test_without_a_version_the_next_command_is_named() -> None:
    with pytest.raises(StemmaError, match="dvc repro"):
        among([])


def test_equal_figures_are_ranked_the_newest_first(three: list[Facts]) -> None:
    same = [facts(dataclasses.replace(each.version, metrics={"test": {"f1": 0.5}})) for each in three]  # type: ignore[type-var]
    assert names(among(same, metric="f1")) == ["good", "fair", "poor"]


# On a repository.

BETTER, ELSEWHERE, WORSE = 0.92, 0.91, 0.74  # their metric


def values(found: Best) -> list[float]:
    return [each.value for each in found.candidates]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return three_commits(tmp_path_factory.mktemp("best") / "repository")


def test_every_version_of_a_repository_is_looked_at(repository: Path) -> None:
    found = stemma.best(repository)
    assert [[each.value for each in group.candidates] for group in found.groups] == [[ELSEWHERE], [BETTER, WORSE]]
    assert found.groups[1].candidates[0].stages == ("model#prod",)
    assert values(stemma.best(repository, where=["stage = prod"])) == [BETTER]
    assert values(stemma.best(repository, like="worse")) == [BETTER, WORSE]
    assert values(stemma.best(repository, where=["stage != model#prod"], like="worse")) == [WORSE]


def test_a_stage_has_the_figures_of_its_own_threshold(tmp_path: Path) -> None:
    world = new(tmp_path / "world")
    first = parts()
    world.version("first", first)
    world.version("another threshold", first.but(metrics=METRICS | {"threshold": 0.1, "test": {"accuracy": 0.6}}))
    world.tag("model@v1.0.0")
    world.tag("model#prod#1")
    assert values(stemma.best(world.folder, metric="accuracy")) == [0.8, 0.6]
    (prod,) = stemma.best(world.folder, metric="accuracy", where=["stage = prod"]).candidates
    assert (prod.name, prod.value) == ("model@v1.0.0", 0.6)


def test_weights_out_of_reach_are_told(repository: Path) -> None:
    with pytest.raises(StemmaError, match="`framework = torch` leaves out 3, framework of 3 versions is out of reach"):
        stemma.best(repository, where=["framework = torch"])


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(run: Run, repository: Path) -> Run:
    """`stemma best ARGUMENT...`: exit code, stdout, stderr."""
    return lambda *arguments: run(World(repository), "best", *arguments)


def test_the_command_names_the_best_first(run: Run) -> None:
    code, out, err = run("--like", "better", "-n", "1")
    assert (code, err) == (0, "")
    assert out.startswith("better is the best of 2 versions that fit: roc_auc 0.9200; its lead over ")
    assert "and 1 more: -n 2" in out and "of 3 versions, `judged alike` left out 1" in out


def test_the_command_refuses_to_name_one_best_of_several_tables(run: Run) -> None:
    code, out, err = run("--md")
    assert (code, err) == (1, "")
    assert out.startswith("no version is the best: those that fit were judged in 2 ways (another target, table or test")
    assert [line.split(",")[1] for line in out.splitlines() if line.startswith("###")] == [" table c1", " table c0"]
    assert "| better " in out and "| worse " in out


def test_json_holds_the_candidates(run: Run, repository: Path) -> None:
    told = json.loads(run("--json", "--where", "date > 2020-01-01", "--like", "worse")[1])
    assert [each["value"] for each in told["candidates"]] == [BETTER, WORSE]
    assert told["sentence"] == stemma.best(repository, like="worse").sentence
    assert (told := json.loads(run("--json")[1]))["candidates"] == [] and len(told["groups"]) == 2


def test_wrong_constraints_are_one_line(run: Run) -> None:
    for where in ("rows", "rows > many", "rowz > 5", "roc_auc > 0.99"):
        code, out, err = run("--where", where)
        assert (code, out, err.count("\n")) == (1, "", 1), where
