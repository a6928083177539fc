"""serve.yaml, and the options over it."""

from functools import partial
from pathlib import Path

import pytest

from stemma.errors import SettingsError, StemmaError
from stemma.serve.settings import ModelSettings, ServeSettings
from stemma.serve.sockets import is_local, reserved


def test_without_any_the_bundle_of_the_project_is_served_on_this_machine_alone() -> None:
    known = ServeSettings.of()
    assert (known.host, [each.source for each in known.models]) == ("127.0.0.1", ["models/package/model.zip"])


def test_options_go_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("port: 9000\nmodels: [{source: a.zip}]\nlimits: {rows: 10}\n")
    known = ServeSettings.of(file, ["shop=b=c.zip", "d.zip"], port=9001, host=None)
    assert (known.port, known.host, known.limits.rows) == (9001, "127.0.0.1", 10)
    assert known.models == (ModelSettings(source="b=c.zip", name="shop"), ModelSettings(source="d.zip"))


def test_every_wrong_setting_is_told_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("port: http\nhots: a\nmodels: [{source: a, policy: newest}]\nlimits: {rows: 0}\nroot_path: a/\n")
    with pytest.raises(SettingsError, match="5 settings are wrong") as caught:
        ServeSettings.of(file)
    assert "hots: no such setting (did you mean host?)" in str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("root_path: shop", "root_path: 'shop': should be a path such as /shop, without / at its end"),
        ("models: [{source: a, policy: newest}]", "'newest': should be all, latest:2, or numbers such as 1,3"),
        ("auto_rollback: {young: an hour}", "'an hour': should be an age such as 30m, 1h, 2d or 1w"),
        ("log: {folder: ''}", "log.folder: '': should be a text that is not empty"),
        ("models: [{source: a, labels: {a/b: 1}}]", "'a/b': should be a name without / and spaces"),
        ("log: {folder: a, headers: [X-User]}", "'X-User': should be a header in small letters, such as x-user"),
        ("signature: {key: a, at_least: one}", "'one': should be a version such as 1.2.0"),
    ],
)
def test_the_form_of_a_text_is_told_in_words(wrong: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text(wrong)
    with pytest.raises(SettingsError) as caught:
        ServeSettings.of(tmp_path / "serve.yaml")
    assert str(caught.value).endswith(told)


@pytest.mark.parametrize("text", ["[", "- a", "a", "\0", "host: &a [*a]", "port: !!int ''"])
def test_a_file_that_holds_no_settings_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "serve.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"serve\.yaml"):
        ServeSettings.of(tmp_path / "serve.yaml")
    with pytest.raises(SettingsError, match="is not there"):
        ServeSettings.of(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["port: 1\nadmin: true\nport: 2\n", "limits:\n  rows: 1\n  rows: 2\n"])
def test_a_setting_that_is_there_twice_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "serve.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"serve\.yaml is not YAML: .*found duplicate key .* line 3, column"):
        ServeSettings.of(tmp_path / "serve.yaml")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (r'socket: "a\0b"', "socket"),
        (r'tls: {cert: "a\0", key: b}', "tls.cert"),
        ('log: {folder: ""}', "log.folder"),
        ('models: [{source: ""}]', "models.0.source"),
        ("models: []", "models"),
        ('models: [{source: a, stage: ""}]', "models.0.stage"),
        ("models: [{source: a, signed: true}]", "models.0"),
        ("limits: {body: 1.0e+308}", "limits.body"),
        ("poll: 1.0e+300", "poll"),
        ("workers: 1000000", "workers"),
        ('models: [{source: a, labels: {"a/b": 3}}]', r"models.0.labels.a/b: .a/b."),
        ("auto_rollback: {young: 99999999999999w}", "auto_rollback.young"),
    ],
)
def test_what_no_file_and_no_clock_can_be_is_refused(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "serve.yaml").write_text(text)
    with pytest.raises(SettingsError, match=rf"1 setting is wrong:\n  {named}: .*"):
        ServeSettings.of(tmp_path / "serve.yaml")


@pytest.mark.parametrize("host", ["a..b", "a" * 80, "nosuch.invalid"])
def test_a_host_that_is_none_is_named(host: str) -> None:
    known = ServeSettings.of(host=host)
    for asks in (partial(is_local, known), reserved(known).__enter__):
        with pytest.raises(StemmaError, match="is no host to listen at"):
            asks()
