"""Journals: what was asked and how far it came, so that what was killed can be completed or undone.

A journal is a small file, there from before the first move until after the last, with the number of its format. That
of a rollback is .git/stemma/rollback.json; a collection has one in each place.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from stemma import names
from stemma.errors import VersionError
from stemma.files import write_text
from stemma.repo.git import own_folder, prefix, top
from stemma.repo.trouble import told

Noted = TypeVar("Noted")
FORMAT = 1


def text(noted: Any) -> str:
    """A frozen value as the file has it; the same value gives the same bytes."""
    return json.dumps({"format": FORMAT} | vars(noted), indent=1, sort_keys=True) + "\n"


def parsed(content: bytes, kind: type[Noted]) -> Noted:
    """What `text` wrote; a ValueError where it is of another format, or no such value."""
    try:
        found: dict[str, Any] = json.loads(content)
        form = found.pop("format")
        if form != FORMAT:
            raise ValueError(f"it has format {form}, and this stemma reads format {FORMAT}")
        return kind(**{key: tuple(fact) if isinstance(fact, list) else fact for key, fact in found.items()})
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


@dataclass(frozen=True)
class Journal:
    """What was asked of a rollback, and how far it came."""

    revision: str  # as it was asked for
    target: str  # its commit
    before: str  # HEAD's commit when it began
    tree: str  # what Git's files are to be as: the target, or a tree
    folder: str  # of the project, from Git's top folder
    whole: bool  # others' files move too
    commit: bool  # whether the restored state becomes a commit
    untracked: tuple[str, ...] = ()  # files that were there, untracked and identical to those of the target
    stashing: bool = False  # what was not committed is to be stashed
    stashed_before: str | None = None  # the last stash before that
    stash: str | None = None  # the stash that was made
    made: str | None = None  # the commit of the restored state, from before HEAD moves to it
    done: tuple[str, ...] = ()  # the steps that are complete, in order


def folder(root: Path) -> Path:
    """Where the journal and what belongs to it lies: in .git, of this work tree alone."""
    return own_folder(root) / "stemma"


def read(root: Path) -> Journal | None:
    """The journal of a rollback that did not end; None where there is none.

    Raises:
        VersionError: it cannot be read, or is of another project in the same Git repository.
    """
    file = folder(root) / "rollback.json"
    try:
        found = parsed(file.read_bytes(), Journal)
        for commit in (found.target, found.before, found.made, found.stash, found.stashed_before, found.tree):
            if commit is not None:
                names.git_id(commit)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise VersionError(f"{file} cannot be read ({error}): use the stemma that wrote it, or remove it") from None
    if found.folder != prefix(root):
        what = f"a rollback of the project in {top(root) / found.folder} was cut short"
        raise VersionError(f"{what}: go there, and complete or undo it", run="stemma rollback --abort")
    return found


def write(root: Path, journal: Journal) -> Journal:
    """Keep it, in one step, and give it back; a VersionError where the disk refuses."""
    with told(str(folder(root))):
        write_text(folder(root) / "rollback.json", text(journal))
    return journal


def remove(root: Path) -> None:
    (folder(root) / "rollback.json").unlink(missing_ok=True)
