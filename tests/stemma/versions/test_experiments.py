"""DVC's experiments beside the commits that they were made on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from stemma.cli import experiments as command
from stemma.cli.words import app
from stemma.versions.diff.settings import Setting
from stemma.versions.experiments import experiments
from version_worlds import METRICS, PARAMS, TRAINING, Projects, World, new, parts, table


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One version, and three experiments on it: better, barely other, and on another table."""
    world = new(tmp_path_factory.mktemp("tried") / "world")
    one = parts()
    world.version("start", one)
    test = METRICS["test"]
    faster = PARAMS | {"train": PARAMS["train"] | {"learning_rate": 0.1, "epochs": 7}}
    world.experiment("better", "x", one.but(params=faster, metrics=METRICS | {"test": test | {"roc_auc": 0.95}}))
    world.experiment("barely", "x", one.but(metrics=METRICS | {"test": test | {"roc_auc": 0.851}}))
    world.experiment("elsewhere", "x", one.but(frame=table(500), metrics=METRICS | {"test": {"roc_auc": 0.99}}))
    return world


def cli(world: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.chdir(world.folder)
    done = CliRunner().invoke(app, ["experiments", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_settings_and_figures_are_told_against_the_commit_the_newest_first(tried: World) -> None:
    found = experiments(tried.folder)
    (base,) = found.bases
    assert (base.name, found.main, found.elsewhere) == ("HEAD", "roc_auc", 0)
    assert [each.name for each in base.experiments] == ["elsewhere", "barely", "better"]
    _, barely, better = base.experiments
    assert {setting.key: setting.after for setting in better.settings} == {
        "train.learning_rate": 0.1,
        "train.epochs": 7,
    }
    assert better.figures["roc_auc"].move == pytest.approx(0.1) and better.figures["roc_auc"].within is False
    assert barely.settings == () and barely.figures["roc_auc"].within is True


def test_settings_that_are_gone_hide_none_that_is_set(tried: World) -> None:
    base = experiments(tried.folder).bases[0]
    gone = tuple(Setting(f"model.s{number}", number, None) for number in range(5))
    table = command._table(replace(base, experiments=(replace(base.experiments[2], settings=(
        *gone, *base.experiments[2].settings)),)), ("roc_auc",))  # fmt: skip
    assert table.rows[1][1] == "train.epochs=7, train.learning_rate=0.1, model.s0=-, model.s1=- and 3 more"


def test_another_option_of_a_group_is_told_and_not_all_that_it_sets(tmp_path: Path) -> None:
    world = new(tmp_path / "world")
    data = PARAMS["data"]
    other = data | {"source": "other.csv", "target": "sold", "positive": "TRUE", "columns": {"size": "numeric"}}
    split = other["split"] | {"seed": 3}
    world.version("start", one := parts())
    world.experiment("other", "x", one.but(params=PARAMS | {"data": other}))
    world.experiment("resplit", "x", one.but(params=PARAMS | {"data": other | {"split": split}}))
    world.experiment("reseeded", "x", one.but(params=PARAMS | {"data": data | {"split": split}}))
    (world.folder / ".dvc/config").write_text("[hydra]\n    enabled = true\n")
    (world.folder / "conf/data").mkdir(parents=True)
    for name, values in (("visits", data), ("sales", other)):
        (world.folder / f"conf/data/{name}.yaml").write_text(json.dumps(values))
    told = {
        each.name: [(one.key, one.after) for one in each.settings]
        for each in experiments(world.folder).bases[0].experiments
    }
    seed = ("data.split.seed", 3)
    assert told == {"other": [("data", "sales")], "resplit": [("data", "sales"), seed], "reseeded": [seed]}
    (world.folder / "conf/data/sales.yaml").write_text("a: [")
    assert len(experiments(world.folder).bases[0].experiments[-1].settings) > 3


def test_a_figure_of_another_table_has_not_moved(tried: World, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = experiments(tried.folder).bases[0].experiments[0]
    assert not elsewhere.alike and elsewhere.figures["roc_auc"].move is None
    assert "no move: judged by another target, or on another table or other test rows" in cli(tried, monkeypatch)


def test_the_table_is_narrow_and_all_shows_more(tried: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = cli(tried, monkeypatch).splitlines()
    assert lines[0].split() == ["experiment", "changed", "settings", "roc_auc", "move", "pr_auc", "log_loss"]
    assert lines[1].split()[:2] == ["HEAD", "0.8500"]
    assert [line.split()[0] for line in lines[2:5]] == ["elsewhere", "barely", "better"]
    assert "+0.0010 ~" in lines[3] and "train.epochs=7" in lines[4] and "+0.1000" in lines[4]
    assert max(map(len, lines)) < 100
    assert "balanced_accuracy" in cli(tried, monkeypatch, "--all") and "balanced" not in lines[0]


def test_an_experiment_that_did_not_run_with_its_settings_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `dvc exp save` leaves it after an edit: new settings beside the figures of others."""
    world = new(tmp_path / "world")
    base = world.version("start", parts())
    world.experiment("ran", "x", parts())
    assert "doctor" not in cli(world, monkeypatch)
    lock = yaml.safe_load((world.folder / "dvc.lock").read_text())
    lock["stages"]["train"] |= {"params": {"params.yaml": {"train.seed": TRAINING["train"]["seed"] + 5}}}
    world.write("dvc.lock", yaml.safe_dump(lock))
    edited = world.commit("edited")
    world.ok("git", "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/saved", edited)
    world.ok("git", "reset", "-q", "--hard", base)
    assert cli(world, monkeypatch).splitlines()[-1] == "not what made its model: saved: run `stemma doctor saved`"


def test_it_speaks_json_and_markdown(tried: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Any = json.loads(cli(tried, monkeypatch, "--json"))
    assert told["bases"][0]["experiments"][2]["figures"]["roc_auc"]["move"] == pytest.approx(0.1)
    assert "test.roc_auc" not in told["bases"][0]["figures"] and "validation.roc_auc" in told["bases"][0]["figures"]
    assert cli(tried, monkeypatch, "--md").splitlines()[1].startswith("| --- |")


def test_experiments_of_other_commits_are_counted_and_shown_on_request(
    three_versions: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "1 experiment on other commits: run `stemma experiments --all`\n"
    assert cli(three_versions, monkeypatch) == line
    shown = cli(three_versions, monkeypatch, "--all")
    assert "calm-otter" in shown and "train.learning_rate=0.0001" in shown and "+0.0000 ~" in shown


def test_without_experiments_a_line_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = new(tmp_path / "world")
    for words in ((), ("--all",), ("--md",)):
        assert (
            cli(world, monkeypatch, *words).replace("\\", "").startswith("no experiment is here: run `dvc exp run -S ")
        )
    world.experiment("bare", "nothing is evaluated", parts(metrics=None, evaluation=None, frame=None))
    assert cli(world, monkeypatch).split()[:4] == ["experiment", "changed", "settings", "HEAD"]


def test_of_two_projects_each_sees_its_own(
    two_projects: Projects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = two_projects.copy(tmp_path / "shop")
    projects.churn.experiment("of-churn", "x", parts())
    assert "of-churn" in cli(projects.churn, monkeypatch, "--all")
    assert "no experiment is here" in cli(projects.sales, monkeypatch, "--all")
