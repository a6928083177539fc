"""An experiment, made by DVC in a folder of its own: the work tree stays as it is."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stemma.errors import VersionError
from stemma.text import in_one_line


def make(root: Path, name: str, overrides: Sequence[str]) -> None:
    """`dvc exp run --temp` with these settings.

    Raises:
        VersionError: it failed; with what DVC said last.
    """
    settings = [word for each in overrides for word in ("-S", each)]
    words = [sys.executable, "-m", "dvc", "exp", "run", "--quiet", "--temp", "--name", name, *settings]
    done = subprocess.run(words, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True)  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        told = next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else "")
        raise VersionError(f"the experiment {name} failed ({in_one_line(told, 300)})", run="dvc exp run --temp")
