"""Models, their versions, and which of them is in service: frozen, and replaced as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stemma.bundle import Bundle
from stemma.errors import StemmaError
from stemma.serve.batch import Batcher


class Refused(StemmaError):
    """A request that gets no answer but this one.

    Args:
        status: of HTTP.
        more: what else the answer says, such as field, row and expected.
    """

    def __init__(self, status: int, what: str, headers: tuple[tuple[bytes, bytes], ...] = (), **more: Any) -> None:
        self.status, self.headers, self.more = status, headers, more
        super().__init__(what)


@dataclass(frozen=True)
class Version:
    """A version that may serve: verified, loaded, warm.

    Args:
        batcher: runs small calls together; None where that does not pay.
    """

    model: str
    number: int
    bundle: Bundle
    batcher: Batcher | None = None
    name: str = field(init=False)  # shop@v1.2.0; where it is not registered, shop@3
    headers: tuple[tuple[bytes, bytes], ...] = field(init=False)

    def __post_init__(self) -> None:
        named = ((b"x-model", self.model.encode()), (b"x-model-version", str(self.number).encode()))
        object.__setattr__(self, "name", f"{self.model}@{self.bundle.registered.get('version') or self.number}")
        object.__setattr__(self, "headers", named)  # of every answer that it gives


@dataclass(frozen=True)
class Model:
    """What is in service of a model.

    Args:
        versions: by number, in order.
        labels: names of versions, all of them in service.
        faults: of versions that are there and do not serve, why not.
        off: it was unloaded, and shall not serve.
        switches: how often its versions changed.
    """

    name: str
    versions: Mapping[int, Version] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)
    off: bool = False
    switches: int = 0

    def find(self, version: str | None = None, label: str | None = None) -> Version:
        """The version of a number or a label; without one, the latest.

        Raises:
            Refused: it is not in service.
        """
        if not self.versions:
            raise Refused(503, f"no version of {self.name} is in service", ((b"retry-after", b"1"),))
        if label is not None:
            if label not in self.labels:
                raise Refused(404, f"{self.name} has no label {label[:100]!r}")
            return self.versions[self.labels[label]]
        number = max(self.versions) if version is None else _number(version)
        if number not in self.versions:
            raise Refused(404, f"version {str(version)[:100]} of {self.name} is not in service")
        return self.versions[number]


@dataclass(frozen=True)
class Models:
    """All that is in service."""

    by_name: Mapping[str, Model] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether each model has a version that serves."""
        return bool(self.by_name) and all(each.versions or each.off for each in self.by_name.values())

    def model(self, name: str | None = None) -> Model:
        """The model of a name; without one, the first.

        Raises:
            Refused: there is none.
        """
        name = next(iter(self.by_name), "") if name is None else name
        if name not in self.by_name:
            raise Refused(404, f"no model is named {name[:100]!r}")
        return self.by_name[name]

    def find(self, named: Mapping[str, str]) -> Version:
        """The version that the parts of a path name: model, version or label.

        Raises:
            Refused: it is not in service.
        """
        return self.model(named.get("model")).find(named.get("version"), named.get("label"))


def _number(text: str) -> int:
    """Of a version; -1, which none has, where it is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
