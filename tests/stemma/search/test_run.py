"""Searches: the same twice, also where one was killed; a trial that fails or dies costs itself alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from searched import FATAL, SPACE, Searched, in_process
from stemma.errors import EvaluationError, MissingExtra, SettingsError
from stemma.runners.local import Local
from stemma.search import study, trial
from stemma.search.found import Found
from stemma.search.study import FOLDER, VARIABLE
from stemma.training import fit
from timing import until

TESTS = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from pathlib import Path
from searched import Searched
if __name__ == "__main__":
    Searched(Path(sys.argv[1])).run()
"""


KILLING = """
import os, signal, sys
def look(event, arguments):
    if event == "open" and str(arguments[0]).endswith("1.npz"):  # the second trial is done, and not yet noted
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(look)
"""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Local, "stream", in_process)


def trials(found: Found) -> list[tuple[Any, ...]]:
    return [(each.number, each.outcome, each.values, each.settings) for each in found.trials]


def test_a_search_is_the_same_twice_and_goes_on_where_it_was(searched: Callable[..., Searched], here: None) -> None:
    made = searched()
    first = made.run(trials=1)
    assert first.trials[0].settings == ("model.hidden=[16]", "model.dropout=0.2", "train.learning_rate=0.003")
    assert first.keep == ()  # these are the present ones: there is nothing to make an experiment of
    long = trials(made.run())
    assert long[:1] == trials(first) and len(long) == 3
    (made.root / FOLDER).rename(made.root / "elsewhere")
    assert trials(made.run()) == long


def test_a_search_that_was_killed_gives_what_one_gives_that_was_not(
    searched: Callable[..., Searched], here: None, tmp_path: Path
) -> None:
    made = searched()
    (tmp_path / "sitecustomize.py").write_text(KILLING, encoding="utf-8")
    command = [sys.executable, "-c", SCRIPT, str(made.root)]
    known = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path, str(TESTS)])}
    assert subprocess.run(command, env=known).returncode == -signal.SIGKILL
    folder = made.root / FOLDER / "tiny"
    with (folder / "journal.log").open("a", encoding="utf-8") as file:
        file.write('{"op_code": 4, "wor')  # as a disk that is full leaves it
    before = len(list(folder.glob("*/*.npz")))
    found = trials(made.run())
    assert before == 1 and [each[0] for each in found] == [0, 1, 2]
    folder.rename(made.root / "elsewhere")
    assert trials(made.run()) == found


@pytest.mark.parametrize("spoilt", ['{"op_code": 4, "wor', '{"op_code": 4, "wor{"op_code":1}\n{"op_code":2}\n', "\0\0"])
def test_a_journal_is_whole_up_to_the_first_line_that_was_cut(spoilt: str, tmp_path: Path) -> None:
    """Another process may have written behind it."""
    journal = tmp_path / "journal.log"
    journal.write_text('{"op_code":0}\n{"op_code":3}\n' + spoilt, encoding="utf-8")
    with study.held(tmp_path):
        assert journal.read_text(encoding="utf-8") == '{"op_code":0}\n{"op_code":3}\n'


def test_a_trial_that_takes_its_process_with_it_costs_itself_alone(searched: Callable[..., Searched]) -> None:
    hidden = {"choices": [[16], FATAL]}
    found = searched(trials=4, sampler="random", space=SPACE["space"] | {"model.hidden": hidden}).run(jobs=2)
    assert [each.number for each in found.trials] == [0, 1, 2, 3]
    dead = [each for each in found.trials if each.settings[0] == f"model.hidden={FATAL}"]
    assert dead and all(
        each.outcome == "failed" and each.fault == "its process was killed by signal 9" for each in dead
    )
    assert len(found.complete) == 4 - len(dead)


def test_settings_that_cannot_be_fitted_are_a_failed_trial_with_its_reason(
    searched: Callable[..., Searched], here: None
) -> None:
    rate = {"choices": [0.003, 1e30]}
    found = searched(trials=5, sampler="random", space={"train.learning_rate": rate}).run()
    failed = [each for each in found.trials if each.outcome == "failed"]
    assert failed and all("the loss went wrong in epoch" in str(each.fault) for each in failed)
    with pytest.raises(EvaluationError, match="no trial of tiny-"):
        wrong = searched(trials=2, space={"train.learning_rate": {"low": 1e29, "high": 1e30}})
        wrong.run()


def test_a_framework_that_is_not_installed_ends_the_search_and_costs_no_trial(
    searched: Callable[..., Searched], here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any) -> None:
        raise MissingExtra("tensorflow", "tensorflow")

    made = searched(trials=1)
    with monkeypatch.context() as patched:
        patched.setattr(trial, "run", missing)
        with pytest.raises(MissingExtra, match="tensorflow is not installed"):
            made.run()
    assert [each.outcome for each in made.run().trials] == ["complete"]


def test_a_trial_that_falls_behind_is_stopped(searched: Callable[..., Searched], here: None) -> None:
    rate = {"train.learning_rate": {"choices": [0.003, 1e-9]}}
    found = searched(trials=12, space=rate, settings=["train.epochs=8"]).run()
    stopped = [each for each in found.trials if each.outcome == "stopped"]
    assert stopped and all(each.settings == ("train.learning_rate=1.0e-09",) for each in stopped)


def test_several_metrics_give_a_front_of_which_none_is_better_in_all(
    searched: Callable[..., Searched], here: None
) -> None:
    made = searched(metric=["log_loss", "parameters"], pruner="none", trials=5)
    found = made.run()
    assert found.higher == (False, False) and len(found.complete) == 5
    front = np.array([each.values for each in found.best])
    assert not any((other < one).all() for one in front for other in front)
    assert found.best[0].values[0] == min(each.values[0] for each in found.complete)
    told = (made.root / "reports/search/tiny/report.md").read_text(encoding="utf-8")
    assert f" | {found.best[0].values[1]:.0f} | model.hidden=" in told


def test_of_a_front_that_the_present_settings_lead_the_others_are_worth_an_experiment(
    searched: Callable[..., Searched], here: None
) -> None:
    """They may be what is asked for: smaller, for a little of the figure."""
    smaller = {"model.hidden": {"choices": [[16], [1]]}}
    found = searched(metric=["log_loss", "parameters"], pruner="none", trials=6, keep=3, space=smaller).run()
    assert found.best[0].settings == ("model.hidden=[16]",)
    assert [each.settings for each in found.keep] == [("model.hidden=[1]",)]


def test_seeds_and_folds_are_fits_of_one_trial(
    searched: Callable[..., Searched], here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds, run = [], fit.run
    monkeypatch.setattr(
        fit, "run", lambda net, given, *rest: seeds.append(given.settings.seed) or run(net, given, *rest)
    )
    found = searched(seeds=2, folds=3, trials=1).run()
    assert seeds == [0, 0, 0, 1, 1, 1] and found.rows == 320  # of 400 rows 80 are of the test


def test_any_storage_of_optuna_holds_a_search(
    searched: Callable[..., Searched], here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    made = searched()
    monkeypatch.setenv(VARIABLE, f"sqlite:///{made.root}/studies.db")
    found = made.run(trials=2)
    assert len(optuna.load_study(study_name=found.study, storage=os.environ[VARIABLE]).trials) == 2
    monkeypatch.setenv(VARIABLE, "nothing://somebody:secret@nowhere")
    with pytest.raises(EvaluationError, match="cannot be opened") as caught:
        made.run(trials=2)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("file", ["conf/config.yaml", "conf/model/other.yaml", "data/prepared/profile.json"])
def test_no_trial_is_recorded_whose_settings_or_rows_were_edited_while_it_ran(
    file: str, searched: Callable[..., Searched], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = searched(space={"model": {"choices": ["tiny_torch", "other"]}})
    text = (made.root / file).read_text(encoding="utf-8")

    def edits(local: Local, work: Callable[..., Any], jobs: Any, at_once: int) -> Any:
        for number, outcome in in_process(local, work, jobs, at_once):
            if number == 1:
                edited = text.replace("epochs: 6", "epochs: 5").replace("hidden:\n- 3", "hidden:\n- 4")
                (made.root / file).write_text(edited if edited != text else text + " ", encoding="utf-8")
            yield number, outcome

    with monkeypatch.context() as patch:
        patch.setattr(Local, "stream", edits)
        with pytest.raises(EvaluationError, match=r"changed while trials ran, and those that ran are not recorded"):
            made.run()
    (made.root / file).write_text(text, encoding="utf-8")
    monkeypatch.setattr(Local, "stream", in_process)
    found = made.run(trials=1)
    assert [each.number for each in found.trials] == [0]


def test_an_option_that_was_edited_is_another_search(searched: Callable[..., Searched], here: None) -> None:
    """Its trials would be told of settings that no experiment of them has."""
    made = searched(space={"model": {"choices": ["tiny_torch", "other"]}}, trials=1)
    first = made.run().study
    assert made.run().study == first
    option = made.root / "conf/model/other.yaml"
    option.write_text(option.read_text(encoding="utf-8").replace("- 3", "- 4"), encoding="utf-8")
    assert made.run().study != first


def test_one_search_at_a_time(searched: Callable[..., Searched]) -> None:
    made = searched()
    with study.held(made.root / FOLDER / "tiny"), pytest.raises(EvaluationError, match="a search runs in"):
        made.run()


def test_weights_to_start_from_are_refused(searched: Callable[..., Searched]) -> None:
    with pytest.raises(SettingsError, match=r"train\.init_from: no trial reads another version"):
        searched(settings=["train.init_from=HEAD"]).run()


def test_the_report_holds_what_was_found_and_fetches_nothing(searched: Callable[..., Searched], here: None) -> None:
    made = searched(trials=5, settings=["train.epochs=2", "train.learning_rate=0.05"])  # that trials draw, too
    found = made.run()
    folder = made.root / "reports/search/tiny"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "http" not in page.replace("http://www.w3.org", "")
    assert page.count("Its settings: train.epochs=2, train.learning_rate=") == 1 and "learning_rate=0.05," not in page
    assert "bootstrap bias correction" in page and f"Trial {found.best[0].number} is the best of 5" in page
    assert {"history.csv", "importance.csv", "trials.csv", "report.md", "pictures"} <= {
        p.name for p in folder.iterdir()
    }
    assert (folder / "history.csv").read_text(encoding="utf-8").splitlines()[0] == "trial,roc_auc,best"


def test_a_dimension_counts_only_under_its_condition(searched: Callable[..., Searched], here: None) -> None:
    space = {
        "model": {"choices": ["tiny_torch", "other"]},
        "model.dropout": {"low": 0.5, "high": 0.6, "when": {"model": ["other"]}},
    }
    found = searched(trials=5, sampler="random", pruner="none", space=space).run()
    assert {each.settings[0] for each in found.trials} == {"model=tiny_torch", "model=other"}
    assert all((len(each.settings) == 2) == (each.settings[0] == "model=other") for each in found.trials)


def test_a_stage_ends_with_the_command_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    stage = "import sys, pathlib\npathlib.Path('begun').touch()\nsys.stdin.read()\npathlib.Path('ended').touch()\n"
    (tmp_path / "src/stage.py").write_text(stage, encoding="utf-8")
    start = (
        f"from pathlib import Path; from stemma.repo import project; project.heard(Path({str(tmp_path)!r}), 'search')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", start], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    for name, act in (("begun", process.kill), ("ended", process.wait)):
        until((tmp_path / name).exists)
        act()
