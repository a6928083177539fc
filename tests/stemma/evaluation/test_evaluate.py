"""The stage evaluate as a user runs it, on a small trained project of the root."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forks import OTHER
from worlds import Project

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("torch")]

RICH = (
    "evaluate.folds=2", "evaluate.threshold=f1", "evaluate.calibration=temperature", "evaluate.slices=[Month,Weekend]",
    "+evaluate.minimum={roc_auc: 0.999, better_than: majority, gap.calibration.Month: 1.0}", "evaluate.bootstrap=100",
    "train.epochs=2", "evaluate.seed=3",
)  # fmt: skip
FILES = ("metrics.json", "evaluation.json", "decision.json", "report.md", "report.html", "predictions.parquet")


@pytest.fixture(scope="session")
def rich(torch_project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """Everything switched on, and a gate that fails; what the stage told."""
    project = torch_project.copy(tmp_path_factory.mktemp("rich") / "p")
    project.ok("stemma", "conf", "sync", *RICH)
    done = project.run("python", "src/stage.py", "evaluate")
    assert done.returncode == 1, done.stderr
    return project, done.stderr


def told(project: Project, name: str = "evaluation") -> dict:
    return json.loads(project.read(f"reports/{name}.json"))


def test_a_failed_gate_is_one_line_with_both_figures_and_leaves_every_file(rich: tuple[Project, str]) -> None:
    project, error = rich
    figure = told(project)["test"]["roc_auc"]["value"]
    assert error == (
        f"error: the quality gate failed: roc_auc {figure:.4f} on the test rows,"
        " evaluate.minimum asks for at least 0.999 (see reports/report.html)\n"
    )
    assert [entry["passed"] for entry in told(project)["gate"]] == [False, True, True]
    assert all((project.folder / "reports" / name).is_file() for name in FILES)


def test_figures_agree_in_every_file(rich: tuple[Project, str]) -> None:
    project, _ = rich
    flat, every, decided = told(project, "metrics"), told(project), told(project, "decision")
    assert flat["test"] == {
        name: entry["value"] for name, entry in every["test"].items()
    } | {"bayes_roc_auc": every["best_possible"]["test"]}  # fmt: skip
    assert decided == every["decision"] and decided["rule"] == "f1"
    assert (flat["threshold"], flat["temperature"]) == (decided["threshold"], decided["temperature"])
    for entry in every["test"].values():
        assert entry["low"] <= entry["value"] <= entry["high"]


def test_predictions_are_the_decisions(rich: tuple[Project, str]) -> None:
    project, _ = rich
    rows = pd.read_parquet(project.folder / "reports/predictions.parquet")
    threshold = told(project, "decision")["threshold"]
    assert (rows["predicted"] == np.where(rows["probability_TRUE"] >= threshold, "TRUE", "FALSE")).all()
    hits = (rows["predicted"] == rows["actual"]).mean()
    assert hits == pytest.approx(told(project)["test"]["accuracy"]["value"])


def test_folds_are_other_cuts_and_leave_nothing_behind(rich: tuple[Project, str]) -> None:
    project, _ = rich
    found = told(project)["folds"]
    figures = [fold["test"]["roc_auc"] for fold in found["folds"]]
    assert [sum(fold["rows"].values()) for fold in found["folds"]] == [1500, 1500]
    assert sum(fold["rows"]["test"] for fold in found["folds"]) == 1500
    assert found["summary"]["roc_auc"]["mean"] == pytest.approx(sum(figures) / 2) and figures[0] != figures[1]
    assert min(figures) > 0.5
    assert not (project.folder / "models/checkpoint/folds").exists()


def test_the_same_bytes_on_other_numbers_of_threads(rich: tuple[Project, str], tmp_path: Path) -> None:
    """Without folds, each of which is prepared, fitted and judged as a forced run of the whole pipeline is."""
    project = rich[0].copy(tmp_path / "p")
    project.ok("stemma", "conf", "sync", *(setting for setting in RICH if "folds" not in setting))
    project.run("python", "src/stage.py", "evaluate")
    reports = project.folder / "reports"

    def content() -> dict[str, bytes]:
        files = [path for path in sorted(reports.rglob("*")) if path.is_file()]
        return {path.relative_to(reports).as_posix(): path.read_bytes() for path in files}

    before = content()
    for name in FILES:
        (reports / name).unlink()
    shutil.rmtree(reports / "plots")
    project.run("python", "src/stage.py", "evaluate", **OTHER)
    assert content() == before


WRONG_SLICE = ("evaluate.slices=[Mnth]", "'Mnth' is no column of the table (did you mean Month?)")


@pytest.mark.parametrize(
    ("stage", "setting", "line"),
    [
        ("settings", "+evaluate.minimum.rocauc=0.9", "'rocauc' is no metric of a binary task (did you mean roc_auc?)"),
        ("train", *WRONG_SLICE),
        ("evaluate", *WRONG_SLICE),
    ],
)
def test_a_wrong_name_stops_before_anything_is_computed(
    torch_project: Project, tmp_path: Path, stage: str, setting: str, line: str
) -> None:
    project = torch_project.copy(tmp_path / "p")
    project.ok("stemma", "conf", "sync", setting)
    before = project.read("reports/metrics.json"), project.read("reports/training.json")
    done = project.run("python", "src/stage.py", stage)
    assert done.returncode == 1 and line in done.stderr
    assert (project.read("reports/metrics.json"), project.read("reports/training.json")) == before
