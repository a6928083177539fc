"""The project's own code in a process: an interrupt of a terminal is for both, and neither is killed by the other."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processes import Interrupted
from stemma.repo import project
from timing import HANGS, WAITS, until

CLEANS_UP = f"""
import pathlib, time
from stemma.errors import one_line
with one_line():
    try:
        pathlib.Path("began").touch()
        {WAITS}
    finally:
        pathlib.Path("heeds").touch()
        PAUSE
        pathlib.Path("cleaned").touch()
"""
ENDS = {"SIGTERM": 143, "SIGHUP": 129}
PAUSE = "time.sleep(1)"  # four times as long as `subprocess.run` waits before it kills
ENDS_AT_ANOTHER = f"""
import signal
try:
    exec({CLEANS_UP!r})
except SystemExit:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)
"""
CALLS = """
import sys, pathlib
from stemma.errors import one_line
from stemma.repo import project
with one_line():
    sys.exit(getattr(project, sys.argv[1])(pathlib.Path.cwd(), "x").returncode)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a group of processes is POSIX's")
@pytest.mark.parametrize("way", ["heard", "run"])
@pytest.mark.parametrize("how", ["interrupt", "SIGTERM", "SIGHUP", "interrupt twice", "interrupt as it ends"])
def test_what_is_interrupted_cleans_up_and_is_told_once(tmp_path: Path, way: str, how: str) -> None:
    (tmp_path / "src").mkdir()
    stage = ENDS_AT_ANOTHER if how == "interrupt as it ends" else CLEANS_UP
    pause = WAITS if how == "interrupt twice" else PAUSE
    (tmp_path / "src/stage.py").write_text(stage.replace("PAUSE", pause), encoding="utf-8")
    command = [sys.executable, "-c", CALLS, way]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        until(lambda: (tmp_path / "began").exists())
        if how in ENDS:
            process.send_signal(signal.Signals[how])  # to it alone
        else:
            os.killpg(process.pid, signal.SIGINT)
        if how == "interrupt twice":
            until(lambda: (tmp_path / "heeds").exists())
            os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=HANGS)[1]
    assert process.returncode == ENDS.get(how, 130)
    assert (tmp_path / "cleaned").exists() == (how != "interrupt twice")
    assert said == "error: interrupted\n"


@pytest.mark.parametrize("way", ["heard", "run"])
def test_what_starts_as_an_interrupt_comes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/stage.py").write_text(f"import time; time.sleep(.3); open('{way}', 'w')", encoding="utf-8")
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        getattr(project, way)(tmp_path)
    assert (tmp_path / way).exists()


@pytest.mark.parametrize("toolkit", [None, "other"])
def test_packages_that_a_cluster_has_on_the_path_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toolkit: str | None
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/stage.py").write_text("import told; print(told.where)", encoding="utf-8")
    for folder in ("modules", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "told.py").write_text(f"where = {folder!r}", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    done = project.run(tmp_path, toolkit=None if toolkit is None else tmp_path / toolkit)
    assert (done.returncode, done.stdout) == (0, f"{toolkit or 'modules'}\n")
