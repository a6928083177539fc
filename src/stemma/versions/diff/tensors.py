"""How far the tensors of two versions are apart: told from norms and sketches, or from the entries themselves.

For tensors a (before) and b (after) of one shape:

    relative L2     |b - a| / |a|
    cosine          a.b / (|a| |b|), from the law of cosines: (|a|^2 + |b|^2 - |b - a|^2) / (2 |a| |b|)
    distance        |b - a| / (|a| + |b|), in [0, 1] by the triangle inequality, the same both ways

Values count, not bytes: 0.0 and -0.0 are one value, and so is NaN whatever its bits. The entries themselves tell this;
sketches (see stemma.weights.sketch) tell |b - a| to about 9 % (one standard deviation) without either tensor. Up to 61
entries a sketch holds every entry to 7 digits, so that nothing is estimated. Other bytes of which a sketch shows no
change are reported as the least change that it could show, an estimate: they may be other values or not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stemma.versions.diff.structure import Part
from stemma.weights import Tensor
from stemma.weights.sketch import BUCKETS, DIGITS

ERROR = math.sqrt(2 / BUCKETS) / 2  # relative standard deviation of an estimated distance
LEAST = 10.0**-DIGITS  # of the norm: a change that sketches of so many digits do not show


@dataclass(frozen=True)
class Moved:
    """What lies between the entries of two tensors."""

    norms: tuple[float, float]  # of the tensor before and after
    length: float  # L2 norm of the difference
    max_change: float | None  # the largest change of an entry; None where only sketches are known
    share_changed: float | None  # the share of entries that changed; None likewise
    estimated: bool  # whether `length` is an estimate, right to 9 % (one standard deviation)


@dataclass(frozen=True)
class TensorChange:
    """One tensor of a layer that is in both versions."""

    layer: str  # the name of its layer in the version after
    before: str  # its name in each version
    after: str
    shape: tuple[int, ...]  # in the version before, as stored there
    entries: int  # how many numbers it holds
    same: bool  # whether it has the same bytes in both
    turned: bool  # whether one of the two frameworks stores it with its axes in another order
    buffer: bool  # whether it is a state that no gradient reaches
    # these two see above; None where not known or without a meaning (a norm of 0, entries that are not finite)
    relative_l2: float | None
    cosine: float | None
    max_change: float | None  # of its entries; None where not known
    share_changed: float | None
    distance: float  # see above, in [0, 1]; 1 where values differ and entries are not finite
    estimated: bool  # whether these figures come from sketches
    # False where the tensors lie differently and only their norms could be compared: the distance is then that of
    # tensors at right angles to each other
    known: bool


Exact = Mapping[tuple[str, str], Moved | None]  # by the names before and after; None: other values, not all finite


def compare(pairs: Sequence[tuple[Part, Part]], exact: Exact | None = None) -> tuple[TensorChange, ...]:
    """Every tensor of these layers that has one role and shape in both; `exact` is what `entries.measure` found."""
    return tuple(_change(one, other, role, exact or {}) for one, other in pairs for role in _shared(one, other))


def unequal(pairs: Sequence[tuple[Part, Part]]) -> list[tuple[Part, Part, str]]:
    """Layers before and after, and the role of a tensor that does not have the same bytes in both."""
    return [(one, other, role) for one, other in pairs for role in _shared(one, other) if not _same(one, other, role)]


def distance(changes: Sequence[TensorChange]) -> float:
    """The part `parameters` of D, in [0, 1]: root mean square of the tensors' distances, weighted by their entries.

    Weighted so, a tensor counts by its parameters and not by the size of its values: a buffer of large numbers cannot
    hide what happened to the weights. 1 where no tensor is shared.
    """
    entries = sum(change.entries for change in changes)
    if not entries:
        return 0.0 if changes else 1.0
    return min(math.hypot(*(math.sqrt(change.entries / entries) * change.distance for change in changes)), 1.0)


def _shared(one: Part, other: Part) -> list[str]:
    return [role for role in one.tensors if role in other.tensors and one.shapes[role] == other.shapes[role]]


def _turned(one: Part, other: Part, role: str) -> bool:
    return (role in one.turned) != (role in other.turned)


def _same(one: Part, other: Part, role: str) -> bool:
    a, b = one.tensors[role], other.tensors[role]
    return a.sha256 == b.sha256 and a.dtype == b.dtype and not _turned(one, other, role)


def _change(one: Part, other: Part, role: str, exact: Exact) -> TensorChange:
    a, b = one.tensors[role], other.tensors[role]
    same, turned = _same(one, other, role), _turned(one, other, role)
    pair = (a.name, b.name)
    known = same or pair in exact or not turned
    moved = exact[pair] if pair in exact else _from_sketches(a, b, same, turned)
    figures = _figures(moved, same)
    return TensorChange(
        layer=other.name,
        before=a.name,
        after=b.name,
        shape=a.shape,
        entries=math.prod(a.shape),
        same=same,
        turned=turned,
        buffer=a.buffer,
        relative_l2=figures[0] if known else None,
        cosine=figures[1] if known else None,
        max_change=0.0 if same else None if moved is None else moved.max_change,
        share_changed=0.0 if same else None if moved is None else moved.share_changed,
        distance=figures[2],
        estimated=moved is not None and moved.estimated,
        known=known,
    )


def _figures(moved: Moved | None, same: bool) -> tuple[float | None, float | None, float]:
    """Relative L2, cosine and distance."""
    if moved is None:
        return (0.0, None, 0.0) if same else (None, None, 1.0)
    before, after = moved.norms
    relative = moved.length / before if before else (0.0 if not moved.length else math.inf)
    cosine = 1.0 if same else math.nan
    if before and after and not same:
        cosine = (before / after + after / before - moved.length / before * (moved.length / after)) / 2
        cosine = cosine if math.isnan(cosine) else min(max(cosine, -1.0), 1.0)
    whole = before + after
    distance = min(moved.length / whole, 1.0) if whole else float(moved.length > 0)
    return _finite(relative), _finite(cosine), distance


def _finite(figure: float) -> float | None:
    return figure if math.isfinite(figure) else None


def _from_sketches(a: Tensor, b: Tensor, same: bool, turned: bool) -> Moved | None:
    """What norms and sketches tell; None where entries are not finite."""
    if a.norm is None or b.norm is None or a.sketch is None or b.sketch is None:
        return None
    if same:
        return Moved((a.norm, b.norm), 0.0, 0.0, 0.0, estimated=False)
    if turned:
        return Moved((a.norm, b.norm), math.hypot(a.norm, b.norm), None, None, estimated=True)
    norms = _norm(a.norm, a.sketch), _norm(b.norm, b.sketch)
    least, seen = LEAST * max(norms), math.dist(a.sketch, b.sketch)
    if seen >= least and len(a.sketch) >= math.prod(a.shape):  # each sum is one entry, up to its sign
        changes = [abs(x - y) for x, y in zip(a.sketch, b.sketch, strict=True)]
        changed = sum(change > 0 for change in changes) / len(changes) if changes else 0.0
        return Moved(norms, seen, max(changes, default=0.0), changed, estimated=False)
    return Moved(norms, max(seen, least), None, None, estimated=True)


def _norm(norm: float, sketch: Sequence[float]) -> float:
    """The norm, from the sketch where the squares of the entries are too small for a number."""
    return norm or math.hypot(*sketch)
