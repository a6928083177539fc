"""Another format of any version: made by that version's own code, out of its own objects, the work tree untouched."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stemma.errors import ExportError, ToolkitError, VersionError
from stemma.repo import trust
from stemma.versions.export import export
from version_worlds import World, new, parts

Run = Callable[..., tuple[int, str, str]]
# Stands for the project's: what it was given, and the bytes that it found.
STAGE = """
import json, pathlib, sys
if len(sys.argv) != 4:
    sys.exit(2)
_, stage, name, folder = sys.argv
if name == "h5":
    sys.exit("error: h5 is made from tensorflow")
pathlib.Path(folder).mkdir()
found = [pathlib.Path(each).read_text() for each in ("params.yaml", "models/weights/index.json")]
files = {str(path): path.stat().st_mode & 0o100 for path in pathlib.Path().rglob("*") if path.is_file()}
told = {"formats": {name: {"largest": 1e-7, "rows": 80, "read": found, "files": files}}}
pathlib.Path(folder, "parity.json").write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two versions; the second is of newer code, which makes formats. The work tree has edits of its own."""
    world = new(tmp_path_factory.mktemp("exporting") / "world")
    world.write("src/stage.py", "import sys\nsys.exit(2)\n")
    world.version("old", parts())
    world.tag("old")
    world.write("src/stage.py", STAGE)
    world.version("new", parts(export=b"another graph"))
    lock = yaml.safe_load((world.folder / "dvc.lock").read_text())
    deps = ("data/prepared", "models/weights", "params.yaml", "src/stage.py")
    lock["stages"]["export"]["deps"] = [{"path": path} for path in deps]
    world.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))
    world.commit("with dependencies")
    world.push()
    world.write("params.yaml", "edited: true\n")
    world.write("src/stage.py", "edited\n")
    trust.trust(world.folder)
    return world


def state(world: World) -> tuple[str, str]:
    return world.ok("git", "status", "--porcelain"), (world.folder / "params.yaml").read_text()


def test_a_version_is_exported_by_its_own_code_and_files(made: World, tmp_path: Path) -> None:
    before = state(made)
    found = export(made.folder, "HEAD", "safetensors", tmp_path / "out")
    params, index = found.parity["read"]
    assert params == made.ok("git", "show", "HEAD:params.yaml") + "\n"
    assert json.loads(index)["framework"] == "torch"
    assert (found.revision, found.format, found.folder) == ("HEAD", "safetensors", tmp_path / "out")
    assert state(made) == before


def test_onnx_is_copied_from_any_version(made: World, tmp_path: Path) -> None:
    export(made.folder, "old", "onnx", tmp_path / "out")
    assert (tmp_path / "out/model.onnx").read_bytes() == b"a graph"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_code_that_is_older_than_formats_says_so(made: World, tmp_path: Path) -> None:
    with pytest.raises(VersionError, match="the code of old is older than formats on demand: it makes onnx alone"):
        export(made.folder, "old", "safetensors", tmp_path / "out")


def test_a_folder_that_is_there_is_never_touched(made: World, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine"):
        for name in ("onnx", "safetensors"):
            with pytest.raises(ExportError, match="is already there: name another folder by --output"):
                export(made.folder, "HEAD", name, folder)
    assert (tmp_path / "mine").read_text() == "mine"


def test_the_reason_of_the_versions_code_is_told(made: World, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"^HEAD: h5 is made from tensorflow$"):
        export(made.folder, "HEAD", "h5", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_object_is_named_with_the_command_that_fetches_it(made: World, tmp_path: Path) -> None:
    world = made.copy(tmp_path / "copy")
    trust.trust(world.folder)
    world.empty_cache()
    for file in world.remote.rglob("*"):
        if file.is_file() and b'"architecture"' in file.read_bytes():
            file.unlink()
    with pytest.raises(VersionError, match=r"models/weights.*: run `stemma push .* where it is"):
        export(world.folder, "HEAD", "safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_version_without_a_model_is_refused(made: World, tmp_path: Path) -> None:
    first = made.ok("git", "rev-list", "--max-parents=0", "HEAD")
    with pytest.raises(VersionError, match="holds no trained model"):
        export(made.folder, first, "onnx", tmp_path / "out")


def test_the_command_tells_folder_and_difference(made: World, run: Run, tmp_path: Path) -> None:
    code, out, _ = run(made, "export", "HEAD", "--format", "safetensors", "--output", str(tmp_path / "out"))
    assert code == 0
    assert out == f"{tmp_path / 'out'}: safetensors of HEAD, within 1e-07 of the network on 80 test rows\n"
    code, _, err = run(made, "export", "HEAD", "--output", str(tmp_path / "out"))
    assert code == 1 and err.startswith("error: ") and err.count("\n") == 1


def test_the_files_are_those_of_a_checkout_but_for_links_that_lead_out(made: World, tmp_path: Path) -> None:
    world = made.copy(tmp_path / "copy")
    world.ok("git", "checkout", "--", ".")
    world.write(".gitattributes", "src/part.py export-ignore\n")
    world.write("src/part.py", "")
    world.write("tool.sh", "#!/bin/sh\n")
    (world.folder / "tool.sh").chmod(0o755)
    links = {"near": "src/part.py", "folder": "src", "outside": "/etc/hostname", "above": "../../../etc/hostname"}
    for name, target in (links | {"far": "outside"}).items():
        (world.folder / name).symlink_to(target)
    world.commit("links")
    trust.trust(world.folder)
    files = export(world.folder, "HEAD", "safetensors", tmp_path / "out").parity["files"]
    assert {"src/part.py", "near", "tool.sh", ".gitattributes"} <= files.keys()
    assert bool(files["tool.sh"]) and not files["src/part.py"]
    assert files.keys().isdisjoint({"outside", "above", "far"})


def test_a_project_below_the_top_folder_of_git_is_exported(made: World, tmp_path: Path) -> None:
    world = made.copy(tmp_path / "copy")
    world.ok("git", "checkout", "--", ".")
    below = World(world.folder / "below")
    below.folder.mkdir()
    for path in [path for path in world.folder.iterdir() if path.name not in (".git", "below")]:
        path.rename(below.folder / path.name)
    world.commit("moved")
    trust.trust(below.folder)
    files = export(below.folder, "HEAD", "safetensors", tmp_path / "out").parity["files"]
    assert {"params.yaml", "src/stage.py", "models/weights/index.json"} <= files.keys()


@pytest.fixture(scope="module")
def vendored(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two versions of a project that keeps its toolkit as a wheel; what the wheel of the second holds was changed."""
    world = new(tmp_path_factory.mktemp("exporting") / "vendored")
    stage = STAGE.replace("1e-7", "stemma.MARGIN").replace(', "models/weights/index.json"', ",")
    world.write("src/stage.py", f"import stemma\n{stage}")
    for name in ("right", "flipped"):
        wheel = world.folder / "vendor/stemma_versions-0.1.0+g0-py3-none-any.whl"
        wheel.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("stemma/__init__.py", "MARGIN = 0.25")
        pin = hashlib.sha256(wheel.read_bytes()).hexdigest()
        world.write("vendor/stemma.txt", f"./vendor/{wheel.name} --hash=sha256:{pin}\n")
        if name == "flipped":
            wheel.write_bytes(wheel.read_bytes().replace(b"0.25", b"0.35"))
        world.write("stemma.lock", f"path: vendor/{wheel.name}\nversion: 0.1.0+g0\nfiles: {{}}\nrooms: {{}}\n")
        world.version(name, parts(export=name.encode()))
        world.tag(name)
    trust.trust(world.folder)
    return world


def test_a_version_that_keeps_its_toolkit_as_a_wheel_is_exported_by_that_wheel(vendored: World, tmp_path: Path) -> None:
    found = export(vendored.folder, "right", "safetensors", tmp_path / "out")
    assert found.parity["largest"] == 0.25


def test_a_wheel_that_is_not_the_pinned_one_runs_nothing(vendored: World, tmp_path: Path) -> None:
    told = r"^vendor/stemma_versions-0.1.0\+g0-py3-none-any.whl is not the wheel that vendor/stemma.txt names$"
    with pytest.raises(ToolkitError, match=told):
        export(vendored.folder, "flipped", "safetensors", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
