"""What one process serves: versions are prepared beside those that answer, and then answer all at once."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stemma.errors import StemmaError
from stemma.serve import log
from stemma.serve.batch import Batcher, shape_of
from stemma.serve.load import TIMES, load, size
from stemma.serve.models import Model, Models, Split, Version
from stemma.serve.settings import MEGABYTE, ServeSettings
from stemma.signature import Signature
from stemma.text import apart, in_one_line


@dataclass(frozen=True)
class Plan:
    """What shall serve of a model."""

    name: str
    versions: tuple[int, ...] = ()  # by number; each is in service or prepared
    labels: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)  # of versions that are there and shall not, why
    off: bool = False  # none of it shall
    switches: int = field(default=0, compare=False)  # how often the versions changed
    split: Mapping[str, Any] | None = None  # its settings, by numbers, labels or names of versions
    shadow: Mapping[str, float] = field(default_factory=dict)  # the same


class Service:
    """The models of a process; `models` is replaced as a whole, and who answers holds on to what it began with."""

    def __init__(self, settings: ServeSettings) -> None:
        self.models, self._settings = Models(), settings
        self._prepared: dict[tuple[str, int], Version] = {}

    def holds(self, name: str, number: int) -> bool:
        """Whether a version serves here, or could."""
        return number in self.models.by_name.get(name, Model(name)).versions or (name, number) in self._prepared

    async def prepare(self, name: str, number: int, path: Path, follows: int | None) -> str | None:
        """Verify, load and warm a version, so that it can serve; else why it cannot.

        Args:
            follows: the version whose callers it shall answer; None where nobody's contract is at stake.
        """
        try:
            version = await asyncio.to_thread(self._loaded, name, number, path, self._room())
            if follows is not None:
                before = self.models.model(name).versions.get(follows)  # one that came late may lack it
                if before is not None:
                    _check_contract(before.bundle.signature, version.bundle.signature, follows)
        except StemmaError as error:
            return str(error)
        except Exception as error:  # of any library, and of the memory: what fails never serves, and stops no server
            return f"{path} cannot be loaded ({type(error).__name__}: {in_one_line(error)})"
        self._prepared[name, number] = version
        return None

    def _room(self) -> float:
        """Bytes that one more version may take."""
        if (memory := self._settings.limits.memory) is None:
            return math.inf
        serving = (each for model in self.models.by_name.values() for each in model.versions.values())
        return memory * MEGABYTE - TIMES * sum(size(each.bundle) for each in (*serving, *self._prepared.values()))

    def _loaded(self, name: str, number: int, path: Path, room: float) -> Version:
        bundle = load(path, self._settings.signature, room)
        shape = shape_of(bundle) if self._settings.batch == "auto" else None
        return Version(name, number, bundle, None if shape is None else Batcher(bundle, shape))

    async def commit(self, plan: Plan) -> None:
        """Let the versions of a plan that are held here answer, and no other of this model."""
        known = self.models.by_name.get(plan.name, Model(plan.name))
        held = {number: each for (name, number), each in self._prepared.items() if name == plan.name}
        held |= known.versions
        versions = {number: held[number] for number in plan.versions if number in held}
        labels = {name: number for name, number in plan.labels.items() if number in versions}
        model = _shared_out(Model(plan.name, versions, labels, plan.faults, plan.off, plan.switches), plan)
        self.models = Models({**self.models.by_name, plan.name: model})
        self._prepared = {key: each for key, each in self._prepared.items() if key[0] != plan.name}


def _shared_out(model: Model, plan: Plan) -> Model:
    """With its split and its shadows. What a version would get that is not in service, the stable one gets."""
    split, shadows = None, {number: plan.shadow[text] for text, number in _numbers(model, plan.shadow).items()}
    if plan.split is not None:
        shares, by = plan.split["versions"], plan.split["by"]
        name = plan.split["name"] or f"{model.name} {', '.join(sorted(shares))}"
        split = Split(name, by, shares, _numbers(model, shares))
    model = replace(model, split=split, shadows=shadows)
    if split and split.column and model.versions and split.column not in model.columns:
        _note(model, f"no input is named {split.column}: each request is a caller of its own")
    if model.versions and not model.versions.keys() - model.tried:
        _note(model, "no version answers the rest: the latest does")
    return model


def _numbers(model: Model, shares: Mapping[str, float]) -> dict[str, int]:
    """Of the versions in service; the log tells of the others."""
    found = {text: number for text in shares if (number := model.number(text)) is not None}
    for text in shares.keys() - found:
        _note(model, f"version {text} is not in service: the stable one gets its share")
    return found


def _note(model: Model, told: str) -> None:
    log.note("shares", model=model.name, told=told)


def _check_contract(before: Signature, after: Signature, number: int) -> None:
    """Refuse (StemmaError) what would break those who call the version before: what is gone, new, or another."""
    old, new = ({each.name: each.type for each in known.inputs} for known in (before, after))
    changes = [
        *(f"the input {name!r} is gone" for name in old.keys() - new.keys()),
        *(f"the input {name!r} is new" for name in new.keys() - old.keys()),
        *(f"the input {name!r} is a {new[name]}, no {old[name]}" for name in old.keys() & new.keys()
          if old[name] != new[name]),
    ]  # fmt: skip
    if before.task != after.task:
        changes.append(f"it is a {after.task}, no {before.task}")
    elif after.classes[: len(before.classes)] != before.classes:  # they are told by place, too
        gone = {*before.classes} - {*after.classes}
        told = apart(before.classes, after.classes, "that one", "it") if gone else "the places are others"
        changes.append(f"of the classes {told}")
    if changes:
        told = "; ".join(sorted(changes))
        raise StemmaError(f"it would break those who call version {number}: {told}: allow it by --allow-breaking")
