"""What DVC is to keep from now on, or to take as done, and what its dvc.lock says."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from stemma.errors import VersionError
from stemma.files import write_text
from stemma.repo import git, lockfile, trust
from stemma.repo.lockfile import LOCK
from stemma.repo.objects import md5_of
from stemma.repo.outputs import quiet
from stemma.text import few, in_one_line


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
    noted = {dep["path"]: dep.get("md5") for dep in lockfile.ran(root).get(stage, {}).get("deps") or ()}
    return noted.get(file.as_posix()) == md5_of(root / file)


def renew(root: Path, stage: str | None = None, *, but: Collection[str], still: Callable[[], bool]) -> None:
    """Let dvc.lock say that a stage, or every one, ran with what lies there now, as `dvc commit --force` does.

    Args:
        but: files and folders that may be others than dvc.lock says; still: whether they are those that were checked.

    Raises:
        VersionError: DVC cannot, or something else changed: dvc.lock is as it was then.
    """
    from dvc.exceptions import DvcException

    before = (root / LOCK).read_text(encoding="utf-8")
    try:
        with trust.repo(root) as repo, quiet():
            repo.commit(stage, force=True)
    except DvcException as error:
        raise VersionError(
            f"dvc.lock cannot be written ({in_one_line(error, 300)})", run=f"dvc repro {stage or ''}".rstrip()
        ) from error
    ran, runs = ({*_noted(text)} for text in (before, (root / LOCK).read_text(encoding="utf-8")))
    others = {path for path, _ in ran ^ runs} - ({*but} if still() else set())
    if others:
        write_text(root / LOCK, before)
        raise VersionError(f"{few(sorted(others))} changed too, so dvc.lock stays as it was", run="dvc repro")


def _noted(text: str) -> Iterator[tuple[str, str]]:
    """Path, and what a dvc.lock says of it for each stage."""
    for stage, entry in lockfile.stages(text).items():
        for kind in ("deps", "outs"):
            yield from ((each["path"], f"{stage} {kind} {each.get('md5')}") for each in entry.get(kind) or ())
        yield from ((file, f"{stage} {values!r}") for file, values in (entry.get("params") or {}).items())
