"""The history of the registry: past-tense events, read from the tags by one `git for-each-ref`, replayed in order.

    Registered    a commit got a number
    Promoted      a version took a stage
    RolledBack    an earlier version took a stage again; a promotion with the trailer "Stemma-Event: RolledBack"
    Demoted       a version's assignment to a stage was taken back
    Retired       a version's registration was taken back; without a version: the whole model's (GTO's deprecation)

Tags written by `gto` are events too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from stemma.errors import VersionError
from stemma.repo import registry
from stemma.repo.git import run
from stemma.repo.registry import Registry
from stemma.repo.repository import Repo, opened
from stemma.text import nearest
from stemma.threads import each

Kind = Literal["Registered", "Promoted", "RolledBack", "Demoted", "Retired"]
Signature = Literal["good", "bad", "none"]
TRAILER = "Stemma-Event: "
KINDS: Mapping[str, Kind] = {
    "register": "Registered", "deregister": "Retired", "deprecate": "Retired", "assign": "Promoted",
    "unassign": "Demoted",
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    kind: Kind
    model: str
    version: str | None  # "v1.2.0"; seven digits of the commit where it is not registered; None for the whole model
    commit: str
    stage: str | None  # of a promotion, a rollback or a demotion
    before: str | None  # the version that the stage held before; None: none
    after: str | None  # the one that it holds after it; None: none
    who: str  # as Git knew the person
    email: str  # the same
    when: datetime  # in UTC
    why: str  # the tag's message without its trailers
    tag: str  # where it is written
    signature: Signature | None = None  # "good", "bad" or "none"; None where it was not verified
    signer: str | None = None  # what Git says of it

    @property
    def name(self) -> str:
        """model@v1.2.0, or the model alone."""
        return self.model if self.version is None else f"{self.model}@{self.version}"


@dataclass(frozen=True)
class History:
    """Events, the oldest first."""

    events: tuple[Event, ...]
    stages: Mapping[str, str]  # what each stage holds now, by `model#stage`
    verified: bool = False  # whether signatures were looked at

    @property
    def is_sound(self) -> bool | None:
        """Whether every event has a good signature; None where they were not looked at."""
        return all(event.signature == "good" for event in self.events) if self.verified else None


def history(repo: Repo = ".", stage: str | None = None, *, verify: bool = False) -> History:
    """The events of the registry.

    Args:
        stage: a stage such as "prod", or "model#prod": its events alone.
        verify: check the signature of each tag, as `git verify-tag` does, and that it names the event it stands for.

    Raises:
        VersionError: no event is about the stage.
    """
    repository = opened(repo)
    known = repository.registry
    events = tuple(replay(known))
    numbers = versions_of(known)
    stages = {f"{key[0]}#{key[1]}": _named(key[0], commit, numbers) for key, commit in sorted(known.assigned.items())}
    if stage is not None:
        events = tuple(event for event in events if stage in (event.stage, f"{event.model}#{event.stage}"))
        if not events:
            raise no_stage(known, stage)
        stages = {name: version for name, version in stages.items() if stage in (name, name.partition("#")[2])}
    if verify:
        events = tuple(_verified(repository.root, events, known))
    return History(events, stages, verify)


def replay(known: Registry) -> Iterator[Event]:
    """The events of tags, with what each stage held before and after."""
    numbers = versions_of(known)
    held: dict[tuple[str, str], list[str]] = {}  # commits whose assignment is in force
    for event in known.events:
        says = event.says
        if says.action not in KINDS:
            continue
        number = None if says.action == "deprecate" else says.version or _named(says.model, event.commit, numbers)
        in_force = held.setdefault((says.model, says.stage), []) if says.stage is not None else []
        before = in_force[-1] if in_force else None
        if event.commit in in_force:
            in_force.remove(event.commit)
        if says.action == "assign":
            in_force.append(event.commit)
        after = in_force[-1] if in_force else None
        why, trailers = _parted(event)
        yield Event(
            kind="RolledBack" if says.action == "assign" and "RolledBack" in trailers else KINDS[says.action],
            model=says.model,
            version=number,
            commit=event.commit,
            stage=says.stage,
            before=None if before is None else _named(says.model, before, numbers),
            after=None if after is None else _named(says.model, after, numbers),
            who=event.author,
            email=event.email,
            when=datetime.fromtimestamp(event.time, UTC),
            why=why,
            tag=event.tag,
        )


def versions_of(known: Registry) -> dict[tuple[str, str], str]:
    """The version that each commit was ever registered as, by model and commit."""
    return {
        (event.says.model, event.commit): str(event.says.version)
        for event in known.events
        if event.says.action == "register"
    }


def _named(model: str, commit: str, numbers: Mapping[tuple[str, str], str]) -> str:
    return numbers.get((model, commit), commit[:7])


def _parted(event: registry.Event) -> tuple[str, list[str]]:
    """Why, and the values of our trailers."""
    lines = event.body.splitlines()
    trailers = [line.removeprefix(TRAILER) for line in lines if line.startswith(TRAILER)]
    rest = "\n".join(line for line in lines if not line.startswith(TRAILER)).strip()
    return "\n\n".join(filter(None, [event.message, rest])), trailers


def no_stage(known: Registry, stage: str) -> VersionError:
    stages = sorted({event.says.stage for event in known.events if event.says.stage is not None})
    hint = nearest(stage, stages) or (f" (there are: {', '.join(stages)})" if stages else "")
    return VersionError(f"nothing was ever promoted to {stage!r}{hint}", run="stemma history")


# Signatures.


def _verified(root: Path, events: Sequence[Event], known: Registry) -> Iterator[Event]:
    tags = {event.tag: event for event in known.events}
    found = each(lambda event: _signature(root, tags[event.tag]), events, waits=True)
    for event, (state, signer) in zip(events, found, strict=True):
        yield replace(event, signature=state, signer=signer)


def _signature(root: Path, tag: registry.Event) -> tuple[Signature, str | None]:
    """Whether Git trusts a tag's signature, and what it says of it."""
    if not tag.signed:
        return "none", None
    if tag.inner != tag.tag:  # Git does not look at the name, and a signed tag can be copied under another one
        return "bad", f"it was signed as {tag.inner}"
    done = run(root, "verify-tag", tag.object)
    lines = done.stderr.decode(errors="replace").splitlines()
    told = [line.removeprefix("gpg: ").removeprefix("error: ") for line in lines if line.strip()]
    good = next((line for line in told if line.startswith("Good ")), None)
    return ("bad", "; ".join(told) or None) if done.returncode else ("good", good or (told[-1] if told else None))
