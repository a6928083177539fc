"""Dates as numbers: how late, which time of the year, which day of the week, which time of the day.

A date comes as seconds since 1970 in float64, NaN where there is none, and is taken apart in float64: sines in float32
would differ in the last bit with the place of a row in its batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemma.tables.encode.graph import Graph, Part

DAY = 86_400.0  # seconds
YEAR = 365.2425 * DAY  # of the Gregorian calendar, on average
THURSDAY = 3.0  # 1 January 1970, counted from Monday


@dataclass(frozen=True)
class Date:
    """What the training rows told of one column."""

    name: str
    first: float  # of the training rows; a date before or after counts as these in how late it is
    last: float
    hours: bool  # whether one has another time than midnight
    indicator: bool  # whether some are missing and others are not


def learn(name: str, seconds: np.ndarray, indicator: bool) -> Date:
    """Find range and resolution of float64 seconds (rows,)."""
    present = seconds[~np.isnan(seconds)]
    some = 0 < len(present) < len(seconds)
    if not len(present):
        return Date(name, 0.0, 0.0, False, False)
    hours = bool((present % DAY != 0).any())
    return Date(name, float(present.min()), float(present.max()), hours, indicator and some)


def parts(graph: Graph, columns: Sequence[Date]) -> list[Part]:
    """The nodes of all columns."""
    return [part for column in columns for part in _parts(graph, column)]


def _parts(graph: Graph, column: Date) -> list[Part]:
    """Elapsed time from -1 to 1, sine and cosine of the year (and the day), 7 numbers for the day of the week; each is
    0 where the date is missing."""
    missing = graph.node("IsNaN", column.name)
    middle = graph.constant((column.first + column.last) / 2, np.float64)
    seconds = graph.node("Where", missing, middle, column.name)
    numbers = [_elapsed(graph, seconds, column)]
    for period in (YEAR, DAY) if column.hours else (YEAR,):
        angle = _angle(graph, seconds, period)
        numbers += [_unless(graph, missing, graph.node(wave, angle)) for wave in ("Sin", "Cos")]
    day = _unless(graph, missing, weekday(graph, seconds), -1.0)
    flags = [graph.node("Equal", day, graph.constant([np.arange(7)], np.float64))]
    if column.indicator:
        flags.append(missing)
    return [
        Part.of(graph.float32(graph.joined(numbers)), "numeric", [column.name], [len(numbers)]),
        Part.of(graph.float32(graph.joined(flags)), "binary", [column.name], [7 + column.indicator]),
    ]


def _elapsed(graph: Graph, seconds: str, column: Date) -> str:
    low, high, middle = column.first, column.last, (column.first + column.last) / 2
    inside = graph.node("Clip", seconds, graph.constant(low, np.float64), graph.constant(high, np.float64))
    shifted = graph.node("Sub", inside, graph.constant(middle, np.float64))
    scale = 2 / (high - low) if high > low else 0.0
    return graph.node("Mul", shifted, graph.constant(scale, np.float64))


def _angle(graph: Graph, seconds: str, period: float) -> str:
    """Where in its period a time is, in radians."""
    turns = graph.node("Div", seconds, graph.constant(period, np.float64))
    turn = graph.node("Sub", turns, graph.node("Floor", turns))
    return graph.node("Mul", turn, graph.constant(2 * np.pi, np.float64))


def weekday(graph: Graph, seconds: str) -> str:
    """0 for Monday to 6 for Sunday."""
    days = graph.node("Floor", graph.node("Div", seconds, graph.constant(DAY, np.float64)))
    shifted = graph.node("Add", days, graph.constant(THURSDAY, np.float64))
    weeks = graph.node("Floor", graph.node("Div", shifted, graph.constant(7, np.float64)))
    return graph.node("Sub", shifted, graph.node("Mul", weeks, graph.constant(7, np.float64)))


def _unless(graph: Graph, missing: str, value: str, instead: float = 0.0) -> str:
    return graph.node("Where", missing, graph.constant(instead, np.float64), value)
