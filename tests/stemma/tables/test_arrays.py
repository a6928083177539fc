"""data/prepared as prepare writes it, read back: profile.py and arrays.py."""

import json
import shutil

import numpy as np
import pytest

from stemma.errors import DataError
from stemma.tables import arrays, profile
from stemma.tables import prepared as written
from stemma.tables.check import check
from stemma.tables.settings import PrepareSettings
from tiny import SEASON, SOURCES, SPENT

PREPARE = PrepareSettings(strict=False, numeric="auto", impute="median", indicator=True, rare=10, embed=50)
TASKS = {"binary": {}, "multiclass": SEASON, "regression": SPENT}


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, section):
    """Folders written by prepare, by task."""
    folders = {}
    for name, changes in TASKS.items():
        settings = section("visits", **changes)
        folders[name] = tmp_path_factory.mktemp(name) / "prepared"
        written.write(folders[name], check(settings, SOURCES, strict=False), settings, PREPARE)
    return folders


@pytest.fixture
def damaged(prepared, tmp_path):
    """A copy to do harm to."""
    return shutil.copytree(prepared["binary"], tmp_path / "prepared")


def test_a_binary_target_is_one_for_the_positive_class(prepared):
    read = arrays.read(prepared["binary"], "train")
    assert (read.x.dtype, read.y.dtype) == (np.float32, np.float32)
    assert len(read.x) == len(read.y) == len(read.frame) == 384
    np.testing.assert_array_equal(read.y, read.frame["Revenue"] == "TRUE")


def test_several_classes_are_indices_in_the_order_of_the_profile(prepared):
    read = arrays.read(prepared["multiclass"], "test")
    assert read.y.dtype == np.int64
    assert profile.read(prepared["multiclass"]).task.classes == ("Dec", "May", "Nov")
    np.testing.assert_array_equal(read.y, read.frame["Month"].cat.codes)


def test_a_regression_target_is_as_it_stands_in_the_table(prepared):
    read = arrays.read(prepared["regression"], "validation")
    assert read.y.dtype == np.float64
    np.testing.assert_array_equal(read.y, read.frame["Minutes"])


@pytest.mark.parametrize("name", TASKS)
def test_the_profile_tells_what_the_stages_need(prepared, section, name):
    known, settings = profile.read(prepared[name]), section("visits", **TASKS[name])
    assert (known.task.kind, known.target) == (settings.task, settings.target)
    assert known.encoded_width == arrays.read(prepared[name], "test").x.shape[1]
    assert known.raw["rows"] == sum(len(arrays.read_frame(prepared[name], part)) for part in known.raw["splits"])
    assert ((known.task.mean, known.task.deviation) == (0, 1)) == (settings.task != "regression")
    assert (known.bayes, known.row) == ("Probability" if name == "binary" else None, "row")
    assert (known.raw["bayes_roc_auc"] is None) == (name != "binary")


@pytest.mark.parametrize("name", TASKS)
def test_the_profile_tells_which_column_every_encoded_number_is_of(prepared, name):
    known, x = profile.read(prepared[name]), arrays.read(prepared[name], "train").x
    assert sum(block.width for block in known.blocks) == known.encoded_width
    assert {block.name for block in known.blocks} == {column for column, _ in known.features}
    for block in known.blocks:
        numbers = x[:, block.start : block.start + block.width]
        assert block.kind == "numeric" or set(np.unique(numbers)) <= {0, 1}
    assert name != "binary" or {block.kind for block in known.blocks} == {"numeric", "binary"}


def test_training_rows_are_scaled(section, tmp_path):
    settings, standard = section("visits"), PREPARE.model_copy(update={"numeric": "standard"})
    written.write(tmp_path / "p", check(settings, SOURCES, strict=False), settings, standard)
    minutes = next(block.start for block in profile.read(tmp_path / "p").blocks if block.name == "Minutes")
    x = arrays.read(tmp_path / "p", "train").x[:, minutes]
    np.testing.assert_allclose((x.mean(), x.std()), (0, 1), atol=1e-5)


@pytest.mark.parametrize("name", ["profile.json", "encoder.onnx", "test.parquet"])
def test_a_file_that_is_not_there_is_named_with_the_command(damaged, name):
    (damaged / name).unlink()
    with pytest.raises(DataError, match=rf"prepared/{name} is not there: run `dvc repro prepare`$"):
        arrays.read(damaged, "test")


@pytest.mark.parametrize(
    ("name", "told"),
    [("profile.json", "is damaged"), ("encoder.onnx", "is not an ONNX graph"), ("test.parquet", "is damaged")],
)
def test_a_file_cut_short_is_named_with_the_command(damaged, name, told):
    content = (damaged / name).read_bytes()
    (damaged / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"prepared/{name} {told}: run `dvc repro --force prepare`$"):
        arrays.read(damaged, "test")


@pytest.mark.parametrize("content", ["[]", '{"format": 2}'])
def test_a_profile_of_another_format_is_refused(damaged, content):
    (damaged / "profile.json").write_text(content)
    with pytest.raises(DataError, match=r"profile.json is not of format 1: run `dvc repro --force prepare`$"):
        profile.read(damaged)


@pytest.mark.parametrize(("positive", "main"), [(38, "pr_auc"), (39, "roc_auc")])
def test_a_class_of_fewer_than_a_tenth_of_the_training_rows_is_rare(damaged, positive, main):
    raw = json.loads((damaged / "profile.json").read_text())
    assert raw["splits"]["train"]["rows"] == 384
    raw["splits"]["train"]["balance"] |= {"TRUE": positive}
    (damaged / "profile.json").write_text(json.dumps(raw))
    assert profile.read(damaged).task.main == main


def test_a_class_that_the_profile_does_not_know_is_named(damaged):
    raw = json.loads((damaged / "profile.json").read_text())
    (damaged / "profile.json").write_text(json.dumps(raw | {"classes": ["FALSE", "true"]}))
    with pytest.raises(DataError, match=r"^'TRUE' is not a class in profile.json: run `dvc repro --force prepare`$"):
        arrays.read(damaged, "test")
