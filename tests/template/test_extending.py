"""A stamped project in which docs/extending.md was followed: every kind at once, in one run of the pipeline."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from following import code, commands, follow
from template import hook, stamp
from worlds import Project

CHOSEN = ("data=mine", "model=mine", "export.formats=[onnx,onnx_json]", "+evaluate.minimum.lift=0.5",
          "+evaluate.minimum.better_than=neighbours", "evaluate.folds=2", "evaluate.bootstrap=50",
          "train.epochs=2", "train.loss=focal", "train.optimizer=nadam", "train.schedule=warm")  # fmt: skip
SPLITS = ("train", "validation")
pytestmark = pytest.mark.xdist_group("extended")


@pytest.fixture(scope="module")
def extended(
    template: Path, answers: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """As the page says, run and committed twice; the second commit evaluates with another seed."""
    folder = tmp_path_factory.mktemp("extended") / "churn"
    own = answers(framework="torch", package_name="churn", project_slug="churn", project_name="Churn")
    stamp.write(folder, stamp.plan(template, own) | hook.rendered(template, own))
    made = Project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder / "src"))  # in place of an editable install
        made.ok("python", "-c", "import tasks; tasks.repository()")
        for page in ("models", "extending"):
            follow(printed(made, page), made)
        made.ok("stemma", "conf", "sync", *CHOSEN)
        made.ok("stemma", "conf", "adopt")
        assert made.repro() == ["settings", "prepare", "train", "audit", "compress", "evaluate", "export", "package"]
        made.commit("first")
        made.ok("stemma", "conf", "sync", "evaluate.seed=1")
        assert made.repro() == ["settings", "evaluate", "package"]
        made.commit("second")
        yield made


def printed(project: Project, page: str) -> Path:
    """A page of the toolkit's, as `stemma docs` gives it in this project."""
    path = project.folder.with_name(f"{page}.md")
    path.write_text(project.ok("stemma", "docs", page), encoding="utf-8")
    return path


def evaluation(project: Project) -> dict:
    return json.loads(project.read("reports/evaluation.json"))


def test_every_kind_that_the_page_names_takes_part(extended: Project) -> None:
    told = evaluation(extended)
    assert told["data"]["features"] == ["age", "visits"] and told["target"] == "bought"
    found = told["test"]["lift"]
    assert found["low"] <= found["value"] <= found["high"] and found["better"] == "higher" and found["unit"] is None
    assert {d["metric"] for d in told["gate"]} == {"lift", "roc_auc"}
    assert all("lift" in fold["test"] for fold in told["folds"]["folds"])
    assert 0.5 < told["baselines"]["neighbours"]["test"]["roc_auc"]["value"] <= 1
    assert "lift" in told["baselines"]["neighbours"]["test"] and "lift" in told["validation"]
    assert "lift of the first tenth" in extended.read("reports/report.md")
    assert "how much more often it is positive" in extended.read("reports/report.md")
    assert json.loads(extended.read("models/export/parity.json"))["formats"]["onnx_json"]["largest"] < 1e-4
    assert json.loads(extended.read("reports/audit.json"))["tensors"] == 4
    rates = extended.read("reports/training/plots/metrics/train/learning_rate.tsv").split()[-3::2]
    assert [float(rate) for rate in rates] == pytest.approx([0.0003, 0.003])
    losses = {split: extended.read(f"reports/training/plots/metrics/{split}/loss.tsv").split() for split in SPLITS}
    assert float(losses["train"][-1]) < 0.5 * float(losses["validation"][-1]), "the loss that is fitted is another one"


def test_its_own_tests_ask_of_new_parts_what_the_toolkit_does(extended: Project) -> None:
    page, pytest = extended.folder / "tests/churn/test_mine.py", ("pytest", "-q", "-p", "no:cacheprovider")
    page.write_text(code(printed(extended, "testing")), encoding="utf-8")
    told = extended.ok(*pytest, "tests/churn/test_extensions.py", "tests/churn/test_house.py")
    mine = extended.ok(*pytest, str(page), "tests/churn/test_networks.py", "-k", "mine")
    page.unlink()
    assert " passed" in told and "2 passed" in mine and "skipped" not in told + mine


def test_reading_shows_what_was_recorded_and_runs_nobodys_code(extended: Project, tmp_path: Path) -> None:
    clone = extended.copy(tmp_path / "p")
    trap = "raise SystemExit('this ran')\n"
    for file in clone.folder.glob("src/churn/extensions/**/[!_]*.py"):
        file.write_text(trap, encoding="utf-8")
    (clone.folder / "src/churn/__init__.py").write_text(trap, encoding="utf-8")
    entries = json.loads(clone.ok("stemma", "log", "--metric", "lift", "--json"))["entries"]
    assert entries[0]["metric"] == evaluation(extended)["test"]["lift"]["value"]
    assert "lift" in clone.ok("stemma", "best", "--metric", "lift")
    compared = json.loads(clone.ok("stemma", "compare", "HEAD~1", "HEAD", "--no-latency", "--json"))
    assert compared["differences"]["lift"]["b"] == entries[0]["metric"]
    assert compared["differences"]["lift"]["low"] is None
    assert "own checks" in json.loads(clone.run("stemma", "doctor", "--json").stdout)["skipped"]
    refused = clone.run("stemma", "compare", "HEAD~1", "HEAD", "--metric", "lift")
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert refused.stderr.endswith("read it, and if you trust it: run `stemma trust`\n")


def test_the_commands_of_the_page_run_and_the_code_of_a_trusted_project_with_them(
    extended: Project, tmp_path: Path
) -> None:
    project = extended.copy(tmp_path / "p")
    told = {command: project.run(*shlex.split(command)) for command in commands(printed(project, "extending"))}
    assert {command: done.stderr for command, done in told.items() if done.returncode} == {}
    assert "lift" in told["stemma compare HEAD~1 HEAD --metric lift"].stdout.splitlines()[0]
    assert "warning: a tensor is large [small]\n  evidence: 32 rows" in told["stemma doctor HEAD"].stdout


def test_an_edited_metric_evaluates_anew_and_does_not_train(extended: Project, tmp_path: Path) -> None:
    project = extended.copy(tmp_path / "p")
    before = evaluation(project)["test"]["lift"]["value"]
    project.replace("src/churn/extensions/metrics/lift.py", "    return np.average", "    return 2 * np.average")
    assert project.repro() == ["evaluate", "package"]
    assert evaluation(project)["test"]["lift"]["value"] == pytest.approx(2 * before)


def test_an_edited_loss_trains_anew(extended: Project, tmp_path: Path) -> None:
    project = extended.copy(tmp_path / "p")
    project.replace("src/churn/extensions/training/focal.py", "** 2", "** 3")
    assert "train" in project.repro("train")
    assert json.loads(project.ok("dvc", "status", "--json", "prepare")) == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("metrics/lift.py", "import numpy", "import nunpy", "metrics.lift:LIFT cannot be loaded (ModuleNotFoundError"),
        ("metrics/__init__.py", '"lift"', '"lifts"', "'lift' is no metric of a binary task (did you mean lifts?)"),
        ("baselines/__init__.py", '"neighbours"', '"neighbors"', "(did you mean neighbors?)"),
        ("formats/__init__.py", '"onnx_json"', '"onnx_jsn"', "'onnx_json' is none of onnx, "),
        ("training/__init__.py", '"nadam"', '"nadm"', "train.optimizer: 'nadam' is none of adam, sgd, nadm (did you"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(
    file: str, old: str, new: str, told: str, extended: Project, tmp_path: Path
) -> None:
    project = extended.copy(tmp_path / "p")
    project.replace(f"src/churn/extensions/{file}", old, new)
    stopped = project.run("python", "src/stage.py", "evaluate")
    assert stopped.returncode == 1 and told in stopped.stderr and "Traceback" not in stopped.stderr
