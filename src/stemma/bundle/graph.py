"""What a graph asks for, seen before anything runs it: operators, loops, shapes, sizes, and what lies elsewhere.

The bytes are read as protobuf writes them, by the numbers of onnx.proto, and nothing is imported for it. What a graph
computes while it runs nobody can foresee: that is what `limits` is for.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stemma.bundle.archive import GRAPH
from stemma.errors import BundleError
from stemma.text import counted, short

DOMAINS = {b"", b"ai.onnx", b"ai.onnx.ml"}  # of operators that every runtime has
MOST_TURNS = 100_000  # of a loop, times those of the loops around it
MOST_DIMENSIONS = 32
MOST_VALUES = 2**28  # of a tensor that an operator makes: 1 GB of float32
SPARSE = 2**26  # values that a tensor may have though the file holds fewer
MOST_FIELDS = 5_000_000  # of the file: some seconds to read, some 100 MB
PART = 10  # fields, in memory
LONGEST = 1000  # bytes that are kept of a value: of weights nothing more is asked
DEEPEST = 60  # parts within parts; a graph in a node's attribute is three of them
# What is read of each part, by the numbers of onnx.proto: a part, where this table names it, else a value.
FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 8: "opset", 25: "function"},
    "opset": {1: "domain"},
    "graph": {1: "node", 5: "tensor", 11: "input", 12: "output", 13: "output", 15: "sparse"},
    "node": {1: "inputs", 2: "names", 4: "operator", 5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "tensor": {1: "dims", 2: "type", 5: "whole", 7: "whole", 8: "names", 9: "raw", 13: "elsewhere", 14: "place"},
    "sparse": {1: "tensor", 2: "tensor", 3: "dims"},
    "input": {1: "names", 2: "type of a value"},
    "output": {2: "type of a value"},
    "type of a value": {1: "type of a tensor"},
    "type of a tensor": {2: "shape"},
    "shape": {1: "sizes"},
    "function": {},
}
LOOPS = {b"Loop", b"Scan", b"SequenceMap"}  # the others have as many turns as what they are given is long
SIZES = {  # operators that make a tensor as large as one of their inputs says, and which input that is
    b"ConstantOfShape": 0, b"Expand": 1, b"OneHot": 1, b"Pad": 1, b"Range": 1, b"Reshape": 1, b"Resize": 3, b"Tile": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the file: its values by name, and the parts in it."""

    kind: str
    values: dict[str, list[Any]] = field(default_factory=dict)
    parts: list["Part"] = field(default_factory=list)

    def texts(self, name: str) -> list[bytes]:
        return [each for each in self.values.get(name, ()) if isinstance(each, bytes)]

    def numbers(self, name: str) -> list[int]:
        """Those that stand by themselves, and those that are packed together."""
        held = self.values.get(name, ())
        found = [number for each in held for number in ([each] if isinstance(each, int) else _packed(each))]
        return [number - 2**64 if number >= 2**63 else number for number in found]

    def within(self) -> Iterator["Part"]:
        yield self
        for part in self.parts:
            yield from part.within()


def look(graph: bytes) -> None:
    """Refuse a graph that no bundle of ours holds, and that could harm or hold up whoever runs it.

    Raises:
        BundleError: it is no graph; it uses operators or functions of its own, loops without a constant end, tensors of
            another file, or of more dimensions or values than a network has.
    """
    try:
        fault = _fault(graph)
    except (ValueError, IndexError) as error:
        raise BundleError(
            f"{GRAPH} is damaged ({'it ends early' if isinstance(error, IndexError) else error})"
        ) from None
    if fault:
        raise BundleError(f"{GRAPH} {fault}")


def _fault(graph: bytes) -> str | None:
    if graph[4:8] == b"ORTM":
        raise ValueError("it is of onnxruntime's own format")
    model = _read("model", memoryview(graph), [MOST_FIELDS], 0)
    constants = _constants(model)
    for part, turns in _with_turns(model, constants, 1):
        fault = _operator(part, constants) or _tensor(part, max(SPARSE, 2 * len(graph)))
        if fault or turns > MOST_TURNS:
            return fault or f"has a loop without an end that is constant, or of more than {MOST_TURNS:,} turns"
    return None


def _operator(part: Part, constants: Mapping[bytes, Part]) -> str | None:
    """What is wrong with a node, or with a set of operators or functions that the file names."""
    strange = {*part.texts("domain")} - DOMAINS
    if strange:
        return f"uses operators of {_shown(min(strange))}, which not every runtime has"
    inputs = part.texts("inputs")
    for operator in SIZES.keys() & {*part.texts("operator")}:
        sizes = _numbers(constants.get(b"".join(inputs[SIZES[operator] :][:1])))
        if len(sizes) > MOST_DIMENSIONS or math.prod(max(1, abs(size)) for size in sizes) > MOST_VALUES:
            return f"makes a tensor of more than {MOST_VALUES:,} values, by {operator.decode()}"
    return "has functions of its own" if part.kind == "function" else None


def _tensor(part: Part, most: int) -> str | None:
    """What is wrong with a tensor, of at most so many values, or with the shape of a value."""
    name, dims = _shown(b"".join(part.texts("names")[-1:])), part.numbers("dims")
    dimensions = len(dims) + len(part.values.get("sizes", ()))
    if part.values.get("elsewhere") or 1 in part.numbers("place"):
        return f"keeps the tensor {name} in another file"
    if dimensions > MOST_DIMENSIONS:
        return f"has a tensor of {counted(dimensions, 'dimension')}"
    if min(dims, default=0) < 0 or math.prod(dims) > most:
        return f"has the tensor {name} of more values than the file holds"
    return None


def _shown(name: bytes) -> str:
    return repr(short(name.decode(errors="replace"), 60))


def _with_turns(part: Part, constants: Mapping[bytes, Part], turns: float) -> Iterator[tuple[Part, float]]:
    """Each part, and how often what it holds is run; without end where no constant says it."""
    operators = part.texts("operator")
    if LOOPS & {*operators}:
        counted = _numbers(constants.get(b"".join(part.texts("inputs")[:1])))
        turns *= max(counted[0], 1) if operators == [b"Loop"] and len(counted) == 1 else math.inf
    yield part, turns
    for each in part.parts:
        yield from _with_turns(each, constants, turns)


def _constants(model: Part) -> dict[bytes, Part]:
    """Tensors by the names of which nothing else in the file can take the place."""
    made: Counter[bytes] = Counter()
    found: dict[bytes, Part] = {}
    for part in (part for graph in model.within() if graph.kind == "graph" for part in graph.parts):
        names, held = part.texts("names"), [part] if part.kind == "tensor" else []
        if part.texts("operator") == [b"Constant"]:
            held = [tensor for attribute in part.parts for tensor in attribute.parts if tensor.kind == "tensor"]
        made.update(names)
        if len(held) == len(names) == 1:
            found[names[0]] = held[0]
    return {name: tensor for name, tensor in found.items() if made[name] == 1}


def _numbers(tensor: Part | None) -> list[int]:
    """The whole numbers of a tensor; of a large one some, of others and where there is none nothing."""
    width = {6: 4, 7: 8}.get(([0] if tensor is None else tensor.numbers("type") or [0])[-1])
    if tensor is None or width is None:
        return []
    raw = b"".join(tensor.texts("raw")[-1:])
    parts = (raw[at : at + width] for at in range(0, len(raw), width))
    return [int.from_bytes(each, "little", signed=True) for each in parts] or tensor.numbers("whole")


# How protobuf writes it.


def _read(kind: str, data: memoryview, left: list[int], depth: int) -> Part:
    """Args: left: the fields that may still come, one number that all parts share."""
    if depth > DEEPEST:
        raise ValueError(f"it has parts within parts, more than {DEEPEST} deep")
    part, names = Part(kind), FIELDS[kind]
    left[0] -= PART
    for number, value in _fields(data):
        left[0] -= 1
        if left[0] < 0:
            raise ValueError(f"it has more than {MOST_FIELDS:,} fields")
        name = names.get(number, "")
        if name in FIELDS and not isinstance(value, int):
            part.parts.append(_read(name, value, left, depth + 1))
        elif name:
            part.values.setdefault(name, []).append(value if isinstance(value, int) else bytes(value[:LONGEST]))
    return part


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: a whole number, or bytes."""
    place = 0
    while place < len(data):
        key, place = _number(data, place)
        number, form = key >> 3, key & 7
        value, place = _number(data, place) if form in (0, 2) else (8 if form == 1 else 4, place)
        if form not in (0, 1, 2, 5) or key >= 2**32 or (form and place + value > len(data)):
            raise ValueError("a field without an end, or of no known form")
        yield number, data[place : place + value] if form else value
        place += value if form else 0


def _number(data: memoryview | bytes, place: int) -> tuple[int, int]:
    """A whole number, seven bits to the byte, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        value |= (byte & 127) << shift
        place += 1
        if byte < 128:
            return value % 2**64, place
    raise ValueError("a number without an end")


def _packed(data: bytes) -> Iterator[int]:
    place = 0
    while place < len(data):
        value, place = _number(data, place)
        yield value
