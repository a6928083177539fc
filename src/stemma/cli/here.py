"""The repository that a command works on."""

from pathlib import Path

from stemma.errors import StemmaError


def repository() -> Path:
    """The nearest folder with .dvc, from the current one upward; a StemmaError where there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            return folder
    raise StemmaError(f"{here} is not in a DVC repository: no folder from here upward holds .dvc")
