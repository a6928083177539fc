"""What DVC is to keep or to take as done from now on."""

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


def changed(root: Path, but: str) -> list[str]:
    """The stages and files whose state is not that of dvc.lock, apart from stages that only depend on `but`."""
    with trust.repo(root) as repo:
        told = repo.status()
    return [name for name, reasons in told.items() if reasons != [{"changed deps": {but: "modified"}}]]


def commit(root: Path) -> None:
    """Take every output of the work tree as what its stage gives now, as `dvc commit --force` does."""
    with trust.repo(root) as repo:
        repo.commit(force=True)
