"""The code that differs between two commits, as `git diff --numstat` counts it."""

from dataclasses import dataclass
from pathlib import Path

from stemma.repo.git import git

FOLDER = "src"


@dataclass(frozen=True)
class File:
    """A file that differs; None lines where it is binary."""

    path: str
    insertions: int | None
    deletions: int | None


@dataclass(frozen=True)
class Code:
    """The files below src/ that differ, and their lines added and taken away together."""

    files: tuple[File, ...]
    insertions: int
    deletions: int


def compare(repository: Path, before: str | None, after: str | None) -> Code:
    """Count the lines of src/ between two commits; None is the workspace, whose untracked files are not counted.

    Raises:
        VersionError: Git does not know one of the commits.
    """
    if before is None and after is None:
        return Code((), 0, 0)
    reverse = ["-R"] if before is None else []
    commits = [commit for commit in (before, after) if commit is not None]
    options = ("--numstat", "-z", "--relative", "--no-renames", "--no-ext-diff", "--no-textconv", *reverse)
    counted = git(repository, "diff", *options, *commits, "--", FOLDER).decode(errors="replace")
    files = tuple(_file(line) for line in counted.split("\0") if line)
    return Code(files, sum(file.insertions or 0 for file in files), sum(file.deletions or 0 for file in files))


def _file(line: str) -> File:
    *counts, path = line.split("\t", 2)
    return File(path, *(None if count == "-" else int(count) for count in counts))
