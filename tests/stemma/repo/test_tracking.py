"""What DVC is told to keep."""

import io
import logging
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

from dvc.logger import set_loggers_level

from stemma.repo import tracking


def test_what_dvc_says_goes_to_the_output_of_now(tmp_path: Path) -> None:
    """Not to that of an earlier call in this process, which is closed."""
    for arguments in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True)
    for name in ("first", "second"):
        (tmp_path / name).write_text(name, encoding="utf-8")
        # DVCLive quiets DVC for all of a process that trained.
        with io.StringIO() as output, redirect_stdout(output), set_loggers_level(logging.INFO):
            tracking.add(tmp_path, tmp_path / name)
            assert f"{name}.dvc" in output.getvalue()
