"""What trackers are told of a run, and that one which misbehaves costs the run nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stemma import layout, trackers
from stemma.entries import Entry
from stemma.trackers import run
from timing import HANGS, until
from tracked import Broken, Noted, Slow, fitted, judged, lines, packaged, project, whole, written

OWN = lines(Noted, Slow, Broken)
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["list[subprocess.Popen[bytes]]"]:
    """The processes for trackers, of runs in an empty repository."""
    monkeypatch.setattr(run, "WAIT", 0.1)
    with project(tmp_path) as processes:
        yield processes


def notes() -> list[str]:
    (file,) = layout.RUNS.glob("*.txt")
    return file.read_text(encoding="utf-8").splitlines()


def test_a_run_is_told_from_its_settings_to_its_bundle_without_passwords(
    started: "list[subprocess.Popen[bytes]]",
) -> None:
    for stage, asked in ((fitted, whole("noted", epochs=3)), (judged, whole("noted")), (packaged, whole("noted"))):
        stage(asked, OWN)
        for process in started:  # which of two that wait for the run is first, nobody says
            process.wait()
    figures = "train/learning_rate train/loss validation/accuracy validation/loss"
    _, first, *others = "\n".join(notes()).split("open shop\n")
    assert first.splitlines() == [
        "settings https://example.org/rows.csv", "tags commit", *(f"figures {step} {figures}" for step in (1, 2, 3)),
        "close FINISHED",
    ]  # fmt: skip
    assert sorted(each.strip() for each in others) == [
        "figures None evaluate/test/accuracy evaluate/threshold evaluate/validation/accuracy\nclose FINISHED",
        "tags bundle bundle.object bundle.sha256\nclose FINISHED",
    ]


def test_without_trackers_nothing_is_written_and_nothing_started() -> None:
    fitted(whole())
    judged(whole())
    assert not layout.RUNS.exists()


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (OWN["broken"], "its server does not answer: nobody is there"),
        (Entry("no_such_package:Tracker", extra="wandb"), "no_such_package is not installed: run `pip install -c "),
        (Entry("tracked:no_such_class"), "tracked:no_such_class cannot be loaded"),
    ],
)
def test_what_a_tracker_raises_is_one_line_and_told_once(
    entry: Entry, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    own = {"other": entry}
    fitted(whole("other"), own)
    until(lambda: list(layout.RUNS.glob("*/other.failed")) or list(layout.RUNS.glob("*/other.told")))
    judged(whole("other"), own)
    packaged(whole("other"), own)
    err = capfd.readouterr().err
    assert err.count("note: other does not follow this run (") == 1 and told in err
    assert layout.INDEX.exists()


def test_a_failure_that_is_noted_while_it_is_told_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """By the process of the stage before."""
    for _ in range(2):
        written(Path("run/noted.failed"), "nobody is there")
        ended: Any = SimpleNamespace(stdin=None, poll=lambda: 1)
        run.Run(Path("run"), "shop", OWN, {"noted": ended}).end("FINISHED")
    assert capsys.readouterr().err == "note: noted does not follow this run (nobody is there)\n"


def test_a_slow_tracker_slows_no_fit_and_is_left_behind(capfd: pytest.CaptureFixture[str]) -> None:
    fitted(whole(), {})
    assert fitted(whole("slow"), OWN) < HANGS
    until(lambda: list(layout.RUNS.glob("*/slow.lock")))  # the processes of the next stages wait for it
    judged(whole("slow"), OWN)
    packaged(whole("slow"), OWN)
    assert "note: slow has not taken all of this run yet" in capfd.readouterr().err


def test_where_no_file_can_be_written_a_line_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    written(layout.RUNS, "a file")
    fitted(whole("noted"), OWN)
    assert capfd.readouterr().err.startswith("note: no tracker follows this run (")
    assert layout.INDEX.exists()


def test_a_fault_of_our_own_stops_no_stage(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fitted(whole("noted"), OWN)
    written(layout.METRICS, "no JSON")
    run.judged(whole("noted"), OWN)
    monkeypatch.setattr(run, "_tags", lambda root: 1 / 0)
    fitted(whole("noted"), OWN)
    notes = capfd.readouterr().err.splitlines()
    assert len(notes) == 2 and all(line.startswith("note: no tracker follows this run (") for line in notes)


def test_weights_that_no_run_made_are_told_to_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    fitted(whole())
    judged(whole("noted"), OWN)
    assert capfd.readouterr().err == "note: no tracker has the run that made these weights\n"


def test_a_stage_that_was_killed_leaves_a_run_that_says_so() -> None:
    code = """if True:
        import time, tracked
        asked = tracked.whole("noted")
        with tracked.run.following(asked, asked.train, tracked.lines(tracked.Noted)):
            time.sleep(600)
    """
    paths = os.pathsep.join(filter(None, sys.path))
    stage = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths})
    until(lambda: list(layout.RUNS.glob("*/noted.lock")))
    stage.send_signal(signal.SIGKILL)
    stage.wait()
    until(lambda: list(layout.RUNS.glob("*.txt")) and notes()[-1:] == ["close KILLED"])


def test_an_experiment_in_a_folder_of_its_own_is_told_beside_the_others() -> None:
    here = Path.cwd()
    assert layout.home(here / ".dvc/tmp/exps/standalone/tmp1") == here
    assert layout.home(here / ".dvc/tmp/exps/tmp1/sub") == here


def test_a_name_that_is_none_is_told_with_the_nearest() -> None:
    assert trackers.faults({}, {"train": {"trackers": ["mlfow", "wandb"]}}, {}) == [
        "train.trackers: 'mlfow' is none of tensorboard, mlflow, wandb (did you mean mlflow?)"
    ]
    assert trackers.faults({}, {"train": {"trackers": "mlflow"}}, {}) == []
