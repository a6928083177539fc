"""Processes: order, errors by name, nothing left behind."""

import multiprocessing
import operator
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest

from stemma.errors import EvaluationError
from stemma.evaluation import check, parallel

WAITING = """
import signal, time
from stemma.evaluation import parallel
from stemma.errors import one_line
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
    with one_line():
        parallel.run(time.sleep, [(120,), (120,), (120,)], ["a", "b", "c"], 2)
"""


def test_results_come_in_the_order_of_the_jobs() -> None:
    assert parallel.run(operator.sub, [(3, 1), (2, 2), (0, 1)], ["a", "b", "c"], 2) == [2, 0, -1]


@pytest.mark.parametrize("unit", ["fold", None])
def test_a_bar_counts_what_its_caller_names_and_nothing_else(
    unit: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    parallel.run(operator.neg, [(1,), (2,)], ["a", "b"], 2, unit)
    assert ("fold" in capsys.readouterr().err) == bool(unit)


def test_an_error_is_one_line_with_the_name_of_its_job() -> None:
    jobs = [(["Month"], ["Month"], "row"), (["nothing"], ["Month"], "row")]
    with pytest.raises(EvaluationError, match=r"^fold 2 of 2: evaluate.slices: 'nothing' is not a column"):
        parallel.run(check.slices, jobs, ["fold 1 of 2", "fold 2 of 2"], 1)


def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(EvaluationError, match=r"^fold 1: its process ended with exit code 3$"):
        parallel.run(os._exit, [(3,)], ["fold 1"], 1)


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe has another form there")
def test_a_process_that_dies_in_the_middle_of_its_result_is_named() -> None:
    here, there = multiprocessing.Pipe(duplex=False)
    os.write(there.fileno(), struct.pack("!i", 100) + b"begun")
    there.close()
    process = multiprocessing.get_context("spawn").Process(target=os._exit, args=(3,))
    process.start()
    with pytest.raises(EvaluationError, match=r"^fold 1: its process ended with exit code 3$"):
        parallel._received(here, process, "fold 1")


class Early:
    """An argument that interrupts the process that takes it before a word of ours runs there."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return signal.raise_signal, (signal.SIGINT,)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
def test_a_process_is_deaf_to_interrupts_from_its_first_moment() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert parallel.run(repr, [(Early(),), (Early(),)], ["a", "b"], 1) == ["None", "None"]
    finally:
        signal.signal(signal.SIGINT, before)


class Interrupting:
    """An argument that interrupts while the process that is to take it starts."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        signal.raise_signal(signal.SIGINT)
        return float, (0,)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize("blocked", [True, False])
def test_an_interrupt_while_a_process_starts_is_not_lost(blocked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not blocked:  # in main, as where another thread takes the signal
        monkeypatch.setattr(parallel, "_blocked", nullcontext)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            parallel.run(time.sleep, [(Interrupting(),), (120,)], ["a", "b"], 1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize("sent", ["to all", "to the parent", "kill"])
def test_no_process_outlives_its_parent(sent: str, tmp_path: Path) -> None:
    script = tmp_path / "waiting.py"
    script.write_text(WAITING, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    workers: list[psutil.Process] = []
    while len(workers) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
        children = psutil.Process(parent.pid).children()
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == 2
    if sent == "to all":  # as a terminal does on Ctrl-C
        os.killpg(parent.pid, signal.SIGINT)
    else:
        parent.send_signal(signal.SIGKILL if sent == "kill" else signal.SIGINT)
    _, told = parent.communicate(timeout=30)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    if sent != "kill":
        assert parent.returncode == 130 and told == "error: interrupted\n"
