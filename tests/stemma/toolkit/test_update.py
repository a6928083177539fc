"""The toolkit of a template in a project's vendor/: a small one, made a wheel by the builder of the real one.

That the new one is installed, locked and tested is in tests/template/test_updating.py, in a stamped project.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stemma.errors import StemmaError
from stemma.toolkit import distribution, update
from worlds import ROOT, Project

pytestmark = pytest.mark.repository

TOOLKIT = """\
[project]
name = "stemma-versions"
description = "A small one"
license = "MIT"
requires-python = ">=3.11"
dependencies = ["dvc>=3", "zc.lockfile"]
scripts = {}
[project.optional-dependencies]
torch = ["Torch>=2", "other_one"]
serve = ["uvicorn"]
[tool.stemma]
version = "1.0.0"
"""
# What any chore that installs begins with.
CHORES = f"""\
import importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("chores", {str(ROOT / "tasks.py")!r})
chores = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chores)
chores.ROOT = Path.cwd()
chores.put_back()
"""


def versioned(project: Project, tag: str) -> None:
    project.commit(tag)
    project.ok("git", "tag", tag)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """v0 without a builder, then v1 and v2."""
    project = Project(tmp_path_factory.mktemp("update") / "a template")
    package = project.folder / "src/stemma"
    (package / "toolkit").mkdir(parents=True)
    (package / "pyproject.toml").write_text(TOOLKIT, encoding="utf-8")
    project.ok("git", "init", "-q", "-b", "main")
    versioned(project, "v0")
    shutil.copyfile(str(distribution.__file__), package / "toolkit/distribution.py")
    for tag in ("v1", "v2"):
        (package / "__init__.py").write_text(f"{tag = }\n", encoding="utf-8")
        versioned(project, tag)
    return project


@pytest.fixture(scope="module")
def first(template: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("first") / "project")
    (project.folder / "vendor").mkdir(parents=True)
    project.ok("git", "init", "-q", "-b", "main")
    template.ok("git", "checkout", "-q", "v1")
    builder = template.folder / update.BUILDER
    project.ok(sys.executable, "-I", str(builder), "vendor")
    known = {"template": str(template.folder), "commit": template.ok("git", "rev-parse", "v1").strip()}
    template.ok("git", "checkout", "-q", "main")
    files = {
        ".cruft.json": json.dumps(known),
        ".gitignore": "*.aside\n*.partial\n",
        "pyproject.toml": 'dependencies = ["stemma-versions"]\ntorch = ["stemma-versions[torch]"]\n',
        "requirements.lock": "# pins\ndvc==3.67.1\nzc-lockfile==4\ntorch==2.13.0\n",
        "stemma.lock": "old\n",
        "tasks.py": CHORES,
        "vendor/another-1.0-py3-none-any.whl": "the owner's",
    }
    for name, content in files.items():
        (project.folder / name).write_text(content, encoding="utf-8")
    project.commit("of v1")
    return project


@pytest.fixture
def project(first: Project, tmp_path: Path) -> Project:
    """With the toolkit of v1."""
    return first.copy(tmp_path / "project")


def names(project: Project) -> set[str]:
    return {path.name for path in project.folder.iterdir()} - {".git"}


def test_the_new_wheel_takes_the_place_of_the_old_one_and_of_nothing_else(
    project: Project, template: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(update, "STEPS", ())
    before, (old,) = names(project), (project.folder / "vendor").glob(update.WHEELS)
    update.update(project.folder, [str(template.folder)])
    (new,) = (project.folder / "vendor").glob(update.WHEELS)
    assert new.name != old.name and names(project) == before
    assert (project.folder / "vendor/another-1.0-py3-none-any.whl").read_text() == "the owner's"
    assert project.read("vendor/stemma.txt").startswith(f"./vendor/{new.name} --hash=sha256:")
    assert "requirements.lock does not pin other_one, which the toolkit needs" in capsys.readouterr().out


def test_what_is_there_already_is_not_replaced(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it is not committed: nothing would be lost."""
    project.ok("git", "rm", "-rq", "--cached", "vendor")
    update.update(project.folder, [])
    assert capsys.readouterr().out.endswith(" already\n") and "vendor.partial" not in names(project)


@pytest.mark.parametrize("edited", ["vendor/stemma.txt", "vendor/mine.whl", "vendor/mine.partial", "stemma.lock"])
def test_what_is_not_committed_is_not_replaced(project: Project, edited: str) -> None:
    (project.folder / edited).write_text("mine\n", encoding="utf-8")
    with pytest.raises(StemmaError, match=rf"^not committed, and so not replaced: {edited}: run `git status"):
        update.update(project.folder, ["--version", "v2"])
    assert project.read(edited) == "mine\n"


def test_without_a_known_template_it_asks_for_one(project: Project) -> None:
    for content in ("", "[]", "{}"):
        (project.folder / ".cruft.json").write_text(content, encoding="utf-8")
        with pytest.raises(StemmaError, match=r"which template this project is from: run `.* update-stemma FROM`$"):
            update.update(project.folder, [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["../nowhere"], r"^git clone failed in .*repository '../nowhere' does not exist"),
        (["--version", "v9"], r"a template has no 'v9'; its newest tags: v\d, v\d, v\d$"),
        (["--version", "v0"], r"a template \(\w{7}\) holds no toolkit that can be made a wheel"),
    ],
)
def test_an_origin_that_is_none_is_told_in_a_line(project: Project, words: list[str], told: str) -> None:
    with pytest.raises(StemmaError, match=told):
        update.update(project.folder, words)
    assert project.ok("git", "status", "--porcelain") == "" and "vendor.partial" not in names(project)


def test_the_source_of_the_toolkit_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(StemmaError, match=r"^src/stemma is the toolkit's source"):
        update.update(ROOT, [str(tmp_path)])


STOPPED = """
import os, signal, sys
from pathlib import Path
from stemma.toolkit import update

STEP = "import os, signal, time; open('stemma.lock', 'w').close(); " + sys.argv[1]
update.STEPS = ((("-c", STEP), "it fails"),)
sys.argv[1:] = ["--version", "v2"]
update.main()
"""
INTERRUPT = "os.kill(os.getppid(), signal.SIGINT); time.sleep(.3); open('ended', 'w')"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows interrupts otherwise")
@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("exit(3)", "it fails; everything is as it was\n"),
        (INTERRUPT, "interrupted; everything is as it was\n"),
        ("open('tasks.py', 'w').write('exit(1)'); exit(3)", "it fails, and what was here is not wholly back: run `"),
    ],
)
def test_what_fails_or_is_interrupted_is_put_back(project: Project, step: str, told: str) -> None:
    """An interrupted step comes to its end first."""
    done = project.run(sys.executable, "-Bc", STOPPED, step)
    assert done.returncode == 1 and done.stderr.startswith(f"error: {told}"), done.stderr
    assert (project.folder / "ended").exists() == (step == INTERRUPT)
    project.ok("git", "checkout", "-q", "tasks.py")
    project.ok(sys.executable, "tasks.py")  # the third needs it, and for the others it changes nothing
    assert project.ok("git", "status", "--porcelain").replace("?? ended\n", "") == ""
    assert not [name for name in names(project) if name.endswith((".aside", ".partial"))]


KILLED = """
import os, signal, sys
from pathlib import Path
from stemma.toolkit import update

MOMENT, moves = int(sys.argv[1]), []
rename, run = Path.rename, update._run

def counted(path, target):
    if len(moves) == MOMENT:
        os.kill(os.getpid(), signal.SIGKILL)
    moves.append(rename(path, target))
    if len(moves) == MOMENT == 3:
        os.kill(os.getpid(), signal.SIGKILL)

def locked(root, *words, **environment):
    if words[0] != "tasks.py":
        return run(root, *words, **environment)
    return Path("stemma.lock").write_text("new", encoding="utf-8") * 0

Path.rename, update._run, update.STEPS = counted, locked, update.STEPS[:1]
update.update(Path.cwd(), ["--version", "v2"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("moment", range(4))
def test_after_a_kill_the_chores_put_everything_back(project: Project, moment: int) -> None:
    """Before each of the three moves, and after the last: with it the update has succeeded, and nothing is put back."""
    killed = project.run(sys.executable, "-c", KILLED, str(moment))
    assert killed.returncode == -9, killed.stderr
    for _ in range(2):
        project.ok(sys.executable, "-B", "tasks.py", "install")
        assert bool(project.ok("git", "status", "--porcelain")) == (moment == 3)
        assert not [name for name in names(project) if name.endswith((".aside", ".partial"))]


def test_the_builder_writes_what_a_stamp_holds(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(distribution.__file__), str(tmp_path / "vendor")]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b""
    written = {path.name: path.read_bytes() for path in (tmp_path / "vendor").iterdir()}
    assert written == distribution.vendored()
