"""Who may import whom, and that dvc.yaml names just the code that a stage runs."""

import ast
import re
from collections.abc import Collection
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from stemma import layout
from stemma.bundle import archive, model
from stemma.toolkit import lock, rooms
from worlds import PREFIXES, ROOT

pytestmark = pytest.mark.xdist_group("architecture")  # each worker would parse all of the code
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FRAMEWORKS = ("torch", "tensorflow", "keras")
STAGES = ("prepare", "train", "compress", "evaluate", "export", "package")
# What chooses and checks, but computes no result: a change in it reruns nothing. The toolkit's are in rooms.LEFT_OUT.
BORDER = {
    "src/purchase_intent/extensions/trackers/__init__.py",
    "src/purchase_intent/settings.py", "src/purchase_intent/sources/__init__.py",
    "src/purchase_intent/sources/settings.py", "src/purchase_intent/networks/__init__.py",
    "src/purchase_intent/networks/settings.py",
}  # fmt: skip
SOURCES_OF_TABLES = ("simulated", "bundled")  # the one in use is named by data.source, a dependency of its own

# The toolkit's rooms from the ground up: a room imports from those of its own line and of the lines above it.
ROOMS = (
    {
        "entries",
        "errors",
        "exact",
        "files",
        "layout",
        "names",
        "parquet",
        "runtime",
        "semver",
        "signature",
        "text",
        "thin",
        "threads",
        "values",
    },
    {"weights"},
    {"repo"},
    {"settings", "conf", "toolkit"},
    {"runners"},
    {"task"},
    {"metrics", "explain"},
    {"tables"},
    {"describe"},
    {"training"},
    {"frameworks"},
    {"evaluation"},
    {"formats"},
    {"compress"},
    {"report"},
    {"bundle", "search"},
    {"versions", "watch"},
    {"registry", "rollback", "storage"},
    {"trackers"},
    {"serve"},
    {"follow"},
    {"cli"},
    {"testing"},
)  # fmt: skip
# What is not so yet, and why: (file, the room above that it imports).
UPWARD = {}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> set[str]:
    """Every module that a file imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def importers(prefix: str, where: str) -> list[str]:
    def matches(module: str) -> bool:
        return module == prefix or module.startswith(prefix + ".")

    return [name(path) for path in SOURCES if name(path).startswith(where) and any(map(matches, imports(path)))]


def test_the_toolkit_never_imports_the_project() -> None:
    assert importers("purchase_intent", "src/stemma/") == []


def test_tests_of_the_toolkit_never_import_the_project() -> None:
    """Nor do their helpers. What they hand to the toolkit is in tests/tiny; the project they only run, as a process."""
    todo, seen = [path for room in ("stemma", "tiny") for path in (ROOT / "tests" / room).rglob("*.py")], set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += [file for module in imports(path) for file in modules(ROOT / "tests", module)]
    assert {"tests/worlds.py", "tests/sections.py", "tests/fits.py"} <= set(map(name, seen))
    assert [name(path) for path in seen if any(each.split(".")[0] == "purchase_intent" for each in imports(path))] == []


def test_what_is_counted_has_its_number() -> None:
    """`1 rows` is said nowhere: `stemma.text.counted` says `1 row`."""
    plural = re.compile(r" (?:[a-z-]+ ){0,2}?[a-z-]+(?<![ai]s)(?<!ss)s\b")
    found = []
    for path in SOURCES:
        for text in (node.values for node in ast.walk(parsed(path)) if isinstance(node, ast.JoinedStr)):
            for number, after in pairwise(text):
                is_count = isinstance(number, ast.FormattedValue) and _is_count(number)
                if is_count and isinstance(after, ast.Constant) and plural.match(after.value):
                    found.append(f"{name(path)}:{number.lineno}: {ast.unparse(number.value)}{after.value}")
    assert found == []


def _is_count(shown: ast.FormattedValue) -> bool:
    """A length, or what is written `1,000`, but for constants."""
    value, form = shown.value, ast.unparse(shown.format_spec) if shown.format_spec else ""
    is_length = isinstance(value, ast.Call) and ast.unparse(value.func) == "len"
    return is_length or (form == "f','" and not ast.unparse(value).isupper())


def test_a_room_imports_only_from_rooms_below_it() -> None:
    floor = {room: number for number, line in enumerate(ROOMS) for room in line}
    upward = set()
    for path in SOURCES:
        package, *rest = path.relative_to(ROOT / "src").with_suffix("").parts
        if package == "stemma" and rest != ["__init__"]:
            room = rest[0]
            known = {module.split(".")[1] for module in imports(path) if module.startswith("stemma.")}
            upward |= {(name(path), other) for other in known if floor[other] > floor[room]}
    assert upward == set(UPWARD), "an import leads up, or one that is listed is gone"


@pytest.mark.parametrize("module", ["dvc.repo.Repo", "dvc.config.Config"])
def test_one_module_opens_a_repository_and_its_configuration_by_dvc(module: str) -> None:
    """What a clone says is judged there."""
    assert importers(module, "src/") == ["src/stemma/repo/trust.py"]


@pytest.mark.parametrize("package", ["dvc", "dvc_data", "dvc_objects"])
def test_one_room_knows_the_inside_of_dvc(package: str) -> None:
    assert [path for path in importers(package, "src/") if not path.startswith("src/stemma/repo/")] == []


def test_only_rooms_that_read_or_keep_versions_know_git_and_dvc() -> None:
    """And conf, where DVC composes; toolkit, where DVC commits what is accepted; testing, which runs it."""
    found = {path.split("/")[2] for path in importers("stemma.repo", "src/stemma/")}
    below = {"repo", "conf", "toolkit", "versions", "registry", "rollback", "storage", "follow", "cli", "trackers"}
    assert found == below | {"testing"}


def test_a_server_knows_bundles_and_nothing_of_where_they_come_from() -> None:
    """Nor Git, DVC, pandas, or a framework."""
    known = {module.split(".")[1] for path in (ROOT / "src/stemma/serve").rglob("*.py")
             for module in imports(path) if module.startswith("stemma.")}  # fmt: skip
    below = {
        "bundle",
        "entries",
        "errors",
        "explain",  # over a function, whatever is behind it
        "files",
        "layout",
        "semver",
        "serve",
        "settings",
        "signature",
        "text",
        "values",
    }
    assert known <= below
    for package in ("pandas", "dvc", "git", *FRAMEWORKS):
        assert importers(package, "src/stemma/serve/") == []


def test_nobody_imports_a_stage() -> None:
    assert importers("purchase_intent.stages", "src/") == []


def homes(framework: str) -> tuple[str, ...]:
    """The folders of a framework."""
    return (f"src/stemma/frameworks/{framework}/", f"src/purchase_intent/networks/{framework}/")


ADDED = "src/purchase_intent/extensions/"  # its files are imported only by what settings name


@pytest.mark.parametrize(("one", "other"), [("torch", "tensorflow"), ("tensorflow", "torch")])
def test_framework_folders_never_know_each_other(one: str, other: str) -> None:
    for folder in homes(other):
        for module in (one, f"stemma.frameworks.{one}", f"purchase_intent.networks.{one}"):
            assert importers(module, folder) == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_is_imported_only_in_its_folders_or_inside_a_function(framework: str) -> None:
    for path in SOURCES:
        if name(path).startswith((ADDED, *homes("torch" if framework == "torch" else "tensorflow"))):
            continue
        top = parsed(path).body
        statements = [node for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
        modules = {a.name for n in statements if isinstance(n, ast.Import) for a in n.names}
        modules |= {n.module or "" for n in statements if isinstance(n, ast.ImportFrom)}
        assert not any(module.split(".")[0] == framework for module in modules), name(path)


@pytest.mark.parametrize(
    "room",
    [
        "metrics",
        "explain",
        "tables",
        "describe",
        "training",
        "evaluation",
        "compress",
        "report",
        "bundle",
        "search",
        "watch",
        "trackers",
        "runners",
    ],
)
def test_a_room_knows_no_framework(room: str) -> None:
    for framework in FRAMEWORKS:
        assert importers(framework, f"src/stemma/{room}/") == []


def test_a_temporary_folder_goes_also_where_its_process_was_killed() -> None:
    """`files.scratch` sees to it."""
    made = [name(path) for path in SOURCES if "TemporaryDirectory" in path.read_text(encoding="utf-8")]
    assert made == ["src/stemma/files.py"]


def test_a_function_is_read_at_once() -> None:
    """It has 45 lines at most; of a command, whose options are declared in it, those from the docstring on."""
    long = []
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0] if name(path).startswith("src/stemma/cli/") else node
                if (node.end_lineno or 0) - first.lineno >= 45:
                    long.append(f"{name(path)}: {node.name}")
    assert long == []


def test_the_name_of_a_file_stands_in_one_module() -> None:
    """Those of a project in `layout`; of a bundle, beside what reads it. pyfunc.py is in bundles, and runs alone."""
    found: dict[str, set[str]] = {}
    for path in (path for path in SOURCES if path.name != "pyfunc.py"):
        texts = (node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant))
        for text in (text for text in texts if isinstance(text, str) and " " not in text):
            found.setdefault(text.rpartition("/")[2], set()).add(name(path))
    of_projects = [path.name for path in vars(layout).values() if isinstance(path, Path) and path.suffix]
    of_bundles = {model.RECORD, model.REQUEST, model.RESPONSE, model.REFERENCE, model.BACKGROUND, archive.SIGNATURE}
    homes = {file: found.get(file, set()) for file in (*of_projects, *of_bundles)}
    several = {file: files for file, files in homes.items() if len(files) > 1}
    assert several == {layout.GRAPH.name: {"src/stemma/layout.py", "src/stemma/bundle/archive.py"}}
    assert len(of_projects) > 10


def test_who_reads_json_that_stages_wrote_writes_it() -> None:
    """But for the bundle, whose record carries reports as they are; for export, which shall not depend on what
    evaluates; and for cookiecutter's file."""
    readers, writers = (set(importers(f"stemma.files.{word}", "src/")) for word in ("read_json", "write_json"))
    assert readers - writers == {
        "src/purchase_intent/stages/export.py",
        "src/stemma/bundle/contents.py",
        "src/stemma/toolkit/update.py",
    }


def test_nothing_unpickles() -> None:
    for module in ("pickle", "cloudpickle", "joblib", "dill", "shelve"):
        assert importers(module, "src/") == []


@pytest.mark.parametrize("framework", PREFIXES)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_just_the_code_that_it_imports(stage: str, framework: str) -> None:
    """On its owner's files by path, and on the toolkit's by room."""
    entry = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    (keys,) = (item[lock.FILE] for item in entry["params"] if isinstance(item, dict))
    covered = covered_by_rooms()
    files = {item: {item} for item in entry["deps"] if item.startswith("src/")}
    files |= {key: {f"src/stemma/{name}" for name in covered[_filled(key, framework)]} for key in keys}
    named = {_filled(name, framework) for names in files.values() for name in names}
    needed = closure(ROOT / "src" / "purchase_intent" / "stages" / f"{stage}.py", framework) - BORDER
    assert {file for file in needed if not _is_in(file, named)} == set(), f"{stage} imports these, dvc.yaml names none"
    for key, names in files.items():
        assert any(_is_in(file, {_filled(name, framework) for name in names}) for file in needed), f"{key} is not used"


def test_no_stage_depends_on_where_work_runs() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    named = [key for stage in stages.values() for key in stage.get("params", ()) if isinstance(key, str)]
    assert "train.threads" in named and not [key for key in named if key.split(".")[0] == "runner"]


covered_by_rooms = cache(rooms.covered)


def _filled(name: str, framework: str) -> str:
    return name.removeprefix("rooms.").replace("${model.framework}", framework)


def _is_in(file: str, names: Collection[str]) -> bool:
    return any(file == name or file.startswith(name + "/") for name in names)


def closure(start: Path, framework: str) -> set[str]:
    """The files that a file imports, and those that they import. NETWORKS and FORMATS add one framework."""
    todo, seen = [start], set()
    while todo:
        path = todo.pop()
        if name(path) in seen or holds_no_code(path) or is_left_out(path):
            continue
        seen.add(name(path))
        if name(path) == "src/purchase_intent/networks/__init__.py":
            todo += (path.parent / framework).glob("*.py")
        if name(path) == "src/stemma/formats/__init__.py":
            todo += [*path.parent.glob("*.py"), *(ROOT / "src/stemma/frameworks" / framework).glob("*.py")]
        if name(path) not in BORDER:
            todo += [
                file for module in imports(path) for file in files_of(module) if file.stem not in SOURCES_OF_TABLES
            ]
    return seen


def is_left_out(path: Path) -> bool:
    toolkit = ROOT / "src/stemma"
    return path.is_relative_to(toolkit) and rooms.is_left_out(path.relative_to(toolkit).as_posix())


def holds_no_code(path: Path) -> bool:
    """True for a package's map."""
    return all(isinstance(node, ast.Expr) for node in parsed(path).body)


def files_of(module: str) -> list[Path]:
    if module.split(".")[0] not in ("purchase_intent", "stemma"):
        return []
    return modules(ROOT / "src", module)


def modules(folder: Path, module: str) -> list[Path]:
    """The file of a module in a folder, if it is one of it."""
    base = folder / Path(*module.split("."))
    return [file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()]
