"""Versions that were committed before the house was divided stay what they are, beside versions of today.

before/project.zip is a repository of commit 805937f, made there with 600 simulated rows, `torch_mlp` of 16 units and 4
epochs, registered as model@v1.0.0: a Git bundle, and the objects that DVC keeps of it.
"""

import json
import zipfile
from pathlib import Path

import pytest

from worlds import NOT_RUN, RESULTS, Project, copied

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("before")]

ZIP = Path(__file__).parent / "before/project.zip"
SETTINGS = ("data=simulated", "data.rows=600", "model=torch_mlp", "model.hidden=[16]", "train.epochs=4",
            "train.batch_size=32", "train.seed=1", "evaluate.bootstrap=50")  # fmt: skip
BEFORE = "model@v1.0.0"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The old repository, and on top of its version one of today: the same rows, another seed."""
    folder = tmp_path_factory.mktemp("before")
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(folder)
    project = Project(folder / "project")
    Project(folder).ok("git", "clone", "-q", "--branch", "main", "repository.bundle", "project")
    project.ok("git", "remote", "remove", "origin")
    (project.folder / ".dvc/cache").mkdir()
    (folder / "files").rename(project.folder / ".dvc/cache/files")
    project.ok("dvc", "checkout")
    project.ok("git", "rm", "-rq", "--", "src", "conf")
    copied(project.folder, without=(*RESULTS, *NOT_RUN))
    project.ok("stemma", "conf", "sync", *SETTINGS)
    project.repro()
    project.commit("a version of today")
    return project


def told(project: Project, *command: str) -> dict:
    return json.loads(project.ok("stemma", *command, "--json"))


def test_log_lists_both(grown: Project) -> None:
    new, old = told(grown, "log")["entries"]
    assert BEFORE in old["names"] and BEFORE not in new["names"]
    assert old["metric"] and old["metric"] != new["metric"] and new["move"] > 0


def test_show_tells_of_both_the_same_structure_rows_and_figures(grown: Project) -> None:
    new, old = told(grown, "show"), told(grown, "show", BEFORE)
    assert (old["structure"], old["data"]["sha256"]) == (new["structure"], new["data"]["sha256"])
    assert {each["name"] for each in old["metrics"]} < {each["name"] for each in new["metrics"]}  # mcc is new
    assert (old["process"]["seed"], new["process"]["seed"], old["missing"]) == (0, 1, [])


def test_a_difference_across_is_that_of_the_weights(grown: Project) -> None:
    parts = told(grown, "diff", BEFORE, "HEAD")["distance"]["parts"]
    assert (parts["structure"], parts["data"]) == (0, 0) and 0 < parts["parameters"] < 1


def test_compare_judges_both_on_the_same_rows_and_best_ranks_them(grown: Project) -> None:
    assert told(grown, "compare", BEFORE, "HEAD")["rows"] == 120
    assert {each["name"] for each in told(grown, "best")["candidates"]} == {BEFORE, "main"}


def test_doctor_finds_nothing_in_the_old_one_that_it_does_not_find_in_the_new_one(grown: Project) -> None:
    old, new = (json.loads(grown.run("stemma", "doctor", rev, "--json").stdout) for rev in (BEFORE, "HEAD"))
    another_python = {"environment"}  # 3.11 trained it
    assert {each["check"] for each in old["findings"]} - another_python <= {each["check"] for each in new["findings"]}


def test_its_objects_are_verified_and_its_bundle_predicts(grown: Project, tmp_path: Path) -> None:
    grown.ok("stemma", "verify", BEFORE)
    grown.ok("stemma", "bundle", "build", BEFORE, "--output", str(tmp_path / "old.zip"))
    grown.ok("stemma", "bundle", "verify", str(tmp_path / "old.zip"))


def test_its_own_code_exports_it_once_it_is_trusted(grown: Project, tmp_path: Path) -> None:
    export = ("stemma", "export", BEFORE, "--format", "safetensors", "--output", str(tmp_path / "out"))
    assert "stemma trust" in grown.run(*export).stderr
    grown.ok("stemma", "trust")
    grown.ok(*export)
    assert (tmp_path / "out/model.safetensors").is_file()


def test_rollback_goes_there_and_back(grown: Project, tmp_path: Path) -> None:
    project = grown.copy(tmp_path / "p")
    package = project.folder / "models/package/model.zip"
    new = package.read_bytes()
    project.ok("stemma", "rollback", BEFORE, "--commit")
    assert package.read_bytes() != new and (project.folder / "src/purchase_intent/models").is_dir()
    project.ok("stemma", "rollback", "HEAD~1", "--commit")
    assert package.read_bytes() == new and not (project.folder / "src/purchase_intent/models").exists()
