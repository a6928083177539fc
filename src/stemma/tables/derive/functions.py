"""What the functions and operators of an expression take and give, and their nodes.

Numbers are float64, truth values 1 and 0 among them, dates seconds since 1970; NaN is missing, and "" is of a text.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from stemma.tables.encode.dates import DAY, weekday
from stemma.tables.encode.graph import Graph

BETWEEN = "|"  # the texts that cat joins


@dataclass(frozen=True)
class Function:
    """What an expression may call."""

    takes: tuple[str, ...]  # the type of each argument
    gives: str
    nodes: Callable[..., str]  # of a graph and values in it, the name of what they become
    more: tuple[str, ...] = ()  # the type of any number of arguments behind these


def _unary(kind: str) -> Function:
    return Function(("number",), "number", lambda graph, value: graph.node(kind, value))


def number(graph: Graph, value: float) -> str:
    """A constant."""
    return graph.constant([[value]], np.float64)


def as_number(graph: Graph, truth: str) -> str:
    """float64 of a value of another type."""
    from onnx import TensorProto

    return graph.node("Cast", truth, to=TensorProto.DOUBLE)


def unless_missing(graph: Graph, value: str, *sources: str) -> str:
    """The value, missing where a source is."""
    for source in sources:
        value = graph.node("Where", graph.node("IsNaN", source), number(graph, np.nan), value)
    return value


def compared(graph: Graph, kind: str, left: str, right: str) -> str:
    """A truth value, missing where a side is."""
    return unless_missing(graph, as_number(graph, graph.node(kind, left, right)), left, right)


def _sign(graph: Graph, value: str) -> str:
    return unless_missing(graph, graph.node("Sign", value), value)


def _log1p(graph: Graph, value: str) -> str:
    """log(1 + x) that is exact for small x: Kahan's, x log(u) / (u - 1) with u = 1 + x, and x where u is 1."""
    one = number(graph, 1.0)
    more = graph.node("Add", value, one)
    ratio = graph.node("Div", graph.node("Log", more), graph.node("Sub", more, one))
    exact = graph.node("Mul", value, ratio)
    far = graph.node("IsInf", value)  # inf / inf is no number, log(inf) is
    plain = graph.node("Or", graph.node("Equal", more, one), far)
    return graph.node("Where", plain, value, exact)


def smaller(graph: Graph, left: str, right: str) -> str:
    return unless_missing(graph, graph.node("Where", graph.node("Less", left, right), left, right), left, right)


def larger(graph: Graph, left: str, right: str) -> str:
    return unless_missing(graph, graph.node("Where", graph.node("Less", left, right), right, left), left, right)


def rest(graph: Graph, value: str, divisor: str) -> str:
    """What division leaves, with the sign of the divisor."""
    whole = graph.node("Floor", graph.node("Div", value, divisor))
    return graph.node("Sub", value, graph.node("Mul", whole, divisor))


def _quotient(graph: Graph, value: str, divisor: float) -> str:
    return graph.node("Floor", graph.node("Div", value, number(graph, divisor)))


def _part_of_day(graph: Graph, seconds: str, period: float, unit: float) -> str:
    return _quotient(graph, rest(graph, seconds, number(graph, period)), unit)


def _plus(graph: Graph, value: str, other: float) -> str:
    return graph.node("Add", value, number(graph, other))


def _times(graph: Graph, value: str, other: float) -> str:
    return graph.node("Mul", value, number(graph, other))


def _civil(graph: Graph, seconds: str) -> tuple[str, str, str]:
    """Year, month and day: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days."""
    shifted = _plus(graph, _quotient(graph, seconds, DAY), 719_468)
    era = _quotient(graph, shifted, 146_097)
    of_era = graph.node("Sub", shifted, _times(graph, era, 146_097))
    leap = graph.node("Sub", _quotient(graph, of_era, 1_460), _quotient(graph, of_era, 36_524))
    leap = graph.node("Add", leap, _quotient(graph, of_era, 146_096))
    year = _quotient(graph, graph.node("Sub", of_era, leap), 365)
    before = graph.node("Sub", _quotient(graph, year, 4), _quotient(graph, year, 100))
    of_year = graph.node("Sub", of_era, graph.node("Add", _times(graph, year, 365), before))
    month = _quotient(graph, _plus(graph, _times(graph, of_year, 5), 2), 153)  # from March
    start = _quotient(graph, _plus(graph, _times(graph, month, 153), 2), 5)
    day = _plus(graph, graph.node("Sub", of_year, start), 1)
    late = _quotient(graph, month, 10)  # January and February are of the next year
    month = graph.node("Sub", _plus(graph, month, 3), _times(graph, late, 12))
    year = graph.node("Add", graph.node("Add", year, _times(graph, era, 400)), late)
    return year, month, day


def _of_date(nodes: Callable[[Graph, str], str]) -> Function:
    return Function(("date",), "number", nodes)


def by_text(graph: Graph, value: str, texts: Mapping[str, float]) -> str:
    """Numbers by text; 0 for others."""
    return as_number(graph, _looked_up(graph, value, texts))


def _looked_up(graph: Graph, value: str, texts: Mapping[str, float]) -> str:
    return graph.node(
        "LabelEncoder", value, domain="ai.onnx.ml", keys_strings=list(texts), values_floats=list(texts.values()),
        default_float=0.0,
    )  # fmt: skip


def _joined(graph: Graph, *texts: str) -> str:
    """Texts with a bar between, missing where one is."""
    between, none = graph.constant([[BETWEEN]], object), graph.constant([[""]], object)
    joined = texts[0]
    for text in texts[1:]:
        joined = graph.node("StringConcat", graph.node("StringConcat", joined, between), text)
    missing = reduce(partial(graph.node, "Or"), (is_missing_text(graph, text) for text in texts))
    return graph.node("Where", missing, none, joined)


def is_missing_text(graph: Graph, text: str) -> str:
    """A condition of `Where`."""
    return is_true(graph, _looked_up(graph, text, {"": 1.0}))


def is_true(graph: Graph, truth: str) -> str:
    """A condition of `Where` from a number; one that is missing counts as true."""
    from onnx import TensorProto

    return graph.node("Cast", truth, to=TensorProto.BOOL)


FUNCTIONS: Mapping[str, Function] = {
    **{name: _unary(name.title()) for name in ("abs", "sqrt", "exp", "log", "floor", "ceil", "round")},
    "sign": Function(("number",), "number", _sign),
    "log1p": Function(("number",), "number", _log1p),
    "min": Function(("number", "number"), "number", smaller),
    "max": Function(("number", "number"), "number", larger),
    "year": _of_date(lambda graph, value: _civil(graph, value)[0]),
    "month": _of_date(lambda graph, value: _civil(graph, value)[1]),
    "day": _of_date(lambda graph, value: _civil(graph, value)[2]),
    "weekday": _of_date(weekday),
    "hour": _of_date(lambda graph, value: _part_of_day(graph, value, DAY, 3600)),
    "minute": _of_date(lambda graph, value: _part_of_day(graph, value, 3600, 60)),
    "cat": Function(("text", "text"), "text", _joined, more=("text",)),
}
ARITHMETIC: Mapping[type[ast.AST], str] = {
    ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div", ast.Pow: "Pow",
}  # fmt: skip
ORDER: Mapping[type[ast.AST], str] = {
    ast.Lt: "Less", ast.LtE: "LessOrEqual", ast.Gt: "Greater", ast.GtE: "GreaterOrEqual", ast.Eq: "Equal",
}  # fmt: skip
