"""The repository that a command works on."""

from pathlib import Path


def repository() -> Path:
    """The nearest folder with .dvc, from the current one upward; a StemmaError where there is none."""
    from stemma.repo.repository import Repository

    return Repository().root
