"""Back to a version, or not at all: code, settings, data and model together.

    rollback.plan(".", "model@v1.2.0")                     what would move; nothing is touched
    rollback.roll_back(".", "model@v1.2.0", commit=True)   as a new commit
    rollback.abort(".")                                    undo one that was killed

Plan, fetch, journal, stash, Git's files, DVC's outputs, every hash, commit, journal removed: in this order, so that a
refusal comes before the first move and a kill at any moment leaves what the next call completes or undoes.

Reading order:

- `planning`  what would move, and what stands in its way
- `steps`     the moves themselves; in `repo`: `journal`, how far they came, and `locks`
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stemma.errors import VersionError
from stemma.files import write_bytes
from stemma.repo import extent, journal, locks
from stemma.repo.git import at, commit_of, contents, git, own_folder, prefix, run
from stemma.repo.journal import Journal
from stemma.repo.outputs import Kept, Outputs, opened
from stemma.repo.repository import Repository, Version
from stemma.rollback import steps
from stemma.rollback.planning import Look, Move, Plan
from stemma.versions.doctor.finding import Finding, Skipped

__all__ = ["Environment", "Move", "Plan", "Rollback", "abort", "environment", "plan", "roll_back"]

CONFIG = ".dvc/config"


@dataclass(frozen=True)
class Rollback:
    revision: str
    commit: str  # of the revision
    before: str  # HEAD's commit when it began
    made: str | None = None  # the new commit, None without one
    moves: tuple[Move, ...] = ()  # the files that changed; empty where a killed rollback was completed
    verified: int = 0  # outputs hashed
    stash: str | None = None  # the stash with what was not committed
    aside: tuple[str, ...] = ()  # files that were in the way after a kill, kept in `saved`
    saved: str | None = None
    completed: bool = False  # whether a killed rollback was completed
    undone: bool = False  # whether one was undone
    others: tuple[str, ...] = ()  # folders of other DVC projects of which Git's files moved, and outputs did not


@dataclass(frozen=True)
class Environment:
    """Where Python and the packages differ from those that a version recorded: how, and the command for them."""

    differs: str
    run: str


def plan(root: Path | str, revision: str, *, commit: bool = False, stash: bool = False, whole: bool = False) -> Plan:
    """What a rollback would move.

    Raises:
        VersionError: no such revision, or no commit; a file of it cannot be read; a killed rollback waits.
    """
    repository = Repository(root)
    version = _version(repository, revision)
    waiting = journal.read(repository.root)
    if waiting is not None:
        raise _unfinished(waiting)
    with opened(repository) as outputs:
        before = str(commit_of(repository.root, "HEAD"))
        return Look(version, outputs, before, whole).plan(commit=commit, stash=stash)


def roll_back(
    root: Path | str, revision: str, *, commit: bool = False, stash: bool = False, whole: bool = False
) -> Rollback:
    """Restore a version in the work tree and the index; HEAD's branch stays. Completes what a kill cut short.

    Args:
        commit: make the restored state a new commit.
        stash: put what is not committed into Git's stash first, outputs into DVC's cache.
        whole: move every file of Git's, those of other projects in the repository and beside them too.

    Raises:
        VersionError: it cannot begin, and nothing was moved; or a step failed, and the next command is told.
    """
    top = Repository(root).root
    with _alone(top):
        waiting = journal.read(top)
        if waiting is not None:
            _clear_locks(top)
            _bring_config(top, waiting)
        repository = Repository(top)
        # HEAD~1 is another commit once HEAD has moved: the same name completes what it began
        again = waiting is not None and waiting.revision == revision
        version = _version(repository, waiting.target if waiting is not None and again else revision)
        with locks.dvc(repository, idle=True), opened(repository) as outputs:
            if waiting is None:
                return _begin(version, outputs, commit=commit, stash=stash, whole=whole)
            if waiting.target != version.commit:
                raise _unfinished(waiting)
            return _complete(outputs, replace(waiting, commit=commit or waiting.commit))


def abort(root: Path | str) -> Rollback:
    """Undo a rollback that was killed; a VersionError where there is none, or Git or DVC refuse."""
    top = Repository(root).root
    with _alone(top):
        return _abort(top)


def _abort(top: Path) -> Rollback:
    note = journal.read(top)
    if note is None:
        raise VersionError("no rollback was cut short, so there is nothing to abort", run="git status")
    _clear_locks(top)
    if commit_of(top, "HEAD") not in (note.before, note.made):
        journal.remove(top)
        raise VersionError(
            "HEAD moved since the rollback was cut short: it is given up, and every file stays as it is",
            run="git status",
        )
    if note.stashing and not note.done and steps.stashed(top) == note.stashed_before:
        journal.remove(top)  # nothing has moved: what is not committed stays where it is
        return Rollback(note.revision, note.target, note.before, undone=True)
    _bring_config(top, note)
    repository = Repository(top)
    with locks.dvc(repository, idle=True), opened(repository) as outputs:
        folder = journal.folder(top)
        with locks.git_index(top, folder):
            if commit_of(top, "HEAD") == note.made:
                git(top, "update-ref", "-m", "rollback: aborted", "HEAD", note.before, str(note.made))
            old, new = outputs.of(note.before), outputs.of(note.target)
            aside = steps.set_aside(outputs, folder, note, (old, new))
            steps.remove_added(top, note, back=True)
            steps.code(top, folder, note, None, back=True)
            steps.data(outputs, old, new, (), note.before)
            there = {path: md5 for path, md5 in old.files.items() if outputs.has(md5)}
            verified = steps.verify(outputs, replace(old, files=there), set(there))
        journal.remove(top)
    return Rollback(
        note.revision, note.target, note.before, verified=verified, stash=note.stash,
        aside=tuple(aside), saved=str(folder / "saved"), undone=True,
    )  # fmt: skip


def environment(version: Version) -> Environment | None:
    """Where this environment differs from the recorded one; None where it does not, or none was recorded."""
    from stemma.toolkit.lock import FILE, INSTALL
    from stemma.versions.doctor.state import environment_is_the_recorded_one, toolkit_is_the_locked_one

    checks = (toolkit_is_the_locked_one, environment_is_the_recorded_one)
    found = [found for check in checks if (found := _found(check, version)) is not None]
    if not found:
        return None
    differs = "; ".join(each.evidence for each in found)
    if version.has(FILE) or version.has("tasks.py"):
        return Environment(differs, INSTALL)
    training: Any = version.training
    packages = " ".join(f"{name}=={number}" for name, number in (training["environment"].get("packages") or {}).items())
    return Environment(differs, f"pip install {packages}")


def _found(check: Callable[[Version], Iterator[Finding]], version: Version) -> Finding | None:
    try:
        return next(check(version), None)
    except Skipped:
        return None


def _begin(version: Version, outputs: Outputs, *, commit: bool, stash: bool, whole: bool) -> Rollback:
    root, folder = outputs.root, journal.folder(outputs.root)
    found = Look(version, outputs, str(commit_of(root, "HEAD")), whole).plan(commit=commit, stash=stash)
    if found.blockers:
        raise VersionError(found.blockers[0])
    steps.fetch(found.revision, found._new, found.fetch, outputs)
    if set(outputs.changed()) - set(found.unsaved):
        raise VersionError("outputs changed while objects were fetched; nothing was moved", run="dvc status")
    steps.save(outputs, found)
    stashing = stash and bool(found.unsaved)
    last = steps.stashed(root) if stashing else None
    note = Journal(
        found.revision, found.commit, found.before, found._wanted, prefix(root), whole, commit, found._untracked,
        stashing, last,
    )  # fmt: skip
    if not stashing:
        with locks.git_index(root, folder):
            steps.check_code(root, folder, found)
    journal.write(root, note)
    if stashing:
        note = steps.stash(outputs, note)
    with locks.git_index(root, folder):
        moved = {move.path for move in found.moves if move.keeper == "DVC"}
        steps.code(root, folder, note, found)
        done = _finish(outputs, note, found._old, found._new, moved)
    journal.remove(root)  # after Git's lock, so that a kill in between is told
    return replace(done, moves=found.moves)


def _complete(outputs: Outputs, note: Journal) -> Rollback:
    root, folder = outputs.root, journal.folder(outputs.root)
    if commit_of(root, "HEAD") not in (note.before, note.made):
        what = f"HEAD moved since a rollback to {note.revision} was cut short"
        raise VersionError(what, run="stemma rollback --abort")
    if note.stashing and "stashed" not in note.done:
        note = steps.stash(outputs, note)
    old, new = outputs.of(note.before), outputs.of(note.target)
    steps.fetch(note.revision, new, outputs.lacking(new, set(new.files.values())), outputs)
    with locks.git_index(root, folder):
        aside = steps.set_aside(outputs, folder, note, (old, new))
        steps.remove_added(root, note)
        steps.code(root, folder, note, None)
        done = _finish(outputs, note, old, new, None)
    journal.remove(root)
    return replace(done, aside=tuple(aside), saved=str(folder / "saved"), completed=True)


def _finish(outputs: Outputs, note: Journal, old: Kept, new: Kept, certain: set[str] | None) -> Rollback:
    """From Git's files in place to the end; `certain` are outputs that differ, None after a kill, when all may."""
    root = outputs.root
    note = journal.write(root, replace(note, done=(*note.done, "code")))
    put = steps.data(outputs, new, old, certain or (), note.target)
    note = journal.write(root, replace(note, done=(*note.done, "data")))
    verified = steps.verify(outputs, new, set(new.files) if certain is None else certain | put)
    note = journal.write(root, replace(note, done=(*note.done, "verified")))
    if note.commit:
        note = steps.commit(root, note)
    others = extent.others(root, note.target) if note.whole else ()
    return Rollback(note.revision, note.target, note.before, note.made, (), verified, note.stash, others=others)


def _version(repository: Repository, revision: str) -> Version:
    version = repository.version(revision)
    if version.commit is None:
        raise VersionError("the workspace is no version to go back to: name a revision", run="stemma log")
    return version


def _unfinished(note: Journal) -> VersionError:
    came = f"after: {', '.join(note.done)}" if note.done else "at its start"
    again = f"stemma rollback {note.revision}"
    return VersionError(
        f"a rollback to {note.revision} was cut short ({came}): run `{again}` to complete it, "
        "or `stemma rollback --abort`"
    )


def _alone(root: Path) -> AbstractContextManager[None]:
    """One rollback at a time in a work tree, from before the journal is read."""
    return locks.held(journal.folder(root) / "rollback.lock", str(root))


def _clear_locks(root: Path) -> None:
    """What a killed rollback, or a Git command of its, left locked."""
    locks.unlock_git(journal.folder(root))
    branch = run(root, "symbolic-ref", "--quiet", "HEAD").stdout.decode(errors="surrogateescape").split()
    locks.clear_killed(root, "index", "HEAD", "ORIG_HEAD", "refs/stash", *branch)
    for left in own_folder(root).glob("index.stash.*"):  # what Git stashes with, and would leave for ever
        locks.clear(left, root)


def _bring_config(root: Path, note: Journal) -> None:
    """DVC's settings as they were when the rollback began: a kill may have left others, or half of a file."""
    content = contents(root, [at(note.before, CONFIG)])[0]
    file = root / CONFIG
    if content is None or (file.is_file() and file.read_bytes() == content):
        return
    known = [content, contents(root, [at(note.target, CONFIG)])[0]]
    if file.is_file() and file.read_bytes() not in known:
        aside = journal.folder(root) / "saved" / CONFIG
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(file.read_bytes())
    write_bytes(file, content)  # in the place of a link, should it be one
