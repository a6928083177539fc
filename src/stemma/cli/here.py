"""The repository that a command works on."""

from pathlib import Path


def repository() -> Path:
    """The nearest folder with .dvc, from the current one upward; a StemmaError where there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            return folder
    from stemma.repo.repository import Repository

    return Repository(here).root  # which says why not
