"""Which files are a project's, where `dvc init --subdir` made several in one Git repository: those of its folder."""

import posixpath
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from stemma.files import scratch
from stemma.repo.git import fields, git, prefix, top, tree

MARK = ".dvc/config"  # what tells a project


@dataclass(frozen=True)
class Extent:
    """Paths are from Git's top folder, and folders end in a slash."""

    folder: str = ""  # of the project
    below: tuple[str, ...] = ()  # of other projects in it
    whole: bool = False  # every file counts all the same

    @property
    def is_all(self) -> bool:
        """Whether every file of the repository counts."""
        return self.whole or not (self.folder or self.below)

    @property
    def pathspecs(self) -> tuple[str, ...]:
        """Its files, as Git commands take them; none where all count."""
        below = [f":(top,exclude,literal){each}" for each in self.below]
        return () if self.is_all else (f":(top,literal){self.folder}", *below)

    def holds(self, path: str) -> bool:
        """Whether a file is the project's."""
        return self.is_all or (path.startswith(self.folder) and not path.startswith(self.below))

    def changed(self, root: Path) -> list[str]:
        """The project's files that Git tracks and that differ from HEAD, from the project's folder."""
        asked = ("--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
        return [self.near(line[3:]) for line in fields(git(root, *asked, "--", *self.pathspecs))]

    def near(self, path: str) -> str:
        """The path from the project's folder."""
        return posixpath.relpath(path, self.folder) if self.folder else path


def of(root: Path, *commits: str, whole: bool = False) -> Extent:
    """What is the project's, as Git's index and commits have it together."""
    folder = prefix(root)
    if whole:
        return Extent(folder, whole=True)
    listed = fields(git(root, "ls-files", "-z", "--full-name", "--", f":(glob)*/**/{MARK}"))
    listed += [path for commit in commits for path in tree(top(root), commit) if path.endswith(f"/{MARK}")]
    found = {path.removesuffix(MARK) for path in listed if path.startswith(folder)} - {folder}
    return Extent(folder, tuple(sorted(found)))


def tree_of(root: Path, extent: Extent, before: str, target: str, without: Collection[str] = ()) -> str:
    """The tree with the project's files as a commit has them, and all others as `before` has them.

    Args:
        without: files of the commit that are left out, from Git's top folder.
    """
    above = top(root)
    gone = [path for path in tree(above, before) if extent.holds(path)]
    new = {path: facts for path, facts in tree(above, target).items() if extent.holds(path) and path not in without}
    lines = [f"0 {'0' * len(target)}\t{path}\0" for path in gone]
    lines += [f"{mode} {identity}\t{path}\0" for path, (mode, _, identity) in new.items()]
    with scratch("tree") as folder:
        index = folder / "index"
        git(above, "read-tree", before, index=index)
        git(above, "update-index", "-z", "--index-info", stdin="".join(lines), index=index)
        return git(above, "write-tree", "--missing-ok", index=index).decode().strip()


def others(root: Path, commit: str) -> tuple[str, ...]:
    """The folders of a commit's other DVC projects, from the project's."""
    here = Extent(prefix(root))
    found = [path.removesuffix(MARK) for path in tree(top(root), commit) if f"/{path}".endswith(f"/{MARK}")]
    return tuple(here.near(folder or ".") for folder in found if folder != here.folder)


def own(paths: Iterable[str]) -> list[str]:
    """Those of paths from a project's folder that are its own: the marks of projects below are among them."""
    paths = list(paths)
    below = tuple(path.removesuffix(MARK) for path in paths if path.endswith(f"/{MARK}"))
    return [path for path in paths if not path.startswith(below) and path != MARK]
