"""Let a version take a stage, give the stage back, or leave it empty."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stemma.errors import VersionError
from stemma.registry import names
from stemma.registry.history import TRAILER, Event, no_stage, replay, versions_of
from stemma.registry.tags import Tag
from stemma.registry.writing import PLAIN, Tagging, Writer, message, writing
from stemma.repo.registry import MODEL, Registry
from stemma.repo.repository import Repo, Repository, opened

Requirement = Literal["better", "not-worse"]


@dataclass(frozen=True)
class Judgement:
    """What a version must show beside the one that it would replace; see `Comparison.meets`."""

    requirement: Requirement
    margin: float | None = None
    on: Path | None = None  # a table to run both bundles on; None: the test rows of both
    metric: str | None = None  # that the verdict follows from


def promote(
    repo: Repo,
    version: str,
    stage: str,
    *,
    why: str | None = None,
    judgement: Judgement | None = None,
    local: bool = False,
    tagging: Tagging = PLAIN,
) -> Event:
    """Let a registered version take a stage.

    Args:
        version: "v1.2.0", "model@v1.2.0", or a revision that is registered.
        stage: any name of letters, digits, "-", "_" and "/".
        why: the tag's message.
        judgement: refuse unless the version meets it beside the one that holds the stage now.
        local: the project has no DVC remote: every object must be in the cache instead.

    Raises:
        VersionError: no such version, it is retired, or holds the stage; an object is not in the remote; it does not
            meet the judgement; the stage changed hands meanwhile; the tag cannot be made or pushed.
    """
    names.check_stage(stage)
    with writing(repo, tagging) as writer:
        writer.check_holders([stage])
        number, holder = _ready(writer, version, stage, local), writer.known.assigned.get((MODEL, stage))
        shown = None if judgement is None or holder is None else _judged(writer, number, holder, judgement)
        return _assigned(writer, number, stage, message(why or f"Promote {MODEL} {number} to {stage}", shown))


def roll_back(
    repo: Repo,
    stage: str,
    version: str | None = None,
    *,
    why: str | None = None,
    local: bool = False,
    tagging: Tagging = PLAIN,
) -> Event:
    """Give a stage back to the version that it held before, or to `version`. The work tree is left alone.

    The version before is told from the history. What was retired or rolled back from does not come again; an empty
    stage goes back to the version that was demoted.

    Args:
        version, why, local: as `promote`.

    Raises:
        VersionError: as `promote`; nothing was ever promoted to the stage, or it held none before.
    """
    names.check_stage(stage)
    with writing(repo, tagging) as writer:
        writer.check_holders([stage])
        number = _ready(writer, _back(writer.known, stage, version), stage, local)
        said = message(why or f"Roll {stage} back to {MODEL} {number}", f"{TRAILER}RolledBack")
        return _assigned(writer, number, stage, said)


def would_hold(repo: Repo, stage: str, version: str | None = None) -> str:
    """The version that `roll_back` would give a stage, such as "v1.2.0"; raises as that, and nothing is written."""
    names.check_stage(stage)
    repository = opened(repo)
    return _free(repository, _back(repository.registry, stage, version), stage)


def demote(repo: Repo, name: str, *, why: str | None = None, tagging: Tagging = PLAIN) -> tuple[Event, ...]:
    """Leave a stage, or every stage that a version holds, empty.

    Every assignment of the stage that is in force is taken back, the last one last: GTO would else give the stage to
    the version before.

    Args:
        name: a stage, or a version as `promote` takes it. why: the tags' message.

    Returns:
        An event for each assignment that was taken back.

    Raises:
        VersionError: the stage is empty, the version holds none, or a tag cannot be made or pushed.
    """
    with writing(repo, tagging) as writer:
        known = writer.known
        stages = names.stages_of(writer.repository, name)
        writer.check_holders(stages)
        made: list[Tag] = []
        for stage in stages:
            for number, commit in enumerate(known.in_force[MODEL, stage], _next(known, stage)):
                version = versions_of(known).get((MODEL, commit), commit[:7])
                said = message(why or f"Demote {MODEL} {version} from {stage}")
                made.append(Tag(f"{MODEL}#{stage}!#{number}", commit, said))
        return writer.write(made)


def _back(known: Registry, stage: str, version: str | None) -> str:
    """The version that a stage goes back to: the one that was asked for, or the one before."""
    if stage not in {event.says.stage for event in known.events}:
        raise no_stage(known, stage)
    return version or _held_before(known, stage)


def _held_before(known: Registry, stage: str) -> str:
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
        since = f"before {now}" if now is not None else "before"
        raise VersionError(f"{stage} held no registered version {since}", run=f"stemma history {stage}")
    return usable[-1]


def _ready(writer: Writer, name: str, stage: str, local: bool) -> str:
    """The version of a name that may take a stage, with every object of it within reach of others."""
    from stemma.registry import reach

    number = _free(writer.repository, name, stage)
    version = writer.repository.version(f"{MODEL}@{number}")
    reach.check(version, local=local)
    reach.tell_untrue(version)
    return number


def _assigned(writer: Writer, number: str, stage: str, said: str) -> Event:
    tag = Tag(f"{MODEL}#{stage}#{_next(writer.known, stage)}", writer.known.registered[MODEL, number], said)
    return writer.write([tag])[0]


def _free(repository: Repository, name: str, stage: str) -> str:
    """The version of a name, which does not hold the stage."""
    known, number = repository.registry, names.registered(repository, name)
    if known.assigned.get((MODEL, stage)) == known.registered[MODEL, number]:
        raise VersionError(f"{MODEL}@{number} is in {stage} already", run=f"stemma history {stage}")
    return number


def _next(known: Registry, stage: str) -> int:
    """The number of the stage's next tag, be it an assignment or not: two people at once choose the same."""
    used = [event.says.counter or 0 for event in known.events if (event.says.model, event.says.stage) == (MODEL, stage)]
    return max(used, default=0) + 1


def _judged(writer: Writer, number: str, holder: str, judgement: Judgement) -> str:
    """The sentence of the comparison with the commit that holds the stage, which refuses what does not meet it."""
    from stemma.versions.compare import Options, compare

    now = versions_of(writer.known).get((MODEL, holder))
    options = Options(on=judgement.on, metric=judgement.metric, latency=False)
    found = compare(writer.repository, f"{MODEL}@{now}" if now else holder, f"{MODEL}@{number}", options)
    if not found.meets(judgement.requirement, judgement.margin):
        wanted = judgement.requirement + (f" by a margin of {judgement.margin}" if judgement.margin is not None else "")
        raise VersionError(f"not promoted, for {wanted} is required: {found.sentence}")
    return found.sentence
