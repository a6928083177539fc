"""tasks.py: the chores as a stranger meets them."""

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHORES = ["run", "test", "lint", "install", "bench", "clean", "update-stemma"]


def tasks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tasks.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tasks", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_called_bare_it_lists_its_chores() -> None:
    done = tasks()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == CHORES


@pytest.mark.parametrize("arguments", [["rum"], ["lint", "now"]])
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    done = tasks(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "no such chore" in done.stderr


def test_it_needs_only_the_standard_library() -> None:
    tree = ast.parse((ROOT / "tasks.py").read_text(encoding="utf-8"))
    modules = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    modules |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert modules <= sys.stdlib_module_names


def test_a_python_that_is_too_old_is_told_in_one_line() -> None:
    ast.parse((ROOT / "tasks.py").read_text(encoding="utf-8"), feature_version=(3, 7))
    old = "import runpy, sys; sys.modules['tomllib'] = None; sys.version_info = (3, 10); sys.argv[1:] = ['run']; "
    done = subprocess.run(
        [sys.executable, "-c", f"{old}runpy.run_path('tasks.py', run_name='__main__')"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.11, 3.12 or 3.13 is needed") and done.stderr.count("\n") == 1


def test_a_system_python_without_pip_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Debian keeps ensurepip in a package of its own."""
    module = loaded(ROOT / "tasks.py")
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv/bin/python")
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match=r"run `apt install python3-venv`"):
        module.install("torch")
    assert list(tmp_path.iterdir()) == []


def test_before_it_installs_it_says_how_much_that_is_and_how_it_is_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = loaded(ROOT / "tasks.py")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    cuda = f"PyTorch for Linux with CUDA: 2.9 GB and 5.7 GB; with {module.CPU_BUILD} pip takes the CPU build"
    for platform, torch, extras, more in (
        ("linux", 'torch = ["torch"]\n', "torch", cuda),
        ("linux", 'torch = ["torch"]\n', "all,dev", module.CPU_BUILD),
        ("linux", 'torch = ["torch"]\n', "tensorflow", ""),
        ("linux", "", "all,dev", ""),
        ("darwin", 'torch = ["torch"]\n', "torch", ""),
    ):
        monkeypatch.setattr(module.sys, "platform", platform)
        (tmp_path / "pyproject.toml").write_text(torch, encoding="utf-8")
        told = module.announcement(extras)
        assert told.startswith(f"installing [{extras}]: {module.SIZES[extras][0]} GB to fetch")
        assert more in told and told.count("\n") == bool(more)


def projects_table(place: str) -> dict[str, list[str]]:
    """What a pyproject.toml asks for: by extra, and `base`."""
    import tomllib

    project = tomllib.loads((ROOT / f"{place}pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"base": project["dependencies"], **project["optional-dependencies"]}


def test_the_pins_are_exact_and_cover_what_is_required() -> None:
    from packaging.requirements import Requirement

    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#"]
    pins = {Requirement(line).name.lower().replace("_", "-"): Requirement(line) for line in lines}
    assert all(str(pin.specifier).startswith("==") for pin in pins.values())
    assert str(pins["torch"].specifier) == "==2.13.0"
    projects = [projects_table(place) for place in ("", "src/stemma/")]
    wanted = [r for table in projects for rs in table.values() for r in rs]
    for requirement in map(Requirement, wanted):
        if requirement.name not in ("purchase-intent", "stemma-versions"):
            pin = pins[requirement.name.lower().replace("_", "-")]
            assert requirement.specifier.contains(str(pin.specifier)[2:], prereleases=True), requirement


def test_the_base_install_holds_neither_framework() -> None:
    toolkit = projects_table("src/stemma/")
    held = [*toolkit["base"], *toolkit["pipeline"]]
    assert not [r for r in held if r.startswith(("torch", "tensorflow", "keras"))]
    extras = {"torch", "tensorflow", "s3", "encrypt", "sign", "serve", "dev", "all"}
    assert set(projects_table("")) == {"base", *extras}


def test_every_dependency_has_its_line_in_the_docs() -> None:
    from packaging.requirements import Requirement

    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    names = [Requirement(each).name for needed in projects_table("src/stemma/").values() for each in needed]
    assert [name for name in names if name not in page] == []


def test_run_installs_the_framework_of_params_yaml_rebuilds_and_says_where_the_results_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    module = loaded(ROOT / "tasks.py")
    done: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "install", lambda: done.append((module.framework(),)))
    monkeypatch.setattr(module, "call", lambda *command: done.append(command))
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "repository", lambda: None)
    with pytest.raises(SystemExit, match=r"params.yaml is not there: run `git checkout"):
        module.run()
    for framework in ("torch", "tensorflow"):
        (tmp_path / "params.yaml").write_text(f"model:\n  name: x\n  framework: {framework}\n", encoding="utf-8")
        module.run("train")
    assert done == [("torch",), ("dvc", "repro", "train"), ("tensorflow",), ("dvc", "repro", "train")]
    assert "models/package/model.zip" in capsys.readouterr().out


def test_the_first_run_makes_a_repository_of_its_own_also_inside_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In another one, DVC and the toolkit would look for dvc.lock at the wrong place."""
    outer, folder = tmp_path / "outer", tmp_path / "outer/shop"
    written(outer, {"page.md": "", "shop/a.py": ""})
    for command in (["init", "-q"], ["add", "page.md"], ["commit", "-qm", "a page"]):
        git(outer, *command)
    module = loaded(ROOT / "tasks.py")
    monkeypatch.setattr(module, "ROOT", folder)
    for said in ("lies in another repository and gets one of its own", ""):  # the second time nothing is left to do
        module.repository()
        told = capsys.readouterr().out
        assert said in told and bool(told) == bool(said)
        assert git(folder, "ls-tree", "-r", "--name-only", "HEAD") == "a.py"
        assert git(folder, "rev-list", "--count", "HEAD") == "1"


@pytest.mark.xdist_group("one")
def test_tests_of_a_group_share_a_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist 3.8 forgets its groups, without a word, under pytest 9.2: what costs much would be made twice."""
    called = getattr(request.config, "workerinput", {"mainargv": ()})["mainargv"]  # as typed
    if not any("loadgroup" in argument for argument in called):
        pytest.skip("not called with --dist loadgroup")
    assert request.node.nodeid.endswith("@one")


Called = tuple[ModuleType, list[tuple[str, ...]]]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    """tasks.py, and the programs that it would run."""
    module, done = loaded(ROOT / "tasks.py"), []
    monkeypatch.setattr(module, "install", lambda extras: None)
    monkeypatch.setattr(module, "repository", lambda: None)
    monkeypatch.setattr(module, "call", lambda *command: done.append(command))
    return module, done


def test_test_runs_all_or_what_is_quick_or_what_pytest_is_told(
    called: Called,
) -> None:
    module, done = called
    for arguments in ((), ("--quick",), ("--quick", "-x"), ("-k", "diff")):
        module.test(*arguments)
    everything, quick, one, own = done
    assert everything[0] == "pytest" and {"loadgroup", "--durations=15"} <= {*everything} and "-m" not in everything
    assert quick == ("pytest", "-m", "unit or repository", *everything[1:])
    assert one == ("pytest", "-m", "unit or repository", "-x") and own == ("pytest", "-k", "diff")


def test_fuzz_draws_for_as_long_as_it_is_told(
    called: Called,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module, done = called
    module.test("--fuzz")
    assert len(done) == 1 and {"hypothesis", "--hypothesis-profile=fuzz"} <= {*done[0]}
    clock = iter([0, 1000, 3000, 3700, 3700])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    module.test("--fuzz", "1")
    assert len(done) == 4
    with pytest.raises(SystemExit) as stopped:
        module.test("--fuzz", "long")
    assert stopped.value.code == 2 and "takes a number of hours, not 'long'" in capsys.readouterr().err


def test_the_gate_draws_the_same_examples_each_time_and_fuzz_draws_others() -> None:
    from hypothesis import settings

    assert settings.default is not None and settings.default.derandomize
    assert not settings.get_profile("fuzz").derandomize


def test_every_test_is_of_one_cost(request: pytest.FixtureRequest) -> None:
    costs = {"unit", "repository", "pipeline", "stamp"}
    for item in request.session.items:
        assert len(costs & {mark.name for mark in item.iter_markers()}) == 1, item.nodeid


# update-stemma: a template with three states of its toolkit, and a project that has the second

STATES = {
    "v1": {"src/stemma/__init__.py": "1\n", "src/stemma/old.py": ""},
    "v2": {"src/stemma/__init__.py": "2\n"},
    "v3": {"src/stemma/__init__.py": "3\n", "src/stemma/a/new.py": ""},
}
NEEDS = {"v1": '"dvc>=3"', "v2": '"dvc>=3"', "v3": '"dvc>=4", "rich"'}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def written(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "a template"
    written(folder, {".gitignore": "__pycache__/\n", ".gitattributes": "* text=auto eol=lf\n"})
    git(folder, "init", "-q", "-b", "main")
    for version, files in STATES.items():
        written(folder, files)
        if version == "v3":
            (folder / "src/stemma/old.py").unlink()
        project = f'[project]\nname = "shop"\ndependencies = [{NEEDS[version]}]\n'
        written(folder, {"pyproject.toml": f'{project}[project.optional-dependencies]\ntorch = ["torch>=2"]\n'})
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", version)
        git(folder, "tag", version)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """Made from the template's v2, in no repository."""
    folder = tmp_path / "a project"
    git(template, "checkout", "-q", "v2")
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns(".git"))
    git(template, "checkout", "-q", "main")
    shutil.copy(ROOT / "tasks.py", folder)
    written(folder, {"src/stemma/__pycache__/x.pyc": "", "src/shop.py": "mine\n"})
    return folder


def update(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tasks.py", "update-stemma", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)


def sources(folder: Path) -> dict[str, str]:
    top = folder / "src"
    return {path.relative_to(top).as_posix(): path.read_text() for path in top.rglob("*.py")}


def test_update_stemma_puts_the_newest_toolkit_in_its_place_and_says_what_it_needs(
    template: Path, project: Path
) -> None:
    done = update(project, "../a template")
    assert done.returncode == 0, done.stderr
    assert sources(project) == sources(template) | {"shop.py": "mine\n"}
    assert sorted(path.name for path in (project / "src").iterdir()) == ["shop.py", "stemma"]
    assert done.stdout.splitlines() == [
        f"src/stemma is that of HEAD ({git(template, 'rev-parse', 'HEAD')[:7]}) now: "
        "2 files changed, 1 insertion(+), 1 deletion(-)",
        "pyproject.toml: add 'dvc>=4' to dependencies",
        "pyproject.toml: add 'rich' to dependencies",
        "pyproject.toml: dependencies need no longer hold 'dvc>=3'",
        "next: python tasks.py test",
    ]
    again = update(project, "../a template")
    assert again.returncode == 0 and again.stdout.endswith(" already\n")


def test_update_stemma_goes_to_the_version_asked_for_whatever_pyproject_lacks(template: Path, project: Path) -> None:
    written(project, {"pyproject.toml": '[project]\nname = "shop"\n'})
    done = update(project, template.as_uri(), "--version", "v1")
    assert done.returncode == 0 and sources(project)["stemma/__init__.py"] == "1\n", done.stderr


@pytest.mark.parametrize("edit", ["src/stemma/__init__.py", "src/stemma/mine.py"])
def test_update_stemma_refuses_an_edited_toolkit_and_names_the_files(template: Path, project: Path, edit: str) -> None:
    written(project, {edit: "mine\n"})
    before = sources(project)
    done = update(project, "../a template")
    assert done.returncode == 1 and sources(project) == before
    assert done.stderr == (
        "error: src/stemma was edited (no commit of the template holds it), so nothing was replaced: "
        f"{edit.removeprefix('src/stemma/')}: run `cruft update`, which keeps edits\n"
    )


def test_update_stemma_takes_windows_line_ends_for_no_edit(template: Path, project: Path) -> None:
    (project / "src/stemma/__init__.py").write_bytes(b"2\r\n")
    assert update(project, "../a template").returncode == 0


def test_an_update_of_stemma_that_was_killed_is_mended_by_the_next(template: Path, project: Path) -> None:
    (project / "src/stemma").rename(project / "src/stemma.aside")
    written(project, {"src/stemma.partial/half.py": ""})
    assert update(project, "../a template", "--version", "v3").returncode == 0
    assert sources(project) == sources(template) | {"shop.py": "mine\n"}
    assert sorted(path.name for path in (project / "src").iterdir()) == ["shop.py", "stemma"]


def test_a_toolkit_that_cannot_be_moved_stays(template: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded(project / "tasks.py")
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name == "stemma.partial":
            raise PermissionError(13, "it is open elsewhere")
        return rename(path, target)

    before = sources(project)
    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(SystemExit, match=r"^error: src/stemma stays as it was: .*it is open elsewhere"):
        module.update_stemma(str(template))
    assert sources(project) == before
    assert sorted(path.name for path in (project / "src").iterdir()) == ["shop.py", "stemma"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "usage: python tasks.py update-stemma FROM [--version TAG]\n"),
        (["x", "--version"], 2, "usage: "),
        (["../nowhere"], 1, "error: git clone: fatal: repository '../nowhere' does not exist"),
        (["../a template", "--version", "v9"], 1, "error: the template has no 'v9'; its newest tags: v"),
        (["../other"], 1, "error: the template never held src/stemma: is it one of Stemma?"),
    ],
)
def test_update_stemma_says_in_a_line_what_is_wrong(
    template: Path, project: Path, arguments: list[str], code: int, message: str
) -> None:
    other = project.parent / "other"
    written(other, {"page.md": ""})
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a page"]):
        git(other, *command)
    done = update(project, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert done.stderr.startswith(message)
