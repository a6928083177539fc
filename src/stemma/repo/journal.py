"""The journal of a rollback: what was asked and how far it came, so that a killed one can be completed or undone.

One small file, .git/stemma/rollback.json, there from before the first move until after the last.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemma import names
from stemma.errors import VersionError
from stemma.files import write_text
from stemma.repo.git import own_folder
from stemma.repo.trouble import told

FORMAT = 1


@dataclass(frozen=True)
class Journal:
    """
    Args:
        revision: as it was asked for; target: its commit; before: HEAD's commit when it began.
        commit: whether the restored state becomes a commit; made: that commit, from before HEAD moves to it.
        untracked: files that were there, untracked and identical to those of the target.
        stashing: what was not committed is to be stashed; stashed_before: the last stash before that.
        stash: the one made.
        done: the steps that are complete, in order.
    """

    revision: str
    target: str
    before: str
    commit: bool
    untracked: tuple[str, ...] = ()
    stashing: bool = False
    stashed_before: str | None = None
    stash: str | None = None
    made: str | None = None
    done: tuple[str, ...] = ()


def folder(root: Path) -> Path:
    """Where the journal and what belongs to it lies: in .git, of this work tree alone."""
    return own_folder(root) / "stemma"


def read(root: Path) -> Journal | None:
    """The journal of a rollback that did not end; None where there is none.

    Raises:
        VersionError: it cannot be read.
    """
    file = folder(root) / "rollback.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        facts: dict[str, Any] = {key: tuple(fact) if isinstance(fact, list) else fact for key, fact in content.items()}
        for name in ("target", "before", "made", "stash", "stashed_before"):
            if facts.get(name) is not None:
                names.git_id(facts[name])
        return Journal(**facts)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VersionError(f"{file} cannot be read ({error}): use the stemma that wrote it, or remove it") from None


def write(root: Path, journal: Journal) -> Journal:
    """Keep it, in one step; the journal itself.

    Raises:
        VersionError: the disk refuses.
    """
    with told(str(folder(root))):
        write_text(folder(root) / "rollback.json", json.dumps({"format": FORMAT, **asdict(journal)}, indent=2) + "\n")
    return journal


def remove(root: Path) -> None:
    (folder(root) / "rollback.json").unlink(missing_ok=True)
