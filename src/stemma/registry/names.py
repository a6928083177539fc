"""Which version, or which stage, a name means."""

import re
from collections.abc import Sequence

from stemma.errors import VersionError
from stemma.registry import numbering
from stemma.registry.history import no_stage, versions_of
from stemma.repo import registry
from stemma.repo.registry import MODEL
from stemma.repo.repository import WORKSPACE, Repository
from stemma.text import nearest

STAGE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_/-]*[a-zA-Z0-9])?")  # GTO's rule


def check_stage(stage: str) -> None:
    """Nothing, if a stage may have this name; a VersionError where it may not."""
    says = registry.parse(f"{MODEL}#{stage}")
    plain = STAGE.fullmatch(stage) and "//" not in stage and "/-" not in stage
    if not plain or says is None or says.stage != stage:
        raise VersionError(f"{stage!r} is no stage: letters, digits, -, _ and /, from a letter or digit to another")


def check_known(repository: Repository, stage: str) -> None:
    """A VersionError where nothing was ever promoted to a stage, and to others was; where to none, it may yet be."""
    known = repository.registry
    if stage not in {event.says.stage for event in known.events} and any(event.says.stage for event in known.events):
        raise no_stage(known, stage)


def registered(repository: Repository, name: str) -> str:
    """The version, such as "v1.2.0", of a name; a VersionError where there is none, or it is retired."""
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


def stages_of(repository: Repository, name: str) -> list[str]:
    """The stage of this name, or those that a version holds; a VersionError where it is empty, or holds none."""
    known = repository.registry
    assigned = {stage: commit for (model, stage), commit in known.assigned.items() if model == MODEL}
    stage = name.removeprefix(f"{MODEL}#")
    if stage in assigned:
        return [stage]
    if stage in {event.says.stage for event in known.events}:
        raise VersionError(f"{stage} is empty", run=f"stemma history {stage}")
    if stage != name:
        raise no_stage(known, stage)
    try:
        number = registered(repository, name)
    except VersionError as error:
        hint = nearest(name, assigned)
        if not hint and not error.what.startswith("no version"):  # it has a name, and is retired or not registered
            raise
        raise VersionError(f"{error.what}, and no stage{hint}", error.run) from None
    found = [stage for stage, commit in assigned.items() if commit == known.registered[MODEL, number]]
    if not found:
        raise VersionError(f"{MODEL}@{number} holds no stage", run="stemma history")
    return found


def _commit(repository: Repository, name: str, ever: Sequence[str]) -> str:
    if name == WORKSPACE:
        raise VersionError("the workspace is no version: commit it, then register it", run="git commit")
    try:
        return str(repository.resolve(name).commit)
    except VersionError:
        hint = nearest(name, [*ever, *(f"{MODEL}@{number}" for number in ever)], 3)
        hint = hint or ("" if ever else " (none is registered)")
        raise VersionError(f"no version is named {name!r}{hint}", run="stemma history") from None
