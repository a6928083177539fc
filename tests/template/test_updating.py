"""A change of the template in a project that has its own edits: `cruft update`, then `tasks.py update-stemma`."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from template import stamp
from worlds import ROOT, Project

pytestmark = [
    pytest.mark.xdist_group("updating"),
    pytest.mark.skipif(sys.platform == "win32", reason="an environment is laid out otherwise"),
]
ANSWERS = {
    "project_name": "My shop",
    "project_slug": "my-shop",
    "package_name": "my_shop",
    "framework": "torch",
    "ci": "none",
}
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_COMPILE": "0"}  # 0 is pip's own way to say yes
PYTEST = "#!{python}\nimport sys\nimport pytest\nsys.exit(pytest.main())\n"
RAN = """\
schema: '2.0'
stages:
  prepare: {{params: {{stemma.lock: {{rooms.tables: {tables}}}}}}}
  train: {{params: {{stemma.lock: {{rooms.training: {training}}}}}}}
"""
SMOKE = """\
import pytest

@pytest.mark.unit
def test_it() -> None:
    import stemma.text

    assert "{words}" in stemma.text.__doc__
"""


def made(template: Path, folder: Path, version: str = "v1") -> Project:
    """A project of the template, in a repository of its own."""
    given = ("--no-input", "--checkout", version, "--extra-context", json.dumps(ANSWERS))
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["cruft", "create", str(template), *given], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    project = Project(folder / "my-shop")
    project.ok("git", "init", "-q", "-b", "main")
    project.commit("start")
    return project


def first_line(project: Project, name: str, line: str) -> None:
    """Change it as a person would; the rest of a docstring stays."""
    text = project.read(name)
    end = '"""' if line.startswith('"""') and text.splitlines()[0].endswith('"""') else ""
    (project.folder / name).write_text(text.replace(text.splitlines()[0], line + end, 1), encoding="utf-8")


def status(project: Project) -> set[str]:
    return set(project.ok("git", "status", "--porcelain").splitlines())


def chore(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """`python tasks.py WORD...`, where pip asks no index: all that a project needs is in this environment."""
    return project.run(sys.executable, "tasks.py", *words, **OFFLINE)


def environment(project: Project) -> Path:
    """A .venv that has this environment's packages and none of the project's; its Python."""
    folder = project.folder / ".venv"
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "ours.pth").write_text("\n".join(ours), encoding="utf-8")
    script = folder / "bin/pytest"
    script.write_text(PYTEST.format(python=folder / "bin/python"), encoding="utf-8")
    script.chmod(0o755)
    (folder / "made-none").touch()
    return folder / "bin/python"


def with_its_toolkit(project: Project) -> Path:
    """`environment`, and in it what vendor/ holds, as `tasks.py install` leaves it."""
    python = environment(project)
    pip = (str(python), "-m", "pip", "install", "-q", "--no-deps", "--require-hashes")
    project.ok(*pip, "-r", "vendor/stemma.txt", **OFFLINE)
    pins = b"".join(
        (project.folder / name).read_bytes() for name in ("pyproject.toml", "requirements.lock", "vendor/stemma.txt")
    )
    (python.parent.parent / "made-torch").write_text(hashlib.sha256(pins).hexdigest(), encoding="utf-8")
    return python


def known(project: Project) -> dict:
    return yaml.safe_load(project.read("stemma.lock"))


def installed(project: Project) -> str:
    """The version of the toolkit in .venv."""
    (found,) = project.folder.glob(".venv/lib/*/site-packages/stemma_versions-*.dist-info")
    return found.name.removesuffix(".dist-info").split("-")[1]


def slim(project: Project) -> None:
    """Let pip look at fewer packages."""
    text = re.sub(
        r"^(torch|dev|all|dependencies) = \[(.+|\n( .*\n)+\])$", r"\1 = []", project.read("pyproject.toml"), flags=re.M
    )
    (project.folder / "pyproject.toml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def releases(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with two versions: v1, and v2 which changes, adds, renames and removes, in project and toolkit."""
    folder = tmp_path_factory.mktemp("updating") / "a template"
    subprocess.run(["git", "clone", "-q", str(template), str(folder)], check=True)
    repository = Project(folder)
    repository.ok("git", "tag", "v1")
    first_line(repository, "models/README.md", "Told anew.")
    first_line(repository, "src/stage.py", '"""The words of the template.')
    first_line(repository, "data/raw/README.md", "Told anew.")
    first_line(repository, "src/purchase_intent/stages/train.py", '"""Of purchase_intent, told anew.')
    first_line(repository, "src/stemma/text.py", '"""Texts, told anew.')
    first_line(repository, "src/stemma/training/__init__.py", '"""Training, told anew.')
    (folder / "src/purchase_intent/newer.py").write_text('"""Of purchase_intent."""\n')
    repository.ok("git", "mv", "conf/export/all.yaml", "conf/export/every.yaml")
    repository.ok("git", "rm", "-q", "conf/experiment/quick.yaml")
    repository.ok("python", "-m", "stemma.cli", "lock", PYTHONPATH=str(folder / "src"))
    repository.commit("two")
    repository.ok("git", "tag", "v2")
    return folder


@pytest.fixture(scope="module")
def start(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return made(releases, tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def updated(start: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With own edits, and what `cruft update` then left."""
    project = start.copy(tmp_path_factory.mktemp("updated") / "my-shop")
    with (project.folder / "models/README.md").open("a", encoding="utf-8") as page:
        page.write("My line.\n")
    first_line(project, "src/stage.py", '"""My own words.')
    (project.folder / "data/raw/README.md").unlink()
    (project.folder / "src/my_shop/mine.py").write_text("MINE = 1\n")
    (project.folder / "dvc.lock").write_text(RAN.format_map(known(project)["rooms"]), encoding="utf-8")
    slim(project)
    project.commit("mine")
    project.ok("cruft", "update", "--skip-apply-ask")
    return project


def test_a_change_of_the_template_arrives_and_own_edits_stay(updated: Project) -> None:
    """The toolkit and its lock stay: cruft cannot merge a wheel, and rejects everything with it."""
    project = updated
    assert status(project) == {
        " M .cruft.json",
        "M  models/README.md",
        "UU src/stage.py",
        "M  src/my_shop/stages/train.py",
        "A  src/my_shop/newer.py",
        "R  conf/export/all.yaml -> conf/export/every.yaml",
        "D  conf/experiment/quick.yaml",
    }
    page = project.read("models/README.md")
    assert page.startswith("Told anew.\n") and page.endswith("My line.\n")
    assert project.read("src/my_shop/stages/train.py").startswith('"""Of my_shop, told anew.')
    assert project.read("src/my_shop/newer.py") == '"""Of my_shop."""\n'
    words = r'<<<<<<< ours\n"""My own words\..*\n=======\n"""The words of the template\..*\n>>>>>>> theirs\n'
    assert re.match(words, project.read("src/stage.py"))
    assert not list(project.folder.rglob("*.rej"))


def smoke(project: Project, words: str) -> None:
    """Let the project have one test, of words that the toolkit holds."""
    shutil.rmtree(project.folder / "tests")
    (project.folder / "tests").mkdir()
    (project.folder / "tests/test_own.py").write_text(SMOKE.format(words=words), encoding="utf-8")


def offered(folder: Path) -> None:
    """What an index has under the toolkit's own import name: somebody else's package."""
    with zipfile.ZipFile(folder / "stemma-99.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("stemma/__init__.py", "raise SystemExit('of somebody else')")
        wheel.writestr("stemma-99.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: stemma\nVersion: 99.0\n")
        wheel.writestr("stemma-99.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("stemma-99.0.dist-info/RECORD", "")


def test_the_toolkit_of_the_template_is_taken_as_a_whole_or_not_at_all_and_git_goes_back_and_forth(
    updated: Project,
    releases: Path,
    answers: Callable[..., dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without FROM it is that of the commit which `cruft update` brought the project to."""
    offered(tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    project = updated.copy(tmp_path / "my-shop")
    before = known(project)
    old = before["version"]
    project.ok("git", "checkout", "-q", "--theirs", "src/stage.py")
    python = with_its_toolkit(project)
    smoke(project, "never")
    project.commit("with a test that fails")
    failed = chore(project, "update-stemma")
    assert failed.returncode == 1
    assert failed.stderr.endswith(
        "error: the project's quick tests fail with the new toolkit; everything is as it was\n"
    )
    assert status(project) == set() and not list(project.folder.glob("*.aside"))
    assert installed(project) == old

    smoke(project, "anew")
    project.commit("with a test that does not")
    done = chore(project, "update-stemma")
    assert done.returncode == 0, done.stdout + done.stderr
    new, rooms = known(project)["version"], known(project)["rooms"]
    changed = [room for room in sorted(rooms) if rooms[room] != before["rooms"][room]]
    assert f"{old} -> {new}\n" in done.stdout
    assert "training" in changed and "tables" not in changed
    assert f"changed: {', '.join(changed)}\n" in done.stdout
    assert "`dvc repro` runs again: train, and what uses their results" in done.stdout
    wheel = f"vendor/stemma_versions-{new}-py3-none-any.whl"
    assert {line[3:] for line in status(project)} >= {"stemma.lock", "vendor/stemma.txt", wheel}
    stamped = stamp.plan(releases, answers(**ANSWERS))
    for name in ("stemma.lock", "vendor/stemma.txt", wheel):
        assert (project.folder / name).read_bytes() == stamped[name]
    project.commit("the toolkit")

    for revision, told in (("HEAD~1", old), ("main", new)):
        project.ok("git", "checkout", "-q", revision)
        stage = project.run(str(python), "src/stage.py", "settings")
        assert (stage.returncode, stage.stderr.count("\n")) == (1, 1)
        assert stage.stderr.endswith(f"stemma.lock holds {told}: run `python tasks.py install`\n")
        if told == old:
            assert chore(project, "install").returncode == 0 and installed(project) == old
            project.ok(str(python), "src/stage.py", "settings")


def test_cruft_tells_what_is_new_and_a_project_of_cookiecutter_can_be_linked(
    start: Project, releases: Path, tmp_path: Path
) -> None:
    project = start.copy(tmp_path / "my-shop")
    assert project.run("cruft", "check").returncode == 1
    (project.folder / ".cruft.json").unlink()
    project.ok("cruft", "link", str(releases), "--no-input")
    assert project.run("cruft", "check").returncode == 0


@pytest.fixture
def from_before(template: Path, tmp_path: Path) -> Path:
    """A template whose v1 is commit 805937f, the last before the toolkit left the project, and v2 is this work tree.

    before/template.tar.xz is what a stamp needs of it: `git archive 805937f -- . ':!bench' ':!reports' ':!.ci'
    ':!tests/stemma' ':!tests/template' ':!dvc.lock' ':!CHANGELOG.md' ':!CONTRIBUTING.md' ':!README.md' | xz -9e`.
    """
    repository = Project(tmp_path / "a template")
    with tarfile.open(ROOT / "tests/before/template.tar.xz") as archive:
        archive.extractall(repository.folder)  # noqa: S202 - ours; Python 3.11.2 has no filters
    repository.ok("git", "init", "-q", "-b", "main")
    repository.commit("one")
    repository.ok("git", "tag", "v1")
    repository.ok("git", "fetch", "-q", str(template), "main")
    repository.ok("git", "read-tree", "-u", "--reset", "FETCH_HEAD")
    repository.commit("two")
    repository.ok("git", "tag", "v2")
    return repository.folder


def blocks(heading: str) -> list[list[str]]:
    """The commands of a section of docs/updating.md, block by block."""
    section = (ROOT / "docs/updating.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [[line.strip() for line in block.splitlines()] for block in re.findall(r"```sh\n(.*?) *```", section, re.S)]


def test_a_project_from_before_the_wheel_is_taken_over_as_the_page_says(
    from_before: Path, plan: Callable[..., dict[str, bytes]], tmp_path: Path
) -> None:
    """With a network of the owner's, an edited setting, and an edit in what is the toolkit's now."""
    project = made(from_before, tmp_path / "here")
    for name in ("conf/config.yaml", "params.yaml"):
        project.replace(name, "Will this visitor of a shop buy?", "Mine?")
    (project.folder / "src/my_shop/models/torch/mine.py").write_text("MINE = 1\n", encoding="utf-8")
    with (project.folder / "src/my_shop/evaluation/baselines.py").open("a", encoding="utf-8") as file:
        file.write("MINE = 1\n")
    project.commit("mine")

    def do(commands: list[str]) -> None:
        programs = os.pathsep.join((str(project.folder / ".venv/bin"), os.environ["PATH"]))
        for command in commands:
            if command.startswith("source "):
                continue
            if command == "python tasks.py install":
                environment(project)
            asked = {"cruft update": "cruft update --skip-apply-ask"}.get(command, command)
            words = shlex.split(asked.replace("FROM", shlex.quote(str(from_before))))
            project.ok(*words, PATH=programs, **OFFLINE)

    first, second = blocks("From before the toolkit was a wheel")
    project.replace(".cruft.json", "{\n", '{\n  "skip": ["vendor", "stemma.lock"],\n')
    do(first)
    assert not (project.folder / "src/stemma").exists() and not list(project.folder.rglob("*.rej"))
    text = re.sub(r'  "skip": \[[^]]*\],\n', "", project.read(".cruft.json"))
    (project.folder / ".cruft.json").write_text(text, encoding="utf-8")
    package = project.folder / "src/my_shop"
    (package / "models/torch/mine.py").rename(package / "networks/torch/mine.py")
    for folder in ("models", "data", "evaluation", "formats"):
        shutil.rmtree(package / folder, ignore_errors=True)
    slim(project)
    do(second)
    project.ok(str(project.folder / ".venv/bin/python"), "src/stage.py", "settings")
    project.commit("taken over")

    stamped = plan(**ANSWERS, author="The My shop developers")
    differing = {name for name, content in stamped.items() if (project.folder / name).read_bytes() != content}
    assert differing == {"conf/config.yaml", "params.yaml", "pyproject.toml"}
    own = {*project.ok("git", "ls-files").splitlines()} - stamped.keys()
    settings = {"reports/settings/composed.yaml", "reports/settings/passed.txt"}
    assert own == {".cruft.json", "README.md", "src/my_shop/networks/torch/mine.py", *settings}
