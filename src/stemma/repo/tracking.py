"""What DVC is to keep from now on, or to take as done, and what its dvc.lock says."""

from pathlib import Path

from stemma.errors import VersionError
from stemma.repo import git, lockfile, trust
from stemma.repo.objects import md5_of
from stemma.repo.outputs import quiet
from stemma.text import in_one_line


def add(root: Path, file: Path) -> None:
    """Let DVC keep a file of the work tree, as `dvc add` does; a VersionError where it does not take it."""
    from dvc.exceptions import DvcException

    name = file.resolve().relative_to(root.resolve()).as_posix()
    try:
        with trust.repo(root) as repo:
            repo.add(str(file))
    except DvcException as error:
        raise VersionError(f"DVC does not take {name} ({in_one_line(error, 300)})", run=f"dvc add {name}") from error


def is_for_git(root: Path, file: Path) -> bool:
    """Whether Git takes a file of the work tree into commits, that of an experiment too."""
    return git.run(root, "check-ignore", "--quiet", str(file.resolve())).returncode == 1


def changed(root: Path, but: str) -> list[str]:
    """The stages and files whose state is not that of dvc.lock, apart from stages that only depend on `but`."""
    with trust.repo(root) as repo:
        told = repo.status()
    return [name for name, reasons in told.items() if reasons != [{"changed deps": {but: "modified"}}]]


def is_current(root: Path, stage: str) -> bool:
    """Whether what a stage wrote is what dvc.lock, the settings and its code say."""
    with trust.repo(root) as repo:
        return not repo.status(targets=[stage])


def ran_with(root: Path, stage: str, file: Path) -> bool:
    """Whether dvc.lock says that a stage ran with a file as it is."""
    lock = root / "dvc.lock"
    if not lock.is_file():
        return False
    try:
        ran = lockfile.load(lock.read_text(encoding="utf-8"))["stages"][stage]["deps"]
        noted = {str(dep["path"]): dep.get("md5") for dep in ran}
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return noted.get(file.as_posix()) == md5_of(root / file)


def renew(root: Path, stage: str | None = None) -> None:
    """Let dvc.lock say that a stage, or every one, ran with what lies there now, as `dvc commit --force` does.

    Raises:
        VersionError: DVC cannot.
    """
    from dvc.exceptions import DvcException

    try:
        with trust.repo(root) as repo, quiet():
            repo.commit(stage, force=True)
    except DvcException as error:
        raise VersionError(
            f"dvc.lock cannot be written ({in_one_line(error, 300)})", run=f"dvc repro {stage or ''}".rstrip()
        ) from error
