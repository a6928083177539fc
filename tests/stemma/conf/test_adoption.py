"""`stemma conf adopt`: what goes where, what stays, and nothing at all where it cannot be done."""

import difflib
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from stemma import conf
from stemma.conf import adoption
from stemma.conf.composition import Source
from stemma.conf.difference import compare
from stemma.conf.hydra_yaml import parse
from stemma.errors import SettingsError


def adopted(repository: Any) -> list[str]:
    """Adopt, and prove that conf/ composes to params.yaml then; the changes, without their common folder."""
    wanted = conf.params(repository.root)
    changes = conf.adopt(repository.root)
    assert conf.differences(repository.root) == ()
    assert compare(wanted, conf.params(repository.root)) == ()
    assert not conf.sync(repository.root)
    return [str(change).removeprefix("conf/") for change in changes]


def changed_lines(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """`- FILE: LINE` and `+ FILE: LINE`, params.yaml left out."""
    found = []
    for name in before:
        lines = [*difflib.unified_diff(before[name].splitlines(), after[name].splitlines(), n=0)][2:]
        found += [f"{line[0]} {name.removeprefix('conf/')}: {line[1:]}" for line in lines if line[0] in "+-"]
    return [line for line in found if "params.yaml: " not in line]


def test_choices_go_into_the_defaults_list_and_values_into_their_files(settings: Any) -> None:
    before = settings.files()
    conf.sync(settings.root, ["data=large", "train.rate=0.01", "model/optimizer=sgd", "model.hidden=[64,8]"])
    assert adopted(settings) == [
        "config.yaml: data: small -> large",
        "model/mlp.yaml: model/optimizer: adam -> sgd",
        "model/mlp.yaml: model.hidden: [64, 32] -> [64, 8]",
        "train/default.yaml: train.rate: 0.001 -> 0.01",
    ]
    assert changed_lines(before, settings.files()) == [
        "- config.yaml:   - data: small      # small | large",
        "+ config.yaml:   - data: large      # small | large",
        "- model/mlp.yaml:   - optimizer: adam",
        "+ model/mlp.yaml:   - optimizer: sgd",
        "- model/mlp.yaml: hidden: [64,  32]        # units",
        "+ model/mlp.yaml: hidden: [64,  8]        # units",
        "- train/default.yaml: rate: 0.001",
        "+ train/default.yaml: rate: 0.01",
    ]
    assert adopted(settings) == []


def test_values_are_added_removed_and_replaced_where_they_belong(settings: Any) -> None:
    before = settings.files()
    overrides = [
        "+train.extra={a:1,b:[x]}",
        "~train.seed",
        "data.positive=FALSE",
        "+data.columns.x=1",
        "+new.part.k=null",
    ]
    conf.sync(settings.root, [*overrides, "train.patience=3"])
    adopted(settings)
    assert changed_lines(before, settings.files()) == [
        "+ config.yaml: new:",
        "+ config.yaml:   part:",
        "+ config.yaml:     k: null",
        '- data/small.yaml: positive: "TRUE"   # quoted',
        "- data/small.yaml: columns: {}   # none yet",
        "+ data/small.yaml: positive: false   # quoted",
        "+ data/small.yaml: columns: {x: 1}   # none yet",
        "- train/default.yaml: patience:   # no value",
        "- train/default.yaml: seed: 0",
        "+ train/default.yaml: patience: 3   # no value",
        "+ train/default.yaml: extra:",
        "+ train/default.yaml:   a: 1",
        "+ train/default.yaml:   b: [x]",
    ]


def test_an_experiment_is_chosen_where_it_explains_all_that_it_sets(settings: Any) -> None:
    conf.sync(settings.root, ["experiment=reference", "train.seed=5"])
    assert adopted(settings) == [
        "config.yaml: experiment: null -> reference",
        "train/default.yaml: train.seed: 0 -> 5",
    ]
    assert "  - experiment: reference   # over the above\n" in settings.read("conf/config.yaml")


def test_an_experiment_that_explains_only_a_part_is_neither_chosen_nor_rewritten(settings: Any) -> None:
    before = settings.files()
    conf.sync(settings.root, ["experiment=reference", "train.epochs=11"])
    assert adopted(settings) == [
        "config.yaml: model: mlp -> linear",
        "config.yaml: evaluate.threshold: 0.5 -> 0.7",
        "train/default.yaml: train.epochs: 40 -> 11",
        "train/default.yaml: train.rate: 0.001 -> 0.5",
    ]
    assert settings.read("conf/experiment/reference.yaml") == before["conf/experiment/reference.yaml"]


def test_an_experiment_that_is_chosen_already_takes_the_values_that_it_overrides(settings: Any) -> None:
    conf.sync(settings.root, ["experiment=reference"])
    adopted(settings)
    conf.sync(settings.root, ["train.epochs=12", "train.seed=6"])
    assert adopted(settings) == [
        "experiment/reference.yaml: train.epochs: 10 -> 12",
        "train/default.yaml: train.seed: 0 -> 6",
    ]
    conf.sync(settings.root, ["model=mlp"])
    assert adopted(settings) == ["experiment/reference.yaml: model: linear -> mlp"]
    conf.sync(settings.root, ["~experiment"])
    assert adopted(settings) == ["config.yaml: experiment: reference -> null"]


def test_a_section_that_became_a_value_is_one(settings: Any) -> None:
    settings.replace("params.yaml", "model:\n", "model: 3\nother:\n")
    adopted(settings)


def test_a_group_that_was_taken_away_becomes_null(settings: Any) -> None:
    conf.sync(settings.root, ["~data"])
    assert adopted(settings) == ["config.yaml: data: small -> null"]


def test_the_current_option_stays_where_another_is_no_nearer(settings: Any) -> None:
    conf.sync(settings.root, ["data.name=large"])
    assert adopted(settings) == ["data/small.yaml: data.name: small -> large"]


def test_an_interpolation_stays_where_it_gives_the_value(settings: Any) -> None:
    before = settings.files()
    conf.sync(settings.root, ["train.rate=0.5"])
    assert adopted(settings) == ["train/default.yaml: train.rate: 0.001 -> 0.5"]
    assert settings.read("conf/config.yaml") == before["conf/config.yaml"]


def test_an_interpolation_becomes_the_value_where_it_gives_another(settings: Any) -> None:
    conf.sync(settings.root, ["evaluate.rate=0.25"])
    assert adopted(settings) == ["config.yaml: evaluate.rate: 0.001 -> 0.25"]
    assert "  rate: 0.25\n" in settings.read("conf/config.yaml")
    settings.replace("conf/config.yaml", "rate: 0.25", "rate: ${train.rate}")
    conf.sync(settings.root, ["evaluate.rate=0.001", "train.rate=7"])
    adopted(settings)
    assert "  rate: 0.001\n" in settings.read("conf/config.yaml")


def test_an_interpolated_section_is_written_out_where_a_part_of_it_changes(settings: Any) -> None:
    settings.replace("conf/config.yaml", "# Judging.\n", "copy: ${train}   # of a section\n")
    conf.sync(settings.root)
    settings.replace("params.yaml", "copy:\n  epochs: 40", "copy:\n  epochs: 1")
    assert adopted(settings) == ["config.yaml: copy.epochs: 40 -> 1"]
    text = settings.read("conf/config.yaml")
    assert "copy: {epochs: 1, rate: 0.001, patience: null, seed: 0}   # of a section\n" in text


def test_text_that_looks_like_an_interpolation_stays_text(settings: Any) -> None:
    conf.sync(settings.root, ["data.positive='\\${train.rate}'", "+data.other='a\\\\\\${x}'"])
    assert "positive: ${train.rate}\n" in settings.read("params.yaml")
    adopted(settings)


def test_hydra_is_asked_of_those_options_alone_that_could_help(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compose, asked = Source.compose, []

    def counted(self: Source, *arguments: Any) -> str:
        asked.append(arguments)
        return compose(self, *arguments)

    conf.sync(settings.root, ["train.epochs=41", "data.rows=11"])
    monkeypatch.setattr(Source, "compose", counted)
    conf.adopt(settings.root)
    assert len(asked) <= 6  # before and after each step, and of the one option whose file has a defaults list


def test_a_value_that_several_files_set_is_taken_out_of_all(settings: Any) -> None:
    settings.replace("conf/config.yaml", "# Judging.\n", "train:\n  epochs: 1\n")
    conf.sync(settings.root, ["experiment=quick"])
    adopted(settings)
    conf.sync(settings.root, ["~train.epochs"])
    assert [line.split(": ")[0] for line in adopted(settings)] == [
        "config.yaml",
        "train/default.yaml",
        "experiment/quick.yaml",
    ]


def test_keys_in_another_order_rewrite_params_yaml_alone(settings: Any) -> None:
    before = settings.files()
    lines = settings.read("params.yaml").splitlines(keepends=True)
    train = lines.index("train:\n")
    settings.write("params.yaml", "# by hand\n" + "".join(lines[train:] + lines[:train]))
    assert adopted(settings) == []
    assert settings.files() == before


def test_windows_line_ends_stay(settings: Any) -> None:
    settings.write("conf/train/default.yaml", settings.read("conf/train/default.yaml").replace("\n", "\r\n"))
    conf.sync(settings.root, ["train.epochs=2", "+train.x=1"])
    adopted(settings)
    text = settings.read("conf/train/default.yaml")
    assert text.startswith("epochs: 2      # at most\r\n") and text.endswith("seed: 0\r\nx: 1\r\n")
    assert text.count("\n") == text.count("\r\n")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("data:", "hydra:\n  job: {}\ndata:"), "conf/ cannot express params.yaml, no file was changed: hydra: "),
        (("data:", "defaults: 3\ndata:"), "no file was changed: conf/ does not compose: "),
        (("train:", "train: 3\nother:"), "no file was changed: train: .*, which is a whole group"),
    ],
)
def test_what_conf_cannot_express_changes_no_file(settings: Any, edit: tuple[str, str], message: str) -> None:
    settings.replace("conf/config.yaml", "  - train: default\n", "  - train/default\n")  # not a choice
    settings.replace("params.yaml", "epochs: 40", "epochs: 39")
    settings.replace("params.yaml", *edit)
    before = settings.files()
    with pytest.raises(SettingsError, match=message) as caught:
        conf.adopt(settings.root)
    assert "\n" not in str(caught.value)
    assert tempfile.gettempdir() not in str(caught.value)  # the copy, which is gone
    assert settings.files() == before


def test_what_is_wrong_in_conf_already_is_told_with_its_own_path(settings: Any) -> None:
    settings.write("conf/train/default.yaml", "a: [1\n")
    with pytest.raises(SettingsError, match=f"{settings.root}/conf/train/default.yaml"):
        conf.adopt(settings.root)


@pytest.mark.parametrize("file", ["params.yaml", "conf/train/default.yaml", "conf/train/new.yaml"])
def test_what_is_edited_meanwhile_is_not_written_over(
    file: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an experiment ends in the work tree while Hydra composes."""
    settings.replace("params.yaml", "rate: 0.001", "rate: 0.5")
    choose = adoption._choose

    def edited(*given: Any) -> Any:
        with (settings.root / file).open("a", encoding="utf-8") as opened:
            opened.write("# edited\n")
        before.update(settings.files())
        return choose(*given)

    before: dict[str, str] = {}
    monkeypatch.setattr(adoption, "_choose", edited)
    with pytest.raises(SettingsError, match=r"changed meanwhile, no file was changed: run `stemma conf adopt`"):
        conf.adopt(settings.root)
    assert settings.files() == before


def test_a_write_that_fails_half_way_changes_no_file(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    conf.sync(settings.root, ["data=large", "train.rate=0.01", "evaluate.threshold=0.1"])
    before = settings.files()
    replace, calls = os.replace, []

    def fail_once(source: Any, target: Any) -> None:
        if Path(target).is_relative_to(settings.root):
            calls.append(target)
            if len(calls) == 2:
                raise OSError("the disk is full")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_once)
    with pytest.raises(OSError, match="full"):
        conf.adopt(settings.root)
    assert len(calls) > 2
    assert settings.files() == before


SLOW = settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
OVERRIDES = st.lists(
    st.sampled_from(
        [
            "data=large", "model=linear", "model/optimizer=sgd", "experiment=quick", "experiment=reference", "~data",
            "train.epochs=7", "train.rate=1e-05", "train.rate=null", "~train.seed", "+train.extra=[a,'1',null]",
            "++model.hidden=[8]", "++model.hidden=[64,32,{a:1}]", "++model.dropout=0", "++data.positive='é: \"x\"'",
            "+top.a.b={c:1}", "train.patience='0o17'", "evaluate.names=[a]", "evaluate.names=[a,b,c]",
            "evaluate.rate=3", "++data.columns={a:{b:1},c:[]}", "++data.chunks=[2]", "~evaluate", "~evaluate.threshold",
            "++model.optimizer.beta=1",
        ]
    ),
    unique_by=lambda override: override.lstrip("+~").split("=")[0],
    min_size=1,
    max_size=6,
)  # fmt: skip


def check_adopted(repository: Any, before: dict[str, str]) -> None:
    """After adopting: comments and the order of lines kept, files that no change names untouched."""
    changes = conf.adopt(repository.root)
    assert conf.differences(repository.root) == ()
    assert not conf.sync(repository.root)
    after = repository.files()
    named = {change.file.as_posix() for change in changes}
    assert {name for name in before if before[name] != after[name]} - {"params.yaml"} == named
    for name in named:
        alone = [line for line in before[name].splitlines() if line.startswith("#")]
        assert [line for line in after[name].splitlines() if line.startswith("#")] == alone


def start(repository: Any, files: dict[str, str]) -> None:
    for name, text in files.items():
        repository.write(name, text)


@pytest.fixture
def fresh(settings: Any) -> tuple[Any, dict[str, str]]:
    return settings, settings.files()


@SLOW
@given(OVERRIDES)
def test_any_overrides_can_be_adopted(fresh: tuple[Any, dict[str, str]], overrides: list[str]) -> None:
    repository, files = fresh
    start(repository, files)
    try:
        conf.sync(repository.root, overrides)
    except SettingsError:
        assume(False)
    check_adopted(repository, files)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["1e-3", "on", "${train.rate}", "\\${x}", "a: b", "???", "# no"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
PLACES = st.sampled_from(
    [
        "data.positive", "data.columns", "data.columns.new", "evaluate.rate", "evaluate.names", "model.hidden",
        "model.optimizer.beta", "train.patience", "train.epochs", "train.new", "new", "evaluate.threshold",
    ]
)  # fmt: skip


@SLOW
@given(st.dictionaries(PLACES, VALUES, min_size=1, max_size=5))
def test_any_hand_edit_of_params_yaml_can_be_adopted(fresh: tuple[Any, dict[str, str]], edits: dict[str, Any]) -> None:
    repository, files = fresh
    start(repository, files)
    tree = parse(files["params.yaml"], "params.yaml")
    for key, value in edits.items():
        *sections, name = key.split(".")
        place = tree
        for section in sections:
            place = place[section] if isinstance(place.get(section), dict) else place.setdefault("other", {})
        place[name] = value
    repository.write("params.yaml", OmegaConf.to_yaml(tree))
    assume(compare(tree, conf.params(repository.root)) == ())
    check_adopted(repository, files)


def test_an_applied_experiment_is_adopted_and_repro_finds_nothing_to_do(pipeline: Any) -> None:
    pipeline.ok("dvc", "exp", "run", "--temp", "-n", "better", "-S", "model=linear", "-S", "train.rate=0.02")
    pipeline.stages_run()
    pipeline.ok("dvc", "exp", "apply", "better")
    params = pipeline.read("params.yaml")
    assert pipeline.ok("stemma", "conf", "adopt").splitlines() == [
        "conf/config.yaml: model: mlp -> linear",
        "conf/train/default.yaml: train.rate: 0.001 -> 0.02",
    ]
    assert pipeline.read("params.yaml") == params
    pipeline.ok("dvc", "checkout")
    pipeline.ok("dvc", "repro")
    assert pipeline.stages_run() == []


@pytest.mark.parametrize("file", ["conf/train/default.yaml", "params.yaml", "toolkit"])
def test_of_what_is_edited_meanwhile_dvc_lock_does_not_say_that_it_passed(
    file: str, pipeline: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.write("toolkit", "one")
    pipeline.replace("dvc.yaml", "deps: [conf, params.yaml]", "deps: [conf, params.yaml, toolkit]")
    pipeline.ok("dvc", "repro")
    pipeline.ok("git", "add", "-A")
    pipeline.ok("git", "commit", "-qm", "a toolkit")
    pipeline.ok("dvc", "exp", "run", "--temp", "-n", "better", "-S", "train.rate=0.02")
    pipeline.ok("dvc", "exp", "apply", "better")
    noted, guard = pipeline.read("dvc.lock"), conf.guard

    def edited(root: Path) -> None:
        guard(root)
        with (root / file).open("a", encoding="utf-8") as opened:
            opened.write("# edited\n")

    monkeypatch.setattr(conf, "guard", edited)
    code, said, told = run(pipeline.root, "conf", "adopt")
    assert code == 1 and "train.rate: 0.001 -> 0.02" in said
    assert f"{file.split('/')[0]}" in told and "changed too, so dvc.lock stays as it was: run `dvc repro`" in told
    assert pipeline.read("dvc.lock") == noted
