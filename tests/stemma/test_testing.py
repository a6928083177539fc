"""What owners test with: good parts pass, and a promise that is broken is told."""

import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sections import described
from stemma import conf, metrics, testing
from stemma.entries import Entry
from stemma.evaluation.settings import Settings
from stemma.tables.settings import FILES
from tiny import FRAMEWORKS, NETWORKS, SOURCES, VISITS, TinySettings, VisitsTable
from tiny.params import settled
from worlds import ROOT


def chosen(name: str, **model: object) -> Settings:
    """Settings of a network of the toolkit's tests, fitted for an epoch."""
    train = {"epochs": 2, "device": "cpu", "learning_rate": 0.01, "schedule": "constant"}
    framework = name.partition("_")[2] if name in NETWORKS else "torch"
    made = settled(model={"name": f"tiny_{framework}", "framework": framework} | model, train=train)
    return made.model_copy(update={"model": made.model.model_copy(update={"name": name})})


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module for what a test makes."""
    module = ModuleType("own")
    monkeypatch.setitem(__import__("sys").modules, "own", module)
    return module


# Networks


@pytest.mark.parametrize(
    ("framework", "kind"),
    [
        pytest.param("torch", "regression", marks=pytest.mark.xdist_group("torch")),
        pytest.param("tensorflow", "multiclass", marks=pytest.mark.xdist_group("tensorflow")),
    ],
)
def test_a_network_that_keeps_its_promises_is_given_back_fitted(framework: str, kind: str, tmp_path: Path) -> None:
    pytest.importorskip(framework)
    network = testing.check_network(NETWORKS, chosen(f"tiny_{framework}", members=2, bins=4), tmp_path, kind)
    assert network.scores(testing.rows(kind, 7).x).shape == (7, 3 if kind == "multiclass" else 1)
    assert (tmp_path / "weights/index.json").is_file()


def forgets(network: Any) -> Any:
    """What it takes from the training rows is no buffer, so it is not kept."""
    import torch

    class Shifted(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x + float(0.0 if network.edges is None else network.edges.mean())

    return Shifted()


def draws(network: Any) -> Any:
    """Anew in each fit, whatever the seed."""
    import torch

    class Drawn(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.number = torch.nn.Parameter(torch.tensor(int.from_bytes(os.urandom(2)) / 1e6))

        def forward(self, x: Any) -> Any:
            return x + self.number

    return Drawn()


def decides(network: Any) -> Any:
    """By the rows beside it, so that a graph for one row gives something else."""
    import torch

    class Centred(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x - x[:2].mean(dim=0)

    return Centred()


@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (forgets, "bad: weights that were kept give other scores"),
        (draws, "bad: two fits with one seed differ in"),
        (decides, "bad: the graph gives other scores for 1 row"),
    ],
)
def test_a_network_that_breaks_one_is_told(layer: Any, told: str, own: ModuleType, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from tiny.torch import Tiny

    class Bad(Tiny):
        def build(self) -> Any:
            return torch.nn.Sequential(*super().build(), layer(self))

    own.Bad = Bad  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match=told):
        testing.check_network({"bad": Entry("own:Bad", TinySettings)}, chosen("bad", bins=4), tmp_path)


def test_networks_are_parameters_on_the_worker_of_their_framework() -> None:
    params = testing.each(NETWORKS, "tiny_*")
    assert [param.values for param in params] == [(f"tiny_{name}",) for name in FRAMEWORKS]
    assert [mark.args for param in params for mark in param.marks] == [(name,) for name in FRAMEWORKS]
    assert testing.each(NETWORKS, "*_linear") == []


# Sources


def test_a_table_that_is_the_same_each_time_is_given_back_checked() -> None:
    found = testing.check_source(SOURCES, VisitsTable.model_validate(VISITS))
    assert len(found.table) == 600 and found.hints == () and set(found.splits) == {"train", "validation", "test"}


def test_a_table_that_is_another_one_each_time_is_told(own: ModuleType) -> None:
    settings = VisitsTable.model_validate(VISITS)

    def drawn(settings: VisitsTable) -> Any:
        seed = int.from_bytes(os.urandom(4))
        yield from SOURCES["visits"].load()(settings.model_copy(update={"seed": seed}))

    own.drawn = drawn  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="read again, the table is another one"):
        testing.check_source({"visits": Entry("own:drawn", VisitsTable)}, settings)


# Metrics


@pytest.mark.parametrize("name", metrics.METRICS)
def test_every_figure_of_the_toolkit_keeps_what_is_asked_of_one(name: str, own: ModuleType) -> None:
    own.METRIC = metrics.METRICS[name]  # type: ignore[attr-defined]
    testing.check_metric({"mine": Entry("own:METRIC")}, "mine")


@pytest.mark.parametrize(
    ("measure", "better", "told"),
    [
        (lambda s: s.means["log_loss"], "higher", "and higher is better"),
        (lambda s: float((s.decided == s.actual).mean()), "higher", "weights of rows do not count, binary"),
        (lambda s: float("nan"), "lower", "no finite numbers, binary"),
    ],
)
def test_a_metric_that_breaks_a_promise_is_told(measure: Any, better: Any, told: str, own: ModuleType) -> None:
    own.METRIC = metrics.Metric("mine", "mine", "what it says", ("binary",), measure, better)  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match=f"^mine: .*{told}$"):
        testing.check_metric({"mine": Entry("own:METRIC")}, "mine")


# Projects


def test_settings_are_those_of_conf_with_changes(tmp_path: Path) -> None:
    path = testing.params(ROOT, tmp_path, "data=simulated", "train.epochs=3")
    assert path == tmp_path / "params.yaml" and "\n  epochs: 3\n" in path.read_text(encoding="utf-8")


@pytest.fixture
def repository(tmp_path: Path) -> testing.Project:
    """A project with a file, in Git."""
    project = testing.Project(tmp_path / "a project")
    project.folder.mkdir()
    project.ok("git", "init", "-q", "-b", "main")
    (project.folder / "a.txt").write_text("one\n", encoding="utf-8")
    return project


@pytest.mark.repository
def test_a_project_runs_commands_whoever_runs_the_tests(
    repository: testing.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Git identity, no settings of the machine, and the programs of this environment."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    first = repository.commit()
    assert repository.ok("git", "log", "-1", "--format=%H %an").split() == [first, "A", "Person"]
    assert repository.ok("python", "-c", "import stemma; print('there')") == "there\n"
    known = repository.ok("python", "-c", "import os; print(os.environ['XDG_STATE_HOME'])")
    assert known.startswith(str(repository.folder))


@pytest.mark.repository
def test_a_command_that_fails_tells_all_that_it_said(repository: testing.Project) -> None:
    with pytest.raises(AssertionError, match="'nothing' is not a git command"):
        repository.ok("git", "nothing")
    assert isinstance(repository.run("git", "nothing"), subprocess.CompletedProcess)


@pytest.mark.repository
def test_an_edit_of_a_copy_leaves_the_first(repository: testing.Project, tmp_path: Path) -> None:
    copy = repository.copy(tmp_path / "copy")
    copy.replace("a.txt", "one", "two")
    assert (copy.read("a.txt"), repository.read("a.txt")) == ("two\n", "one\n")
    with pytest.raises(AssertionError, match=r"'one' is not in a\.txt"):
        copy.replace("a.txt", "one", "three")


@pytest.mark.repository
def test_what_git_ignores_and_what_is_left_out_is_not_copied(repository: testing.Project, tmp_path: Path) -> None:
    for name in ("kept.txt", "ignored.txt", "tests/a.py"):
        (repository.folder / name).parent.mkdir(exist_ok=True)
        (repository.folder / name).write_text("x", encoding="utf-8")
    (repository.folder / ".gitignore").write_text("ignored.txt\n", encoding="utf-8")
    testing.copied(repository.folder, tmp_path / "copy", without=("tests/",))
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [".gitignore", "a.txt", "kept.txt"]


def test_a_project_is_run_once_for_all_that_ask_with_the_same_settings(
    torch_project: testing.Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conftest import SMALL

    monkeypatch.setattr(testing.projects, "fresh", lambda *_: pytest.fail("it is run again"))
    other = testing.trained(ROOT, tmp_path_factory, *SMALL, "model=torch_mlp")
    assert other.folder != torch_project.folder
    assert other.read("dvc.lock") == torch_project.read("dvc.lock")


@pytest.mark.repository
def test_a_project_whose_table_is_yet_to_be_described_starts_on_a_drawn_one(
    repository: testing.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("conf", ".dvc"):
        ignored = shutil.ignore_patterns("cache", "tmp")
        shutil.copytree(ROOT / name, repository.folder / name, ignore=ignored)
    (repository.folder / "conf/data/drawn.yaml").write_text("an owner's\n", encoding="utf-8")
    repository.replace("conf/config.yaml", "data: simulated", "data: mine")
    made = testing.fresh(repository.folder, tmp_path / "copy", "data=drawn")
    assert "data: csv\n" in made.read("conf/config.yaml") and "data: mine\n" in repository.read("conf/config.yaml")
    settings = described(conf.params(made.folder)["data"])
    monkeypatch.chdir(made.folder)
    found = testing.check_source(FILES, settings)
    assert (settings.target, settings.task, settings.positive, found.hints) == ("bought", "binary", "yes", ())
    assert sorted(settings.columns.values()) == ["boolean", "categorical", "numeric", "numeric"]
    assert 0.2 < (found.table["bought"] == "yes").mean() < 0.8 and found.table["spent"].isna().any()


def test_the_rows_hold_what_is_awkward_in_a_table() -> None:
    x = testing.rows(count=500).x
    assert set(pd.unique(x[:, 3])) == {0, 1} and x[:, 4].min() >= 1 and np.unique(x[:, 4]).size > 30
