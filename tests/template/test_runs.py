"""Three stamped projects do, by their wheel, what a project is for: a packaged network; one, an experiment and back."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stemma.repo.lockfile import outputs
from stemma.toolkit import lock
from template import hook, stamp
from worlds import ROOT, SMALL, Project

QUICK = {  # file of conf/ -> what a person would edit there
    "train/default": ("epochs: null ", "epochs: 2 "),
    "config": ("bootstrap: 1000 ", "bootstrap: 0 "),
}
CASES = {  # -> the answers, a small model, the task
    "csv-torch": (
        {"framework": "torch", "data": "csv", "csv_path": "visits.csv", "csv_target": "ProductRelated"},
        "torch_linear",
        "regression",
    ),
    "digits-tensorflow": (
        {"framework": "tensorflow", "data": "digits", "remote": "s3", "s3_bucket": "models"},
        "keras_linear",
        "multiclass",
    ),
    "simulated-both": ({"ci": "gitlab", "licence": "BSD-3-Clause"}, "torch_mlp", "binary"),  # as torch_project is
}


@pytest.fixture(scope="module", params=[pytest.param(case, marks=pytest.mark.xdist_group(case)) for case in CASES])
def project(
    request: pytest.FixtureRequest,
    template: Path,
    answers: Callable[..., dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Project, str, str]]:
    """A stamped project as the first `tasks.py run` leaves it before `dvc repro`; its small model, its task."""
    chosen, model, task = CASES[request.param]
    folder = tmp_path_factory.mktemp("run") / "Käufer und mehr"
    own = answers(**chosen, package_name="churn", project_slug="churn", project_name="Churn")
    stamp.write(folder, stamp.plan(template, own) | hook.rendered(template, own))
    made = Project(folder)
    with pytest.MonkeyPatch.context() as patch:
        wheel = lock.unpacked(folder, folder.with_name("installed"))
        patch.setenv("PYTHONPATH", f"{wheel}{os.pathsep}{folder / 'src'}")  # in place of two installs
        first = "import tasks; tasks.repository()"
        if own["data"] == "csv":
            draw = ("python", "-m", "purchase_intent.sources.simulated", "--rows", "600", "--seed", "1")
            made.ok(*draw, "data/raw/visits.csv", PYTHONPATH=str(ROOT / "src"))
            stamp.ignore(folder / "data/raw/visits.csv")
            first += "; tasks.describe()"
        made.ok("python", "-c", first)
        if own["data"] == "simulated":
            made.ok("stemma", "conf", "sync", f"model={model}", *SMALL)
            made.ok("stemma", "conf", "adopt")
        else:
            for file, edit in QUICK.items():
                made.replace(f"conf/{file}.yaml", *edit)
            made.replace("conf/config.yaml", f"- model: {model.split('_')[0]}_tabular", f"- model: {model}")
            made.ok("stemma", "conf", "sync")
        yield made, model, task


def test_it_runs_by_its_wheel_and_gives_what_the_source_gives(
    project: tuple[Project, str, str], torch_project: Project
) -> None:
    made, model, _ = project
    where = "import stemma; print(stemma.__file__)"
    assert made.ok("python", "-c", where) == f"{made.folder.with_name('installed') / 'stemma/__init__.py'}\n"
    made.repro()
    if model == "torch_mlp":
        kept = [outputs(each.read("dvc.lock")) for each in (made, torch_project)]
        for name in ("models/weights", "models/export"):
            assert kept[0][name] == kept[1][name]


def test_it_goes_from_data_to_a_package_and_one_tries_an_experiment_and_comes_back(
    project: tuple[Project, str, str],
) -> None:
    made, model, task = project
    made.repro()
    first = made.commit("first")
    assert made.repro() == []
    assert (made.folder / "models/package/model.zip").is_file()
    assert json.loads(made.read("reports/evaluation.json"))["task"] == task
    index = json.loads(made.read("models/weights/index.json"))
    assert index["framework"] == ("tensorflow" if model.startswith("keras") else "torch")
    if model == "torch_mlp":
        tries_an_experiment_and_comes_back(made, first)


def tries_an_experiment_and_comes_back(made: Project, first: str) -> None:
    package = (made.folder / "models/package/model.zip").read_bytes()
    made.ok("dvc", "exp", "run", "-n", "other", "-S", "train.learning_rate=0.03")
    made.ok("stemma", "conf", "adopt")
    made.commit("second")
    assert (made.folder / "models/package/model.zip").read_bytes() != package
    assert len(json.loads(made.ok("stemma", "log", "--json"))["entries"]) == 2
    made.ok("stemma", "rollback", first)
    assert (made.folder / "models/package/model.zip").read_bytes() == package
    made.ok("git", "checkout", "--force", "--quiet", "main")
    made.ok("dvc", "checkout", "--force")


def test_its_own_tests_pass(project: tuple[Project, str, str]) -> None:
    """The quick ones, of the code that answers change: who imports whom, the settings, the sources, own parts."""
    names = ("house", "settings", "sources", "extensions", "bundled")
    files = [f"tests/churn/test_{name}.py" for name in names]
    quick = [file for file in files if (project[0].folder / file).is_file()]
    told = project[0].ok("pytest", "-q", "-p", "no:cacheprovider", "-m", "unit", *quick)
    assert " passed" in told and "skipped" not in told and "deselected" not in told
