"""Texts as numbers: one 0 or 1 per level, or for many levels one code that the network embeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stemma.tables.encode.graph import Graph, Part

SHARE = 0.01  # a level of two rows or more that has this share of the rows is never rare


@dataclass(frozen=True)
class Categorical:
    """What the training rows told of one column."""

    name: str
    levels: tuple[str, ...]  # those with a place of their own, in order; "" is one too where values are missing
    rare: bool  # whether there are others
    # as one number, 1 for the first level and 0 for any text that is none of them; else as one number per level, and
    # one more for every other text if training had any
    coded: bool

    @property
    def width(self) -> int:
        return 1 if self.coded else len(self.levels) + self.rare


def learn(name: str, counts: pd.Series, rare: int, embed: int) -> Categorical:
    """Choose the levels that get a place of their own.

    Args:
        counts: how many rows have each text, by text.
        rare: rows that a level needs for a place of its own; in a small table `SHARE` of the rows, but two, will do.
        embed: levels that are one-hot encoded, at most.
    """
    counts = counts[counts > 0]
    kept = sorted(counts.index[counts >= min(rare, max(2, int(counts.sum() * SHARE)))])
    return Categorical(name, tuple(kept), len(kept) < len(counts), len(kept) > embed)


def parts(graph: Graph, columns: Sequence[Categorical]) -> list[Part]:
    """The nodes of all columns."""
    one_hot = [column for column in columns if not column.coded]
    coded = [column for column in columns if column.coded]
    found = []
    if one_hot:
        places = [
            graph.node("Equal", _place(graph, each), graph.constant([np.arange(each.width)], np.int64))
            for each in one_hot
        ]
        found.append(_part(graph, places, "binary", one_hot))
    if coded:
        found.append(_part(graph, [_place(graph, each) for each in coded], "code", coded))
    return found


def _part(graph: Graph, values: list[str], kind: str, columns: Sequence[Categorical]) -> Part:
    sizes = [len(each.levels) + 1 if each.coded else 0 for each in columns]
    widths = [each.width for each in columns]
    return Part.of(graph.float32(graph.joined(values)), kind, [each.name for each in columns], widths, sizes)


def _place(graph: Graph, column: Categorical) -> str:
    """The number of each row's level, (rows, 1) int64."""
    first = 1 if column.coded else 0
    other = 0 if column.coded else len(column.levels) if column.rare else -1
    levels = column.levels or ("",)  # of which there must be one: with all of them rare it is as the others
    places = range(first, first + len(levels)) if column.levels else [other]
    return graph.node(
        "LabelEncoder", column.name, domain="ai.onnx.ml", keys_strings=levels, values_int64s=places, default_int64=other
    )
