"""How the graphs of two versions keep their networks: equal weights may be served in float32 and in whole numbers."""

from dataclasses import dataclass

from stemma.compress import record
from stemma.compress.record import Layer, Record
from stemma.errors import VersionError
from stemma.repo.repository import COMPRESSION, Version

SHOWN = 0.01  # a change of the share of zeros


@dataclass(frozen=True)
class Compression:
    """What each version tells of its graph, and the layers of both that are kept in another way."""

    before: Record
    after: Record
    layers: tuple[tuple[Layer, Layer], ...]

    @property
    def other(self) -> bool:
        return self.before.method != self.after.method

    def __str__(self) -> str:
        """In a line."""
        sizes = " -> ".join(f"{each.bytes[1]:,}" for each in (self.before, self.after))
        return f"compressed by {self.after.method}, before by {self.before.method}: {sizes} bytes of graph"


def compare(before: Version, after: Version) -> Compression | None:
    """What differs between the graphs; None where a version is older than the stage, or where nothing does.

    Raises:
        VersionError: what a version tells is of another form.
    """
    a, b = _read(before), _read(after)
    if a is None or b is None:
        return None
    old = {layer.name: layer for layer in a.layers}
    pairs = [(old[layer.name], layer) for layer in b.layers if layer.name in old]
    found = Compression(a, b, tuple(pair for pair in pairs if _differ(*pair)))
    return found if found.layers or found.other else None


def _read(version: Version) -> Record | None:
    try:
        return None if version.compression is None else record.read(version.compression)
    except ValueError:
        raise VersionError(f"{COMPRESSION} of {version.name} has another form") from None


def _differ(a: Layer, b: Layer) -> bool:
    """That the network has other layers, the structure tells."""
    return (a.type, a.scale, a.input) != (b.type, b.scale, b.input) or abs(a.sparsity - b.sparsity) >= SHOWN
