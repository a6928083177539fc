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
    return subprocess.run(
        _command(*words), cwd=root, env=_environment(toolkit), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def heard(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """The same, and what it says on standard error is seen at once; its standard input ends when this process does."""
    ours, theirs = os.pipe()
    try:
        return subprocess.run(
            _command(*words), cwd=root, env=_environment(None), stdin=ours, stdout=subprocess.PIPE, text=True
        )
    finally:
        os.close(ours)
        os.close(theirs)


def _command(*words: str) -> list[str]:
    return [sys.executable, STAGE, *words]


def _environment(toolkit: Path | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "STEMMA_DEBUG")}
    return environment | ({} if toolkit is None else {"PYTHONPATH": str(toolkit)})
