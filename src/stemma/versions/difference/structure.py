"""Which layers of two networks are the same one: kept (perhaps renamed or moved), changed, added or removed.

Layers are paired by what they hold, not only by what they are called. A pair is possible between layers of one kind
that share a name or the shapes of their tensors; of all pairings the one with the highest total score is taken
(the assignment problem, solved by scipy.optimize.linear_sum_assignment):

    6 x similarity of their tensors: the cosine, from the sketches, if positive
    2   the same name
    1   the same settings
    1 - squared difference of their places, first 0, last 1

Layers of one name, kind and shapes that are alike are paired before, for speed. Layers without tensors are paired last,
by name, settings and the paired layers before and after them. A kept layer has moved if it is not in the longest run of
kept layers that are in the same order in both networks.
"""

import bisect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.versions.difference.layout import Layout, layouts
from stemma.versions.difference.settings import Setting, settings_that_differ
from stemma.weights import Index, Tensor
from stemma.weights.sketch import BUCKETS

SAME_CONTENT, SAME_NAME, SAME_SETTINGS = 6.0, 2.0, 1.0
ALIKE = 0.7  # similarity from which two layers resemble each other; chance alone stays below
Similarities = NDArray[np.float64]
Pairs = list[tuple[int, int]]  # places in the one network and in the other
Score = Callable[[int, int], float | None]  # None: no pair


@dataclass(frozen=True)
class Part:
    """A layer with its tensors, read in the layout in which two networks are compared.

    Args:
        tensors: by their role in the layer, such as "kernel".
        shapes: of the tensors, by role, axes in the common order.
        turned: roles of the tensors whose axes stand otherwise in the file.
    """

    name: str
    kind: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    shapes: Mapping[str, tuple[int, ...]]
    turned: Mapping[str, tuple[int, ...]]

    @property
    def parameters(self) -> int:
        """Entries that a gradient reaches, tied ones where they are stored."""
        return sum(math.prod(t.shape) for t in self.tensors.values() if not t.buffer and t.tied_to is None)

    @property
    def content(self) -> Mapping[str, str]:
        return {role: tensor.sha256 for role, tensor in self.tensors.items()}


@dataclass(frozen=True)
class LayerChange:
    """One layer of either version.

    Args:
        before, after: its name in each; None where it is not there.
        kind: of the layer, in small letters.
        parameters_before, parameters_after: how many it has.
        settings: what shapes it and differs, the shapes and types of its tensors included.
        moved: whether it stands at another place among the kept layers.
    """

    before: str | None
    after: str | None
    kind: str
    parameters_before: int
    parameters_after: int
    settings: tuple[Setting, ...] = ()
    moved: bool = False

    @property
    def status(self) -> str:
        """added, removed, changed, moved, renamed or kept: the first that fits."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        if self.settings:
            return "changed"
        return "moved" if self.moved else "kept" if self.before == self.after else "renamed"


@dataclass(frozen=True)
class Structure:
    """The layers of two networks side by side.

    Args:
        frameworks: of the version before and the one after.
        layers: those of the version after, in order, each removed one behind the layer that it followed.
        pairs: the layers that are in both, in the order of the version after.
    """

    frameworks: tuple[str, str]
    layers: tuple[LayerChange, ...]
    pairs: tuple[tuple[Part, Part], ...]


def compare(before: Index, after: Index) -> Structure:
    """Align the layers of two networks. Swapping the two swaps what was added with what was removed, and no more."""
    layout_before, layout_after = layouts(before.framework, after.framework)
    a, b = parts(before, layout_before), parts(after, layout_after)
    pairs, moved = align(a, b)
    one_framework = before.framework == after.framework
    listed = [(a[i] if i is not None else None, b[j] if j is not None else None, (i, j)) for i, j in _rows(a, b, pairs)]
    return Structure(
        frameworks=(before.framework, after.framework),
        layers=tuple(_change(one, other, place in moved, one_framework) for one, other, place in listed),
        pairs=tuple((one, other) for one, other, _ in listed if one is not None and other is not None),
    )


def share_changed(structure: Structure) -> float:
    """The part `structure` of D, in [0, 1]: the share of parameters in layers added, removed, changed or moved.

    A layer without parameters counts as one.
    """
    sizes = [max(layer.parameters_before, layer.parameters_after, 1) for layer in structure.layers]
    changed = [layer.status not in ("kept", "renamed") for layer in structure.layers]
    return sum(size for size, is_changed in zip(sizes, changed, strict=True) if is_changed) / max(sum(sizes), 1)


def parts(index: Index, layout: Layout) -> list[Part]:
    """The layers with their tensors; tensors of no layer make one for each first part of their names."""
    homes: dict[str, list[Tensor]] = {layer.name: [] for layer in index.layers}
    strays: dict[str, list[Tensor]] = {}
    for tensor in index.tensors:
        if tensor.layer in homes:
            homes[tensor.layer].append(tensor)
        else:
            strays.setdefault(tensor.name.rpartition(".")[0] or tensor.name, []).append(tensor)
    listed = [
        _part(layer.name, layout.kind(layer.kind, layer.settings), layer.settings, homes[layer.name], layout)
        for layer in index.layers
    ]
    return listed + [_part(name, "tensors", {}, tensors, layout) for name, tensors in strays.items()]


def _part(name: str, kind: str, settings: Mapping[str, Any], tensors: Iterable[Tensor], layout: Layout) -> Part:
    by_role, shapes, turned = {}, {}, {}
    for tensor in tensors:
        own = tensor.name[len(name) + 1 :] if name and tensor.name != name else tensor.name
        role, axes = layout.role(kind, own), layout.axes(kind, own)
        if axes is not None and len(axes) == len(tensor.shape):
            turned[role] = axes
        by_role[role] = tensor
        shapes[role] = tuple(tensor.shape[axis] for axis in turned[role]) if role in turned else tensor.shape
    return Part(name, kind, settings, by_role, shapes, turned)


def align(a: Sequence[Part], b: Sequence[Part]) -> tuple[Pairs, Pairs]:
    """Places of the layers that are one, and those of them that moved."""
    if _order(b) < _order(a):  # one order of the two, so that ties are cut alike both ways
        pairs, moved = align(b, a)
        return [(i, j) for j, i in pairs], [(i, j) for j, i in moved]
    pairs = sorted(_align(a, b), key=lambda pair: pair[1])
    stay = set(_longest_in_order(pairs))
    return pairs, [pair for pair in pairs if pair not in stay]


def _order(network: Sequence[Part]) -> list[Any]:
    return [(part.name, part.kind, repr(part.settings), sorted(part.content.items())) for part in network]


def _align(a: Sequence[Part], b: Sequence[Part]) -> Pairs:
    alike = similarities(a, b)
    pairs = _obvious(a, b, alike)
    pairs += _best(*_left(a, b, pairs, with_tensors=True), lambda i, j: _likeness(a, b, i, j, float(alike[i, j])))
    anchors = sorted(pairs)
    pairs += _between(a, b, anchors)
    pairs += _best(*_left(a, b, pairs, with_tensors=False), lambda i, j: _neighbourhood(a, b, i, j, anchors))
    return pairs


def _obvious(a: Sequence[Part], b: Sequence[Part], alike: Similarities) -> Pairs:
    """Layers of one name, kind and shapes that are alike, or of which neither resembles another one."""
    places = {part.name: place for place, part in enumerate(b)}
    named = [(i, places[part.name]) for i, part in enumerate(a) if part.tensors and part.name in places]
    same = [(i, j) for i, j in named if a[i].kind == b[j].kind and a[i].shapes == b[j].shapes]
    return [(i, j) for i, j in same if alike[i, j] > ALIKE or max(alike[i].max(), alike[:, j].max()) <= ALIKE]


def _between(a: Sequence[Part], b: Sequence[Part], anchors: Pairs) -> Pairs:
    """Layers without tensors, of one name, kind and settings, between the same pairs of layers."""
    places = {part.name: place for place, part in enumerate(b) if not part.tensors}
    named = [(i, places[part.name]) for i, part in enumerate(a) if not part.tensors and part.name in places]
    same = [(i, j) for i, j in named if (a[i].kind, a[i].settings) == (b[j].kind, b[j].settings)]
    return [(i, j) for i, j in same if _beside(anchors, 0, i) == _beside(anchors, 1, j)]


def _left(a: Sequence[Part], b: Sequence[Part], pairs: Pairs, with_tensors: bool) -> tuple[list[int], list[int]]:
    taken_a, taken_b = {i for i, _ in pairs}, {j for _, j in pairs}
    return (
        [i for i, part in enumerate(a) if i not in taken_a and bool(part.tensors) == with_tensors],
        [j for j, part in enumerate(b) if j not in taken_b and bool(part.tensors) == with_tensors],
    )


def _best(left: Sequence[int], right: Sequence[int], score: Score) -> Pairs:
    """The pairs whose scores add up highest."""
    scores = [[score(i, j) for j in right] for i in left]
    if not any(value is not None for row in scores for value in row):
        return []
    from scipy.optimize import linear_sum_assignment

    table = np.array([[0.0 if value is None else value for value in row] for row in scores])
    rows, columns = linear_sum_assignment(table, maximize=True)
    found = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(left[row], right[column]) for row, column in found if scores[row][column] is not None]


def _likeness(a: Sequence[Part], b: Sequence[Part], i: int, j: int, alike: float) -> float | None:
    """The score of two layers that hold tensors."""
    one, other = a[i], b[j]
    named, settings = one.name == other.name, one.settings == other.settings
    if one.kind != other.kind or not (named or one.shapes == other.shapes):
        return None
    places = (i / max(len(a) - 1, 1) - j / max(len(b) - 1, 1)) ** 2
    return SAME_CONTENT * alike + SAME_NAME * named + SAME_SETTINGS * settings + 1 - places


def _neighbourhood(a: Sequence[Part], b: Sequence[Part], i: int, j: int, anchors: Pairs) -> float | None:
    """The score of two layers without tensors; `anchors` are the pairs already found."""
    one, other = a[i], b[j]
    named, settings = one.name == other.name, one.settings == other.settings
    if one.kind != other.kind and not named:
        return None
    before, after = _beside(anchors, 0, i), _beside(anchors, 1, j)
    if not named and before[0] != after[0] and before[1] != after[1]:
        return None
    near = 2.0 * (before[0] == after[0]) + 2.0 * (before[1] == after[1])
    places = (i / max(len(a) - 1, 1) - j / max(len(b) - 1, 1)) ** 2
    return near + SAME_NAME * named + SAME_SETTINGS * settings + 2.0 * (one.kind == other.kind) + 1 - places


def _beside(anchors: Pairs, side: int, place: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """The nearest pairs before and after a place of one network."""
    before = [pair for pair in anchors if pair[side] < place]
    after = [pair for pair in anchors if pair[side] > place]
    return max(before, key=lambda p: p[side], default=None), min(after, key=lambda p: p[side], default=None)


def similarities(a: Sequence[Part], b: Sequence[Part]) -> Similarities:
    """How alike the tensors of two layers are, (layers of a, layers of b), in [0, 1]; 0 for another kind or shape.

    Cosines of the tensors from their sketches, weighted by entries. A tensor whose axes are turned has none.
    """
    found = np.zeros((len(a), len(b)))
    for key in {_key(part) for part in a if part.tensors} & {_key(part) for part in b if part.tensors}:
        rows, columns = ([place for place, part in enumerate(side) if _key(part) == key] for side in (a, b))
        vectors = [np.array([_vector(side[place]) for place in places]) for side, places in ((a, rows), (b, columns))]
        found[np.ix_(rows, columns)] = np.clip(vectors[0] @ vectors[1].T, 0, 1)
    return found


def _key(part: Part) -> tuple[Any, ...]:
    return part.kind, tuple(sorted(part.shapes.items()))


def _vector(part: Part) -> NDArray[np.float64]:
    """The sketches of a layer's tensors one behind the other, so scaled that the product of two is their similarity."""
    entries = max(sum(math.prod(tensor.shape) for tensor in part.tensors.values()), 1)
    scaled = []
    for role, tensor in sorted(part.tensors.items()):
        size = min(math.prod(tensor.shape), BUCKETS)
        sketch = np.array(tensor.sketch if tensor.sketch is not None and role not in part.turned else np.zeros(size))
        length = np.linalg.norm(sketch)
        scaled.append(sketch * (math.sqrt(math.prod(tensor.shape) / entries) / length if length else 0.0))
    return np.concatenate(scaled)


def _change(one: Part | None, other: Part | None, moved: bool, one_framework: bool) -> LayerChange:
    return LayerChange(
        before=one.name if one else None,
        after=other.name if other else None,
        kind=one.kind if one else other.kind if other else "",
        parameters_before=one.parameters if one else 0,
        parameters_after=other.parameters if other else 0,
        settings=_settings(one, other, one_framework) if one and other else (),
        moved=moved,
    )


def _settings(one: Part, other: Part, one_framework: bool) -> tuple[Setting, ...]:
    """What shapes a layer and differs; between frameworks settings have other names, and shapes alone are compared."""
    facts = [_facts(part) | (dict(part.settings) if one_framework else {}) for part in (one, other)]
    return settings_that_differ(*facts)


def _facts(part: Part) -> dict[str, Any]:
    """Its kind, and shape and type of what a gradient reaches."""
    trained = [role for role, tensor in part.tensors.items() if not tensor.buffer]
    shapes = {f"{role}.shape": list(part.shapes[role]) for role in trained}
    return {"kind": part.kind} | shapes | {f"{role}.type": part.tensors[role].dtype for role in trained}


def _rows(a: Sequence[Part], b: Sequence[Part], pairs: Pairs) -> list[tuple[int | None, int | None]]:
    """All layers in the order of the second network, each removed one behind the layer that it followed."""
    partner = {j: i for i, j in pairs}
    kept = {i for i, _ in pairs}
    followers: dict[int, list[int]] = {}
    last = -1
    for i in range(len(a)):
        if i in kept:
            last = i
        else:
            followers.setdefault(last, []).append(i)
    listed: list[tuple[int | None, int | None]] = [(i, None) for i in followers.get(-1, [])]
    for j in range(len(b)):
        listed.append((partner.get(j), j))
        if j in partner:
            listed += [(i, None) for i in followers.get(partner[j], [])]
    return listed


def _longest_in_order(pairs: Pairs) -> Pairs:
    """The longest run of pairs, ordered by the second place, whose first places rise (patience sorting)."""
    ends: list[int] = []  # the smallest first place with which a run of each length ends
    heads: list[int] = []  # the pair that ends it
    previous: list[int | None] = []
    for number, (i, _) in enumerate(pairs):
        length = bisect.bisect_left(ends, i)
        previous.append(heads[length - 1] if length else None)
        ends[length : length + 1], heads[length : length + 1] = [i], [number]
    run: Pairs = []
    at = heads[-1] if heads else None
    while at is not None:
        run.append(pairs[at])
        at = previous[at]
    return run[::-1]
