"""Which layers of two networks are the same one: kept (perhaps renamed or moved), changed, added or removed.

Layers are paired by what they hold, not only by what they are called: first those that hold the very same under the
same settings. Then a pair is possible between layers of one kind that share a name or the shapes of their tensors; of
all pairings the one with the highest total score is taken (the assignment problem, solved by
scipy.optimize.linear_sum_assignment):

    6 x similarity of their tensors: the cosine, from the sketches, if positive
    2   the same name
    1   the same settings
    1 - squared difference of their places, first 0, last 1

Layers of one name, kind and shapes that are alike are paired before, for speed, and because some of many resemble
others by chance. Layers without tensors are paired last, by name, settings and the paired layers before and after them.
A kept layer has moved if it is not in the longest run of kept layers that are in the same order in both networks (the
longest common subsequence). Layers that differ in nothing but their names stand for each other: networks that are the
same but for names have no difference, however the names changed places.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.versions import arrays
from stemma.versions.diff.layout import Layout, layouts
from stemma.versions.diff.settings import Setting, settings_that_differ
from stemma.weights import Index, Tensor
from stemma.weights.sketch import BUCKETS

SAME_CONTENT, SAME_NAME, SAME_SETTINGS = 6.0, 2.0, 1.0
ALIKE = 0.7  # similarity from which two layers resemble each other; chance alone stays below
Similarities = NDArray[np.float64]
Pairs = list[tuple[int, int]]  # places in the one network and in the other
Score = Callable[[int, int], float | None]  # None: no pair
Key = Callable[[int, int], tuple[Any, ...]]  # of a layer, by its side (0, 1) and place


@dataclass(frozen=True)
class Part:
    """A layer with its tensors, read in the layout in which two networks are compared."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]  # by their role in the layer, such as "kernel"
    shapes: Mapping[str, tuple[int, ...]]  # of the tensors, by role, axes in the common order
    turned: Mapping[str, tuple[int, ...]]  # roles of the tensors whose axes stand otherwise in the file

    @property
    def parameters(self) -> int:
        return arrays.parameters(self.tensors.values())

    @cached_property
    def identity(self) -> tuple[Any, ...]:
        """All of it but its name: layers that have it in common can stand for each other."""
        tensors = ((role, t.shape, t.dtype, t.sha256, t.buffer, t.tied_to is None) for role, t in self.tensors.items())
        return self.kind, json.dumps(self.settings, sort_keys=True), tuple(sorted(tensors)), tuple(sorted(self.turned))


@dataclass(frozen=True)
class LayerChange:
    """One layer of either version."""

    before: str | None  # its name in each; None where it is not there
    after: str | None
    kind: str  # of the layer, in small letters
    parameters_before: int  # how many it has
    parameters_after: int
    settings: tuple[Setting, ...] = ()  # what shapes it and differs, the shapes and types of its tensors included
    moved: bool = False  # whether it stands at another place among the kept layers

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
    """The layers of two networks side by side."""

    # those of the version after, in order, each removed one behind the layer that it followed
    layers: tuple[LayerChange, ...]
    pairs: tuple[tuple[Part, Part], ...]  # the layers that are in both, in the order of the version after


def compare(before: Index, after: Index) -> Structure:
    """Align the layers of two networks. Swapping the two swaps what was added with what was removed, and no more."""
    layout_before, layout_after = layouts(before.framework, after.framework)
    a, b = parts(before, layout_before), parts(after, layout_after)
    pairs, moved = align(a, b)
    one_framework = before.framework == after.framework
    listed = [(a[i] if i is not None else None, b[j] if j is not None else None, (i, j)) for i, j in _rows(a, b, pairs)]
    return Structure(
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
        own = tensor.name[len(name) + 1 :] if name else tensor.name
        role, axes = layout.role(kind, own), layout.axes(kind, own)
        if axes is not None and len(axes) == len(tensor.shape):
            turned[role] = axes
        by_role[role] = tensor
        shapes[role] = tuple(tensor.shape[axis] for axis in turned[role]) if role in turned else tensor.shape
    return Part(name, kind, settings, by_role, shapes, turned)


def align(a: Sequence[Part], b: Sequence[Part]) -> tuple[Pairs, Pairs]:
    """Places of the layers that are one, in the order of the second network, and those of them that moved."""
    orders = [[(part.name, part.identity) for part in network] for network in (a, b)]
    if orders[1] < orders[0]:  # one order of the two, so that ties are cut alike both ways
        pairs, moved = align(b, a)
        return sorted(((i, j) for j, i in pairs), key=itemgetter(1)), [(i, j) for j, i in moved]
    return _settled(a, b, _align(a, b))


def _align(a: Sequence[Part], b: Sequence[Part]) -> Pairs:
    alike = similarities(a, b)
    pairs = _same(a, b, *_left(a, b, [], with_tensors=True), lambda side, place: (a, b)[side][place].identity)
    pairs += _obvious(a, b, *_left(a, b, pairs, with_tensors=True), alike)
    pairs += _best(*_left(a, b, pairs, with_tensors=True), lambda i, j: _likeness(a, b, i, j, float(alike[i, j])))
    anchors, _ = _settled(a, b, pairs)

    def gap(side: int, place: int) -> tuple[Any, ...]:
        return (a, b)[side][place].identity, _beside(anchors, side, place)

    pairs = anchors + _same(a, b, *_left(a, b, anchors, with_tensors=False), gap)
    return pairs + _best(*_left(a, b, pairs, with_tensors=False), lambda i, j: _neighbourhood(a, b, i, j, anchors))


def _same(a: Sequence[Part], b: Sequence[Part], left: Sequence[int], right: Sequence[int], key: Key) -> Pairs:
    """Layers with one key: those of one name, and the others in order, where there are as many on both sides."""
    groups: dict[tuple[Any, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, places in enumerate((left, right)):
        for place in places:
            groups[key(side, place)][side].append(place)
    pairs: Pairs = []
    for here, there in groups.values():
        named = {b[j].name: j for j in there}
        found = [(i, named[a[i].name]) for i in here if a[i].name in named]
        others = [sorted({*places} - {pair[side] for pair in found}) for side, places in enumerate((here, there))]
        pairs += found + (list(zip(*others, strict=True)) if len(others[0]) == len(others[1]) else [])
    return pairs


def _obvious(
    a: Sequence[Part], b: Sequence[Part], left: Sequence[int], right: Sequence[int], alike: Similarities
) -> Pairs:
    """Layers of one name, kind and shapes that are alike, or of which neither resembles another one."""
    places = {b[j].name: j for j in right}
    named = [(i, places[a[i].name]) for i in left if a[i].name in places]
    same = [(i, j) for i, j in named if a[i].kind == b[j].kind and a[i].shapes == b[j].shapes]
    return [(i, j) for i, j in same if alike[i, j] > ALIKE or max(alike[i].max(), alike[:, j].max()) <= ALIKE]


def _left(a: Sequence[Part], b: Sequence[Part], pairs: Pairs, with_tensors: bool) -> tuple[list[int], list[int]]:
    taken_a, taken_b = {i for i, _ in pairs}, {j for _, j in pairs}
    return (
        [i for i, part in enumerate(a) if i not in taken_a and bool(part.tensors) == with_tensors],
        [j for j, part in enumerate(b) if j not in taken_b and bool(part.tensors) == with_tensors],
    )


def _best(left: Sequence[int], right: Sequence[int], score: Score) -> Pairs:
    """The pairs whose scores add up highest."""
    scores = np.array([[score(i, j) for j in right] for i in left], np.float64)  # NaN: no pair
    if np.isnan(scores).all():
        return []
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.nan_to_num(scores), maximize=True)
    return [(left[r], right[c]) for r, c in zip(rows, columns, strict=True) if not np.isnan(scores[r, c])]


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
    there = [part for part in (one, other) if part]
    return LayerChange(
        before=one.name if one else None,
        after=other.name if other else None,
        kind=there[0].kind,
        parameters_before=one.parameters if one else 0,
        parameters_after=other.parameters if other else 0,
        settings=settings_that_differ(*(_facts(part, one_framework) for part in there)) if one and other else (),
        moved=moved,
    )


def _facts(part: Part, whole: bool) -> dict[str, Any]:
    """What shapes a layer: its kind, its settings, shape and type of its tensors, and which are tied.

    Between frameworks settings have other names, and each keeps other states: if not `whole`, it is the kind, and
    shapes and types of what a gradient reaches.
    """
    told: dict[str, Any] = {"kind": part.kind}
    for role, tensor in part.tensors.items():
        if whole or not tensor.buffer:
            told |= {f"{role}.shape": list(part.shapes[role]), f"{role}.type": tensor.dtype}
        if whole and tensor.tied_to is not None:
            told[f"{role}.tied"] = True
    return told | (dict(part.settings) if whole else {})


def _rows(a: Sequence[Part], b: Sequence[Part], pairs: Pairs) -> list[tuple[int | None, int | None]]:
    """All layers in the order of the second network, each removed one behind the layer that it followed."""
    partner = {j: i for i, j in pairs}
    listed: list[tuple[int | None, int | None]] = [(partner.get(j), j) for j in range(len(b))]
    for i in sorted({*range(len(a))} - {*partner.values()}):
        place = [one for one, _ in listed].index(i - 1) + 1 if i else 0  # the one before is there, kept or removed
        listed.insert(place, (i, None))
    return listed


def _settled(a: Sequence[Part], b: Sequence[Part], pairs: Pairs) -> tuple[Pairs, Pairs]:
    """The pairs in the order of the second network, and those of them that moved.

    Layers that can stand for each other change partners where more stay in order so.
    """
    first, second = sorted(pairs), sorted(pairs, key=itemgetter(1))
    if first == second:
        return second, []
    numbers: dict[tuple[Any, ...], int] = {}
    group = {(i, j): numbers.setdefault((a[i].identity, b[j].identity), len(numbers)) for i, j in pairs}
    same = np.equal.outer([group[pair] for pair in first], [group[pair] for pair in second])
    names = [[a[i].name for i, _ in first], [b[j].name for _, j in second]]
    sizes = np.array([max(a[i].parameters, b[j].parameters, 1) for i, j in first], float)
    # Of runs of one length the one is taken that holds more parameters and names: both together add less than a layer.
    ties = (sizes / sizes.sum())[:, np.newaxis] + np.equal.outer(*map(np.array, names)) / len(pairs)
    stay = _common(np.where(same, 1 + ties / 4, 0.0))
    left: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, ordered in enumerate((first, second)):
        for number in sorted({*range(len(pairs))} - {both[side] for both in stay}):
            left[group[ordered[number]]][side].append(ordered[number][side])
    moved = [pair for here, there in left.values() for pair in zip(here, there, strict=True)]
    return sorted([*((first[r][0], second[c][1]) for r, c in stay), *moved], key=itemgetter(1)), moved


def _common(worth: NDArray[np.float64]) -> Pairs:
    """The common subsequence of the highest worth: of row r and column c if that is not 0 (dynamic programming)."""
    best = np.zeros((worth.shape[0] + 1, worth.shape[1] + 1))
    for r, row in enumerate(worth):
        taken = np.where(row > 0, best[r, :-1] + row, 0.0)
        best[r + 1, 1:] = np.maximum.accumulate(np.maximum(best[r, 1:], taken))
    r, c = worth.shape
    run: Pairs = []
    while r and c:
        if best[r, c] == best[r - 1, c]:
            r -= 1
        elif best[r, c] == best[r, c - 1]:
            c -= 1
        else:
            r, c = r - 1, c - 1
            run.append((r, c))
    return run[::-1]
