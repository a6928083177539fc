"""Stamped projects: the plan of any answers in this process; cookiecutter itself on a committed copy."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from worlds import ROOT, copied

sys.path.insert(0, str(ROOT))

from template import stamp

DEFAULTS = {
    "project_name": "Purchase intent", "project_slug": "purchase-intent", "package_name": "purchase_intent",
    "data": "simulated", "csv_path": "", "csv_target": "", "description": "Will this visitor of a shop buy?",
    "author": "The Purchase intent developers", "licence": "MIT", "framework": "both", "remote": "local",
    "s3_bucket": "", "s3_endpoint": "", "ci": "github", "python_version": "3.11", "__csv_file": "",
}  # fmt: skip


@pytest.fixture(scope="session")
def answers() -> Callable[..., dict[str, str]]:
    """answers(framework="torch"): the default answers with changes."""
    return lambda **changes: DEFAULTS | changes


@pytest.fixture(scope="session")
def plan(answers: Callable[..., dict[str, str]]) -> Callable[..., dict[str, bytes]]:
    """plan(framework="torch"): what would be written, from this work tree."""
    return lambda **changes: stamp.plan(ROOT, answers(**changes))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed copy of this work tree, in a folder with a space and a letter that is not ASCII."""
    folder = tmp_path_factory.mktemp("stamp") / "Vorlage für uns"
    copied(folder)
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "the template"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def cookiecutter_home(tmp_path_factory: pytest.TempPathFactory, environment: None) -> Iterator[Path]:
    """cookiecutter keeps clones and replays here, not in the home of the person who runs the tests."""
    home = tmp_path_factory.mktemp("cookiecutter")
    settings = {"cookiecutters_dir": str(home / "clones"), "replay_dir": str(home / "replays")}
    (home / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COOKIECUTTER_CONFIG", str(home / "config.yaml"))
        yield home


@pytest.fixture
def cookiecutter(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """cookiecutter("../template", "--no-input", "ci=none"): as it is typed, in tmp_path/here."""
    (tmp_path / "here").mkdir()

    def run(
        *arguments: str, program: str = "cookiecutter", cwd: Path | None = None, said: str = ""
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [program, *arguments], cwd=cwd or tmp_path / "here", env=environment, capture_output=True, text=True,
            input=said, timeout=600,
        )  # fmt: skip

    return run
