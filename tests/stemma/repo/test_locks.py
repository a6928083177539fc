"""Locks that DVC and other commands of ours hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from stemma.errors import VersionError
from stemma.repo import locks

BY_LINK = "from dvc.lock import make_lock; make_lock({file!r}, tmp_dir={folder!r}, hardlink_lock=True).lock()"


def test_a_lock_by_a_hard_link_is_the_one_that_dvc_takes(tmp_path: Path) -> None:
    script = BY_LINK.format(file=str(tmp_path / "lock"), folder=str(tmp_path))
    with locks.held(tmp_path / "lock", "the disk", hard=True):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert "Unable to acquire lock" in done.stderr
        second = locks.held(tmp_path / "lock", "the disk", wait=0, hard=True)
        with pytest.raises(VersionError, match=r"the disk is in use by another DVC or stemma command: wait"), second:
            pass
    assert not (tmp_path / "lock").exists()


def test_a_process_is_named_as_its_command_was_typed(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import time; print(1, flush=True); time.sleep(600)")
    running = subprocess.Popen([sys.executable, str(script), "--epochs", "3"], stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None and running.stdout.readline() == b"1\n"
        (tmp_path / "lock").write_text(f" {running.pid}\n")
        assert locks.holder(tmp_path / "lock") == f"process {running.pid} (train.py --epochs 3)"
    finally:
        running.kill()
        running.communicate()
    assert locks.holder(tmp_path / "lock") == f"process {running.pid}"
