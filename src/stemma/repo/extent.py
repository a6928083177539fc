"""Which files of a Git repository are a DVC project's: those of its folder, without the DVC projects in it.

`dvc init --subdir` makes a project in a folder; several may share one Git repository.
"""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stemma.repo.git import fields, git, prefix, top, tree

MARK = ".dvc/config"  # what tells a project


@dataclass(frozen=True)
class Extent:
    """Paths are from Git's top folder, and folders end in a slash.

    Args:
        folder: of the project; below: of other projects in it.
    """

    folder: str = ""
    below: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether every file of the repository is the project's."""
        return not self.folder and not self.below

    @property
    def pathspecs(self) -> tuple[str, ...]:
        """Its files, as Git commands take them; none where they are all."""
        if self.is_all:
            return ()
        return (f":(top,literal){self.folder}", *(f":(top,exclude,literal){each}" for each in self.below))

    def holds(self, path: str) -> bool:
        """Whether a file is the project's."""
        return path.startswith(self.folder) and not path.startswith(self.below)

    def changed(self, root: Path) -> list[str]:
        """The project's files that Git tracks and that differ from HEAD, from the project's folder."""
        asked = ("--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
        return [self.near(line[3:]) for line in fields(git(root, *asked, "--", *self.pathspecs))]

    def near(self, path: str) -> str:
        """The path from the project's folder."""
        return posixpath.relpath(path, self.folder) if self.folder else path


def of(root: Path, *commits: str) -> Extent:
    """What is the project's, as Git's index and commits have it together."""
    folder = prefix(root)
    listed = {*fields(git(root, "ls-files", "-z", "--full-name", "--", f":(glob)*/**/{MARK}"))}
    listed |= {path for commit in commits for path in tree(top(root), commit) if path.endswith(f"/{MARK}")}
    found = {path.removesuffix(MARK) for path in listed if path.startswith(folder)} - {folder}
    return Extent(folder, tuple(sorted(found)))


def projects(root: Path, commit: str) -> list[str]:
    """The folders of a commit's DVC projects, from Git's top folder; empty of one that lies there."""
    return [path.removesuffix(MARK) for path in tree(top(root), commit) if f"/{path}".endswith(f"/{MARK}")]


def own(paths: Iterable[str]) -> list[str]:
    """Those of paths from a project's folder that are its own: the marks of projects below are among them."""
    paths = list(paths)
    below = tuple(path.removesuffix(MARK) for path in paths if path.endswith(f"/{MARK}"))
    return [path for path in paths if not path.startswith(below) and path != MARK]
