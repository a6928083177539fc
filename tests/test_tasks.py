"""tasks.py: the chores as a stranger meets them."""

import ast
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from processes import Interrupted
from timing import HANGS, WAITS

ROOT = Path(__file__).resolve().parent.parent
CHORES = ["run", "test", "lint", "install", "bench", "clean", "update-stemma"]


def tasks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tasks.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=HANGS
    )


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tasks", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("asked", [[], ["-h"], ["--help"]])
def test_called_bare_or_asked_for_help_it_lists_its_chores(asked: list[str]) -> None:
    done = tasks(*asked)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == CHORES


@pytest.mark.parametrize("arguments", [["rum"], ["lint", "now"], ["install", "torch", "s3"]])
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
    extras = {
        "torch",
        "tensorflow",
        "s3",
        "encrypt",
        "explain",
        "sign",
        "search",
        "serve",
        "grpc",
        "tensorboard",
        "mlflow",
        "wandb",
        "ray",
        "dev",
        "all",
    }
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


def test_a_repository_of_another_user_is_one_line_and_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written(tmp_path, {"a.py": ""})
    git(tmp_path, "init", "-q")
    module = loaded(ROOT / "tasks.py")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(SystemExit, match=f"^error: .* `git config --global --add safe.directory '{tmp_path}'`$"):
        module.repository()


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


def test_fuzz_says_that_a_project_has_no_properties(
    called: Called, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module, done = called
    monkeypatch.setattr(module, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as stopped:
        module.fuzz("1")
    assert stopped.value.code == 2 and "none of them is here" in capsys.readouterr().err
    assert done == []


def test_the_gate_draws_the_same_examples_each_time_and_fuzz_draws_others() -> None:
    from hypothesis import settings

    assert settings.default is not None and settings.default.derandomize
    assert not settings.get_profile("fuzz").derandomize


def test_every_test_is_of_one_cost(request: pytest.FixtureRequest) -> None:
    costs = {"unit", "repository", "slow", "pipeline", "stamp"}
    for item in request.session.items:
        assert len(costs & {mark.name for mark in item.iter_markers()}) == 1, item.nodeid


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def written(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


# The toolkit in vendor/ of a project


@pytest.fixture
def vendored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tasks.py in a folder that holds a wheel and its hash."""
    written(tmp_path, {"vendor/a.whl": "wheel"})
    line = f"./vendor/a.whl --hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}\n"
    written(tmp_path, {"vendor/stemma.txt": line})
    module = loaded(ROOT / "tasks.py")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_pip_takes_the_toolkit_by_its_hash_and_never_from_an_index(vendored: ModuleType) -> None:
    assert {"--require-hashes", "vendor/stemma.txt"} <= {*vendored.toolkit()}


def test_a_toolkit_that_is_not_the_pinned_one_is_told_in_a_line(vendored: ModuleType, tmp_path: Path) -> None:
    pinned = (tmp_path / "vendor/stemma.txt").read_text()
    for name, content, told in (
        ("a.whl", "wheeL", "./vendor/a.whl is not the one that"),
        ("a.whl", None, "./vendor/a.whl is not the one that"),
        ("stemma.txt", pinned + pinned, "./vendor/a.whl is not the one that"),
        ("stemma.txt", None, "vendor/stemma.txt is not there"),
    ):
        path = tmp_path / "vendor" / name
        before = path.read_bytes()
        path.unlink() if content is None else path.write_text(content, encoding="utf-8")
        with pytest.raises(SystemExit, match=rf"^error: {told}.*: run `git checkout -- vendor`$"):
            vendored.toolkit()
        path.write_bytes(before)


def test_a_pip_that_fails_is_asked_again_and_after_an_interrupt_all_is_made_anew(
    vendored: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An interrupted pip leaves packages that lack files; one that fails has put back what it had. A new .venv has a
    new pip first."""
    made: list[Path] = []
    ends: list[BaseException | None] = [None, SystemExit(1), None, None, KeyboardInterrupt(), *3 * [None]]

    def called(*command: str) -> None:
        end = ends.pop(0)
        if end:
            raise end

    written(tmp_path, {"pyproject.toml": "", "requirements.lock": "", ".venv/bin/python": ""})
    monkeypatch.setattr(vendored, "call", called)
    monkeypatch.setattr(vendored, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(vendored, "PYTHON", tmp_path / ".venv/bin/python")
    monkeypatch.setattr(vendored.venv, "create", lambda folder, **options: made.append(folder))
    with pytest.raises(SystemExit):
        vendored.install("torch")
    vendored.install("torch")
    vendored.install("torch")
    assert len(made) == 1 and len(ends) == 4
    with pytest.raises(KeyboardInterrupt):
        vendored.install("torch,s3")
    vendored.install("torch,s3")
    assert len(made) == 2 and ends == []


@pytest.mark.skipif(sys.platform == "win32", reason="a group of processes is interrupted otherwise")
def test_an_interrupt_ends_the_program_that_a_chore_runs_and_the_chore_waits_for_it() -> None:
    """As from a keyboard: all of the group have it at once."""
    ends = f"try:\n print('on', flush=True)\n {WAITS}\nexcept KeyboardInterrupt: time.sleep(.5); print('off')"
    words = f"{sys.executable!r}, '-c', {'import time' + chr(10) + ends!r}"
    chore = f"import tasks; tasks.CHORES['run'] = lambda: tasks.call({words}); tasks.main()"
    process = subprocess.Popen(
        [sys.executable, "-Bc", chore, "run"], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "on\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(HANGS) == 130 and process.stdout.read() == "off\n"


def test_a_program_that_starts_as_an_interrupt_comes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        loaded(ROOT / "tasks.py").call(
            sys.executable, "-c", f"import time; time.sleep(.3); open({str(tmp_path / 'ended')!r}, 'w')"
        )
    assert (tmp_path / "ended").exists()
