"""What must stay: the objects of every commit that something points to, and of the work trees as they stand.

    registered versions, stages    the registry's tags; retired ones too, unless the rules let them go
    tags, branches                 of the clone, and of its Git remotes as they are now
    HEAD, stashes                  of every work tree of the clone; also what a merge or a rebase in progress needs
    experiments                    by rule; those that are queued or run always stay
    every other ref                such as refs/notes, or what a restored backup holds
    what these started from        train.init_from: without its weights they could not be made again

The commits before these, those that nothing points to, are what a collection takes.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from stemma.errors import VersionError
from stemma.repo import journal, places, registry
from stemma.repo.git import at, commit_of, contents, dates, fields, git, ids, prefix, refs
from stemma.repo.inventory import Inventory, matters, on_disk, take
from stemma.repo.lockfile import PARAMS
from stemma.repo.objects import is_object
from stemma.repo.repository import TRAINING, Repository, Revision, Version, experiment_of
from stemma.repo.stores import Stores
from stemma.storage.gc import clone, trash

Why = Literal["stage", "registered", "tag", "branch", "work tree", "experiment", "stash", "ref", "start"]
Read = Callable[[str], bytes | None]  # the bytes of an object by its MD5
DAY = timedelta(days=1)
STASHES = (
    "refs/stash",
    "refs/exps/stash",
    "refs/exps/apply/stash",
    "refs/exps/celery/stash",
    "refs/exps/celery/failed",
)
HEADS = (
    *("HEAD", "ORIG_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD"),
    *("MERGE_AUTOSTASH", "rebase-merge/autostash", "rebase-apply/autostash"),  # what was not committed before
)
KINDS: Mapping[str, Why] = {"refs/heads/": "branch", "refs/remotes/": "branch", "refs/tags/": "tag"}
WORK_TREE = "the work tree"
STARTS = (PARAMS, TRAINING)  # name what a version started from, as it was asked for and as it was
START = re.compile(rb'\b(?:init_from|teacher)"?:\s*(?:\{\s*"commit":\s*)?["\']?([0-9a-f]{7,40})\b')
SIDES = {"1": "the base of a merge", "2": "our side of a merge", "3": "their side of a merge"}  # stages of Git's index


@dataclass(frozen=True)
class Rules:
    remotes: tuple[str | None, ...] = ()  # DVC remotes to collect beside the cache; None is the default one
    older_than: timedelta = DAY  # what was written later stays, whoever needs it
    experiments: Literal["all", "none"] | timedelta = "all"  # which of them stay: all, none, or those younger than this
    retired: bool = True  # whether retired versions stay
    projects: tuple[Path, ...] = ()  # other repositories that use the same cache or remote; what they keep stays too


@dataclass(frozen=True)
class Root:
    """A commit that stays, under the first name that it has, and the reason."""

    name: str
    commit: str
    why: Why


@dataclass(frozen=True)
class Reachable:
    commits: tuple[Root, ...]  # each once
    objects: frozenset[str]  # the MD5s of all that stays
    promoted: Inventory  # what the holders of stages are made of
    fetched: tuple[str, ...]  # what was fetched from Git remotes, in words
    notes: tuple[str, ...]  # what could not be looked at


def find(repository: Repository, rules: Rules, read: Read, now: float) -> Reachable:
    """What must stay.

    Raises:
        VersionError: the clone does not know enough, a file that says what stays cannot be read, or a rollback waits.
    """
    root = repository.root
    if journal.read(root) is not None:
        raise VersionError("a rollback was killed and is not complete", run="stemma rollback --abort")
    if commit_of(root, "HEAD") is None:
        raise VersionError("there is no commit yet, and nothing says what is needed", run="git commit")
    far, fetched = clone.asked(root)
    kept = tuple(_with_starts(root, _commits(repository, rules, far, now)))
    versions = [Version(repository, Revision(each.name, each.commit)) for each in kept]
    inventory = take(repository, versions, read, loose=dict(_loose(root)))
    holders = [version for version, each in zip(versions, kept, strict=True) if each.why == "stage"]
    _all_listed(inventory, kept)
    return Reachable(
        commits=kept,
        objects=frozenset(inventory.objects) | {tracked.md5 for tracked in inventory.tracked},
        promoted=take(repository, holders, read),
        fetched=fetched,
        notes=tuple(inventory.notes),
    )


def reader(stores: Stores) -> Read:
    """What gives an object's right bytes from anywhere: the cache, its trash, every remote."""
    config, trashed = stores.repository.objects.config, trash.look(stores.cache).keys
    remotes = [None, *(name for name in config["remote"] if name != config["core"].get("remote"))]

    def copies(md5: str) -> Iterator[bytes | None]:
        yield places.read(stores.cache, places.key(md5))
        if md5 in trashed:
            yield places.read(stores.cache, trashed[md5])
        yield from (places.read(place, places.key(md5)) for place in map(stores.remote, remotes) if place is not None)

    return lambda md5: next((each for each in copies(md5) if each is not None and is_object(each, md5)), None)


def _all_listed(inventory: Inventory, kept: Sequence[Root]) -> None:
    """Whether every version in use says which files it has; of other commits that is a note."""
    used = {each.name for each in kept if each.why in ("stage", "registered")} | {WORK_TREE}
    for path, version in inventory.unlisted:
        if version in used:
            what = f"the listing of {path} of {version} is nowhere, and its files cannot be told from garbage"
            raise VersionError(what, run="dvc repro" if version == WORK_TREE else f"stemma verify '{version}'")


# Commits.


def _commits(repository: Repository, rules: Rules, far: Sequence[clone.Far], now: float) -> Iterator[Root]:
    """Every commit that stays, some more than once, the most telling name first."""
    root = repository.root
    known = registry.read(root)  # now, not when the repository was opened: tags were fetched since
    for (model, stage), commits in known.in_force.items():
        for commit in commits:
            yield Root(f"{model}#{stage}", commit, "stage")
    for (model, version), commit in known.registered.items():
        yield Root(f"{model}@{version}", commit, "registered")
    here = _peeled(root, {ref.name: ref.name for ref in refs(root)})
    there = _peeled(root, {f"{each.remote}:{each.ref}": each.id for each in far})
    gone = set() if rules.retired else _retired(known)
    experiments: list[Root] = []
    others: list[Root] = []  # such as DVC's own, whose names say least
    for ref, commit in {**here, **there}.items():
        name = ref.partition(":")[2] or ref
        if experiment := experiment_of(name):
            experiments.append(Root(experiment[1], commit, "experiment"))
        elif not (commit in gone and name.startswith(clone.TAGS) and registry.parse(name.removeprefix(clone.TAGS))):
            found = Root(*_named(ref, commit))
            if found.why == "ref":
                others.append(found)
            else:
                yield found
    yield from _heads(root)
    yield from _stashed(root, here)
    yield from _by_rule(root, experiments, rules, now)
    yield from others


def _with_starts(root: Path, kept: Iterable[Root]) -> Iterable[Root]:
    """Each commit under its first name, and those whose weights these and the work trees started from, and so on."""
    found: dict[str, Root] = {}
    for each in kept:
        found.setdefault(each.commit, each)
    files = [folder / path for folder in work_trees(root) for path in STARTS]
    texts = [file.read_bytes() for file in files if file.is_file()]
    new: Iterable[str] = found
    while new:
        texts += filter(None, contents(root, [at(commit, path) for commit in new for path in STARTS]))
        names = {name.decode(): name.decode() for text in {*texts} for name in START.findall(text)}
        new = [commit for commit in _peeled(root, names).values() if commit not in found]
        found |= {commit: Root(commit[:7], commit, "start") for commit in new}
    return found.values()


def _peeled(root: Path, named: Mapping[str, str]) -> dict[str, str]:
    """The commit of each that leads to one."""
    commits = ids(root, [f"{what}^{{commit}}" for what in named.values()]) if named else []
    return {name: commit for name, commit in zip(named, commits, strict=True) if commit is not None}


def _named(ref: str, commit: str) -> tuple[str, str, Why]:
    """A ref for people, and what kind it is of; `origin:refs/heads/main` is one of a Git remote."""
    remote, _, name = ref.rpartition(":")
    for start, why in KINDS.items():
        if name.startswith(start):
            short = name.removeprefix(start)
            return f"{remote}/{short}" if remote and why == "branch" else short, commit, why
    return ref, commit, "ref"


def _retired(known: registry.Registry) -> set[str]:
    """Commits whose registration was taken back, and that hold no number and no stage any more."""
    used = {*known.registered.values(), *(commit for commits in known.in_force.values() for commit in commits)}
    return {event.commit for event in known.events if event.says.action == "register"} - used


def _heads(root: Path) -> Iterator[Root]:
    """HEAD of every work tree, and the commits that an operation in progress needs."""
    for folder in work_trees(root):
        for name, commit in zip(HEADS, ids(folder, [f"{name}^{{commit}}" for name in HEADS]), strict=True):
            if commit is not None:
                yield Root(name, commit, "work tree")


def _stashed(root: Path, here: Mapping[str, str]) -> Iterator[Root]:
    """Stashes, Git's and DVC's queue of experiments, all of their history: with what was in the index and untracked."""
    for ref in STASHES:
        if ref in here:
            lines = git(root, "log", "--walk-reflogs", "--format=%H %P", ref, "--").decode().splitlines()
            for number, line in enumerate(lines):
                for commit in line.split():
                    yield Root(f"{ref.removeprefix('refs/')}@{{{number}}}", commit, "stash")


def _by_rule(root: Path, found: Sequence[Root], rules: Rules, now: float) -> Iterator[Root]:
    if rules.experiments == "all":
        yield from found
    elif rules.experiments != "none" and found:
        made, since = dates(root, [each.commit for each in found]), now - rules.experiments.total_seconds()
        yield from (each for each in found if made[each.commit].timestamp() >= since)


# Work trees.


def work_trees(root: Path) -> list[Path]:
    """This folder in each work tree of the clone; a VersionError where one of them is not there."""
    inside = git(root, "rev-parse", "--show-prefix").decode().strip()
    told = [
        entry.splitlines() for entry in git(root, "worktree", "list", "--porcelain").decode().split("\n\n") if entry
    ]
    found = [Path(lines[0].removeprefix("worktree ")) for lines in told if "bare" not in lines]
    for folder in found:
        if not folder.is_dir():
            raise VersionError(f"the work tree {folder} is not there: mount it, or forget it", run="git worktree prune")
    return [root, *(folder / inside for folder in found if folder / inside != root and (folder / inside).is_dir())]


def _loose(root: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The files that name objects as they lie in work trees, committed or not, and as Git's index has them.

    Experiments that run outside the work tree have theirs in .dvc/tmp/exps.
    """
    for folder in work_trees(root):
        yield WORK_TREE if folder == root else f"the work tree {folder}", on_disk(folder)
        for stage, files in _staged(folder).items():
            yield f"the index of {folder}" + (f", {SIDES[stage]}" if stage in SIDES else ""), files
        for place in sorted((folder / ".dvc" / "tmp" / "exps").rglob(".git")):
            if (project := place.parent / prefix(root)).is_dir():
                yield f"a running experiment, {place.parent.name}", on_disk(project)


def _staged(folder: Path) -> dict[str, dict[str, bytes]]:
    """Files of the index by their stage: "0", or "1" to "3" in a merge."""
    lines = [line.partition("\t") for line in fields(git(folder, "ls-files", "-z", "--stage"))]
    entries = [(facts.split(" "), name) for facts, _, name in lines if matters(name)]
    texts = contents(folder, [facts[1] for facts, _ in entries])
    found: dict[str, dict[str, bytes]] = {}
    for (facts, name), text in zip(entries, texts, strict=True):
        found.setdefault(facts[2], {})[name] = text or b""
    return found
