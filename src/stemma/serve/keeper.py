"""Keeps in service what is wanted: looks at the sources, has what is new prepared everywhere, then switches everywhere.

A version that cannot be verified, loaded, warmed or taken for the one before never serves and never counts among the
latest; the one before stays, and the status and the log say why. It is tried again when it changed.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from stemma.errors import StemmaError
from stemma.serve import log
from stemma.serve.load import opened
from stemma.serve.models import number_of
from stemma.serve.service import Plan
from stemma.serve.settings import ModelSettings, ServeSettings
from stemma.serve.sources import Mark, Place, Source, chosen
from stemma.serve.withdrawn import Withdrawn
from stemma.settings import checked
from stemma.text import in_one_line

ENDED = "the process that was to load it ended"
CHANGED = "it changed while it was loaded"
NAME = re.compile(r"(?!\.{1,2}$)[\w.-]+", re.ASCII)  # it stands in paths and headers


class Member(Protocol):
    """A process that serves, seen from here: this one, or a worker."""

    def holds(self, name: str, number: int) -> bool: ...

    async def prepare(self, name: str, number: int, path: Path, follows: int | None) -> str | None: ...

    async def commit(self, plan: Plan) -> None: ...


@dataclass
class _Watched:
    """A model as it is now."""

    settings: ModelSettings
    source: Source
    plan: Plan
    withdrawn: Withdrawn  # versions that were taken back
    places: Mapping[int, Place] = field(default_factory=dict)  # of the versions that serve, for members to come
    refused: Mapping[int, tuple[Mark | None, str]] = field(default_factory=dict)  # versions as they were then, and why
    off: bool = False  # none of it shall serve
    ordered: bool = False  # the policy is that of an order


class Keeper:
    """Of all models, for all members; a StemmaError where a bundle cannot be opened, or two models have one name.

    Args:
        kept: an empty folder. What serves is kept there for members that come later, whatever becomes of it where it
            was published; None where none come.
    """

    def __init__(self, settings: ServeSettings, members: list[Any], kept: Path | None = None) -> None:
        self._settings, self._members, self._kept, self._one = settings, members, kept, asyncio.Lock()
        self._watched = {each.plan.name: each for each in map(_watched, settings.models)}
        if len(self._watched) < len(settings.models):
            raise StemmaError("two models have one name: give each another, as NAME=SOURCE")

    async def start(self) -> None:
        """The first look: a bundle that cannot serve is a StemmaError; a folder may still get its versions."""
        for watched in self._watched.values():
            await self._commit(watched, watched.plan, {})
        await self.look()
        for watched in self._watched.values():
            if watched.source.is_bundle and not watched.plan.versions:
                raise StemmaError(next(iter(watched.plan.faults.values()), f"{watched.source.path} is not there"))

    async def looks(self) -> AsyncIterator[None]:
        while True:
            await asyncio.sleep(self._settings.poll)
            try:
                await self.look()
            except Exception as error:  # of a disk, or ours: what serves is served on, and the next look may see it
                log.note("cannot look", error=in_one_line(error))
            yield

    async def look(self, *, anew: bool = False) -> None:
        """Bring into service what is wanted now; `anew`: with another try of what was refused."""
        async with self._one:
            for watched in self._watched.values():
                watched.refused = {} if anew else watched.refused
                await self._keep(watched)

    async def reload(self, settings: ServeSettings) -> None:
        """Take policies and labels of the models that are known from other settings, and look anew."""
        told = {(each.source, each.name): each for each in settings.models}  # one source may serve under two names
        for watched in self._watched.values():
            source, now = watched.settings.source, watched.settings
            watched.settings = told.get((source, watched.plan.name)) or told.get((source, now.name)) or now
            watched.ordered = False
        await self.look(anew=True)

    async def act(self, action: str, name: str, what: Any = "", why: str = "") -> str | None:
        """Change what serves: `load` a model, or look at it anew; `unload` it; `switch` to what another policy wants;
        `rollback` to the version before; `withdraw` a version, which then does not serve until somebody loads the model
        anew or switches to it; `share` calls out as other settings say; `drain`, which is of all models, and ends the
        process. Else why it could not be done.
        """
        if action == "drain":
            os.kill(os.getpid(), signal.SIGTERM)
            return None
        watched = self._watched.get(name)
        if watched is None:
            return f"no model is named {name[:100]!r}"
        try:
            if action == "share":
                return await self._share(watched, what)
            if action == "withdraw":
                return await self._withdraw(watched, what, why)
            return await self._turn(watched, action, what)
        except (OSError, StemmaError) as error:
            return str(error)

    async def _turn(self, watched: _Watched, action: str, policy: str) -> str | None:
        before, ordered, chooses = watched.settings, watched.ordered, action in ("switch", "rollback")
        wanted = _other(watched, policy if action == "switch" else _before(watched)) if chooses else before
        if action in ("load", "switch"):
            watched.withdrawn.allow(None if action == "load" else set(map(number_of, policy.split(","))))
        watched.settings = wanted
        watched.off = action == "unload"
        watched.ordered = ordered or chooses
        await self.look(anew=True)
        log.note("asked", action=action, model=watched.plan.name, policy=policy)
        failed = _unserved(watched) if chooses else _refused(watched)
        if failed is not None and chooses:
            watched.settings, watched.ordered = before, ordered
            await self.look()
        return failed

    async def _withdraw(self, watched: _Watched, text: str, why: str) -> str | None:
        number, there = number_of(text), watched.source.versions()
        if number not in watched.plan.versions or number not in there:
            return f"version {text[:100]} of {watched.plan.name} is not in service"
        watched.withdrawn.add(number, there[number], why)
        await self.look()
        if number in watched.plan.versions:  # there is no other to go to
            watched.withdrawn.undo(number, there[number])
            await self.look(anew=True)
            return f"{watched.plan.name} has no version before {number} that can serve"
        log.note("taken back", model=watched.plan.name, version=number, why=why)
        return None

    async def _share(self, watched: _Watched, told: dict[str, Any]) -> str | None:
        watched.settings = checked(ModelSettings, watched.settings.model_dump() | told, "shares")
        await self.look()
        log.note("asked", action="share", model=watched.plan.name, shares=told)
        return None

    async def join(self, member: Member) -> None:
        """Take one more, which prepares what serves."""
        async with self._one:
            for watched in self._watched.values():
                plan = watched.plan
                failed = {
                    str(number): why
                    for number, place in watched.places.items()
                    if (why := await _prepared(member, plan.name, number, place))
                }
                if failed:
                    log.note("worker without versions", model=plan.name, errors=failed)
                await member.commit(plan)
            self._members.append(member)

    async def _keep(self, watched: _Watched) -> None:
        there, policy = watched.source.versions(), watched.settings.policy
        off = watched.off or watched.source.is_off
        refused: dict[int, tuple[Mark | None, str]] = {
            number: (mark, why)
            for number, (mark, why) in watched.refused.items()
            if number in there and there[number].mark == mark
        }
        back = {number: why for number, place in there.items() if (why := watched.withdrawn.why(number, place))}
        refused |= {number: (there[number].mark, why) for number, why in back.items()}
        wanted = () if off else _wanted(policy, there.keys() - refused.keys(), back)
        behind = any(self._lacking(watched, number) for number in wanted)
        while fault := await self._prepare(watched, there, wanted):
            number, why = fault
            log.note("refused", model=watched.plan.name, version=number, error=why)
            once = why == ENDED and number not in watched.refused  # anybody may have ended it: it is tried again
            refused[number] = (None if once else there[number].mark, why)
            wanted = _wanted(policy, there.keys() - refused.keys(), back)
        watched.refused = refused
        wanted = () if off else wanted or watched.plan.versions  # nothing is no version to go to
        labels = _labels(watched.settings.labels, wanted, back)
        faults = {number: why for number, (_, why) in refused.items()}
        if watched.ordered and policy[0].isdigit() and wanted:  # else nothing tells why what came later does not serve
            why = f"{policy} was ordered, until `stemma service switch {watched.plan.name} latest:1`"
            faults |= dict.fromkeys((each for each in there.keys() - faults.keys() if each > max(wanted)), why)
        plan = Plan(watched.plan.name, wanted, labels, faults, off)
        plan = replace(plan, **watched.settings.model_dump(include={"split", "shadow"}))
        if behind or plan != watched.plan:
            await self._commit(watched, plan, there)

    async def _prepare(
        self, watched: _Watched, there: Mapping[int, Place], wanted: Sequence[int]
    ) -> tuple[int, str] | None:
        """Have all that is new, or came too late for some, prepared; the first that cannot be for anybody, and why."""
        serving = watched.plan.versions
        for number in wanted:
            is_new = number not in serving
            if is_new and not self._members:
                return number, ENDED
            is_next = is_new and bool(serving) and number == max(wanted) and not self._settings.allow_breaking
            follows = max(serving) if is_next else None
            lacking = self._lacking(watched, number)
            alone = is_new or len(lacking) == len(self._members)
            for member in lacking:  # one after the other: what ends the first shall not end all
                place = watched.places.get(number, there[number])
                if (why := await _prepared(member, watched.plan.name, number, place, follows)) and alone:
                    return number, why
        return None

    def _lacking(self, watched: _Watched, number: int) -> list[Member]:
        """Those that do not hold a version: it is new, or was not there when they came."""
        return [each for each in self._members if not each.holds(watched.plan.name, number)]

    def missing(self) -> str | None:
        """Why a model that shall serve does not, or none does; None where there is no such model."""
        lacking = [each for each in self._watched.values() if not each.plan.versions]
        if len(lacking) < len(self._watched):
            lacking = [each for each in lacking if not each.plan.off]
        return "; ".join(map(_missing, lacking)) or None

    async def _commit(self, watched: _Watched, plan: Plan, there: Mapping[int, Place]) -> None:
        switches = watched.plan.switches + (plan.versions != watched.plan.versions)
        plan = replace(plan, switches=switches)
        await asyncio.gather(*(each.commit(plan) for each in self._members))
        if plan.versions != watched.plan.versions:
            log.note("serving", model=plan.name, versions=plan.versions, labels=plan.labels)
        before, places = watched.places, dict[int, Place]()
        for number in plan.versions:
            if number in before:
                places[number] = before[number]
            else:
                places[number] = await asyncio.to_thread(self._copy, plan.name, number, there[number])
        watched.plan, watched.places = plan, places
        for number in before.keys() - places.keys():
            await asyncio.to_thread(self._forget, plan.name, number)

    def _copy(self, name: str, number: int, place: Place) -> Place:
        return place if self._kept is None else place.kept(self._kept / name / str(number))

    def _forget(self, name: str, number: int) -> None:
        if self._kept is not None:
            shutil.rmtree(self._kept / name / str(number), ignore_errors=True)


async def _prepared(member: Member, name: str, number: int, place: Place, follows: int | None = None) -> str | None:
    """Have a version prepared as it was seen, for another one has another number; why it cannot be."""
    if not place.is_as_it_was():
        return CHANGED
    return await member.prepare(name, number, place.path, follows) or (None if place.is_as_it_was() else CHANGED)


def _unserved(watched: _Watched) -> str | None:
    """Why a version does not serve that the policy names, or why none does where it names none."""
    policy, there = watched.settings.policy, watched.source.versions().keys()
    if not policy[0].isdigit() and chosen(policy, there - watched.refused.keys()):
        return None  # what fails does not count
    return next((watched.refused[number][1] for number in chosen(policy, there) if number in watched.refused), None)


def _refused(watched: _Watched) -> str | None:
    """Why the newest version does not serve."""
    newest = max(watched.refused, default=-1)
    return watched.refused[newest][1] if newest > max(watched.plan.versions, default=-1) else None


def _missing(watched: _Watched) -> str:
    stage = watched.settings.stage
    lacks = f"is in {watched.source.path}" if stage is None else f"came from the stage {stage} yet"
    return next(iter(watched.plan.faults.values()), f"no version of {watched.plan.name} {lacks}")


def _wanted(policy: str, there: Collection[int], back: Collection[int]) -> tuple[int, ...]:
    """What a policy wants; where all of that was taken back, the newest version before it."""
    first = min(chosen(policy, back), default=0)
    return chosen(policy, there) or chosen("latest:1", {number for number in there if number < first})


def _labels(asked: Mapping[str, int], wanted: Collection[int], back: Collection[int]) -> dict[str, int]:
    """Those of versions that serve; what was taken back leaves its label to the newest version before it."""
    held = {name: max((each for each in wanted if each < number), default=-1) if number in back else number
            for name, number in asked.items()}  # fmt: skip
    return {name: number for name, number in held.items() if number in wanted}


def _before(watched: _Watched) -> str:
    """The policy that wants the newest version before those that serve."""
    first = min(watched.plan.versions, default=0)
    there = watched.source.versions().items()
    before = [number for number, place in there if number < first and not watched.withdrawn.why(number, place)]
    if not before:
        raise StemmaError(f"{watched.plan.name} has no version before {first}")
    return str(max(before))


def _other(watched: _Watched, policy: str) -> ModelSettings:
    """The settings with another policy, which some version meets."""
    settings = checked(ModelSettings, watched.settings.model_dump() | {"policy": policy}, watched.plan.name)
    if not chosen(policy, watched.source.versions()):
        raise StemmaError(f"{watched.plan.name} has no version {policy}")
    return settings


def name_of(settings: ModelSettings) -> str:
    """By which callers ask a model; a StemmaError where the bundle that is to say it cannot be opened."""
    source = Source(Path(settings.source))
    if settings.name is None and source.is_bundle:
        return str(opened(source.path).record.get("name") or source.path.stem)
    return settings.name or source.path.resolve().name


def _watched(settings: ModelSettings) -> _Watched:
    source, name = Source(Path(settings.source)), name_of(settings)
    if not NAME.fullmatch(name):
        raise StemmaError(f"{name!r} is no name for paths: give {settings.source} another, as NAME=SOURCE")
    return _Watched(settings, source, Plan(name), Withdrawn(source.path))
