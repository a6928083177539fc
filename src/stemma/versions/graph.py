"""A graph of versions drawn as text, as Mermaid, or for Graphviz."""

import json
from collections.abc import Callable, Mapping, Sequence

from stemma.versions.log import Entry, Log

ENTITIES = str.maketrans(  # for what Mermaid takes for markup
    {'"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "#96;"}
)


def text(nodes: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, str | None]]:
    """Lines of `*`, `|`, `/` and `\\`, as `git log --graph` draws them.

    Args:
        nodes: a name and the names of its parents, children before parents; parents that are no nodes are not drawn.

    Returns:
        (drawing, name): None stands for a line between two nodes.
    """
    known = {name for name, _ in nodes}
    lanes: list[str | None] = []  # the node that each column leads to
    lines: list[tuple[str, str | None]] = []
    ended: int | None = None
    for name, parents in nodes:
        column = lanes.index(name) if name in lanes else _free(lanes, avoid=ended)
        lanes[column] = name
        lines.append((_row(lanes, {2 * column: "*"}), name))
        own = sorted(dict.fromkeys(parent for parent in parents if parent in known), key=lanes.__contains__)
        ended = None if own else column  # a node right under this one would look like its parent
        below = own.pop(0) if own and own[0] not in lanes else None  # goes straight down
        joined = own.pop() if own and below is None else None  # the last of those that have a column already
        lanes[column] = below if joined is None else name
        for parent in own:
            new = parent not in lanes
            there = _free(lanes, column + 1) if new else lanes.index(parent)
            lanes[there] = parent
            lines.append((_row(lanes, _edge(column, there) | ({2 * there: " "} if new else {})), None))
        if joined is not None:
            left, right = sorted((column, lanes.index(joined)))
            lanes[left], lanes[right] = joined, None
            lines.append((_row(lanes, _edge(right, left)), None))
        while lanes and lanes[-1] is None:
            lanes.pop()
    return lines


def _free(lanes: list[str | None], start: int = 0, avoid: int | None = None) -> int:
    """An empty column from `start` on, made if there is none."""
    for column in range(start, len(lanes)):
        if lanes[column] is None and column != avoid:
            return column
    lanes += [None] * (2 if len(lanes) == avoid else 1)
    return len(lanes) - 1


def _edge(start: int, end: int) -> dict[int, str]:
    """What joins two columns, by its place in the line."""
    if end < start:
        return {2 * start - 1: "/"} | {2 * column + 1: "_" for column in range(end, start - 1)}
    return {2 * end - 1: "\\"} | {2 * column + 1: "_" for column in range(start, end - 1)}


def _row(lanes: Sequence[str | None], marks: Mapping[int, str]) -> str:
    cells = [mark for lane in lanes for mark in ("|" if lane else " ", " ")]
    return "".join(marks.get(place, cell) for place, cell in enumerate(cells)).rstrip()


def mermaid(found: Log, describe: Callable[[Entry], Sequence[str]]) -> str:
    """A Mermaid flowchart, old versions above; a dotted arrow is a training that started from a version's weights."""
    lines = ["flowchart TD"]
    for entry in found:
        label = "<br/>".join(line.translate(ENTITIES) for line in describe(entry))
        lines.append(f'    {_id(entry.commit)}["{label}"]')
    lines += [f"    {a} {'-. weights .->' if by_weights else '-->'} {b}" for a, b, by_weights in _edges(found)]
    return "\n".join(lines)


def dot(found: Log, describe: Callable[[Entry], Sequence[str]]) -> str:
    """A digraph for Graphviz, old versions above; a dashed arrow as in `mermaid`."""
    lines = ["digraph versions {", "    node [shape=box];"]
    for entry in found:
        label = json.dumps("\n".join(describe(entry)), ensure_ascii=False)
        lines.append(f"    {_id(entry.commit)} [label={label}];")
    dashed = " [style=dashed, label=weights]"
    lines += [f"    {a} -> {b}{dashed * by_weights};" for a, b, by_weights in _edges(found)]
    return "\n".join([*lines, "}"])


def _id(commit: str) -> str:
    return f"v{commit[:12]}"


def _edges(found: Log) -> list[tuple[str, str, bool]]:
    """(version before, version after, whether its weights were taken), of those that are shown; first Git's history."""
    shown = {entry.commit for entry in found}
    edges = [(parent, entry.commit, False) for entry in found for parent in entry.parents]
    edges += [(entry.trained_from, entry.commit, True) for entry in found if entry.trained_from]
    return [(_id(before), _id(after), by_weights) for before, after, by_weights in edges if before in shown]
