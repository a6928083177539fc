"""Models, their versions, and which of them is in service: frozen, and replaced as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from stemma.bundle import Bundle, check
from stemma.bundle.archive import GRAPH
from stemma.errors import StemmaError
from stemma.serve.batch import Batcher

LATER = ((b"retry-after", b"1"),)  # a header of what may be answered then


class Refused(StemmaError):
    """A request that gets no answer but this one.

    Args:
        status: of HTTP.
        more: what else the answer says, such as field, row and expected.
    """

    def __init__(self, status: int, what: str, headers: tuple[tuple[bytes, bytes], ...] = (), **more: Any) -> None:
        self.status, self.headers, self.more = status, headers, more
        super().__init__(what)


@dataclass(frozen=True, eq=False)
class Version:
    """A version that may serve: verified, loaded, warm; a BundleError where it is registered as what is no version."""

    model: str
    number: int
    bundle: Bundle
    batcher: Batcher | None = None  # runs small calls together; None where that does not pay
    name: str = field(init=False)  # shop@v1.2.0; where it is not registered, shop@3
    digest: str = field(init=False)  # of its graph, where it is not registered: its number is another's at another time
    facts: Mapping[str, str] = field(init=False)  # by which every answer names it: model, version, and registered
    headers: tuple[tuple[bytes, bytes], ...] = field(init=False)  # the same

    def __post_init__(self) -> None:
        registered = check.registered(self.bundle)
        facts = {"model": self.model, "version": str(self.number)}
        facts |= {} if registered is None else {"registered": registered}
        headers = {"x-model" if name == "model" else f"x-model-{name}": value for name, value in facts.items()}
        object.__setattr__(self, "name", f"{self.model}@{registered or self.number}")
        object.__setattr__(
            self, "digest", "" if registered else blake2b(self.bundle.files[GRAPH], digest_size=8).hexdigest()
        )
        object.__setattr__(self, "facts", facts)
        object.__setattr__(self, "headers", tuple((name.encode(), value.encode()) for name, value in headers.items()))


@dataclass(frozen=True)
class Split:
    """How callers who name no version are shared out; those who are in no share ask the stable version."""

    name: str = ""  # of the experiment: under another one they are shared out anew, whatever they were before
    by: str = "id"  # what callers are told apart by: "id", "header:x-user", or "column:email", of the first row
    # by version, as settings name it. What one gets that is not in service, the stable one gets
    shares: Mapping[str, float] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)  # of those in service

    @property
    def served(self) -> dict[int, float]:
        """The shares of versions in service, by their numbers."""
        return {number: self.shares[text] for text, number in self.numbers.items()}

    @cached_property
    def header(self) -> bytes:
        return self.by.partition("header:")[2].encode()

    @cached_property
    def column(self) -> str:
        return self.by.partition("column:")[2]

    def version(self, caller: str) -> int | None:
        """The same one whenever and wherever it is asked; None: the stable one."""
        place = placed(self.name, caller)
        for text, share in self.shares.items():
            if place < share:
                return self.numbers.get(text)
            place -= share
        return None


def placed(name: str, caller: str) -> float:
    """A number from 0 to 1, like a random one, but always the same."""
    return int.from_bytes(blake2b(f"{name}\0{caller}".encode(), digest_size=6).digest()) / 2**48


@dataclass(frozen=True)
class Model:
    """What is in service of a model."""

    name: str
    versions: Mapping[int, Version] = field(default_factory=dict)  # by number, in order
    labels: Mapping[str, int] = field(default_factory=dict)  # names of versions, all of them in service
    faults: Mapping[int, str] = field(default_factory=dict)  # of versions that are there and do not serve, why not
    off: bool = False  # it was unloaded, and shall not serve
    switches: int = 0  # how often its versions changed
    split: Split | None = None
    # versions that answer nobody, and what share of the calls is copied to them
    shadows: Mapping[int, float] = field(default_factory=dict)

    @property
    def tried(self) -> set[int]:
        """Versions that get a share of the calls, or copies."""
        return {*self.shadows, *(self.split.numbers.values() if self.split else ())}

    @cached_property
    def stable(self) -> Version:
        """The latest of those that are not tried; where there is no other, the latest."""
        return self.versions[max(self.versions.keys() - self.tried, default=max(self.versions))]

    @property
    def columns(self) -> tuple[str, ...]:
        """That are asked for where no version is named."""
        return tuple(each.name for each in self.stable.bundle.signature.inputs)

    def number(self, text: str) -> int | None:
        """Of the version in service that has this number, label or name: 2, v2, canary, v1.2.0, shop@v1.2.0."""
        known: dict[str, int] = {}
        for number, each in self.versions.items():
            known |= dict.fromkeys((str(number), f"v{number}", each.name, each.name.partition("@")[2]), number)
        return (dict(self.labels) | known).get(text)

    def find(self, version: str | None = None, label: str | None = None) -> Version:
        """The version of a number or a label, without one the stable one; Refused where it is not in service."""
        if not self.versions:
            raise Refused(503, f"no version of {self.name} is in service", LATER)
        if label is not None:
            if label not in self.labels:
                raise Refused(404, f"{self.name} has no label {label[:100]!r}")
            return self.versions[self.labels[label]]
        number = self.stable.number if version is None else number_of(version)
        if number not in self.versions:
            raise Refused(404, f"version {str(version)[:100]} of {self.name} is not in service")
        return self.versions[number]


@dataclass(frozen=True)
class Models:
    """All that is in service."""

    by_name: Mapping[str, Model] = field(default_factory=dict)

    @cached_property
    def copied(self) -> bool:
        """Whether a version gets copies of calls."""
        return any(each.shadows for each in self.by_name.values())

    @property
    def ready(self) -> bool:
        """Whether each model that shall serve has a version that does, and there is one."""
        models = self.by_name.values()
        return any(each.versions for each in models) and all(each.versions or each.off for each in models)

    def model(self, name: str | None = None) -> Model:
        """The model of a name; without one, the first; Refused where there is none."""
        name = next(iter(self.by_name), "") if name is None else name
        if name not in self.by_name:
            raise Refused(404, f"no model is named {name[:100]!r}")
        return self.by_name[name]

    def find(self, named: Mapping[str, str]) -> Version:
        """The version that the parts of a path name: model, version or label; Refused where it is not in service."""
        return self.model(named.get("model")).find(named.get("version"), named.get("label"))


def number_of(text: str) -> int:
    """Of a version; -1, which none has, where it is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
