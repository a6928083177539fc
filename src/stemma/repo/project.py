"""The project's own code, run in a process of its own; whoever runs it has asked `trust` before."""

import os
import subprocess
import sys
from pathlib import Path

STAGE = "src/stage.py"
WRONG_USAGE = 2


def run(root: Path, *words: str, toolkit: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """`python src/stage.py WORD...` in the folder of a project, in this Python.

    Args:
        toolkit: the folder that holds the toolkit to use; None: the one in src/, else the one that is installed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "STEMMA_DEBUG")}
    environment |= {} if toolkit is None else {"PYTHONPATH": str(toolkit)}
    return subprocess.run(
        [sys.executable, STAGE, *words],
        cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
