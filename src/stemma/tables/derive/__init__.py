"""Columns made of others, by expressions in `data.derive`, in the encoder's graph: the same in training and service.

    ratio: ExitRates / (BounceRates + 1e-6)      late: hour(when) >= 22       pair: cat(region, browser)

    functions.py      what an expression may call, and its nodes
    expressions.py    an expression as nodes of a graph
    here              all expressions of a table, and the columns that they give

What comes of a missing value is missing, and so is a number that is not finite in the end.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from stemma import runtime
from stemma.errors import DataError
from stemma.tables import encode
from stemma.tables.derive.expressions import Expression, WrongExpression, names, written
from stemma.tables.encode.graph import Graph
from stemma.tables.settings import Role
from stemma.text import short

__all__ = ["add", "add_conditions", "columns", "compared", "conditions", "names", "roles", "written"]
TYPES: Mapping[str, str] = {"numeric": "number", "boolean": "boolean", "date": "date", "categorical": "text"}
SHOWN = 100  # letters of an expression in a message
_Items = tuple[tuple[str, Any], ...]
ROLES: Mapping[str, Role] = {"number": "numeric", "boolean": "boolean", "text": "categorical"}


def add(
    graph: Graph, derive: Mapping[str, str], roles: Mapping[str, str], others: Mapping[str, str] | None = None
) -> dict[str, Role]:
    """Add the nodes of all expressions to a graph that takes columns of these roles. A derived column is a value of the
    graph by its name, as a column that was taken is, and may be used by those below it.

    Args:
        others: why other columns may not be used, by name.

    Returns:
        The role of each derived column.

    Raises:
        DataError: an expression is wrong; it says which, where and how.
    """
    types = _types(roles)
    made: dict[str, Role] = {}
    numbers: dict[str, str] = {}  # that no later expression uses: they become float32 together
    for place, (name, text) in enumerate(derive.items()):
        with _naming(f"data.derive: {name}", text):
            value = Expression(text, graph, types, others or {}).value()
            if value.type not in ROLES:
                raise WrongExpression("it gives a date: take year(), hour() or another part of it", 1)
        made[name], types[name] = ROLES[value.type], value.type
        if value.type != "text" and not any(name in names(later) for later in [*derive.values()][place + 1 :]):
            numbers[name] = value.name
        else:
            graph.name(value.name if value.type == "text" else _single(graph, value.name), name)
    for name, single in zip(numbers, _singles(graph, [*numbers.values()]), strict=True):
        graph.name(single, name)
    return made


@contextmanager
def _naming(where: str, text: str) -> Iterator[None]:
    """The error of an expression that is wrong: which, and at which letter."""
    try:
        yield
    except WrongExpression as wrong:
        raise DataError(f"{where}: {wrong} (at letter {wrong.place} of {short(text, SHOWN)!r})") from None


def add_conditions(
    graph: Graph, keep: Mapping[str, str], roles: Mapping[str, str], others: Mapping[str, str] | None = None
) -> list[str]:
    """Add the nodes of conditions, in `data.keep`; their values, float32 as a truth value that was taken is.

    Raises:
        DataError: as `add`, or one is no condition.
    """
    types, made = _types(roles), []
    for reason, text in keep.items():
        with _naming(f"data.keep: {reason}", text):
            value = Expression(text, graph, types, others or {}).value()
            if value.type != "boolean":
                raise WrongExpression("it is no condition, such as Age >= 18", 1)
        made.append(_single(graph, value.name))
    return made


def compared(expressions: Iterable[str], roles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(column, text) of each text that expressions which are right compare a column with."""
    for text in expressions:
        expression = Expression(text, Graph([*roles]), _types(roles), {})
        expression.value()
        yield from expression.compared


def roles(
    derive: Mapping[str, str], columns: Mapping[str, Any], others: Mapping[str, str] | None = None
) -> dict[str, Role]:
    """The role of each derived column; see `add`. Whoever asks for the role of a column asks for all of them."""
    return dict(_roles(*(tuple(each.items()) for each in (derive, columns, others or {}))))


@lru_cache(16)
def _roles(derive: _Items, columns: _Items, others: _Items) -> dict[str, Role]:
    graph = Graph([name for name, _ in (*columns, *derive)])
    return add(graph, dict(derive), dict(columns), dict(others)) if derive else {}


def _types(roles: Mapping[str, str]) -> dict[str, str]:
    return {name: TYPES[role] for name, role in roles.items()}


def _single(graph: Graph, value: str) -> str:
    """A number as the encoder takes it: float32, missing where it is not finite."""
    single = graph.float32(value)
    return graph.node("Where", graph.node("IsInf", single), graph.constant([[np.nan]]), single)


def _singles(graph: Graph, values: Sequence[str]) -> list[str]:
    """As `_single`, of several columns in the nodes of one."""
    if len(values) < 2:
        return [_single(graph, value) for value in values]
    widths = graph.constant([1] * len(values), np.int64)
    return graph.nodes("Split", _single(graph, graph.joined(values)), widths, outputs=len(values), axis=1)


def columns(frame: pd.DataFrame, derive: Mapping[str, str], roles: Mapping[str, str]) -> pd.DataFrame:
    """The derived columns of a canonical table.

    Raises:
        DataError: as `add`, or a column has no value in any row.
    """
    graph = Graph([*roles, *derive])
    made = add(graph, derive, roles)
    found = _run(graph, made, frame, roles)
    for name, values in found.items():
        if not (values != "" if values.dtype == object else ~np.isnan(values)).any():
            raise DataError(f"data.derive: {name}: {short(derive[name], SHOWN)!r} has no value in any row")
    return pd.DataFrame({name: _canonical(values) for name, values in found.items()})


def conditions(frame: pd.DataFrame, keep: Mapping[str, str], roles: Mapping[str, str]) -> list[np.ndarray]:
    """Where each condition holds in a canonical table (rows,); where it is missing, it does not."""
    graph = Graph([*roles])
    made = dict.fromkeys(add_conditions(graph, keep, roles), "boolean")
    return [values == 1 for values in _run(graph, made, frame, roles).values()]


def _run(graph: Graph, made: Mapping[str, str], frame: pd.DataFrame, roles: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The values (rows,) of a graph over columns of these roles, by name."""
    read = [(name, role) for name, role in roles.items() if graph.reads(name)]
    encode.take(graph, read)
    session = runtime.session(graph.model(encode.tensors(made), encode.OPSET).SerializeToString())
    pieces = [
        session.run(list(made), encode.feeds(frame.iloc[start : start + encode.CHUNK], read))
        for start in range(0, len(frame), encode.CHUNK)
    ]
    return {name: np.concatenate([piece[place] for piece in pieces])[:, 0] for place, name in enumerate(made)}


def _canonical(values: np.ndarray) -> Any:
    if values.dtype != object:
        return values.astype(np.float64)
    codes, texts = pd.factorize(values, sort=True)
    return pd.Categorical.from_codes(codes, pd.Index(texts, dtype="str"))
