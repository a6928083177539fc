"""Exact by room: what a change of each of them runs again, and what no change of runs."""

import importlib
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml

from stemma.toolkit import lock, rooms
from worlds import ROOT

# A room, and what a change in it runs again for a network of PyTorch. What uses a result that changed runs too.
RUNS = {
    "bundle": ["package"],
    "compress": ["compress"],
    "evaluation": ["evaluate"],
    "exact": ["prepare", "train", "compress", "evaluate", "export", "package"],
    "explain": ["evaluate"],
    "formats": ["compress", "export"],
    "frameworks": [],
    "frameworks/tensorflow": [],
    "frameworks/torch": ["train", "compress", "evaluate", "export"],
    "metrics": ["compress", "evaluate", "export"],
    "parquet": ["prepare", "evaluate", "package"],
    "report": ["evaluate"],
    "runtime": ["prepare", "train", "compress", "evaluate", "export", "package"],
    "semver": ["package"],
    "signature": ["evaluate", "package"],
    "tables": ["prepare", "evaluate"],  # a cross-validation does what prepare does
    "task": ["prepare", "train", "compress", "evaluate", "export", "package"],
    "thin": ["compress", "evaluate"],
    "training": ["train", "compress", "evaluate", "export"],
    "values": ["prepare", "train", "compress", "evaluate", "export", "package"],
    "weights": ["train", "compress", "evaluate", "export", "package"],
}
# Than some conf/: empty there, which changes nothing, for ever.
YOUNGER = ["missing_in", "decimal_in", "thousands", "date_format", "fold_case", "derive", "missing_target",
           "keep", "merge", "transform_target", "package"]  # fmt: skip
FILES = {
    "formats": "formats/onnx.py",
    "report": "report/document.py",
    "tables": "tables/hints.py",
}  # where not any file of a room will do
covered = cache(rooms.covered)  # parses the whole toolkit


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "stemma"
    shutil.copytree(ROOT / "src/stemma", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def stages(changed: set[str]) -> list[str]:
    """Those of dvc.yaml that name one of these, where the network is one of PyTorch."""
    found = []
    for stage, entry in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].items():
        keys = [key for item in entry.get("params", ()) if isinstance(item, dict) for key in item[lock.FILE]]
        if changed & {key.removeprefix("rooms.").replace("${model.framework}", "torch") for key in keys}:
            found.append(stage)
    return found


def test_every_room_that_counts_is_examined_here() -> None:
    assert set(RUNS) == set(rooms.rooms())


@pytest.mark.parametrize("room", RUNS)
def test_a_change_in_a_room_runs_just_what_uses_it(room: str) -> None:
    file = FILES.get(room, rooms.rooms()[room][0])
    assert stages({name for name, files in covered().items() if file in files}) == RUNS[room]


@pytest.mark.slow
@pytest.mark.parametrize("file", ["tables/split.py", "task.py", "frameworks/tensorflow/network.py"])
def test_a_digest_changes_with_each_file_that_it_covers_and_with_no_other(file: str, package: Path) -> None:
    before, text = rooms.digests(package), (package / file).read_bytes()
    (package / file).write_bytes(text + b"# a comment\n")
    after = rooms.digests(package)
    (package / file).write_bytes(text)
    changed = {room for room in before if before[room] != after[room]}
    assert changed == {room for room, files in covered().items() if file in files} and changed


@pytest.mark.parametrize("name", rooms.LEFT_OUT)
def test_what_cannot_change_a_result_is_in_no_digest(name: str) -> None:
    """The list holds nothing that is gone."""
    assert (ROOT / "src/stemma" / name).exists()
    assert not [file for files in covered().values() for file in files if file.split("/")[0] == name]


def _of_params(module: str) -> bool:
    """Those of a room that cannot change a result stand elsewhere: serve.yaml."""
    package, _, room = module.partition(".")
    return package == "stemma" and room.split(".")[0] not in rooms.LEFT_OUT


def test_a_type_of_settings_has_no_default_so_params_yaml_holds_every_value() -> None:
    """That is why its file is in no digest."""
    from stemma.settings import Section
    from stemma.tables.settings import Table

    for path in (ROOT / "src/stemma").glob("*/settings.py"):
        importlib.import_module(f"stemma.{path.parent.name}.settings")
    sections, todo = set(), [Section]
    while todo:
        found = todo.pop().__subclasses__()
        sections |= {each for each in found if _of_params(each.__module__)}
        todo += found
    assert len(sections) > 8
    for section in sections:
        optional = [name for name, field in section.model_fields.items() if not field.is_required()]
        younger = YOUNGER if issubclass(section, Table) else []
        assert set(optional) == set(younger) & set(section.model_fields), section
