"""What DVC is to keep from now on."""

from pathlib import Path

from stemma.errors import VersionError
from stemma.repo import trust
from stemma.text import in_one_line


def add(root: Path, file: Path) -> None:
    """Let DVC keep a file of the work tree, as `dvc add` does.

    Raises:
        VersionError: it does not take it.
    """
    from dvc.exceptions import DvcException

    name = file.resolve().relative_to(root.resolve()).as_posix()
    try:
        with trust.repo(root) as repo:
            repo.add(str(file))
    except DvcException as error:
        raise VersionError(f"DVC does not take {name} ({in_one_line(error, 300)})", run=f"dvc add {name}") from error
