"""Register, promote, roll back, demote, retire: each checks, then writes its tags in one step."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stemma.errors import StemmaError, VersionError
from stemma.registry import numbering
from stemma.registry.history import TRAILER, Event, replay, versions_of
from stemma.registry.numbering import Bump
from stemma.registry.tags import Remote, Tag, TakenError, write
from stemma.repo import locks, registry
from stemma.repo.git import git
from stemma.repo.registry import MODEL
from stemma.repo.repository import WEIGHTS, WORKSPACE, Repository, Version, opened

WAIT = locks.WAIT_FOR_REGISTRY
STAGE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_/-]*[a-zA-Z0-9])?")  # GTO's rule
Requirement = Literal["better", "not-worse"]
Repo = Repository | Path | str


@dataclass(frozen=True)
class Judgement:
    """What a version must show beside the one that it would replace; see `Comparison.meets`.

    Args:
        on: a table to run both bundles on; None: the test rows of both. metric: that the verdict follows from.
    """

    requirement: Requirement
    margin: float | None = None
    on: Path | None = None
    metric: str | None = None


def register(
    repo: Repo = ".",
    revision: str | None = None,
    *,
    version: str | None = None,
    bump: Bump | None = None,
    why: str | None = None,
    sign: bool = False,
    push: bool = False,
    wait: float = WAIT,
) -> Event:
    """Give a commit with a trained model a number.

    Args:
        revision: its name; None: HEAD, and the work tree must have no changes.
        version: the number, such as "1.2.0". bump: what to raise of the highest one. None of them: as `suggest` says.
        why: the tag's message; by default the reason for the bump.
        sign, push, wait: as `promote`.

    Raises:
        VersionError: the commit holds no model or has a number, the number exists, the bump cannot be told, or the
            tag cannot be made or pushed.
    """
    if version is not None and bump is not None:
        raise VersionError("a version and a bump were given: give one of them")
    with _writing(repo, push, wait) as (repository, remote):
        known = repository.registry
        found = _registrable(repository, revision)
        number, reason = _number(repository, found, version, bump)
        message = _message(why or reason, reason if why else None)
        tag = Tag(f"{MODEL}@{number}", str(found.commit), message)
        try:
            write(repository.root, [tag], sign=sign, remote=remote)
        except TakenError:
            raise _taken(repository, known, tag.name) from None
        return _event(repository, tag.name)


def promote(
    repo: Repo,
    version: str,
    stage: str,
    *,
    why: str | None = None,
    judgement: Judgement | None = None,
    local: bool = False,
    sign: bool = False,
    push: bool = False,
    wait: float = WAIT,
) -> Event:
    """Let a registered version take a stage.

    Args:
        version: "v1.2.0", "model@v1.2.0", or a revision that is registered.
        stage: any name of letters, digits, "-", "_" and "/".
        why: the tag's message.
        judgement: refuse unless the version meets it beside the one that holds the stage now.
        local: the project has no DVC remote: every object must be in the cache instead.
        sign: the tag, with the key of Git's settings.
        push: to the Git remote, before the tag is here; every event that the remote lacks goes with it.
        wait: seconds, at most, for another process that writes to the registry.

    Raises:
        VersionError: no such version, it is retired, or holds the stage; an object is not in the remote; it does not
            meet the judgement; the stage changed hands meanwhile; the tag cannot be made or pushed.
    """
    return _assign(repo, lambda _: version, stage, why, judgement, local, sign, push, wait, rolled_back=False)


def roll_back(
    repo: Repo,
    stage: str,
    version: str | None = None,
    *,
    why: str | None = None,
    local: bool = False,
    sign: bool = False,
    push: bool = False,
    wait: float = WAIT,
) -> Event:
    """Give a stage back to the version that it held before, or to `version`. The work tree is left alone.

    The version before is told from the history. What was retired or rolled back from does not come again; an empty
    stage goes back to the version that was demoted.

    Args:
        version, why, local, sign, push, wait: as `promote`.

    Raises:
        VersionError: as `promote`; the stage held none before.
    """

    def choose(repository: Repository) -> str:
        return version or held_before(repository.registry, stage)

    return _assign(repo, choose, stage, why, None, local, sign, push, wait, rolled_back=True)


def would_hold(repo: Repo, stage: str, version: str | None = None) -> str:
    """The version that `roll_back` would give a stage, such as "v1.2.0"; nothing is written.

    Raises:
        VersionError: no such version or stage, it is retired, holds the stage, or the stage held none before.
    """
    _check_stage(stage)
    repository = opened(repo)
    number = _registered(repository, version or held_before(repository.registry, stage))
    _not_there_already(repository.registry, number, stage)
    return number


def demote(
    repo: Repo, name: str, *, why: str | None = None, sign: bool = False, push: bool = False, wait: float = WAIT
) -> tuple[Event, ...]:
    """Leave a stage, or every stage that a version holds, empty.

    Every assignment of the stage that is in force is taken back, the last one last: GTO would else give the stage to
    the version before.

    Args:
        name: a stage, or a version as `promote` takes it.
        why, sign, push, wait: as `promote`.

    Returns:
        An event for each assignment that was taken back.

    Raises:
        VersionError: the stage is empty, the version holds none, or a tag cannot be made or pushed.
    """
    before = _assigned(repo)
    with _writing(repo, push, wait) as (repository, remote):
        known = repository.registry
        stages = _stages_of(repository, name)
        _same_holders(known, before, stages)
        made: list[Tag] = []
        for stage in stages:
            number = _next(known, stage)
            for place, commit in enumerate(known.in_force[MODEL, stage]):
                version = versions_of(known).get((MODEL, commit), commit[:7])
                message = _message(why or f"Demote {MODEL} {version} from {stage}")
                made.append(Tag(f"{MODEL}#{stage}!#{number + place}", commit, message))
        try:
            write(repository.root, made, sign=sign, remote=remote)
        except TakenError:
            raise _taken(repository, known, made[-1].name) from None
        return tuple(_event(repository, tag.name) for tag in made)


def retire(repo: Repo, version: str, why: str, *, sign: bool = False, push: bool = False, wait: float = WAIT) -> Event:
    """Take a version's registration back. Its commit and its tag stay; its number is not used again.

    Args:
        why: the tag's message. version, sign, push, wait: as `promote`.

    Raises:
        VersionError: no such version, it is retired, it holds a stage, or the tag cannot be made or pushed.
    """
    if not why.strip():
        raise VersionError("a version is retired for a reason: give --why")
    with _writing(repo, push, wait) as (repository, remote):
        known = repository.registry
        number = _registered(repository, version)
        commit = known.registered[MODEL, number]
        stages = [stage for (model, stage), holder in known.assigned.items() if model == MODEL and holder == commit]
        if stages:
            held_by = f"{MODEL}@{number} is in {' and '.join(stages)}: demote it first"
            raise VersionError(held_by, run=f"stemma demote {number}")
        tag = Tag(f"{MODEL}@{number}!", commit, _message(why))
        try:
            write(repository.root, [tag], sign=sign, remote=remote)
        except TakenError:
            raise _taken(repository, known, tag.name) from None
        return _event(repository, tag.name)


def held_before(known: registry.Registry, stage: str) -> str:
    """The version that a stage goes back to.

    Raises:
        VersionError: there is none.
    """
    past: list[str] = []  # what the stage would go back to, the last one last
    now: str | None = None
    for event in replay(known):
        if event.model != MODEL or event.stage != stage or event.version is None:
            continue
        back = event.kind == "RolledBack" or (event.kind == "Demoted" and event.after is not None)
        if back and event.after in past:
            past = past[: past.index(event.after)]
        elif now is not None and event.after != now:
            past.append(now)
        now = event.after
    usable = [version for version in past if (MODEL, version) in known.registered and version != now]
    if not usable:
        raise VersionError(f"{stage} held no registered version before", run=f"stemma history {stage}")
    return usable[-1]


# The steps of a move.


@contextmanager
def _writing(repo: Repo, push: bool, wait: float) -> Iterator[tuple[Repository, Remote | None]]:
    """The repository as it is while nobody else writes to its registry; what the Git remote knows is fetched first."""
    root = opened(repo).root
    remote = Remote(root, MODEL) if push else None
    with locks.registry(root, wait):
        if remote is not None:
            remote.fetch()
        yield Repository(root), remote


def _assign(
    repo: Repo,
    choose: Callable[[Repository], str],
    stage: str,
    why: str | None,
    judgement: Judgement | None,
    local: bool,
    sign: bool,
    push: bool,
    wait: float,
    *,
    rolled_back: bool,
) -> Event:
    from stemma.registry import reach

    _check_stage(stage)
    before = _assigned(repo)
    with _writing(repo, push, wait) as (repository, remote):
        known = repository.registry
        _same_holders(known, before, [stage])
        number = _registered(repository, choose(repository))
        _not_there_already(known, number, stage)
        commit, holder = known.registered[MODEL, number], known.assigned.get((MODEL, stage))
        version = repository.version(f"{MODEL}@{number}")
        reach.check(version, local=local)
        shown = None if judgement is None or holder is None else _judged(repository, holder, version, judgement)
        verb = f"Roll {stage} back to {MODEL} {number}" if rolled_back else f"Promote {MODEL} {number} to {stage}"
        message = _message(why or verb, shown, f"{TRAILER}RolledBack" if rolled_back else None)
        tag = Tag(f"{MODEL}#{stage}#{_next(known, stage)}", commit, message)
        try:
            write(repository.root, [tag], sign=sign, remote=remote)
        except TakenError:
            raise _taken(repository, known, tag.name) from None
        return _event(repository, tag.name)


def _not_there_already(known: registry.Registry, number: str, stage: str) -> None:
    if known.assigned.get((MODEL, stage)) == known.registered[MODEL, number]:
        raise VersionError(f"{MODEL}@{number} is in {stage} already", run=f"stemma history {stage}")


def _message(subject: str, *more: str | None) -> str:
    return "\n\n".join([subject.strip(), *(part for part in more if part)]) + "\n"


def _event(repository: Repository, tag: str) -> Event:
    return next(event for event in replay(registry.read(repository.root)) if event.tag == tag)


def _assigned(repo: Repo) -> dict[tuple[str, str], str]:
    """What each stage holds as the command begins; a Repository may have been read long ago."""
    return registry.read(opened(repo).root).assigned


def _same_holders(known: registry.Registry, before: dict[tuple[str, str], str], stages: Sequence[str]) -> None:
    """Nothing, if no stage changed hands since the command began."""
    for stage in stages:
        if known.assigned.get((MODEL, stage)) != before.get((MODEL, stage)):
            last = [event for event in replay(known) if event.stage == stage and event.model == MODEL][-1]
            raise VersionError(_told(last), run=f"stemma history {stage}")


def _told(event: Event) -> str:
    """Who came first."""
    what = f"{event.name} was {event.kind.lower().replace('rolledback', 'rolled back')}"
    where = f" ({event.stage})" if event.stage else ""
    when = f"{event.when:%Y-%m-%d %H:%M:%S} UTC"
    why = event.why.splitlines()[0] if event.why else ""
    return f"{event.who} came first: {what}{where} at {when}, {why!r}; nothing was done: look at it, then try again"


def _taken(repository: Repository, known: registry.Registry, tag: str) -> VersionError:
    """Who won; the events that came meanwhile are here by now."""
    old = {event.tag for event in known.events}
    new = [event for event in replay(registry.read(repository.root)) if event.tag not in old]
    winner = next((event for event in new if event.tag == tag), new[-1])
    return VersionError(_told(winner), run=f"stemma history {winner.stage or ''}".strip())


def _check_stage(stage: str) -> None:
    says = registry.parse(f"{MODEL}#{stage}")
    plain = STAGE.fullmatch(stage) and "//" not in stage and "/-" not in stage
    if not plain or says is None or says.stage != stage:
        raise VersionError(f"{stage!r} is no stage: letters, digits, -, _ and /, from a letter or digit to another")


def _next(known: registry.Registry, stage: str) -> int:
    """The number of the stage's next tag, be it an assignment or not: two people at once choose the same."""
    used = [event.says.counter or 0 for event in known.events if (event.says.model, event.says.stage) == (MODEL, stage)]
    return max(used, default=0) + 1


def _registered(repository: Repository, name: str) -> str:
    """The version, such as "v1.2.0", of a name.

    Raises:
        VersionError: there is none, or it is retired.
    """
    known = repository.registry
    ever = numbering.ever(known, MODEL)
    number = f"v{name.removeprefix(f'{MODEL}@').removeprefix('v')}"
    if number not in ever:
        commit = _commit(repository, name, ever)
        found = versions_of(known).get((MODEL, commit))
        if found is None:
            what = name if commit.startswith(name) else f"{name} ({commit[:7]})"
            raise VersionError(f"{what} has no registered version", run=f"stemma register {name}")
        number = found
    if (MODEL, number) not in known.registered:
        raise VersionError(f"{MODEL}@{number} is retired", run="stemma history")
    return number


def _commit(repository: Repository, name: str, ever: Sequence[str]) -> str:
    if name == WORKSPACE:
        raise VersionError("the workspace is no version: commit it, then register it", run="git commit")
    try:
        return str(repository.resolve(name).commit)
    except VersionError:
        near = difflib.get_close_matches(name, [*ever, *(f"{MODEL}@{number}" for number in ever)], n=3, cutoff=0.5)
        hint = f" (near: {', '.join(near)})" if near else "" if ever else " (none is registered)"
        raise VersionError(f"no version is named {name!r}{hint}", run="stemma history") from None


def _stages_of(repository: Repository, name: str) -> list[str]:
    """The stage of this name, or the stages that a version holds."""
    known = repository.registry
    assigned = {stage: commit for (model, stage), commit in known.assigned.items() if model == MODEL}
    if name.removeprefix(f"{MODEL}#") in assigned:
        return [name.removeprefix(f"{MODEL}#")]
    if name in {event.says.stage for event in known.events}:
        raise VersionError(f"{name} is empty", run=f"stemma history {name}")
    try:
        number = _registered(repository, name)
    except VersionError as error:
        near = difflib.get_close_matches(name, assigned, n=1)
        if not near:
            raise
        raise VersionError(f"{error.what}, and no stage (near: {near[0]})", error.run) from None
    found = [stage for stage, commit in assigned.items() if commit == known.registered[MODEL, number]]
    if not found:
        raise VersionError(f"{MODEL}@{number} holds no stage", run="stemma history")
    return found


# What is checked.


def _registrable(repository: Repository, revision: str | None) -> Version:
    """The version to be registered."""
    if revision is None:
        moved = git(repository.root, "status", "--porcelain", "--untracked-files=no").decode().splitlines()
        if moved:
            names = ", ".join(line[3:] for line in moved[:3]) + (" ..." if len(moved) > 3 else "")
            what = f"the work tree has changes that are in no commit ({names}): commit them, or name the revision"
            raise VersionError(what, run="stemma register HEAD")
    if revision == WORKSPACE:
        raise VersionError("the workspace cannot be registered: commit it first", run="git commit")
    found = repository.version(revision or "HEAD")
    if found.output(WEIGHTS) is None:
        raise VersionError(f"{found.name} holds no trained model: its dvc.lock names no {WEIGHTS}", run="stemma log")
    number = versions_of(repository.registry).get((MODEL, str(found.commit)))
    if number is not None:
        state = "" if (MODEL, number) in repository.registry.registered else ", and is retired"
        raise VersionError(f"{found.name} ({str(found.commit)[:7]}) was registered as {MODEL}@{number}{state}")
    return found


def _number(repository: Repository, version: Version, given: str | None, bump: Bump | None) -> tuple[str, str]:
    """The number of a version, and the reason for it."""
    known = repository.registry
    used = numbering.ever(known, MODEL)
    if given is not None:
        number = numbering.checked(given)
        if number in used:
            after = f"the next are {', '.join(numbering.bumped(used, each) for each in ('patch', 'minor', 'major'))}"
            raise VersionError(f"{MODEL}@{number} exists already: {after}", run="stemma history")
        return number, f"Register {MODEL} {number}"
    if bump is not None:
        number = numbering.bumped(used, bump)
        return number, f"Register {MODEL} {number}, a {bump} bump"
    highest = numbering.latest(known, MODEL)
    if highest is None and used:
        return numbering.bumped(used, "major"), "major: every version before is retired"
    before = None if highest is None else repository.version(f"{MODEL}@{highest}")
    try:
        found = numbering.suggest(version, before)
    except StemmaError as error:
        raise VersionError(f"the bump cannot be told ({error}): give --bump or --version") from None
    said = found.reason if found.bump is None else f"{found.bump}: {found.reason}"
    return numbering.bumped(used, found.bump), said


def _judged(repository: Repository, holder: str, version: Version, judgement: Judgement) -> str:
    """The sentence of the comparison with the version that holds the stage.

    Raises:
        VersionError: it does not meet the requirement.
    """
    from stemma.versions.compare import Options, compare

    number = versions_of(repository.registry).get((MODEL, holder))
    now = repository.version(holder if number is None else f"{MODEL}@{number}")
    options = Options(on=judgement.on, metric=judgement.metric, latency=False)
    found = compare(repository, now, version, options)
    if not found.meets(judgement.requirement, judgement.margin):
        wanted = judgement.requirement + (f" by a margin of {judgement.margin}" if judgement.margin is not None else "")
        raise VersionError(f"not promoted, for {wanted} is required: {found.sentence}")
    return found.sentence
