"""Settings: typed, frozen, and every wrong one named at once with its file and the nearest valid name."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stemma import conf
from stemma.errors import SettingsError
from tiny import VISITS
from tiny.params import load, settle, settled, values
from worlds import ROOT

Message = Callable[..., str]


def refused(path: Path) -> str:
    with pytest.raises(SettingsError) as error:
        load(path)
    return str(error.value)


@pytest.fixture
def message(tmp_path: Path) -> Message:
    """message(train={"epochs": 0}): what is said of settings with these changes."""
    return lambda **changes: refused(settle(tmp_path, **changes) / "params.yaml")


def test_settings_are_typed_and_frozen() -> None:
    settings = settled()
    assert settings.train.learning_rate > 0
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.epochs = 3


def test_all_errors_are_told_at_once(message: Message) -> None:
    text = message(train={"epochs": 0, "optimizer": "adm"}, evaluate={"bins": "ten"}, model={"hiden": [1]})
    assert "4 settings are wrong" in text
    assert "train.epochs: 0: input should be greater than 0" in text
    assert "train.optimizer: 'adm' is none of adam, sgd (did you mean adam?)" in text
    assert "evaluate.bins: 'ten': input should be a valid integer" in text
    assert "model.hiden: no such setting (did you mean hidden?)" in text
    assert "stemma conf sync" in text


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"evaluate": {"minimum": {"fall": {"noise": 1}}}},
            "evaluate.minimum.fall: {'noise': 1}: input should be a valid number or a valid string"
            " (a name with a point is written whole: {fall.noise: 1})",
        ),
        (
            {"evaluate": {"minimum": {"gap": {"recall": {"Region": 0.1}}}}},
            "evaluate.minimum.gap: {'recall': {'Region': 0.1}}: input should be a valid number or a valid string"
            " (a name with a point is written whole: {gap.recall.Region: 0.1})",
        ),
        (
            {"evaluate": {"minimum": {"roc_auc": [0.9]}}},
            "evaluate.minimum.roc_auc: [0.9]: input should be a valid number or a valid string",
        ),
        (
            {"evaluate": {"threshold": [0.5]}},
            "evaluate.threshold: [0.5]: input should be a valid number or"
            " 'auto', 'f1', 'macro_f1', 'youden', 'cost' or 'recall_at_precision'",
        ),
        (
            {"data": VISITS | {"package": {"foo": "x"}}},
            "data.package.foo: 'foo': input should be 'name', 'description' or 'intended_use'",
        ),
        ({"data": VISITS | {"validation": 1}}, "data.validation: no such setting"),
        ({"data": VISITS | {"ranges": {"x": [1]}}}, "data.ranges.x.1: this setting is missing"),
        ({"evaluate": {"bins": {"a": 1}}}, "evaluate.bins: {'a': 1}: input should be a valid integer"),
        (
            {"data": VISITS | {"merge": {"a": [3]}}},
            "data.merge.a.0: 3: input should be a valid string: put it in quotes",
        ),
        (
            {"data": VISITS | {"positive": True}},
            "data.positive: True: input should be a valid string: put it in quotes",
        ),
        ({"data": VISITS | {"merge": {"a": []}}}, "data.merge.a: []: should have at least 1 item"),
        (
            {"data": VISITS | {"ranges": {"x": [5, 1]}}},
            "data.ranges.x: the lowest value, 5, is above the highest, 1",
        ),
        ({"train": {"threads": 10**6}}, "train.threads: 1000000: input should be less than or equal to 1024"),
    ],
)
def test_a_value_of_none_of_several_types_is_told_once(message: Message, changes: dict, line: str) -> None:
    _, told, _ = message(**changes).splitlines()
    assert told.strip() == line


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train": {"learning_rat": 1.0}}, "train.learning_rat: no such setting (did you mean learning_rate?)"),
        ({"prepare": {"rare": 0}}, "prepare.rare: 0: input should be greater than 0"),
        ({"model": {"name": "tiny_troch"}}, "model.name: 'tiny_troch' is none of tiny_torch, tiny_tensorflow (did you"),
        (
            {"model": {"framework": "tensorflow"}},
            "model.framework: tiny_torch is in the framework torch, not tensorflow",
        ),
        ({"train": {"epochs": True}}, "train.epochs: True: input should be a valid integer"),
        ({"train": {"epochs": 1.5}}, "train.epochs: 1.5"),
        ({"train": {"learning_rate": float("nan")}}, "train.learning_rate: nan"),
        ({"train": {"learning_rate": float("inf")}}, "train.learning_rate: inf"),
        ({"evaluate": {"costs": 3}}, "evaluate.costs: 3: input should be a mapping"),
        ({"evaluate": {"slices": 3}}, "evaluate.slices: 3: input should be a list"),
        ({"runner": {"address": "head:6379"}}, "  runner: an address goes with runner=ray"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_valid(message: Message, changes: dict, expected: str) -> None:
    assert expected in message(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "vists"}, "data.kind: 'vists' is none of file, visits (did you mean visits?)"),
        ({"split": {"tset": 0.1}}, "data.split.tset: no such setting (did you mean test?)"),
        ({"split": {"test": 1.5}}, "data.split.test: 1.5: input should be less than 1"),
        ({"columns": {"a": "numerical"}}, "data.columns.a: 'numerical': input should be 'numeric'"),
    ],
)
def test_a_wrong_setting_of_the_table_is_named_too(message: Message, changes: dict, expected: str) -> None:
    assert expected in message(data=values()["data"] | changes)


def written(folder: Path, sections: Mapping[str, Any]) -> Path:
    (folder / "params.yaml").write_text(json.dumps(sections), encoding="utf-8")
    return folder / "params.yaml"


def test_sections_and_settings_that_are_missing_or_unknown_are_named(tmp_path: Path) -> None:
    sections = values() | {"trian": {}, "evaluate": None}
    del sections["train"]["seed"], sections["export"]
    text = refused(written(tmp_path, sections))
    assert "train.seed: this setting is missing" in text
    assert "export: this section is missing" in text
    assert "trian: no such section (did you mean train?)" in text
    assert "evaluate: " in text


def test_the_file_that_holds_a_wrong_setting_is_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / ".dvc").mkdir()
    shutil.copyfile(ROOT / ".dvc" / "config", tmp_path / ".dvc" / "config")
    file = tmp_path / "conf" / "train" / "default.yaml"
    file.write_text(re.sub(r"epochs: \w+", "epochs: -1", file.read_text(encoding="utf-8")), encoding="utf-8")
    conf.sync(tmp_path, ["data=simulated"])
    where = str(Path("conf") / "train" / "default.yaml")
    assert f"train.epochs: -1: input should be greater than 0 (in {where})" in refused(tmp_path / "params.yaml")


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b"- 1\n", b""])
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    text = refused(tmp_path / "params.yaml")
    assert "params.yaml" in text and "\n" not in text
    assert "stemma conf sync" in text or "cannot be read" in text


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    assert refused(tmp_path / "params.yaml").endswith("is not there: run `stemma conf sync`")


@given(
    section=st.sampled_from(["data", "model", "train", "evaluate", "export", "package"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_whatever_stands_in_a_section_is_settings_or_a_settings_error(
    tmp_path_factory: pytest.TempPathFactory, section: str, value: object
) -> None:
    path = tmp_path_factory.mktemp("any") / "params.yaml"
    path.write_text(yaml.safe_dump(values() | {section: value}), encoding="utf-8")
    with pytest.raises(SettingsError, match=section):
        load(path)
