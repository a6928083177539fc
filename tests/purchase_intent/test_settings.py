"""Settings: typed, frozen, and every wrong one named at once with its file and the nearest valid name."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from purchase_intent import settings as config
from stemma import conf
from stemma.errors import SettingsError
from worlds import PREFIXES, ROOT, choose_a_table

SIMULATED = "data=simulated"  # whatever this project's own defaults are
HOME = next(iter(PREFIXES))
OTHER = {"torch": "tensorflow", "tensorflow": "torch"}[HOME]
MODEL = f"model={PREFIXES[HOME]}_tabular"


@pytest.fixture(scope="session")
def composed() -> str:
    """params.yaml of the default settings."""
    return conf.compose(ROOT, [SIMULATED, MODEL])


@pytest.fixture
def params(composed: str, tmp_path: Path) -> Path:
    """A params.yaml that may be changed, in a folder without conf/."""
    path = tmp_path / "params.yaml"
    path.write_text(composed, encoding="utf-8")
    return path


def change(path: Path, **changes: object) -> Path:
    """change(path, train__epochs=0): set train.epochs."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        *parts, last = key.split("__")
        inner = values
        for part in parts:
            inner = inner[part]
        inner[last] = value
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def message(path: Path) -> str:
    with pytest.raises(SettingsError) as error:
        config.load(path)
    return str(error.value)


def test_the_default_settings_are_valid_and_frozen(params: Path) -> None:
    settings = config.load(params)
    assert settings.train.learning_rate > 0
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.epochs = 3


@pytest.mark.parametrize("override", [f"{path.parent.name}={path.stem}" for path in sorted(ROOT.glob("conf/*/*.yaml"))])
def test_every_option_in_conf_is_valid(override: str, tmp_path: Path) -> None:
    overrides = [override] if override.startswith("data=") else [SIMULATED, override]
    text = conf.compose(ROOT, overrides)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    assert config.load(tmp_path / "params.yaml").model.name == yaml.safe_load(text)["model"]["name"]


def test_the_reference_network_is_the_same_in_each_framework() -> None:
    each = [
        yaml.safe_load(conf.compose(ROOT, [SIMULATED, f"experiment=reference_{name}"])) for name in PREFIXES.values()
    ]
    for values in each:
        del values["model"]["name"], values["model"]["framework"]
        assert values == each[0]
    assert each[0]["model"] == {"hidden": [128], "activation": "relu", "dropout": 0.2}
    assert each[0]["data"]["split"]["validation"] == 0.2


def test_all_errors_are_told_at_once(params: Path) -> None:
    text = message(change(params, train__epochs=0, train__optimizer="adm", evaluate__bins="ten", model__hiden=[1]))
    assert "4 settings are wrong" in text
    assert "train.epochs: 0: input should be greater than 0" in text
    assert "train.optimizer: 'adm' is none of adam, sgd (did you mean adam?)" in text
    assert "evaluate.bins: 'ten': input should be a valid integer" in text
    assert "model.hiden: no such setting (did you mean hidden?)" in text
    assert "stemma conf sync" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train__learning_rat": 1.0}, "train.learning_rat: no such setting (did you mean learning_rate?)"),
        ({"data__split__tset": 0.1}, "data.split.tset: no such setting (did you mean test?)"),
        ({"data__split__test": 1.5}, "data.split.test: 1.5: input should be less than 1"),
        ({"data__kind": "simulatd"}, "data.kind: 'simulatd' is none of file, simulated, bundled (did you mean simul"),
        ({"model__name": "torch_mpl"}, "model.name: 'torch_mpl' is none of"),
        (
            {"model__framework": OTHER},
            f"model.framework: {PREFIXES[HOME]}_tabular is in the framework {HOME}, not {OTHER}",
        ),
        ({"trian": {}}, "trian: no such section (did you mean train?)"),
        ({"train": None}, "train: "),
        ({"train__epochs": True}, "train.epochs: True: input should be a valid integer"),
        ({"train__epochs": 1.5}, "train.epochs: 1.5"),
        ({"train__learning_rate": float("nan")}, "train.learning_rate: nan"),
        ({"train__learning_rate": float("inf")}, "train.learning_rate: inf"),
        ({"data__columns": {"a": "numerical"}}, "data.columns.a: 'numerical': input should be 'numeric'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_valid(params: Path, changes: dict, expected: str) -> None:
    assert expected in message(change(params, **changes))


def test_a_missing_setting_and_a_missing_section_are_named(params: Path) -> None:
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    del values["train"]["seed"], values["export"]
    params.write_text(yaml.safe_dump(values), encoding="utf-8")
    text = message(params)
    assert "train.seed: this setting is missing" in text
    assert "export: this section is missing" in text


def test_the_file_that_holds_a_wrong_setting_is_named(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    choose_a_table(tmp_path)
    (tmp_path / ".dvc").mkdir()
    shutil.copyfile(ROOT / ".dvc" / "config", tmp_path / ".dvc" / "config")
    file = tmp_path / "conf" / "train" / "default.yaml"
    file.write_text(re.sub(r"epochs: \d+", "epochs: -1", file.read_text(encoding="utf-8")), encoding="utf-8")
    conf.sync(tmp_path, [SIMULATED])
    where = str(Path("conf") / "train" / "default.yaml")
    assert f"train.epochs: -1: input should be greater than 0 (in {where})" in message(tmp_path / "params.yaml")


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b"- 1\n", b""])
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    text = message(tmp_path / "params.yaml")
    assert "params.yaml" in text and "\n" not in text
    assert "stemma conf sync" in text or "cannot be read" in text


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    assert message(tmp_path / "params.yaml").endswith("is not there: run `stemma conf sync`")


@given(
    section=st.sampled_from(["data", "model", "train", "evaluate", "export", "package"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_whatever_stands_in_a_section_is_settings_or_a_settings_error(
    composed: str, tmp_path_factory: pytest.TempPathFactory, section: str, value: object
) -> None:
    path = tmp_path_factory.mktemp("any") / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(composed) | {section: value}), encoding="utf-8")
    with pytest.raises(SettingsError, match=section):
        config.load(path)
