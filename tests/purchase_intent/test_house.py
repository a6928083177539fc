"""Who may import whom, and that dvc.yaml names the code of yours that a stage runs."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import purchase_intent

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[2]
HOUSE = Path(purchase_intent.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))
STAGES = sorted(path.stem for path in HOUSE.glob("stages/[a-z]*.py"))
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
FRAMEWORKS = sorted(path.name for path in HOUSE.glob("networks/[a-z]*/") if path.is_dir())
# What chooses and checks, but computes no result: a change in it reruns nothing.
BORDER = ("settings", "extensions.trackers", "sources", "sources.settings", "networks", "networks.settings")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module(path: Path) -> str:
    """Its name below the package."""
    return ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__")


def importers(prefix: str, within: str = "") -> list[str]:
    names = {module(path): set(imports(path)) for path in FILES if module(path).startswith(within)}
    return [name for name, found in names.items() if any(f"{each}.".startswith(f"{prefix}.") for each in found)]


def test_nobody_imports_a_stage() -> None:
    assert importers(f"{purchase_intent.__name__}.stages") == []


def test_nothing_unpickles() -> None:
    assert [name for name in ("pickle", "cloudpickle", "joblib", "dill", "shelve") if importers(name)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_told_in_25_lines(stage: str) -> None:
    body = ast.parse((HOUSE / f"stages/{stage}.py").read_text(encoding="utf-8")).body
    (main,) = (node for node in body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert (main.end_lineno or 0) - main.lineno < 25


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_a_framework_is_known_in_its_own_folder_alone(framework: str) -> None:
    """And where you added something for it, which is imported only if settings name it."""
    names = {"torch": ("torch",), "tensorflow": ("tensorflow", "keras")}[framework]
    homes = (f"networks.{framework}", "extensions.")
    every = {each for name in (*names, f"stemma.frameworks.{framework}") for each in importers(name)}
    assert [each for each in every if not each.startswith(homes)] == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage in PIPELINE and stage != "settings"])
def test_a_stage_depends_on_the_code_of_yours_that_it_imports(stage: str, framework: str) -> None:
    deps = [ROOT / name.replace("${model.framework}", framework) for name in PIPELINE[stage]["deps"]]
    named = [path for path in deps if path.is_relative_to(HOUSE)]
    needed = needs(HOUSE / f"stages/{stage}.py", framework)
    assert {path for path in needed if not any(path.is_relative_to(place) for place in named)} == set()
    assert [place for place in named if not any(path.is_relative_to(place) for path in needed)] == []


def needs(start: Path, framework: str) -> set[Path]:
    """The files of the package that compute what a file computes. NETWORKS adds those of the framework."""
    todo, seen = [start], set()
    while todo:
        path = todo.pop()
        if path not in seen and module(path) not in BORDER:
            seen.add(path)
            found = (HOUSE.parent / Path(*name.split(".")) for name in imports(path))
            every = [file for base in found for file in (base.with_suffix(".py"), base / "__init__.py")]
            todo += [file for file in every if file.is_relative_to(HOUSE) and file.is_file()]
            if f"{purchase_intent.__name__}.networks" in imports(path):
                todo += HOUSE.glob(f"networks/{framework}/*.py")
    return seen


def test_git_gives_a_table_back_as_it_came(tmp_path: Path) -> None:
    """DVC hashes the file in the work tree: with other line ends a clone would have to train anew."""
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    tables = [tmp_path / "data/raw/t.txt", tmp_path / "own.csv"]
    for table in tables:
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_bytes(b'a,b\r\n"two\nlines",1\r\n')
    for command in (["init", "-q"], ["add", "-A"], ["checkout-index", "-a", "--prefix=again/"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)
    assert {(tmp_path / "again" / table.relative_to(tmp_path)).read_bytes() for table in tables} == {
        b'a,b\r\n"two\nlines",1\r\n'
    }
