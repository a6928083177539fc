"""What a rollback would move, and what stands in its way. Nothing is written here."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from stemma.errors import VersionError
from stemma.repo import extent, places
from stemma.repo.extent import Extent
from stemma.repo.git import blob_ids, blobs, fields, git, own_folder, top, tree
from stemma.repo.lockfile import is_in
from stemma.repo.outputs import Kept, Outputs, astray, hashed
from stemma.repo.repository import WEIGHTS, Version
from stemma.text import by_number, counted, few
from stemma.threads import each

IN_PROGRESS = {
    "MERGE_HEAD": ("merge", "git merge --abort"),
    "rebase-merge": ("rebase", "git rebase --abort"),
    "rebase-apply": ("rebase", "git rebase --abort"),
    "CHERRY_PICK_HEAD": ("cherry-pick", "git cherry-pick --abort"),
    "REVERT_HEAD": ("revert", "git revert --abort"),
    "BISECT_LOG": ("bisect", "git bisect reset"),
}
CHANGES: dict[str, Literal["added", "modified", "deleted"]] = {"A": "added", "D": "deleted"}
DVCS_OWN = ".dvc/tmp"
LINK = "120000"  # the mode by which Git knows one


@dataclass(frozen=True)
class Move:
    path: str
    keeper: Literal["Git", "DVC"]  # who keeps it
    change: Literal["added", "modified", "deleted"]
    size: int | None  # bytes afterwards; None where it goes, or is not known
    fetch: bool = False  # whether it comes from a remote


@dataclass(frozen=True)
class Plan:
    revision: str
    commit: str  # of the revision
    before: str  # HEAD
    moves: tuple[Move, ...]  # every file that changes
    fetch: Mapping[str, str]  # bytes' MD5s that the cache lacks, with their path
    unsaved: tuple[str, ...]  # files that differ from HEAD
    blockers: tuple[str, ...]  # why it cannot begin, each with what helps
    _old: Kept = field(repr=False)
    _new: Kept = field(repr=False)
    _untracked: tuple[str, ...] = field(repr=False)
    _wanted: str = field(repr=False)


@dataclass(frozen=True)
class Look:
    """What is seen on the way to a plan for a version, each part when it is first asked for."""

    version: Version
    outputs: Outputs
    before: str  # HEAD
    whole: bool  # others' files move too

    def plan(self, *, commit: bool, stash: bool) -> Plan:
        """The plan; a VersionError where dvc.yaml or dvc.lock of a revision cannot be read.

        Args:
            commit: a commit will be made; stash: what is not committed will be stashed.
        """
        try:
            return self._plan(commit, stash)
        except VersionError:
            for reason in _in_progress(self.root):  # a merge's marks are in what cannot be read
                raise VersionError(reason) from None
            raise

    def _plan(self, commit: bool, stash: bool) -> Plan:
        changes = self._git_moves()
        untracked, in_the_way = self._in_the_way(changes)
        sizes, missing = self._looked_for()
        blockers = (
            *_in_progress(self.root),
            *self._unreadable(),
            *(_no_identity(self.root) if commit else ()),
            *self._led_out(),
            *(self._not_saved() if not stash else ()),
            *missing,
            *_stray(in_the_way),
        )
        by_git = [replace(move, path=self.extent.near(move.path)) for move, _ in changes]
        moves = sorted([*by_git, *self._dvc_moves(sizes)], key=lambda move: move.path)
        return Plan(
            self.version.name, self.target, self.before, tuple(moves), self.absent, self.unsaved, blockers,
            self.old, self.new, untracked, self.wanted,
        )  # fmt: skip

    @property
    def root(self) -> Path:
        return self.outputs.root

    @property
    def target(self) -> str:
        return str(self.version.commit)

    @cached_property
    def old(self) -> Kept:
        return self.outputs.of(self.before)

    @cached_property
    def new(self) -> Kept:
        return self.outputs.of(self.target)

    @cached_property
    def top(self) -> Path:
        """Git's top folder; DVC's may be below."""
        return top(self.root)

    @cached_property
    def extent(self) -> Extent:
        """Which of Git's files move."""
        return extent.of(self.root, self.before, self.target, whole=self.whole)

    @cached_property
    def wanted(self) -> str:
        """The commit, or the tree, that Git's files are to be as."""
        # `dvc exp save` puts into Git plots that DVC keeps, where the next run refuses them, and a file of its own
        dvcs, held = {*self.new.roots, DVCS_OWN}, tree(self.top, self.target).items()
        files = [path for path, (mode, *_) in held if mode != LINK and self.extent.holds(path)]  # a link is refused
        twice = {path for path in files if is_in(self.extent.near(path), dvcs)}
        if self.extent.is_all and not twice:
            return self.target
        return extent.tree_of(self.root, self.extent, self.before, self.target, twice)

    @cached_property
    def unsaved(self) -> tuple[str, ...]:
        """Files that Git tracks, and outputs, that differ from HEAD."""
        return (*self.extent.changed(self.root), *self.outputs.changed())

    @cached_property
    def moved(self) -> dict[str, str]:
        """The MD5 of each file of an output that is to be put in place."""
        old, unsaved = self.old.files, self.unsaved
        return {
            path: md5
            for path, md5 in self.new.files.items()
            if old.get(path) != md5 or not (self.root / path).is_file() or is_in(path, unsaved)
        }

    @cached_property
    def absent(self) -> dict[str, str]:
        return self.outputs.lacking(self.new, set(self.moved.values()))

    # What moves.

    def _dvc_moves(self, sizes: Mapping[str, int | None]) -> Iterator[Move]:
        for path, md5 in self.moved.items():
            change: Literal["added", "modified"] = "modified" if (self.root / path).exists() else "added"
            yield Move(path, "DVC", change, self._size(sizes, md5), md5 in self.absent)
        for path in self.old.files:
            if path not in self.new.files and not is_in(path, self.new.lost) and (self.root / path).is_file():
                yield Move(path, "DVC", "deleted", None)

    def _size(self, sizes: Mapping[str, int | None], md5: str) -> int | None:
        """Bytes of an object that will be there."""
        if md5 in sizes:
            return sizes[md5]
        return self.outputs.cached(md5).stat().st_size if self.outputs.has(md5) else None

    def _git_moves(self) -> list[tuple[Move, str]]:
        """Each file that Git changes, and its id afterwards; paths from Git's top folder."""
        asked = ("diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", self.before, self.wanted)
        words = fields(git(self.top, *asked))
        pairs = [(facts.split(" "), path) for facts, path in zip(words[::2], words[1::2], strict=True)]
        stdin = "".join(f"{facts[3]}\n" for facts, _ in pairs)
        answer = git(self.root, "cat-file", "--batch-check=%(objectsize)", stdin=stdin).decode().splitlines()
        found = []
        for (facts, path), size in zip(pairs, answer, strict=True):
            whole = int(size) if size.isdigit() else None
            found.append((Move(path, "Git", CHANGES.get(facts[4], "modified"), whole), facts[3]))
        return found

    # What stands in the way.

    def _unreadable(self) -> Iterator[str]:
        name, new = self.version.name, self.new
        if not any(is_in(path, [WEIGHTS]) for path in (*new.roots, *new.files)):
            yield f"{name} holds no model ({WEIGHTS} is not in its dvc.lock): run `stemma log` for those that do"
        if new.foreign:
            yield f"{few(new.foreign)} of {name} has no MD5: run `git checkout {name}`, then `dvc checkout`"

    def _led_out(self) -> Iterator[str]:
        """Whether every output stays in the repository, as the work tree is and as Git will leave it."""
        found = astray(self.root, self.old, self.new)
        if found:
            yield found
        prefix = PurePosixPath(self.extent.folder)
        folders = {str(each) for folder in self.new.above for each in (prefix / folder / "x").parents}
        links = {path for path, facts in tree(self.top, self.wanted).items() if facts[0] == LINK} & folders
        if links:
            yield f"{few(sorted(links))} of {self.version.name} is a link, and outputs would be written through it"

    def _not_saved(self) -> Iterator[str]:
        if self.unsaved:
            what = f"{counted(len(self.unsaved), 'file')} changed since HEAD ({few(self.unsaved)})"
            yield f"{what}: commit, or run `stemma rollback {self.version.name} --stash`"

    def _looked_for(self) -> tuple[dict[str, int | None], list[str]]:
        """The bytes in the remotes of what the cache lacks, and what keeps it from being fetched."""
        absent, name = self.absent, self.version.name
        try:
            sizes = dict(zip(absent, each(self._size_in_remotes, absent, waits=True), strict=True))
        except VersionError as error:
            return {}, [f"{_objects(len(absent), name)} not whole in the cache, and {error}"]
        lost = sorted({*self.new.lost, *(absent[md5] for md5, size in sizes.items() if size is None)})
        if not lost:
            return sizes, []
        remote = self.outputs.stores.default
        where = "not whole in the cache, and no remote is configured"
        if remote:
            where = f"neither whole in the cache nor in {remote.name} ({remote.url})"
        return sizes, [
            f"{_objects(len(lost), name)} {where} ({few(lost)}): "
            f"run `stemma push {name}` where they are, or `stemma restore` from a backup"
        ]

    def _size_in_remotes(self, md5: str) -> int | None:
        """Bytes of an object in the first remote that has it; None where none has."""
        found = (place.size(places.key(md5)) for place in self.outputs.remotes(self.new, md5))
        return next((size for size in found if size is not None), None)

    def _in_the_way(self, changes: Sequence[tuple[Move, str]]) -> tuple[tuple[str, ...], list[str]]:
        """Files that nothing keeps where a file is to be: those that are identical, and the others."""
        prefix = self.extent.folder
        added = {move.path: blob for move, blob in changes if move.change == "added"}
        there = [path for path in added if os.path.lexists(self.top / path)]
        stray = [path for path in there if path.removeprefix(prefix) not in self.old.files]
        same = blob_ids(self.top, [path for path in stray if not (self.top / path).is_symlink()])
        identical = tuple(path for path in stray if same.get(path) == added[path])
        return identical, [path for path in stray if path not in identical] + self._strange_in_outputs(prefix)

    def _strange_in_outputs(self, prefix: str) -> list[str]:
        """Files that nothing keeps, or not as they are to be, where an output comes that was none before."""
        outputs = sorted({*self.new.roots, *self.new.unmade} - self.old.roots)
        below = [file for output in outputs for file in [self.root / output, *(self.root / output).rglob("*")]]
        files = {file.relative_to(self.root).as_posix(): file for file in below if file.is_file()}
        in_git = blobs(self.top, self.before) if files else {}
        loose = {path: each for path, each in files.items() if prefix + path not in in_git}
        loose = {path: each for path, each in loose.items() if path not in self.old.files}
        found = zip(loose, hashed(loose.values()), strict=True)
        return [path for path, md5 in found if self.new.files.get(path) != md5]


def _in_progress(root: Path) -> Iterator[str]:
    folder = own_folder(root)
    for name, (what, run) in IN_PROGRESS.items():
        if (folder / name).exists():
            yield f"a {what} is in progress: finish it, or run `{run}`"


def _no_identity(root: Path) -> Iterator[str]:
    try:
        git(root, "var", "GIT_COMMITTER_IDENT")
    except VersionError:
        yield 'Git does not know who you are: run `git config user.name "Your Name"` and `git config user.email YOU`'


def _objects(count: int, of: str) -> str:
    return counted(count, f"object of {of} is", f"objects of {of} are")


def _stray(files: Sequence[str]) -> Iterator[str]:
    if files:
        what = f"{counted(len(files), 'file')} that no version keeps {by_number(len(files), 'is', 'are')} in the way"
        yield f"{what} ({few(files)}): move {by_number(len(files), 'it', 'them')} elsewhere"
