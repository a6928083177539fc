"""The toolkit as a distribution: its bytes, its version, and what runs where only its base is installed."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import stemma
from stemma.toolkit import NAME, distribution
from worlds import ROOT, Project


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, content = distribution.wheel()
    path = tmp_path_factory.mktemp("wheel") / name
    path.write_bytes(content)
    return path


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the package in sources of its own."""
    for name in ("docs", "src/stemma"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "LICENSE", tmp_path / "LICENSE")
    return tmp_path / "src/stemma"


def test_the_wheel_is_the_same_in_another_folder_and_at_another_time(wheel: Path, sources: Path) -> None:
    for path in sources.rglob("*"):
        os.utime(path, (1, 1))
    assert distribution.wheel(sources) == (wheel.name, wheel.read_bytes())


@pytest.mark.parametrize(
    "name",
    ["task.py", "py.typed", "pyproject.toml", "serve/page.html", "serve/protocols/messages/messages.binpb",
     "../../docs/diff.md", "new.py"],
)  # fmt: skip
def test_another_content_is_another_version(name: str, sources: Path) -> None:
    before = distribution.version(sources)
    with (sources / name).open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    assert distribution.version(sources) != before
    assert re.fullmatch(r"\d+\.\d+\.\d+\+g[0-9a-f]{10}", before) and stemma.__version__ == distribution.version()


def test_what_is_left_by_python_and_editors_is_not_in_it(sources: Path) -> None:
    before = distribution.wheel(sources)
    (sources / "__pycache__").mkdir()
    for name in ("__pycache__/task.py", ".task.py.swp", ".hidden.py", "task.py~", "task.pyc", "task.py.partial"):
        (sources / name).write_text("left")
    assert distribution.wheel(sources) == before


def test_nothing_in_the_wheel_tells_when_where_or_by_whom_it_was_made(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED and entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert (entry.create_system, entry.external_attr >> 16) == (3, 0o100644)
        assert {"stemma/py.typed", "stemma/docs/diff.md", "stemma/LICENSE"} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if "purchase" in name or name.startswith("..")]
    assert str(ROOT).encode() not in wheel.read_bytes()


@pytest.mark.slow
def test_pip_builds_the_same_and_an_installed_one_tells_the_same_version(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index"]
    build = ["wheel", *alone, "--no-build-isolation", f"--wheel-dir={tmp_path}", ROOT / "src/stemma"]
    subprocess.run([*pip, *build], check=True)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()
    (tmp_path / "pins.txt").write_text(f"{tmp_path / wheel.name} --hash=sha256:{'0' * 64}\n")
    refused = subprocess.run([*pip, "download", *alone, "--require-hashes", "-r", tmp_path / "pins.txt"], cwd=tmp_path)
    assert refused.returncode
    subprocess.run([*pip, "install", "--no-compile", *alone, f"--target={tmp_path / 'here'}", wheel], check=True)
    code = "import stemma.toolkit as toolkit; print(toolkit.version(), toolkit.__file__)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "here")}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [distribution.version(), str(tmp_path / "here/stemma/toolkit/__init__.py")]


def test_an_editable_install_leads_to_the_sources(tmp_path: Path) -> None:
    name = distribution.build_editable(str(tmp_path))
    with zipfile.ZipFile(tmp_path / name) as archive:
        assert archive.read("stemma_sources.pth").decode() == f"{ROOT / 'src'}\n"
        assert not [name for name in archive.namelist() if name.startswith("stemma/")]


def metadata(wheel: Path) -> importlib.metadata.PackageMetadata:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return importlib.metadata.PathDistribution(zipfile.Path(archive, name.removesuffix("METADATA"))).metadata


def test_its_name_is_nobody_elses_and_its_extras_are_declared_once(wheel: Path) -> None:
    told = metadata(wheel)
    assert told["Name"] == NAME == "stemma-versions" and told["Version"] == distribution.version()
    extras = {
        "pipeline",
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
    }
    assert set(told.get_all("Provides-Extra")) == extras
    project = distribution._project({"pyproject.toml": (ROOT / "pyproject.toml").read_bytes()})["project"]
    asked = {**project["optional-dependencies"], "pipeline": project["dependencies"]}
    assert {extra: asked[extra] for extra in extras} == {extra: [f"{NAME}[{extra}]"] for extra in extras}


def base(wheel: Path) -> set[str]:
    """The distributions that the toolkit needs without any extra, and what these need."""
    todo, seen = [Requirement(text) for text in metadata(wheel).get_all("Requires-Dist")], set()
    while todo:
        needed = todo.pop()
        name = re.sub(r"[-_.]+", "-", needed.name).lower()
        if name not in seen and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            seen.add(name)
            todo += [Requirement(text) for text in importlib.metadata.requires(name) or ()]
    return seen


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment that holds the wheel and what its base needs, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    python = next(folder.glob("bin/python")) if os.name != "nt" else folder / "Scripts/python.exe"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    for name in base(wheel):
        found = importlib.metadata.distribution(name)
        for part in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (place / part).exists():
                (place / part).symlink_to(found.locate_file(part))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    yield python


@pytest.mark.parametrize("absent", ["pandas", "matplotlib", "torch", "tensorflow", "sklearn", "dvclive"])
def test_the_base_is_without_what_only_stages_need(absent: str, bare: Path) -> None:
    assert subprocess.run([bare, "-c", f"import {absent}"], capture_output=True).returncode


@pytest.fixture(scope="module")
def clone(torch_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two versions, in a clone whose project code cannot be imported."""
    project = torch_project.copy(tmp_path_factory.mktemp("clone") / "p")
    for path in (project.folder / "src").rglob("*.py"):
        path.write_text("this is no Python\n")
    project.commit("broken")
    inputs = json.loads(zipfile.ZipFile(project.folder / "models/package/model.zip").read("request.json"))["inputs"]
    lines = [inputs, *zip(*inputs.values(), strict=True)]
    (project.folder / "rows.csv").write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    return project


@pytest.mark.parametrize(
    "words",
    ["log", "show HEAD", "diff HEAD~1 HEAD", "verify HEAD", "history", "bundle verify models/package/model.zip",
     "bundle inspect models/package/model.zip", "bundle predict models/package/model.zip rows.csv"],
)  # fmt: skip
def test_the_wheel_alone_reads_a_clone_whose_code_cannot_be_imported(words: str, bare: Path, clone: Project) -> None:
    clone.ok(str(bare), "-m", "stemma.cli", *words.split(), PYTHONPATH="")


def test_what_needs_more_says_so_in_a_line(bare: Path, clone: Project) -> None:
    done = clone.run(
        str(bare), "-m", "stemma.cli", "describe", "rows.csv", "--target", "Weekend", "--name", "mine", PYTHONPATH=""
    )
    assert done.returncode == 1
    assert done.stderr == "error: pandas is not installed: run `python tasks.py install`\n"
