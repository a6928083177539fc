"""The steps of a rollback. Each can be done again from any point at which a kill left it."""

import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stemma.errors import VersionError
from stemma.names import unlinked
from stemma.repo import extent, journal, locks, places
from stemma.repo.extent import Extent
from stemma.repo.git import blob_ids, blobs, commit_of, fields, git, is_set, top, tree
from stemma.repo.journal import Journal
from stemma.repo.lockfile import is_in
from stemma.repo.outputs import Kept, Outputs, astray, hashed
from stemma.repo.trouble import told
from stemma.rollback.planning import Plan
from stemma.text import counted, few
from stemma.threads import each

DVC_PARTIAL = re.compile(r"\.[0-9A-Za-z_-]{22}\.tmp")  # what DVC copies to before it renames
TRAILER = "Stemma-Rollback-To"


def fetch(name: str, new: Kept, absent: Mapping[str, str], outputs: Outputs) -> None:
    """Every object that the cache lacks, hashed before it gets its name there.

    Raises:
        VersionError: no remote holds a right copy, or it cannot be reached.
    """
    stores = outputs.stores

    def one(object: tuple[str, str]) -> None:
        md5, path = object
        faults = []
        for source in outputs.remotes(new, md5):
            try:
                return places.copy(md5, source, stores.cache, stores.scratch)
            except VersionError as error:
                faults.append(str(error))
        why = "; ".join(faults) or "no remote is configured"
        raise VersionError(f"{path} of {name} cannot be fetched ({why}); nothing was moved", run="stemma remote check")

    each(one, absent.items(), waits=True)


def save(outputs: Outputs, plan: Plan) -> None:
    """The outputs that are to go, into the cache where it lacks them: the way back must be there.

    Raises:
        VersionError: the disk refuses.
    """
    stores, old = outputs.stores, plan._old
    outputs.save_lost(old.lost)
    for md5 in old.folders.values():
        source = None if outputs.has(md5) else next(stores.holding(md5), None)
        if source is not None:
            places.copy(md5, source, stores.cache, stores.scratch)
    for path, md5 in old.files.items():
        file = outputs.root / path
        if not is_in(path, plan.unsaved) and not outputs.has(md5) and file.is_file():
            stores.cache.put(places.key(md5), file, md5)


def stash(outputs: Outputs, note: Journal) -> Journal:
    """What is not committed into Git's stash, outputs into the cache; a VersionError where Git refuses."""
    root = outputs.root
    if stashed(root) == note.stashed_before:  # else a kill came after it was made
        outputs.save_changed()
        files = ["--", *found] if (found := _extent(root, note).pathspecs) else []
        git(root, "stash", "push", "--quiet", "-m", f"before stemma rollback {note.revision}", *files)
    made = stashed(root)
    return journal.write(root, replace(note, stash=made if made != note.stashed_before else None, done=("stashed",)))


def stashed(root: Path) -> str | None:
    return commit_of(root, "refs/stash")


def check_code(root: Path, folder: Path, plan: Plan) -> None:
    """Whether Git would move the files; nothing is moved. A VersionError where Git refuses, with its reason."""
    if commit_of(root, "HEAD") != plan.before:
        raise VersionError("HEAD moved meanwhile; nothing was moved", run="git log -2")
    index = _private(root, folder)
    if plan._untracked:
        _on(index, top(root), "update-index", "--add", "--", *plan._untracked)
    if not _displaced(root, plan):
        try:
            _on(index, root, "read-tree", "-m", "-u", "-n", plan.before, plan._wanted)
        except VersionError as error:
            raise VersionError(f"{error.what}; nothing was moved", run="git status") from None


def code(root: Path, folder: Path, note: Journal, plan: Plan | None, *, back: bool = False) -> None:
    """The work tree and the index as a version has them, as far as they are the project's; HEAD stays.

    A private index is used and takes the real one's place at the end, so that a killed Git leaves no lock in the way.

    Args:
        plan: of the first try, in which Git refuses to overwrite what anyone changed; None after a kill, when that
            was set aside.
        back: to what was before; files that were there before, untracked, stay in the work tree.

    Raises:
        VersionError: Git refuses.
    """
    index, files = _private(root, folder, doubted=plan is None), _extent(root, note).pathspecs
    wanted = note.before if back else note.tree
    if plan is None:
        if back and note.untracked:
            _on(index, top(root), "update-index", "--force-remove", "--", *note.untracked)
        reset = ("restore", "--staged", "--worktree", f"--source={wanted}", "--", *files)
        _on(index, root, *(reset if files else ("read-tree", "--reset", "-u", wanted)))
    else:
        if plan._untracked:
            _on(index, top(root), "update-index", "--add", "--", *plan._untracked)
        for path in _displaced(root, plan):
            path.unlink()
        _on(index, root, "read-tree", "-m", "-u", plan.before, wanted)
    _on(index, root, "update-index", "-q", "--refresh")
    _on(index, root, "diff-files", "--quiet", "--ignore-submodules", "--", *files)  # as `git checkout` leaves them
    index.replace(folder.parent / "index")


def data(outputs: Outputs, wanted: Kept, other: Kept, moved: Iterable[str], target: str) -> set[str]:
    """The outputs, linked or copied out of the cache as `cache.type` says; what the wanted version lacks is removed.

    DVC's functions put each file in place. Its checkout is not used: that compares with an index of its own, which
    a killed DVC can leave in pieces.

    Args:
        moved: files that differ for certain; the others are looked at.
        target: the commit that is wanted, whose files in Git stay.

    Returns:
        The files that were put in place.

    Raises:
        VersionError: the disk refuses.
    """
    root = outputs.root
    outputs.look_again()
    contained(root, wanted, other)
    stay = {*wanted.files, *tree(root, target)}
    try:
        with told("the outputs cannot be put in place"):
            for path in [path for path in _inside(outputs, wanted, other) if path not in stay]:
                _remove(outputs, path)
            differing = _differing(outputs, wanted, {*moved} & wanted.files.keys())
            outputs.put({path: wanted.files[path] for path in differing})
            for path in wanted.folders:
                (root / path).mkdir(parents=True, exist_ok=True)  # it may be empty
            for path in wanted.executable & differing:
                (root / path).chmod((root / path).stat().st_mode | stat.S_IEXEC)
            return differing
    except VersionError as error:
        raise VersionError(error.what, run="stemma rollback --abort") from None


def contained(root: Path, *versions: Kept) -> None:
    """Once more what the plan found, for what lies there now.

    Raises:
        VersionError: an output would be written, or removed, through a link that leads out of the repository.
    """
    what = astray(root, *versions)
    if what:
        raise VersionError(f"{what}, then run the same command again, or `stemma rollback --abort`")


def verify(outputs: Outputs, wanted: Kept, moved: set[str]) -> int:
    """Every output hashed: each byte of what moved, by size, time and inode what did not. The number of files.

    A file that is a link to the cache was hashed there. DVC remembers what was found.

    Raises:
        VersionError: one is not what the version says.
    """
    root = outputs.root
    found = _known(outputs, wanted, moved)
    fresh = [path for path, md5 in wanted.files.items() if found.get(path) != md5 and (root / path).is_file()]
    found |= dict(zip(fresh, hashed(root / path for path in fresh), strict=True))
    outputs.remember({root / path: found[path] for path in {*fresh, *moved} if path in found})
    wrong = [path for path, md5 in wanted.files.items() if found.get(path) != md5]
    if wrong:
        which = f"{counted(len(wrong), 'restored file is', 'restored files are')} not what the version says"
        cure = "run the same command again, or `stemma rollback --abort`"
        raise VersionError(f"{which} ({few(sorted(wrong))}): {cure}")
    for output in wanted.roots:
        if any(is_in(path, [output]) for path in moved):
            outputs.note(output)
    return len(wanted.files)


def commit(root: Path, note: Journal) -> Journal:
    """The restored state as a commit on HEAD, none where nothing differs from it; a VersionError where Git refuses."""
    tree = git(root, "rev-parse", f"{note.tree}^{{tree}}").decode().strip()
    if tree == git(root, "rev-parse", f"{note.before}^{{tree}}").decode().strip():
        return note
    if note.made is None:
        message = f"Roll back to {note.revision}\n\n{TRAILER}: {note.target}\n"
        signed = ["-S"] if is_set(root, "commit.gpgSign") else []
        words = ["commit-tree", tree, "-p", note.before, *signed, "-F", "-"]
        made = git(root, *words, stdin=message).decode().strip()
        note = journal.write(root, replace(note, made=made))
    if commit_of(root, "HEAD") != note.made:
        git(root, "update-ref", "-m", f"rollback: to {note.revision}", "HEAD", str(note.made), note.before)
    return note


def set_aside(outputs: Outputs, folder: Path, note: Journal, both: Sequence[Kept]) -> list[str]:
    """After a kill: files that are in the way and that neither version keeps, moved to .git/stemma/saved; their names.

    A file that was being written when the kill came is one of them, and so is what a person changed since.
    """
    root = outputs.root
    contained(root, *both)
    for parent in {(root / path).parent for kept in both for path in kept.files}:
        for file in parent.glob(".*.tmp"):
            if DVC_PARTIAL.fullmatch(file.name):
                file.unlink()
    names = []
    for file in [file for file in _strange(outputs, note, both) if file.exists()]:
        names.append(file.relative_to(top(root)).as_posix())
        target = _free(folder / "saved" / names[-1])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)
    return names


def _strange(outputs: Outputs, note: Journal, both: Sequence[Kept]) -> list[Path]:
    """The files of Git and of outputs that are as neither version has them."""
    root, above = outputs.root, top(outputs.root)
    trees = [blobs(above, note.before), blobs(above, note.tree)]
    in_index = fields(git(above, "ls-files", "-z", "--cached"))  # Git removes what the index alone has
    ours = filter(_extent(root, note).holds, {*trees[0], *trees[1], *in_index})
    names = sorted(name for name in ours if unlinked(above, name))  # others are not ours
    found = blob_ids(above, names)
    strange = [above / path for path, blob in found.items() if blob not in [each.get(path) for each in trees]]
    for output in sorted({*both[0].roots, *both[1].roots}):
        place = root / output
        below = [place] if place.is_symlink() else [place, *place.rglob("*")]
        files = [file for file in below if file.is_file() and file.relative_to(above).as_posix() not in found]
        strange += [file for file, md5 in outputs.digests(files).items() if not outputs.has(md5)]
    return strange


def remove_added(root: Path, note: Journal, *, back: bool = False) -> None:
    """The files that Git may have added on its way to the other commit, though the index does not know of them yet."""
    above = top(root)
    wanted, other = (note.before, note.tree) if back else (note.tree, note.before)
    for path in blobs(above, other).keys() - blobs(above, wanted).keys() - set(note.untracked if back else ()):
        if unlinked(above, path):
            (above / path).unlink(missing_ok=True)
            _prune((above / path).parent, above)


def _extent(root: Path, note: Journal) -> Extent:
    """Which of Git's files a rollback moves."""
    return extent.of(root, note.before, note.target, whole=note.whole)


def _private(root: Path, folder: Path, doubted: bool = False) -> Path:
    """A copy of the index, ours alone.

    Args:
        doubted: Git shall look into every file. It tells times by the second, and takes a file of the same size that
            was written again within one for the old one, unless the index is as old.
    """
    locks.clear(folder / "index.lock", root)
    index = folder / "index"
    shutil.copy2(folder.parent / "index", index)
    if doubted:
        os.utime(index, (1, 1))
    _on(index, root, "update-index", "-q", "--refresh")  # a copied folder has other times than its index says
    return index


def _on(index: Path, root: Path, *words: str) -> None:
    try:
        git(root, *words, index=index)
    except VersionError as error:
        raise VersionError(error.what, run="stemma rollback --abort") from None


def _displaced(root: Path, plan: Plan) -> list[Path]:
    """Outputs of DVC where Git is about to put a file; the cache has them."""
    git_paths = {move.path for move in plan.moves if move.keeper == "Git" and move.change == "added"}
    return [root / path for path in plan._old.files if path in git_paths and (root / path).is_file()]


def _inside(outputs: Outputs, wanted: Kept, other: Kept) -> Iterator[str]:
    """The files of both versions, and all others that lie in their folders; not where it is not known what belongs."""
    unknown = {*wanted.lost, *wanted.foreign}
    yield from (path for path in other.files if not any(path.startswith(f"{output}/") for output in unknown))
    for output in (wanted.roots | other.roots) - unknown:
        if (outputs.root / output).is_dir():
            yield from outputs.found_in(output)


def _remove(outputs: Outputs, path: str) -> None:
    """A file that the cache has, and the folders that become empty."""
    file = outputs.root / path
    if file.is_file() and outputs.has(outputs.digests([file])[file]):
        file.unlink()
        _prune(file.parent, outputs.root)


def _differing(outputs: Outputs, wanted: Kept, moved: set[str]) -> set[str]:
    """The files that are not what they should be and that the cache has."""
    found = _known(outputs, wanted, moved)
    return {path for path, md5 in wanted.files.items() if found.get(path) != md5 and outputs.has(md5)}


def _known(outputs: Outputs, wanted: Kept, moved: set[str]) -> dict[str, str]:
    """The MD5 of the files that are there: of a link to the cache by its name, of others as DVC remembers; not of what
    else moved."""
    files = {path: outputs.root / path for path in wanted.files if (outputs.root / path).is_file()}
    linked = {path for path, file in files.items() if _is_link(file, outputs.cached(wanted.files[path]))}
    resting = [path for path in files if path not in moved | linked]
    known = outputs.digests([files[path] for path in resting])
    return {path: wanted.files[path] for path in linked} | {path: known[files[path]] for path in resting}


def _is_link(file: Path, cached: Path) -> bool:
    try:
        return file.samefile(cached)
    except OSError:
        return False


def _prune(folder: Path, root: Path) -> None:
    """Folders that became empty."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _free(target: Path) -> Path:
    """The name, or the first `name.2`, `name.3` that nothing has."""
    number, found = 1, target
    while found.exists():
        number += 1
        found = target.with_name(f"{target.name}.{number}")
    return found
