"""Give a commit a number, or take it back."""

from stemma.errors import StemmaError, VersionError
from stemma.registry import names, numbering
from stemma.registry.history import Event, versions_of
from stemma.registry.numbering import Bump
from stemma.registry.tags import Tag
from stemma.registry.writing import PLAIN, Tagging, message, writing
from stemma.repo import extent
from stemma.repo.registry import MODEL
from stemma.repo.repository import WEIGHTS, WORKSPACE, Repo, Repository, Version
from stemma.text import few


def register(
    repo: Repo = ".",
    revision: str | None = None,
    *,
    version: str | None = None,
    bump: Bump | None = None,
    why: str | None = None,
    tagging: Tagging = PLAIN,
) -> Event:
    """Give a commit with a trained model a number.

    Args:
        revision: its name; None: HEAD, and the work tree must have no changes.
        version: the number, such as "1.2.0". bump: what to raise of the highest one. None of them: as `suggest` says.
        why: the tag's message; by default the reason for the bump.

    Raises:
        VersionError: the commit holds no model or has a number, the number exists, the bump cannot be told, or the
            tag cannot be made or pushed.
    """
    if version is not None and bump is not None:
        raise VersionError("a version and a bump were given: give one of them")
    from stemma.registry import reach

    with writing(repo, tagging) as writer:
        found = _registrable(writer.repository, revision)
        number, reason = _number(writer.repository, found, version, bump)
        reach.tell_untrue(found)
        said = message(why or reason, reason if why else None)
        return writer.write([Tag(f"{MODEL}@{number}", str(found.commit), said)])[0]


def retire(repo: Repo, version: str, why: str, *, tagging: Tagging = PLAIN) -> Event:
    """Take a version's registration back. Its commit and its tag stay; its number is not used again.

    Args:
        version: as `promote` takes it. why: the tag's message.

    Raises:
        VersionError: no such version, it is retired, it holds a stage, or the tag cannot be made or pushed.
    """
    if not why.strip():
        raise VersionError("a version is retired for a reason: give --why")
    with writing(repo, tagging) as writer:
        known = writer.known
        number = names.registered(writer.repository, version)
        commit = known.registered[MODEL, number]
        stages = [stage for (model, stage), holder in known.assigned.items() if model == MODEL and holder == commit]
        if stages:
            held_by = f"{MODEL}@{number} is in {' and '.join(stages)}: demote it first"
            raise VersionError(held_by, run=f"stemma demote {number}")
        return writer.write([Tag(f"{MODEL}@{number}!", commit, message(why))])[0]


def _registrable(repository: Repository, revision: str | None) -> Version:
    if revision is None:
        moved = extent.of(repository.root).changed(repository.root)
        if moved:
            what = f"the work tree has changes that are in no commit ({few(moved)})"
            raise VersionError(f"{what}: commit them, or name the revision", run="stemma register HEAD")
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
    if not used:
        return numbering.FIRST, "the first registered version"
    highest = numbering.latest(known, MODEL)
    if highest is None:
        return numbering.bumped(used, "major"), "major: every version before is retired"
    before = repository.version(f"{MODEL}@{highest}")
    try:
        bump, reason = numbering.suggest(version, before)
    except StemmaError as error:
        raise VersionError(f"the bump cannot be told ({error}): give --bump or --version") from None
    return numbering.bumped(used, bump), f"{bump}: {reason}"
