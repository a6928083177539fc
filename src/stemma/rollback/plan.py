"""What a rollback would move, and what stands in its way. Nothing is written here."""

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from stemma import names
from stemma.errors import VersionError
from stemma.repo import places, trust
from stemma.repo.git import git, own_folder
from stemma.repo.inventory import listing
from stemma.repo.repository import WEIGHTS, Version
from stemma.repo.stores import Stores
from stemma.repo.trouble import told

IN_PROGRESS = {
    "MERGE_HEAD": ("merge", "git merge --abort"),
    "rebase-merge": ("rebase", "git rebase --abort"),
    "rebase-apply": ("rebase", "git rebase --abort"),
    "CHERRY_PICK_HEAD": ("cherry-pick", "git cherry-pick --abort"),
    "REVERT_HEAD": ("revert", "git revert --abort"),
    "BISECT_LOG": ("bisect", "git bisect reset"),
}
CHANGES: dict[str, Literal["added", "modified", "deleted"]] = {"A": "added", "D": "deleted"}
SHOWN = 3
LINK = "120000"  # the mode by which Git knows one
THREADS = 8


@dataclass(frozen=True)
class Move:
    """A file that changes.

    Args:
        keeper: who keeps it. size: bytes afterwards; None where it goes, or is not known.
        fetch: whether it comes from a remote.
    """

    path: str
    keeper: Literal["Git", "DVC"]
    change: Literal["added", "modified", "deleted"]
    size: int | None
    fetch: bool = False


@dataclass(frozen=True)
class Kept:
    """What DVC keeps for a commit.

    Args:
        files: MD5 by path; folders: MD5 of listings by path. roots: paths of outputs.
        remotes: by MD5, where a remote is named.
        executable: outputs that may be run.
        lost: folders whose listing is nowhere. foreign: outputs that have no MD5, or DVC 2's.
        unmade: outputs of stages that have not run.
    """

    files: Mapping[str, str]
    folders: Mapping[str, str]
    roots: frozenset[str]
    remotes: Mapping[str, str]
    executable: frozenset[str]
    lost: tuple[str, ...]
    foreign: tuple[str, ...]
    unmade: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """
    Args:
        commit: of the revision; before: HEAD.
        moves: every file that changes. fetch: bytes' MD5s that the cache lacks, with their path.
        unsaved: files that differ from HEAD. blockers: why it cannot begin, each with what helps.
    """

    revision: str
    commit: str
    before: str
    moves: tuple[Move, ...]
    fetch: Mapping[str, str]
    unsaved: tuple[str, ...]
    blockers: tuple[str, ...]
    _old: Kept = field(repr=False)
    _new: Kept = field(repr=False)
    _untracked: tuple[str, ...] = field(repr=False, default=())


def make(version: Version, repo: Any, stores: Stores, before: str, *, commit: bool, stash: bool) -> Plan:
    """The plan for a version.

    Args:
        repo: DVC's.
        commit: a commit will be made; stash: what is not committed will be stashed.

    Raises:
        VersionError: dvc.yaml or dvc.lock of a revision cannot be read.
    """
    root, target = version.repository.root, str(version.commit)
    old, new = kept(repo, before, stores), kept(repo, target, stores)
    blockers = [*_in_progress(root), *_readable(version, new), *(_identity(root) if commit else ())]
    blockers += _contained(root, version, old, new)
    unsaved = (*changed_in_git(root), *sorted(changed_outputs(repo)))
    if unsaved and not stash:
        blockers.append(
            f"{len(unsaved)} file{'s' * (len(unsaved) != 1)} changed since HEAD ({listed(unsaved)}): commit, or run "
            f"`stemma rollback {version.name} --stash`"
        )
    moved = {
        path: md5
        for path, md5 in new.files.items()
        if old.files.get(path) != md5 or not (root / path).is_file() or is_in(path, unsaved)
    }
    absent = lacking(repo, stores, new, set(moved.values()))
    sizes, missing = _looked_for(stores, new, absent, version)
    blockers += missing
    changes = _git_moves(root, before, target)
    untracked, in_the_way = _in_the_way(root, changes, old, new, before)
    if in_the_way:
        blockers.append(
            f"{len(in_the_way)} files that no version keeps are in the way ({listed(in_the_way)}): move them elsewhere"
        )
    gone = [path for path in old.files if path not in new.files and (root / path).is_file()]
    moves = [
        *(move for move, _ in changes),
        *(
            Move(
                path, "DVC", "modified" if (root / path).exists() else "added", _size(stores, sizes, md5), md5 in absent
            )
            for path, md5 in moved.items()
        ),
        *(Move(path, "DVC", "deleted", None) for path in gone),
    ]
    ordered = tuple(sorted(moves, key=lambda move: move.path))
    return Plan(version.name, target, before, ordered, absent, unsaved, tuple(blockers), old, new, untracked)


def kept(repo: Any, commit: str, stores: Stores) -> Kept:
    """What DVC keeps for a commit, by its dvc.yaml, dvc.lock and .dvc files.

    Raises:
        VersionError: one of them cannot be read.
    """
    from dvc.exceptions import DvcException

    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    remotes: dict[str, str] = {}
    roots, lost, foreign, unmade = [], [], [], []
    trust.stage_files(stores.repository.root, commit)
    try:
        with repo.switch(commit):
            outs = list(_of_repository(repo))
            found = [("/".join(out.index_key[1]), out.hash_info, out.remote) for out in outs]
            runs = frozenset("/".join(out.index_key[1]) for out in outs if out.meta and out.meta.isexec)
    except (DvcException, ValueError) as error:
        raise VersionError(f"{commit[:7]} cannot be read ({' '.join(str(error).split()):.200})") from None
    for path, info, remote in found:
        if not info:
            unmade.append(path)
            continue
        roots.append(path)
        if info.name != "md5":
            foreign.append(path)
            continue
        inside = {path: info.value}
        if info.value.endswith(".dir"):
            folders[path] = info.value
            listed_files = listing(stores.read(info.value), path)
            if listed_files is None:
                lost.append(path)
            inside = {f"{path}/{name}": md5 for name, md5 in listed_files or ()}
        files |= inside
        remotes |= dict.fromkeys((*inside.values(), info.value), remote) if remote else {}
    return Kept(files, folders, frozenset(roots), remotes, runs, tuple(lost), tuple(foreign), tuple(unmade))


def changed_in_git(root: Path) -> list[str]:
    """Tracked files that differ from HEAD, in the index or in the work tree."""
    asked = ("--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    return [line[3:] for line in _fields(git(root, *asked))]


def changed_outputs(repo: Any) -> dict[str, Any]:
    """DVC's outputs of the work tree that are not what dvc.lock says, by path; what is not there does not count."""
    from dvc.exceptions import DvcException

    found = {}
    try:
        for out in list(_of_repository(repo)):  # each is judged before the first is read
            if out.exists and out.workspace_status():
                found["/".join(out.index_key[1])] = out
    except (DvcException, ValueError) as error:
        why = " ".join(str(error).split())
        raise VersionError(f"the work tree cannot be read by DVC ({why:.200})", run="git diff HEAD") from None
    return found


def _of_repository(repo: Any) -> Iterator[Any]:
    """What DVC keeps in the repository.

    Raises:
        ValueError: an output lies elsewhere on this machine, or its hash is none.
    """
    for out in repo.index.outs:
        if out.use_cache and (out.is_in_repo or out.protocol == "local"):
            above = "/".join(
                repo.fs.relparts(out.stage.wdir, repo.root_dir)
            )  # DVC cuts what leads above a commit's root
            if not names.inside(posixpath.normpath(posixpath.join(above, out.def_path))):
                raise ValueError(f"the output {out.def_path!r:.80} is no path of a file in the repository")
            if out.hash_info and out.hash_info.name == "md5":
                names.md5(out.hash_info.value)
            yield out


def astray(root: Path, *versions: Kept) -> Iterator[str]:
    """In words, the outputs that a link of the work tree takes out of the repository, or to what Git and DVC keep."""
    files = {folder: path for kept in versions for folder, path in _folders(kept).items()}
    found = sorted(path for path in files.values() if not names.stays_in(root, path))
    if found:
        yield f"{listed(found)} would be written through a link that leads elsewhere: put a folder in the link's place"


def _folders(kept: Kept) -> dict[str, str]:
    """The folders that outputs lie in, each with a path in it."""
    paths = (*kept.files, *kept.foreign, *(f"{each}/x" for each in kept.folders))
    return {str(PurePosixPath(path).parent): path for path in paths}


def is_in(path: str, outputs: Iterable[str]) -> bool:
    """Whether a file is one of the outputs, or in a folder that is."""
    return any(path == output or path.startswith(f"{output}/") for output in outputs)


def digests(repo: Any, paths: Sequence[Path]) -> dict[Path, str]:
    """The MD5 of files; DVC remembers that of a file whose size, time and inode did not change."""
    found = {path: md5 for path in paths if (md5 := remembered(repo, path)) is not None}
    fresh = [path for path in paths if path not in found]
    found |= dict(zip(fresh, hashed(fresh), strict=True))
    remember(repo, {path: found[path] for path in fresh})
    return found


def remembered(repo: Any, path: Path) -> str | None:
    """The MD5 that DVC remembers of a file whose size, time and inode did not change."""
    from dvc.fs import localfs

    info = repo.state.get(str(path), localfs)[1]
    return str(info.value) if info is not None and info.name == "md5" else None


def remember(repo: Any, found: Mapping[Path, str]) -> None:
    """Tell DVC the MD5 of files that were read."""
    from dvc.fs import localfs
    from dvc_data.hashfile.hash_info import HashInfo

    repo.state.save_many([(str(path), HashInfo("md5", md5), None) for path, md5 in found.items()], localfs)


def hashed(paths: Iterable[Path]) -> list[str]:
    """The MD5 of files, every byte read, some files at a time."""
    import hashlib

    def one(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, paths))


def lacking(repo: Any, stores: Stores, new: Kept, moved: set[str]) -> dict[str, str]:
    """The path of each object that the cache does not hold as it should, by MD5.

    Args:
        moved: those that are read again, every byte or what DVC remembers; the others need only be there.
    """
    needed = {md5: path for path, md5 in [*new.folders.items(), *new.files.items()]}
    there = {md5: in_cache(stores, md5) for md5 in needed if in_cache(stores, md5).is_file()}
    judged = [md5 for md5 in there if md5 in moved or md5.endswith(".dir")]
    found = digests(repo, [there[md5] for md5 in judged])
    damaged = {md5 for md5 in judged if found[there[md5]].removesuffix(".dir") != md5.removesuffix(".dir")}
    return {md5: path for md5, path in needed.items() if md5 not in there or md5 in damaged}


def in_cache(stores: Stores, md5: str) -> Path:
    """Where the cache keeps an object."""
    return stores.cache.root / places.key(md5)


def listed(items: Sequence[str], most: int = SHOWN) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def remotes_of(stores: Stores, kept: Kept, md5: str) -> list[Any]:
    """The remotes that may hold an object."""
    found = [stores.remote(name) for name in dict.fromkeys((kept.remotes.get(md5), None))]
    return [place for place in found if place is not None]


def blobs(root: Path, commit: str) -> dict[str, str]:
    """Git's id of each file of a commit, by its path from Git's top folder, without links and submodules."""
    return {path: facts[2] for path, facts in _tree(root, commit).items() if facts[0].startswith("100")}


def _tree(root: Path, commit: str) -> dict[str, list[str]]:
    """Mode, kind and id of each file, link and submodule of a commit, by its path from Git's top folder."""
    lines = _fields(git(top(root), "ls-tree", "-r", "-z", commit))
    return {path: facts.split(" ") for facts, path in (line.split("\t", 1) for line in lines)}


def blob_ids(folder: Path, paths: Sequence[str]) -> dict[str, str]:
    """Git's id of files of the work tree, line ends and filters as Git has them."""
    there = [path for path in paths if (folder / path).is_file()]
    odd = [path for path in there if "\n" in path or path.startswith('"') or path.endswith("\r") or _is_no_text(path)]
    plain = [path for path in there if path not in odd]
    answer = git(folder, "hash-object", "--stdin-paths", stdin="".join(f"{path}\n" for path in plain))
    answer += b"".join(git(folder, "hash-object", "--", path) for path in odd)
    return dict(zip([*plain, *odd], answer.decode().split(), strict=True))


def _is_no_text(path: str) -> bool:
    """Whether a name has bytes that are no UTF-8."""
    return any("\udc80" <= letter <= "\udcff" for letter in path)


def top(root: Path) -> Path:
    """Git's top folder; DVC's may be below."""
    return Path(git(root, "rev-parse", "--show-toplevel").decode().removesuffix("\n"))


def in_index(root: Path) -> list[str]:
    """The files of Git's index, by their path from Git's top folder."""
    return _fields(git(top(root), "ls-files", "-z", "--cached"))


def _fields(stream: bytes) -> list[str]:
    return stream.decode(errors="surrogateescape").split("\0")[:-1]


def _in_progress(root: Path) -> Iterator[str]:
    folder = own_folder(root)
    for name, (what, run) in IN_PROGRESS.items():
        if (folder / name).exists():
            yield f"a {what} is in progress: finish it, or run `{run}`"


def _identity(root: Path) -> Iterator[str]:
    try:
        git(root, "var", "GIT_COMMITTER_IDENT")
    except VersionError:
        yield 'Git does not know who you are: run `git config user.name "Your Name"` and `git config user.email YOU`'


def _readable(version: Version, new: Kept) -> Iterator[str]:
    if not any(is_in(path, [WEIGHTS]) for path in (*new.roots, *new.files)):
        yield f"{version.name} holds no model ({WEIGHTS} is not in its dvc.lock): run `stemma log` for those that do"
    if new.foreign:
        name = version.name
        yield f"{listed(new.foreign)} of {name} has no MD5: run `git checkout {name}`, then `dvc checkout`"


def _contained(root: Path, version: Version, old: Kept, new: Kept) -> Iterator[str]:
    """Whether every output stays in the repository, as the work tree is and as Git will leave it."""
    yield from astray(root, old, new)
    prefix = PurePosixPath(root.relative_to(top(root)).as_posix())
    folders = {str(each) for folder in _folders(new) for each in (prefix / folder / "x").parents}
    links = {path for path, facts in _tree(root, str(version.commit)).items() if facts[0] == LINK}
    if links & folders:
        yield f"{listed(sorted(links & folders))} of {version.name} is a link, and outputs would be written through it"


def _looked_for(
    stores: Stores, new: Kept, absent: Mapping[str, str], version: Version
) -> tuple[dict[str, int | None], list[str]]:
    """The bytes in the remotes of what the cache lacks, and what keeps it from being fetched."""
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            sizes = dict(zip(absent, pool.map(lambda md5: _size_in_remotes(stores, new, md5), absent), strict=True))
    except VersionError as error:
        return {}, [f"{len(absent)} objects of {version.name} are not whole in the cache, and {error}"]
    names = sorted({*new.lost, *(absent[md5] for md5, size in sizes.items() if size is None)})
    if not names:
        return sizes, []
    where = f"nor in {stores.default.name} ({stores.default.url})" if stores.default else "and no remote is configured"
    return sizes, [
        f"{len(names)} objects of {version.name} are neither whole in the cache {where} ({listed(names)}): "
        f"run `dvc push --all-commits` where they are, or `stemma restore` from a backup"
    ]


def _size_in_remotes(stores: Stores, new: Kept, md5: str) -> int | None:
    """Bytes of an object in the first remote that has it; None where none has."""
    for place in remotes_of(stores, new, md5):
        with told(f"{place.name} ({place.url})"):
            try:
                if isinstance(place, places.Folder):
                    return (place.root / places.key(md5)).stat().st_size
                return int(place.fs.info(place.path(places.key(md5)))["size"])
            except FileNotFoundError:
                place.chunks(places.key(md5))  # tells where the bucket itself is missing
    return None


def _git_moves(root: Path, before: str, target: str) -> list[tuple[Move, str]]:
    """Each file that Git changes, and its id afterwards; paths from Git's top folder."""
    words = _fields(git(top(root), "diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", before, target))
    pairs = [(facts.split(" "), path) for facts, path in zip(words[::2], words[1::2], strict=True)]
    stdin = "".join(f"{facts[3]}\n" for facts, _ in pairs)
    answer = git(root, "cat-file", "--batch-check=%(objectsize)", stdin=stdin).decode().splitlines()
    found = []
    for (facts, path), size in zip(pairs, answer, strict=True):
        whole = int(size) if size.isdigit() else None
        found.append((Move(path, "Git", CHANGES.get(facts[4], "modified"), whole), facts[3]))
    return found


def _in_the_way(
    root: Path, changes: Sequence[tuple[Move, str]], old: Kept, new: Kept, before: str
) -> tuple[tuple[str, ...], list[str]]:
    """Files that nothing keeps where a file is to be: those that are identical, and the others."""
    folder = top(root)
    prefix = "" if folder == root else f"{root.relative_to(folder).as_posix()}/"
    added = {move.path: blob for move, blob in changes if move.change == "added"}
    stray = [path for path in added if os.path.lexists(folder / path) and path.removeprefix(prefix) not in old.files]
    same = blob_ids(folder, [path for path in stray if not (folder / path).is_symlink()])
    identical = [path for path in stray if same.get(path) == added[path]]
    others = [path for path in stray if path not in identical]
    tracked: Callable[[], dict[str, str]] = lambda: blobs(root, before)  # noqa: E731 - asked only if needed
    for output in sorted({*new.roots, *new.unmade} - old.roots):
        files = [root / output] if (root / output).is_file() else [f for f in (root / output).rglob("*") if f.is_file()]
        names = {file.relative_to(root).as_posix(): file for file in files}
        in_git = tracked() if names else {}
        loose = {name: file for name, file in names.items() if prefix + name not in in_git and name not in old.files}
        found = dict(zip(loose, hashed(loose.values()), strict=True))
        others += [name for name, md5 in found.items() if new.files.get(name) != md5]
    return tuple(identical), others


def _size(stores: Stores, sizes: Mapping[str, int | None], md5: str) -> int | None:
    """Bytes of an object that will be there."""
    if md5 in sizes:
        return sizes[md5]
    file = in_cache(stores, md5)
    return file.stat().st_size if file.is_file() else None
