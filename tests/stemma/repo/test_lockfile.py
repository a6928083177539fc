"""dvc.lock: the quick reader and the whole one agree, and YAML is read as DVC reads it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import timing
from stemma.errors import VersionError
from stemma.repo import lockfile
from stemma.repo.repository import Repository
from version_worlds import World
from worlds import ROOT


def whole(text: str) -> dict[str, lockfile.Entry]:
    return lockfile._entries(out for stage in lockfile.stages(text).values() for out in stage.get("outs", ()))


def test_the_quick_reader_finds_what_yaml_says() -> None:
    text = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    found = lockfile.outputs(text)
    assert found == whole(text)
    assert found["models/weights"].is_folder and not found["models/package/model.zip"].is_folder
    assert found["reports/metrics.json"].md5 and not found["reports/metrics.json"].legacy


PATHS = st.text("abc/ .'\":#-&*!%@[]{}|>é0", min_size=1, max_size=12).filter(lambda path: path.strip() == path)


@settings(max_examples=60, deadline=None)
@given(st.lists(PATHS, min_size=1, max_size=4, unique=True), st.booleans(), st.booleans())
def test_any_path_is_read_as_dvc_wrote_it(paths: list[str], folder: bool, cloud: bool) -> None:
    from dvc.utils.serialize import dumps_yaml

    md5 = "0" * 32 + (".dir" if folder else "")
    outs = [{"path": path, "hash": "md5", "md5": md5, "size": 3} | ({"nfiles": 2} if folder else {}) for path in paths]
    if cloud:
        outs[0] = {"path": paths[0], "files": [{"relpath": "a", "cloud": {"s3": {"etag": "x"}}}]}
    stages = {
        "a": {"cmd": "true", "deps": [{"path": "x", "md5": "1"}], "outs": outs},
        "b": {"cmd": "outs:\n  - path: y"},
    }
    text = dumps_yaml({"schema": "2.0", "stages": stages})
    found = lockfile.outputs(text)
    assert list(found) == paths
    assert found[paths[-1]].md5 == (None if cloud and len(paths) == 1 else md5)
    assert found == whole(text)


def test_another_form_of_the_same_yaml_is_read_too() -> None:
    md5 = "1a" * 16
    flow = f"{{schema: '2.0', stages: {{a: {{outs: [{{path: x, md5: {md5}, hash: md5}}]}}}}}}"
    assert lockfile.outputs(flow)["x"].md5 == md5
    wide = f"schema: '2.0'\nstages:\n  a:\n    outs:\n    -   path: x\n        md5: {md5}\n"
    assert lockfile.outputs(wide)["x"].legacy


@pytest.mark.parametrize(
    "text", ["a: 1e-3", "a: 1e-05", "a: off", "a: 2020-01-01", "a: .5", "a: -.inf", "a: 1_000", "a: ~"]
)
def test_yaml_is_read_as_dvc_reads_it(text: str) -> None:
    from dvc.utils.serialize import parse_yaml

    assert lockfile.load(text) == parse_yaml(text, "x.yaml") or text == "a: 2020-01-01"
    assert isinstance(lockfile.load("a: 2020-01-01")["a"], str)


@pytest.mark.parametrize("text", ["[", "!!int ''", "!!timestamp x", "!!float x", "{? {a: b} : 1}", "[" * 5000])
def test_what_is_no_yaml_is_one_error(text: str) -> None:
    with pytest.raises(ValueError):
        lockfile.load(text)


MERGED = "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> theirs\n"


def test_the_marks_of_a_merge_are_told_as_such(three_versions: World, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Git left the marks of a merge in it"):
        lockfile.load(MERGED.format("a: 1", "a: 2"))
    world = three_versions.copy(tmp_path / "world")
    world.write("reports/metrics.json", "{\n" + MERGED.format('"a": 1', '"a": 2') + "}\n")
    with pytest.raises(VersionError, match=r"reports/metrics.json of workspace is damaged \(Git left the marks"):
        _ = Repository(world.folder).version("workspace").metrics


def test_reading_three_hundred_is_quick(three_versions: World) -> None:
    text = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    texts = [text + f"# {number}\n" for number in range(300)]
    assert timing.seconds(lambda: [lockfile.outputs(each) for each in texts], below=1) < 1
