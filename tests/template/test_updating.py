"""A change of the template in a project that has its own edits: `cruft update`, and `tasks.py update-stemma`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from worlds import Project

pytestmark = pytest.mark.xdist_group("updating")
ANSWERS = ("project_name=My shop", "package_name=my_shop", "framework=torch", "ci=gitlab")


def made(releases: Path, folder: Path) -> Project:
    """A project of the template's v1, in a repository of its own."""
    answers = "{" + ", ".join(f'"{key}": "{value}"' for key, value in (each.split("=") for each in ANSWERS)) + "}"
    command = ["cruft", "create", str(releases), "--no-input", "--checkout", "v1", "--extra-context", answers]
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    project = Project(folder / "my-shop")
    project.ok("git", "init", "-q", "-b", "main")
    project.commit("start")
    return project


@pytest.fixture(scope="module")
def releases(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with two versions: v1, and v2 which changes, adds, renames and removes."""
    folder = tmp_path_factory.mktemp("updating") / "a template"
    subprocess.run(["git", "clone", "-q", str(template), str(folder)], check=True)
    repository = Project(folder)
    repository.ok("git", "tag", "v1")
    first_line(repository, "docs/models.md", "# Models, told anew")
    first_line(repository, "src/stage.py", '"""The words of the template.')
    first_line(repository, "docs/settings.md", "# Settings, told anew")
    first_line(repository, "src/purchase_intent/stages/train.py", '"""Of purchase_intent, told anew.')
    first_line(repository, "src/stemma/files.py", '"""Files, told anew.')
    (folder / "src/stemma/newer.py").write_text('"""New."""\n')
    (folder / "docs/newer.md").write_text("# A page of purchase_intent\n")
    repository.ok("git", "mv", "docs/encoding.md", "docs/encoder.md")
    repository.ok("git", "rm", "-q", "docs/weights.md")
    repository.replace("pyproject.toml", '"dvc>=', '"one-more>=1",\n    "dvc>=')
    repository.commit("two")
    repository.ok("git", "tag", "v2")
    return folder


@pytest.fixture(scope="module")
def start(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return made(releases, tmp_path_factory.mktemp("start"))


@pytest.fixture
def project(start: Project, tmp_path: Path) -> Project:
    return start.copy(tmp_path / "my-shop")


def first_line(project: Project, name: str, line: str) -> None:
    """Change it as a person would; the rest of a docstring stays."""
    text = project.read(name)
    end = '"""' if line.startswith('"""') and text.splitlines()[0].endswith('"""') else ""
    (project.folder / name).write_text(text.replace(text.splitlines()[0], line + end, 1), encoding="utf-8")


def status(project: Project) -> set[str]:
    return set(project.ok("git", "status", "--porcelain").splitlines())


def test_a_change_of_the_template_arrives_and_own_edits_stay(project: Project) -> None:
    with (project.folder / "docs/models.md").open("a", encoding="utf-8") as page:
        page.write("My line.\n")
    first_line(project, "src/stage.py", '"""My own words.')
    (project.folder / "docs/settings.md").unlink()
    (project.folder / "src/my_shop/mine.py").write_text("MINE = 1\n")
    project.commit("mine")
    project.ok("cruft", "update", "--skip-apply-ask")
    assert status(project) == {
        " M .cruft.json",
        "M  docs/models.md",
        "UU src/stage.py",
        "M  src/my_shop/stages/train.py",
        "M  src/stemma/files.py",
        "A  src/stemma/newer.py",
        "A  docs/newer.md",
        "R  docs/encoding.md -> docs/encoder.md",
        "D  docs/weights.md",
        "M  pyproject.toml",
    }
    page = project.read("docs/models.md")
    assert page.startswith("# Models, told anew\n") and page.endswith("My line.\n")
    assert project.read("src/my_shop/stages/train.py").startswith('"""Of my_shop, told anew.')
    assert project.read("docs/newer.md") == "# A page of my_shop\n"
    words = r'<<<<<<< ours\n"""My own words\..*\n=======\n"""The words of the template\..*\n>>>>>>> theirs\n'
    assert re.match(words, project.read("src/stage.py"))
    assert not list(project.folder.rglob("*.rej"))


def test_the_toolkit_alone_is_updated_and_cruft_finds_that_done(project: Project, releases: Path) -> None:
    done = project.ok(sys.executable, "tasks.py", "update-stemma", str(releases), "--version", "v2")
    assert "pyproject.toml: add 'one-more>=1' to dependencies\n" in done
    assert status(project) == {" M src/stemma/files.py", "?? src/stemma/newer.py"}
    for path in (releases / "src/stemma").rglob("*.py"):
        assert (project.folder / path.relative_to(releases)).read_bytes() == path.read_bytes()
    project.commit("the toolkit")
    project.ok("cruft", "update", "--skip-apply-ask")
    assert not [line for line in status(project) if "stemma" in line or line[:2] in ("UU", "AA")]
    assert project.read("docs/newer.md") and not list(project.folder.rglob("*.rej"))


def test_an_edited_toolkit_is_not_replaced_but_merged_by_cruft(project: Project, releases: Path) -> None:
    with (project.folder / "src/stemma/files.py").open("a", encoding="utf-8") as file:
        file.write("MINE = 1\n")
    done = project.run(sys.executable, "tasks.py", "update-stemma", str(releases), "--version", "v2")
    assert done.returncode == 1 and "nothing was replaced: files.py: run `cruft update`" in done.stderr
    project.commit("mine")
    project.ok("cruft", "update", "--skip-apply-ask")
    text = project.read("src/stemma/files.py")
    assert text.startswith('"""Files, told anew.') and text.endswith("MINE = 1\n")


def test_cruft_tells_what_is_new_and_a_project_of_cookiecutter_can_be_linked(project: Project, releases: Path) -> None:
    assert project.run("cruft", "check").returncode == 1
    (project.folder / ".cruft.json").unlink()
    project.ok("cruft", "link", str(releases), "--no-input")
    assert project.run("cruft", "check").returncode == 0
