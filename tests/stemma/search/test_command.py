"""`stemma search`: trials are what the pipeline would give; the best becomes an experiment, and is compared."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from worlds import Project

pytestmark = pytest.mark.pipeline


def test_the_best_trial_becomes_an_experiment_that_gives_what_the_trial_gave(
    torch_project: Project, tmp_path: Path
) -> None:
    project = torch_project.copy(tmp_path / "p")
    space = {"trials": 1, "space": {"train.learning_rate": {"low": 0.01, "high": 0.02}}}
    (project.folder / "conf/search/mine.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
    project.ok("stemma", "conf", "sync")
    project.repro("-s", "settings")
    project.commit("a space")
    project.ok("stemma", "trust")
    said = project.ok("stemma", "search", "mine", "--jobs", "1")
    assert project.ok("git", "status", "--porcelain") == ""
    (row,) = (project.folder / "reports/search/mine/trials.csv").read_text(encoding="utf-8").splitlines()[1:]
    name = said.split("dvc exp apply ")[1].split(" ")[0]
    assert f"{name} is " in said and "looked at 1x" in said and "optimism" in said
    project.ok("dvc", "exp", "apply", name)
    figures = json.loads(project.read("reports/metrics.json"))
    assert figures["validation"]["roc_auc"] == pytest.approx(float(row.split(",")[2]), abs=1e-5)
    project.ok("stemma", "conf", "adopt")
    rate = yaml.safe_load(project.read("params.yaml"))["train"]["learning_rate"]
    assert f"learning_rate: {rate}" in project.read("conf/train/default.yaml")
    assert 0.01 <= rate <= 0.02


def test_an_experiment_that_is_not_what_its_trial_was_is_told(torch_project: Project, tmp_path: Path) -> None:
    """DVC composes conf/ anew, some time after the last trial."""
    project = torch_project.copy(tmp_path / "p")
    space = {"trials": 1, "space": {"train.learning_rate": {"low": 0.01, "high": 0.02}}}
    (project.folder / "conf/search/mine.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
    project.ok("stemma", "conf", "sync")
    project.commit("a space")
    project.ok("stemma", "trust")
    script = """
import sys
from pathlib import Path
from stemma.repo import project
make = project.experiment
def edited(*given, **more):
    file = Path("conf/train/default.yaml")
    file.write_text(file.read_text().replace("patience: ", "patience: 1"))
    return make(*given, "prepare", **more)  # no more of it is looked at
project.experiment = edited
sys.argv = ["stemma", "search", "mine"]
from stemma import cli
cli.main()
"""
    done = project.run(sys.executable, "-c", script)
    name = done.stderr.rpartition("`dvc exp remove ")[2].rstrip("`\n")
    assert f"{name} is not what its trial was (train.patience): something was edited before it was made" in done.stderr
    assert done.returncode == 1 and "to keep it" not in done.stdout


def test_rows_that_are_not_what_the_settings_say_are_refused(torch_project: Project, tmp_path: Path) -> None:
    project = torch_project.copy(tmp_path / "p")
    project.replace("params.yaml", "rows: 1500", "rows: 1400")
    project.ok("stemma", "trust")
    done = project.run("stemma", "search")
    assert done.returncode == 1 and "run `dvc repro prepare`" in done.stderr and "Traceback" not in done.stderr


def test_a_search_that_is_none_is_told_before_trust_is_asked_for(torch_project: Project, tmp_path: Path) -> None:
    project = torch_project.copy(tmp_path / "p")
    done = project.run("stemma", "search", "torch_mpl")
    assert done.returncode == 1 and "torch_mpl.yaml is not there (did you mean torch_mlp?)" in done.stderr
