"""Processes: order, errors by name, nothing left behind."""

import multiprocessing
import operator
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from multiprocessing import resource_tracker, spawn
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from processes import is_gone, spawned
from stemma.errors import RunnerError
from stemma.evaluation import check
from stemma.runners import local
from stemma.runners.local import Local
from timing import HANGS, until

WAITING = """
import signal, time
from stemma.runners.local import Local
from stemma.errors import one_line
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
    with one_line():
        Local().run(time.sleep, [(600,), (600,), (600,)], ["a", "b", "c"], 2)
"""


def test_results_come_in_the_order_of_the_jobs() -> None:
    assert Local().run(operator.sub, [(3, 1), (2, 2), (0, 1)], ["a", "b", "c"], 2) == [2, 0, -1]


@pytest.mark.parametrize("unit", ["fold", None])
def test_a_bar_counts_what_its_caller_names_and_nothing_else(
    unit: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Local().run(operator.neg, [(1,), (2,)], ["a", "b"], 2, unit)
    assert ("fold" in capsys.readouterr().err) == bool(unit)


def test_an_error_is_one_line_with_the_name_of_its_job() -> None:
    jobs = [(["Month"], ["Month"], "row"), (["nothing"], ["Month"], "row")]
    with pytest.raises(RunnerError, match=r"^fold 2 of 2: evaluate.slices: 'nothing' is not a column"):
        Local().run(check.slices, jobs, ["fold 1 of 2", "fold 2 of 2"], 1)


def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(RunnerError, match=r"^fold 1: its process ended with exit code 3$"):
        Local().run(os._exit, [(3,)], ["fold 1"], 1)


@pytest.mark.skipif(sys.platform == "win32", reason="the program is one of POSIX")
def test_a_process_that_dies_at_its_start_is_named_however_much_it_was_to_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resource_tracker.ensure_running()  # by Python itself
    monkeypatch.setattr(spawn, "_python_exe", os.fsencode(shutil.which("false") or ""))
    with pytest.raises(RunnerError, match=r"^a: its process ended with exit code 1$"):
        Local().run(partial(operator.add, bytes(1 << 20)), [(b"",)], ["a"], 1)


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe has another form there")
def test_a_process_that_dies_in_the_middle_of_its_result_is_named() -> None:
    here, there = multiprocessing.Pipe(duplex=False)
    os.write(there.fileno(), struct.pack("!i", 100) + b"begun")
    there.close()
    process = multiprocessing.get_context("spawn").Process(target=os._exit, args=(3,))
    process.start()
    assert str(local.received(here, process, "fold 1")) == "fold 1: its process ended with exit code 3"


def test_a_process_has_one_job_after_the_other_and_another_process_comes_for_one_that_died() -> None:
    jobs = [("a", (os.getpid,)), ("b", (os._exit, 3)), ("c", (os.getpid,)), ("d", (os.getpid,))]
    (_, first), (_, died), (_, second), (_, third) = Local().stream(operator.call, jobs, 1)
    assert str(died) == "b: its process ended with exit code 3" and first != second == third


def test_what_a_job_is_may_follow_from_those_that_ended() -> None:
    known: list[int] = []
    jobs = (("job", (sum(known), 1)) for _ in range(4))
    for _, value in Local().stream(operator.add, jobs, 1):
        known.append(value)
    assert known == [1, 2, 4, 8]


class Early:
    """An argument that interrupts the process that takes it before a word of ours runs there."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return signal.raise_signal, (signal.SIGINT,)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
def test_a_process_is_deaf_to_interrupts_from_its_first_moment() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert Local().run(repr, [(Early(),), (Early(),)], ["a", "b"], 1) == ["None", "None"]
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize("blocked", [True, False])
def test_an_interrupt_while_a_process_starts_is_not_lost(blocked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not blocked:  # in main, as where another thread takes the signal
        monkeypatch.setattr(local, "_blocked", nullcontext)

    def start(process: SpawnProcess) -> None:
        signal.raise_signal(signal.SIGINT)
        BaseProcess.start(process)

    monkeypatch.setattr(SpawnProcess, "start", start)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Local().run(max, [(1, 0), (2, 0)], ["a", "b"], 1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize("sent", ["to all", "to the parent", "kill"])
def test_no_process_outlives_its_parent(sent: str, tmp_path: Path) -> None:
    script = tmp_path / "waiting.py"
    script.write_text(WAITING, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True, start_new_session=True)
    until(lambda: len(spawned(parent.pid)) == 2)
    workers = spawned(parent.pid)
    if sent == "to all":  # as a terminal does on Ctrl-C
        os.killpg(parent.pid, signal.SIGINT)
    else:
        parent.send_signal(signal.SIGKILL if sent == "kill" else signal.SIGINT)
    _, told = parent.communicate(timeout=HANGS)
    until(lambda: all(is_gone(each.pid) for each in workers))
    if sent != "kill":
        assert parent.returncode == 130 and told == "error: interrupted\n"
