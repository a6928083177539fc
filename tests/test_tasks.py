"""tasks.py: the chores as a stranger meets them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tasks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tasks.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_called_bare_it_lists_its_chores() -> None:
    done = tasks()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["run", "test", "lint", "bench", "clean"]


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


def test_the_pins_are_exact_and_cover_what_is_required() -> None:
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#"]
    pins = {Requirement(line).name.lower().replace("_", "-"): Requirement(line) for line in lines}
    assert all(str(pin.specifier).startswith("==") for pin in pins.values())
    assert str(pins["torch"].specifier) == "==2.13.0"
    wanted = [*project["dependencies"], *(r for rs in project["optional-dependencies"].values() for r in rs)]
    for requirement in map(Requirement, wanted):
        if requirement.name != project["name"]:
            pin = pins[requirement.name.lower().replace("_", "-")]
            assert requirement.specifier.contains(str(pin.specifier)[2:], prereleases=True), requirement


def test_the_base_install_holds_neither_framework() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not [r for r in project["dependencies"] if r.startswith(("torch", "tensorflow", "keras"))]
    assert set(project["optional-dependencies"]) == {"torch", "tensorflow", "s3", "encrypt", "serve", "dev", "all"}


def test_every_dependency_has_its_line_in_the_docs() -> None:
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    extras = project["optional-dependencies"]
    used = ("torch", "tensorflow", "s3", "encrypt", "serve")
    names = [*project["dependencies"], *(r for key in used for r in extras[key])]
    assert [name for name in (Requirement(r).name for r in names) if name not in page] == []


def test_run_installs_the_framework_of_params_yaml_rebuilds_and_says_where_the_results_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    done: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "install", lambda extras: done.append(("install", extras)))
    monkeypatch.setattr(module, "call", lambda *command: done.append(command))
    monkeypatch.setattr(module, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=r"params.yaml is not there: run `git checkout"):
        module.run()
    for framework in ("torch", "tensorflow"):
        (tmp_path / "params.yaml").write_text(f"model:\n  name: x\n  framework: {framework}\n", encoding="utf-8")
        module.run("train")
    assert done == [
        ("install", "torch"),
        ("dvc", "repro", "train"),
        ("install", "tensorflow"),
        ("dvc", "repro", "train"),
    ]
    assert "models/package/model.zip" in capsys.readouterr().out
