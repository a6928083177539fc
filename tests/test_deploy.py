"""The files of deploy/: what they name is there, and those who read them take them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from stemma.cli.words import app
from worlds import ROOT

UNIT = ROOT / "deploy" / "stemma@.service"


def test_the_unit_starts_a_command_that_there_is() -> None:
    (command,) = re.findall(r"^ExecStart=\S+/stemma (\w+) --(\w+)", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    words = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group
    assert command[1] in {option.name for option in words[command[0]].params}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd is installed")
def test_systemd_takes_the_unit_without_a_warning(tmp_path: Path) -> None:
    unit = tmp_path / "stemma@shop.service"
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, unit.name in done.stderr) == (0, False), done.stderr
