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
import pathlib, sys, time
try:
    pathlib.Path("began").touch()
    {WAITS}
except KeyboardInterrupt:
    time.sleep(1)  # four times as long as `subprocess.run` waits before it kills
    pathlib.Path("cleaned").touch()
    print("error: interrupted", file=sys.stderr)
    sys.exit(130)
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
def test_what_is_interrupted_cleans_up_and_is_told_once(tmp_path: Path, way: str) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/stage.py").write_text(CLEANS_UP, encoding="utf-8")
    command = [sys.executable, "-c", CALLS, way]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        until(lambda: (tmp_path / "began").exists())
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=HANGS)[1]
    assert process.returncode == 130 and (tmp_path / "cleaned").exists()
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
