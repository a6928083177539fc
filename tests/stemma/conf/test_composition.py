"""conf/ and params.yaml: composing as DVC does, comparing, naming the file that decides."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, parse_yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stemma import conf
from stemma.conf.difference import Difference, compare
from stemma.conf.hydra_yaml import parse
from stemma.errors import SettingsError
from stemma.repo import trust

ONE_PROCESS = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


def keys(found: tuple[Difference, ...]) -> list[str]:
    return [one.key for one in found]


# Composing


def test_dvc_reads_what_it_wrote_of_a_column_with_a_long_name() -> None:
    """Releases of ruamel.yaml from 0.18.13 on broke the line in such a key, and dvc.lock was none any more."""
    name = "How content are you with the service that you had at our branch on your last visit?"
    told = {"stages": {"prepare": {"params": {"columns": {name: "numeric"}}}}}
    assert parse_yaml(dumps_yaml(told), "dvc.lock") == told


def test_sync_writes_the_composition_and_says_whether_it_changed(settings: Any) -> None:
    settings.replace("conf/train/default.yaml", "40", "41")
    assert conf.sync(settings.root)
    assert settings.read("params.yaml") == conf.compose(settings.root)
    assert "epochs: 41\n" in settings.read("params.yaml")
    assert not conf.sync(settings.root)


def test_overrides_choose_options_and_set_add_and_remove_values(settings: Any) -> None:
    overrides = ["model=linear", "train.rate=0.5", "+train.extra=[1,null]", "~train.seed"]
    tree = parse(conf.compose(settings.root, overrides), "it")
    assert tree["model"] == {"name": "linear"}
    assert tree["train"] == {"epochs": 40, "rate": 0.5, "patience": None, "extra": [1, None]}


def test_choices_name_the_option_of_each_group(settings: Any) -> None:
    chosen = {"data": "small", "experiment": None, "model": "mlp", "model/optimizer": "adam", "train": "default"}
    assert conf.choices(settings.root) == chosen
    del chosen["model/optimizer"]
    assert conf.choices(settings.root, ["experiment=reference"]) == chosen | {
        "experiment": "reference",
        "model": "linear",
    }


def test_another_folder_and_name_in_the_configuration_are_followed(settings: Any) -> None:
    before = conf.compose(settings.root)
    (settings.root / "conf").rename(settings.root / "elsewhere")
    (settings.root / "elsewhere/config.yaml").rename(settings.root / "elsewhere/main.yaml")
    settings.write(".dvc/config", "[hydra]\nenabled = true\nconfig_dir = elsewhere\n")
    settings.write(".dvc/config.local", "[hydra]\nconfig_name = main\n")
    assert conf.compose(settings.root) == before
    assert conf.origin(settings.root, "train.rate") == Path("elsewhere/train/default.yaml")


def test_a_python_module_in_a_trusted_configuration_is_refused(settings: Any) -> None:
    settings.write(".dvc/config", "[hydra]\nenabled = true\nconfig_module = evil\n")
    assert conf.choices(settings.root)["data"] == "small"  # it does not count, as long as nobody trusts it
    trust.trust(settings.root)
    with pytest.raises(SettingsError, match=r"from a Python module .* run `dvc config --unset"):
        conf.compose(settings.root)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train/default.yaml", "epochs: [1\nrate: 2\n", r".*default\.yaml., line 1, column 9; expected"),
        ("train/default.yaml", "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n", "conf/train/default.yaml: Git left"),
        ("train/default.yaml", "a: 1\na: 2\n", ".*found duplicate key a"),
        ("train/default.yaml", "a: 1\n", "Interpolation key 'train.rate' not found"),
        ("train/default.yaml", "rate: ${.a}\na: ${.rate}\n", "Recursive interpolation detected"),
        ("train/default.yaml", "rate: ${b\n", "no viable alternative at input"),
        ("config.yaml", "defaults: {a: 1}\n", "Invalid defaults list in 'config'"),
        ("config.yaml", "defaults: [config]\n", "a defaults list leads back to itself"),
        ("config.yaml", "- 1\n", "primary config 'config' must be"),
        ("config.yaml", "defaults:\n  - model: mpl\n", r".*'model/mpl'; .* linear; mlp \(did you mean mlp\?\)$"),
    ],
)
def test_a_broken_conf_is_one_line(settings: Any, file: str, text: str, message: str) -> None:
    settings.write(f"conf/{file}", text)
    with pytest.raises(SettingsError, match=f"conf/ does not compose: {message}") as caught:
        conf.compose(settings.root)
    assert "\n" not in str(caught.value)
    assert "provider=" not in str(caught.value)


def test_a_table_without_a_file_is_one_to_describe(settings: Any) -> None:
    settings.write("conf/config.yaml", "defaults: [data: loans]\n")
    settings.write("conf/data/csv.yaml", "{}\n")
    with pytest.raises(
        SettingsError, match=r"'data/loans'; Available options in 'data': csv; .*`python tasks.py run`"
    ) as caught:
        conf.compose(settings.root)
    assert caught.value.run == "stemma describe FILE --target COLUMN --name loans"


def test_origin_is_none_where_conf_does_not_compose(settings: Any) -> None:
    settings.write("conf/train/default.yaml", "epochs: [1\n")
    assert conf.origin(settings.root, "train.rate") is None
    (settings.root / "conf").rename(settings.root / "gone")
    assert conf.origin(settings.root, "train.rate") is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=mpl", r"find 'model/mpl'; Available options in 'model': linear; mlp \(did you mean mlp\?\)$"),
        ("train.rate", "Error parsing override 'train.rate'; missing EQUAL at '<EOF>'$"),
        ("train.rate=model#prod", """'train.rate=model#prod'; write 'train.rate="model#prod"'$"""),
        ("train.rate=1,2", "Ambiguous value for argument 'train.rate=1,2'"),
        ("model=null", "Config group override must be a string or a list"),
    ],
)
def test_a_wrong_override_is_one_line_and_writes_nothing(settings: Any, override: str, message: str) -> None:
    before = settings.files()
    with pytest.raises(SettingsError, match=message) as caught:
        conf.sync(settings.root, [override])
    assert "\n" not in str(caught.value)
    assert settings.files() == before
    assert not (settings.root / conf.RECORD).exists()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["train.rat=1"], "train.rat: no such setting (did you mean train.rate?)"),
        (["~train.rat"], "train.rat: no such setting (did you mean train.rate?)"),
        (["modle=mlp"], "modle: no such setting (did you mean model?)"),
        (["train.rate=1", "quite.another=1"], "quite.another: no such setting"),
    ],
)
def test_a_setting_that_is_none_has_the_nearest_name_and_no_advice_to_add_it(
    settings: Any, overrides: list[str], told: str
) -> None:
    before = settings.files()
    with pytest.raises(SettingsError) as caught:
        conf.sync(settings.root, overrides)
    assert str(caught.value) == told
    assert settings.files() == before


def test_hydras_global_state_is_left_as_it_was_found(settings: Any) -> None:
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    conf.choices(settings.root)
    with pytest.raises(SettingsError):
        conf.compose(settings.root, ["nope=1"])
    assert not GlobalHydra.instance().is_initialized()
    with initialize_config_dir(str(settings.root / "conf" / "model"), version_base=None):
        before = GlobalHydra.instance().hydra
        conf.compose(settings.root, ["train.epochs=41"])  # never asked before
        with pytest.raises(SettingsError):
            conf.choices(settings.root, ["nope=1"])
        assert GlobalHydra.instance().hydra is before


def test_a_write_that_fails_leaves_params_yaml_whole(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("the disk is full")

    before = settings.files()
    settings.replace("conf/train/default.yaml", "40", "41")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        conf.sync(settings.root)
    assert settings.read("params.yaml") == before["params.yaml"]
    assert sorted(path.name for path in settings.root.iterdir()) == [".dvc", "conf", "params.yaml"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("", "Hydra is not enabled in .dvc/config: run `dvc config hydra.enabled true`"),
        ("[hydra]\nenabled = false\n", "Hydra is not enabled"),
        ("[hydra]\nenabled = perhaps\n", "cannot be read (config file error: "),
        ("[hydra\n", "cannot be read (config file error: "),
    ],
)
def test_a_dvc_configuration_that_does_not_compose_is_said(settings: Any, config: str, message: str) -> None:
    settings.write(".dvc/config", config)
    with pytest.raises(SettingsError, match=re.escape(message)) as caught:
        conf.compose(settings.root)
    assert "\n" not in str(caught.value)


def test_a_folder_outside_dvc_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"is not the root of a DVC repository, it holds no \.dvc folder: run `dvc init`$"
    ):
        conf.compose(tmp_path)


# Reading params.yaml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", r"params.yaml is not YAML: .*: run `stemma conf sync`"),
        (
            "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n",
            "params.yaml is not YAML: Git left the marks .*`stemma conf sync`",
        ),
        ("a: 1\na: 2\n", "params.yaml is not YAML: .*duplicate key a"),
        ("a: !!int ''\n", "params.yaml is not YAML: "),
        ("[" * 5000, "params.yaml is not YAML: "),
        ("- 1\n", r"params.yaml holds no mapping of settings but \[1\]: run `stemma conf sync`"),
        ("", "params.yaml holds no mapping of settings but null: run `stemma conf sync`"),
        (None, "params.yaml is not there: run `stemma conf sync`"),
    ],
)
def test_a_params_yaml_that_cannot_be_read_is_one_line(settings: Any, text: str | None, message: str) -> None:
    if text is None:
        (settings.root / "params.yaml").unlink()
    else:
        settings.write("params.yaml", text)
    with pytest.raises(SettingsError, match=message) as caught:
        conf.differences(settings.root)
    assert "\n" not in str(caught.value)


def test_a_params_yaml_that_is_not_utf_8_is_one_line(settings: Any) -> None:
    (settings.root / "params.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(SettingsError, match=r"params.yaml cannot be read: 'utf-8' codec"):
        conf.differences(settings.root)


OVERRIDES = st.lists(
    st.sampled_from(
        [
            "data=large", "model=linear", "model/optimizer=sgd", "experiment=quick", "experiment=reference",
            "train.epochs=7", "train.rate=1e-05", "train.rate=null", "~train.seed", "+train.extra=[a,'1',null]",
            "++model.hidden=[8]", "++model.dropout=0", "data.positive='é: \"x\"'", "+top.a.b={c:1}",
            "train.patience='0o17'",
        ]
    ),
    unique_by=lambda override: override.lstrip("+~").split("=")[0],
    max_size=5,
)  # fmt: skip


@pytest.mark.slow
@ONE_PROCESS
@given(OVERRIDES)
def test_after_sync_with_any_overrides_the_differences_are_those_and_sync_removes_them(
    settings: Any, overrides: list[str]
) -> None:
    base = parse(conf.compose(settings.root), "conf/")
    try:
        conf.sync(settings.root, overrides)
    except SettingsError:  # ~train.seed beside an option without it, and the like
        return
    found = conf.differences(settings.root)
    assert found == compare(base, parse(settings.read("params.yaml"), "params.yaml"))
    assert bool(found) == (settings.read("params.yaml") != conf.compose(settings.root))
    conf.sync(settings.root)
    assert conf.differences(settings.root) == ()


# YAML 1.1 takes these for line breaks, and PyYAML, which DVC writes with, folds them into a space.
TEXTS = st.text(st.characters(exclude_characters="\x85\u2028\u2029", exclude_categories=["Cs"]), max_size=5)


@ONE_PROCESS
@given(st.sampled_from(["evaluate.threshold", "data.positive", "train.rate", "model.hidden"]), TEXTS)
def test_a_hand_edit_is_the_one_difference(settings: Any, key: str, value: str) -> None:
    from omegaconf import OmegaConf

    tree = parse(conf.compose(settings.root), "conf/")
    section, name = key.split(".")
    tree[section][name] = value
    settings.write("params.yaml", OmegaConf.to_yaml(tree))
    assert [(one.key, one.params) for one in conf.differences(settings.root)] == [(key, value)]


# Naming the file


@pytest.mark.parametrize(
    ("key", "chosen", "file"),
    [
        ("train.rate", {}, "train/default.yaml"),
        ("evaluate.threshold", {}, "config.yaml"),
        ("evaluate.rate", {}, "config.yaml"),
        ("model.hidden", {}, "model/mlp.yaml"),
        ("model.hidden.0", {}, "model/mlp.yaml"),
        ("model.optimizer.beta", {}, "model/optimizer/adam.yaml"),
        ("model.optimizer.nope", {}, "model/optimizer/adam.yaml"),
        ("model.nope", {}, "model/mlp.yaml"),
        ("data.columns.x", {}, "data/small.yaml"),
        ("nope.nope", {}, "config.yaml"),
        ("trainer", {}, "config.yaml"),
        ("train.epochs", {"experiment": "quick"}, "experiment/quick.yaml"),
        ("train.rate", {"experiment": "quick"}, "train/default.yaml"),
        ("train.nope", {"experiment": "quick"}, "train/default.yaml"),
        ("nope", {"experiment": "quick"}, "config.yaml"),
        ("model.name", {"experiment": "reference"}, "model/linear.yaml"),
        ("model.name", {"model": "linear", "experiment": None}, "model/linear.yaml"),
        ("evaluate.threshold", {"experiment": "reference"}, "experiment/reference.yaml"),
    ],
)
def test_origin_names_the_file_that_decides_a_setting(settings: Any, key: str, chosen: Any, file: str) -> None:
    assert conf.origin(settings.root, key, chosen) == Path("conf", file)


def test_origin_knows_that_the_place_of_self_decides(settings: Any) -> None:
    settings.replace("conf/config.yaml", "# Judging.\n", "train:\n  rate: 0.2\n")
    assert conf.origin(settings.root, "train.rate") == Path("conf/train/default.yaml")
    settings.replace("conf/config.yaml", "  - _self_\n", "")
    settings.replace("conf/config.yaml", "over the above\n", "over the above\n  - _self_\n")
    assert conf.origin(settings.root, "train.rate") == Path("conf/config.yaml")


def test_origin_decides_as_hydra_does(settings: Any) -> None:
    """Change the file that is named, and the composition changes."""
    for key, old in (("model.optimizer.beta", "0.9"), ("train.epochs", "40"), ("evaluate.threshold", "0.5")):
        file = conf.origin(settings.root, key)
        settings.replace(str(file), f"{key.split('.')[-1]}: {old}", f"{key.split('.')[-1]}: 77")
        assert keys(conf.differences(settings.root)) == [key]
        conf.sync(settings.root)


def test_sync_writes_the_bytes_that_dvc_writes(pipeline: Any) -> None:
    overrides = [
        "model=linear", "data=large", "data.name='Grüße, 日本 🎉'", "+data.a='1e-3'", "+data.b='on'", "+data.c='null'",
        "+data.d=null", "+data.e='0o17'", "+data.f=[1,'1',null,[x,{y:-0.0}]]", "+data.g=1e-05", "+data.h=nan",
        "+data.i=''", "+data.j='a: b # c'", "+data.k={l:[],m:{}}", "train.rate=1e300", "+data.n='two\\nlines'",
        "~train.seed", "+new.section.x=true", "+data.o='\\${not.an.interpolation}'", "+data.p=12345678901234567890",
        f"+data.q='{'long ' * 50}'",
    ]  # fmt: skip
    for stage in ("prepare", "train"):
        pipeline.ok("dvc", "freeze", stage)
    pipeline.ok("git", "commit", "-qam", "frozen")
    pipeline.ok("dvc", "exp", "run", *(word for override in overrides for word in ("-S", override)))
    written = pipeline.read("params.yaml")
    assert "日本 🎉" in written and "h: .nan" in written, written
    pipeline.write("params.yaml", "")
    pipeline.ok("stemma", "conf", "sync", *overrides)
    assert pipeline.read("params.yaml") == written
