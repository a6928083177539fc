"""The stage `settings`, in one process and under DVC itself."""

import json
import os
from typing import Any

import pytest

from stemma import conf
from stemma.conf import composition
from stemma.errors import SettingsError, StemmaError

EXPERIMENT = "DVC_EXP_BASELINE_REV"


@pytest.fixture(autouse=True)
def outside_an_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EXPERIMENT, raising=False)


# In one process


def test_the_guard_records_a_pass(settings: Any) -> None:
    conf.guard(settings.root)
    assert settings.read("reports/settings/passed.txt") == "params.yaml was composed from conf/\n"
    assert settings.read("reports/settings/composed.yaml") == conf.compose(settings.root)


def test_the_guard_stops_at_an_edit_with_the_differences_and_both_commands(settings: Any) -> None:
    conf.guard(settings.root)
    before = settings.read("reports/settings/composed.yaml")
    settings.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
    settings.replace("conf/model/mlp.yaml", "[64,  32]", "[8]")
    with pytest.raises(SettingsError) as caught:
        conf.guard(settings.root)
    assert str(caught.value).splitlines() == [
        "conf/ was edited, but params.yaml was not composed from it: they differ in 2 settings",
        "  model.hidden: [8] -> [64, 32]",
        "  train.epochs: 41 -> 40",
        "run `stemma conf sync` to take conf/, or `stemma conf adopt` to keep params.yaml",
    ]
    assert settings.read("reports/settings/composed.yaml") == before


def test_an_edit_while_overrides_are_composed_is_not_taken_for_one_that_params_yaml_has(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = composition.compose

    def edited(*given: Any) -> str:
        text = compose(*given)
        settings.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
        monkeypatch.undo()
        return text

    monkeypatch.setattr(composition, "compose", edited)
    conf.sync(settings.root, ["train.rate=0.5"])
    with pytest.raises(SettingsError, match=r"conf/ was edited, but params\.yaml was not composed from it"):
        conf.guard(settings.root)


def test_the_guard_lists_twenty_differences_and_counts_the_rest(settings: Any) -> None:
    settings.write("conf/train/default.yaml", "rate: 0.001\n" + "".join(f"a{number}: 1\n" for number in range(30)))
    with pytest.raises(SettingsError) as caught:
        conf.guard(settings.root)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("differ in 33 settings") and len(lines) == 23 and lines[21] == "  and 13 more"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("conf/train/default.yaml", "# at most", "# or fewer"),
        ("conf/train/default.yaml", "epochs: 40      # at most\nrate: 0.001\n", "rate: 1e-3\nepochs: 40\n"),
        ("conf/model/linear.yaml", "name: linear", "name: straight"),
        ("conf/experiment/quick.yaml", "epochs: 3", "epochs: 4"),
    ],
)
def test_an_edit_that_changes_nothing_composed_passes(settings: Any, file: str, old: str, new: str) -> None:
    conf.guard(settings.root)
    settings.replace(file, old, new)
    conf.guard(settings.root)
    conf.sync(settings.root, ["train.seed=5"])
    settings.replace(file, new, old)
    conf.guard(settings.root)


def test_a_hand_edit_of_params_yaml_passes_with_a_note(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    conf.guard(settings.root)
    settings.replace("params.yaml", "epochs: 40", "epochs: 39")
    conf.guard(settings.root)
    assert capsys.readouterr().err == (
        "note: params.yaml differs from conf/ in 1 setting: "
        "`stemma conf adopt` keeps that, `stemma conf sync` drops it\n"
    )
    conf.sync(settings.root)
    conf.guard(settings.root)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("record", [None, "a: [1\n", ""])
def test_without_a_readable_record_the_guard_stops_at_a_difference(settings: Any, record: str | None) -> None:
    if record is not None:
        settings.write("reports/settings/composed.yaml", record)
    settings.replace("params.yaml", "epochs: 40", "epochs: 39")
    with pytest.raises(SettingsError, match=r"train.epochs: 40 -> 39"):
        conf.guard(settings.root)
    assert not (settings.root / conf.PASSED).exists()
    conf.sync(settings.root)
    conf.guard(settings.root)


def test_a_setting_that_another_goes_before_is_refused(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.write("conf/data/small.yaml", settings.read("conf/data/small.yaml") + "package: {name: sales}\n")
    settings.write("conf/config.yaml", settings.read("conf/config.yaml") + "package: {name: shop, licence: null}\n")
    monkeypatch.setenv(EXPERIMENT, "a" * 40)
    for override, told in (
        ("package.name=other", "package.name does nothing: data.package.name, of this table"),
        ("package.licence=MIT", None),
    ):
        settings.write("params.yaml", conf.compose(settings.root, [override]))
        if told is None:
            conf.guard(settings.root)
            continue
        with pytest.raises(SettingsError, match=told):
            conf.guard(settings.root)


def test_in_an_experiment_a_difference_passes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
    settings.write("params.yaml", conf.compose(settings.root, ["train.seed=5"]))
    with pytest.raises(SettingsError):
        conf.guard(settings.root)
    monkeypatch.setenv(EXPERIMENT, "0" * 40)
    conf.guard(settings.root)
    monkeypatch.delenv(EXPERIMENT)
    conf.guard(settings.root)


def test_sync_with_overrides_after_an_edit_passes(settings: Any) -> None:
    conf.guard(settings.root)
    settings.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
    conf.sync(settings.root, ["train.seed=5"])
    conf.guard(settings.root)
    settings.replace("conf/train/default.yaml", "epochs: 41", "epochs: 42")
    with pytest.raises(SettingsError):
        conf.guard(settings.root)


def test_settings_are_validated_before_a_pass_is_recorded(settings: Any) -> None:
    def refuse() -> None:
        raise StemmaError("a wrong value")

    with pytest.raises(StemmaError, match="a wrong value"):
        conf.guard(settings.root, validate=refuse)
    assert not (settings.root / "reports").exists()


# Under DVC


def results(pipeline: Any) -> dict[str, str]:
    names = ["dvc.lock", str(conf.PASSED), str(conf.RECORD), "prepare.txt", "train.txt"]
    return {name: pipeline.read(name) for name in names}


@pytest.mark.parametrize("target", [(), ("train",)])
def test_repro_stops_after_an_edit_and_passes_after_sync(pipeline: Any, target: tuple[str, ...]) -> None:
    before = results(pipeline)
    pipeline.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
    stopped = pipeline.run("dvc", "repro", *target)
    assert stopped.returncode != 0
    assert "  train.epochs: 41 -> 40\n" in stopped.stderr
    assert pipeline.stages_run() == ["settings"]
    assert results(pipeline) == before

    pipeline.ok("stemma", "conf", "sync")
    pipeline.ok("dvc", "repro", *target)
    assert pipeline.stages_run() == ["settings", "train"]  # a train setting does not rerun prepare
    assert "'epochs': 41" in pipeline.read("train.txt")


def test_sync_says_that_a_stage_runs_whose_settings_it_may_edit(pipeline: Any) -> None:
    told = {"write": {"train.txt": {"pid": os.getpid(), "cmd": "dvc repro"}}}
    pipeline.write(".dvc/tmp/rwlock", json.dumps(told))
    note = (
        f"note: a stage runs, by process {os.getpid()} (dvc repro): what depends on an edit is refused when it ends\n"
    )
    for edited, said in ((True, note), (False, "")):
        if edited:
            pipeline.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
        assert pipeline.run("stemma", "conf", "sync").stderr == said


def test_repro_passes_after_the_edit_is_taken_back(pipeline: Any) -> None:
    pipeline.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
    assert pipeline.run("dvc", "repro").returncode != 0
    pipeline.replace("conf/train/default.yaml", "epochs: 41", "epochs: 40")
    pipeline.ok("dvc", "repro")
    assert pipeline.stages_run() == ["settings"]


def test_repro_passes_after_a_comment_or_an_unused_option_is_edited(pipeline: Any) -> None:
    pipeline.replace("conf/train/default.yaml", "# at most", "# or fewer")
    pipeline.replace("conf/model/linear.yaml", "name: linear", "name: straight")
    pipeline.ok("dvc", "repro")
    assert pipeline.stages_run() == ["settings"]


def test_an_experiment_passes_also_after_an_edit_and_the_next_repro_finds_nothing_to_do(pipeline: Any) -> None:
    pipeline.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
    pipeline.ok("dvc", "exp", "run", "-S", "train.seed=3")
    assert pipeline.stages_run() == ["settings", "train"]
    assert "'epochs': 41" in pipeline.read("train.txt") and "'seed': 3" in pipeline.read("train.txt")
    pipeline.ok("dvc", "repro")
    assert pipeline.stages_run() == []
    pipeline.ok("dvc", "repro", "--force")
    assert pipeline.stages_run() == ["settings", "prepare", "train"]
    pipeline.ok("stemma", "conf", "sync")
    pipeline.ok("dvc", "repro")
    assert pipeline.stages_run()[0] == "settings"
    assert "'seed': 0" in pipeline.read("train.txt")


def test_an_experiment_in_a_folder_of_its_own_passes_also_after_an_edit_and_can_be_applied(pipeline: Any) -> None:
    pipeline.replace("conf/train/default.yaml", "epochs: 40", "epochs: 41")
    pipeline.ok("dvc", "exp", "run", "--temp", "-n", "aside", "-S", "model=linear")
    assert pipeline.stages_run() == ["settings", "train"]
    pipeline.ok("dvc", "exp", "apply", "aside")
    assert "name: linear" in pipeline.read("params.yaml") and "epochs: 41" in pipeline.read("params.yaml")
    pipeline.ok("dvc", "repro")
    assert pipeline.stages_run() == []
    pipeline.replace("conf/train/default.yaml", "epochs: 41", "epochs: 42")
    stopped = pipeline.run("dvc", "repro")
    assert "model.name: mlp -> linear" in stopped.stderr and "train.epochs: 42 -> 41" in stopped.stderr


def test_a_kept_experiment_leaves_the_status_clean_and_runs_nothing_again(pipeline: Any) -> None:
    pipeline.ok("dvc", "exp", "run", "-q", "-n", "better", "-S", "train.epochs=41", "-S", "model=linear")
    pipeline.ok("git", "checkout", "-q", ".")
    pipeline.ok("dvc", "exp", "apply", "better")
    pipeline.stages_run()
    assert "train.epochs: 40 -> 41" in pipeline.ok("stemma", "conf", "adopt")
    pipeline.ok("git", "commit", "-qam", "Keep it")
    assert "up to date" in pipeline.ok("dvc", "status")
    pipeline.ok("dvc", "repro")
    assert pipeline.stages_run() == [] and pipeline.ok("git", "status", "--porcelain") == ""


def test_values_that_no_stage_has_seen_are_adopted_and_still_to_be_run(pipeline: Any) -> None:
    pipeline.replace("params.yaml", "epochs: 40", "epochs: 42")
    pipeline.ok("stemma", "conf", "adopt")
    assert "settings" in pipeline.ok("dvc", "status")
    pipeline.ok("dvc", "repro")
    assert "train" in pipeline.stages_run()
