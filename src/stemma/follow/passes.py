"""One pass: what the stage holds now is what is newest in the folder. And passes, until somebody stops them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from stemma.errors import StemmaError, VersionError, told_by_system
from stemma.follow import folder, source
from stemma.follow.folder import Published
from stemma.registry.history import history
from stemma.registry.names import check_known
from stemma.repo.registry import MODEL
from stemma.repo.repository import Repository
from stemma.text import say
from stemma.versions.release import release

# Nobody is there to be asked for a password, and a server that falls silent is left after half a minute.
GIT = {"GIT_TERMINAL_PROMPT": "0", "GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "30"}


@dataclass(frozen=True)
class Asked:
    """What to follow."""

    source: str  # a repository, a clone, or a Git URL
    stage: str  # such as "prod"
    folder: Path  # that of the versions; nobody else writes to it
    signed: bool = False  # follow tags alone of which Git verifies the signature (`git verify-tag`)


def check(asked: Asked, warn: Callable[[str], None] = say) -> None:
    """Raises as `check_known`, where there may never be something to follow; who cannot be asked now may be later."""
    try:
        repository = source.opened(asked.source, warn)
    except VersionError as error:
        return warn(f"{asked.stage}: {error}")
    check_known(repository, asked.stage)


def publish(asked: Asked, before: Published | None = None, warn: Callable[[str], None] = say) -> Published | None:
    """Make what the stage holds the newest version of the folder; None where it holds none, as the folder says then.

    Args:
        before: what an earlier pass gave; its bytes are not read again.
        warn: is told what is wrong and stops nothing.

    Raises:
        StemmaError: Git or the DVC remote cannot be asked, or gives other bytes than the version names, or an event's
            signature is asked for and is not good; what is published stays.
        OSError: the folder cannot be written.
    """
    repository = source.opened(asked.source, warn)
    events = history(repository, asked.stage).events
    commit = repository.registry.assigned.get((MODEL, asked.stage))
    with folder.held(asked.folder, source.plain(asked.source), asked.stage):
        there = folder.published(asked.folder)
        newest = there[-1] if there else None
        is_newest = newest is not None and newest.commit == commit and (newest == before or newest.is_whole())
        is_published = commit is None or is_newest
        if asked.signed and not (is_published and folder.is_empty(asked.folder) == (commit is None)):
            _check_signatures(repository, asked.stage)
        if commit is not None and not is_published:
            number = max(len(events), newest.number + 1 if newest else 1)
            newest = folder.add(asked.folder, number, commit, lambda path: _write(repository, asked, there, path))
        folder.mark(asked.folder, empty=commit is None)
        return None if commit is None else newest


def _check_signatures(repository: Repository, stage: str) -> None:
    for event in history(repository, stage, verify=True).events:
        if event.signature != "good":
            raise VersionError(f"{event.tag} has no good signature", run=f"stemma history {stage} --verify")


def _write(repository: Repository, asked: Asked, there: list[Published], path: Path) -> str | None:
    """The bundle of the stage, out of the folder where it is there already: a rollback needs no remote."""
    version = repository.version(f"{MODEL}#{asked.stage}")
    earlier = next((each for each in there if each.commit == version.commit and each.is_whole()), None)
    if earlier is None:
        return release(repository, version.name, path).version
    shutil.copyfile(earlier.bundle, path)
    return earlier.version


def poll(asked: Asked, seconds: float, tell: Callable[[str], None], stop: Event | None = None) -> None:
    """Publish again and again until `stop` is set; each change of state is told once, and what fails is tried again."""
    stop = stop or Event()
    before, told = None, ""
    while not stop.is_set():
        warnings: list[str] = []
        try:
            before = publish(asked, before, warnings.append)
            state = described(asked, before)
        except (OSError, StemmaError) as error:
            why = told_by_system(error) if isinstance(error, OSError) else error
            state = f"{asked.stage}: {why}; what is published stays, and it is tried again every {seconds:g} s"
        state = "; ".join([state, *warnings])
        if state != told:
            tell(state)
            told = state
        stop.wait(seconds)


def described(asked: Asked, found: Published | None) -> str:
    """What a pass found, in a line."""
    if found is None:
        return f"{asked.stage} is empty: nothing is published"
    return f"{asked.stage} is {found.version or 'not registered'} ({found.commit[:7]}): published as {found.folder}"
