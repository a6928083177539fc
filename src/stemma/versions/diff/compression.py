"""How the graphs of two versions keep their networks: equal weights may be served in float32 and in whole numbers."""

from dataclasses import dataclass
from typing import Any

from stemma.compress import record
from stemma.compress.record import Layer, Record
from stemma.errors import VersionError
from stemma.repo.repository import COMPRESSION, Version
from stemma.text import in_one_line

SHOWN = 0.01  # a change of the share of zeros


@dataclass(frozen=True)
class Kept:
    """A layer by its weights; None on the side that lacks it."""

    name: str
    before: Layer | None
    after: Layer | None


@dataclass(frozen=True)
class Compression:
    """Two graphs.

    Args:
        before, after: what each version tells of its own.
        layers: those that are kept in another way, in order.
    """

    before: Record
    after: Record
    layers: tuple[Kept, ...]

    def __str__(self) -> str:
        """In a line."""
        sizes = " -> ".join(f"{each.bytes[1]:,}" for each in (self.before, self.after))
        return f"compressed by {self.after.method}, before by {self.before.method}: {sizes} bytes of graph"


def compare(before: Version, after: Version) -> Compression | None:
    """What differs between the graphs; None where a version tells nothing of its own, or where nothing does.

    Raises:
        VersionError: what a version tells is of another form.
    """
    a, b = read(before), read(after)
    if a is None or b is None:
        return None
    sides = [{layer.name: layer for layer in each.layers} for each in (a, b)]
    pairs = [Kept(name, *(side.get(name) for side in sides)) for name in dict.fromkeys([*sides[0], *sides[1]])]
    found = Compression(a, b, tuple(pair for pair in pairs if _differs(pair)))
    return found if found.layers or a.method != b.method else None


def read(version: Version) -> Record | None:
    """What a version tells of its graph; None where it is older than the stage that makes it.

    Raises:
        VersionError: it is of another form.
    """
    told: Any = version.compression
    try:
        return None if told is None else record.read(told)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise VersionError(f"{COMPRESSION} of {version.name} has another form ({in_one_line(error)})") from None


def _differs(pair: Kept) -> bool:
    """Whether a layer of both is kept in another way: that the network has others, the structure tells."""
    a, b = pair.before, pair.after
    if a is None or b is None:
        return False
    return (a.type, a.scale, a.input) != (b.type, b.scale, b.input) or abs(a.sparsity - b.sparsity) >= SHOWN
