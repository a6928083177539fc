"""An expression as nodes of a graph: Python's syntax, read by Python's parser and never run."""

import ast
import keyword
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import NoReturn

from stemma.tables.derive import functions
from stemma.tables.derive.functions import ARITHMETIC, FUNCTIONS, ORDER
from stemma.tables.encode.dates import DAY
from stemma.tables.encode.graph import Graph
from stemma.text import nearest
from stemma.values import CONVERTERS, PLAIN, level

LONGEST = 1000  # letters
PIECES = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`([^`]*)`|[\r\n]""")  # texts, names in backticks, line ends
NUMBERS = ("number", "boolean")  # a truth value counts as 1 or 0
KINDS = {"number": "a number", "boolean": "true or false", "date": "a date", "text": "a text"}
NAMES = re.compile(r"`([^`]*)`|([^\W\d]\w*)")


def names(text: str) -> list[str]:
    """All that may be names of columns in an expression; functions and words of texts are among them."""
    return [quoted or plain for quoted, plain in NAMES.findall(text)]


def written(name: str) -> str:
    """A column's name as it stands in an expression."""
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"`{name}`"


def _plain(piece: re.Match[str]) -> str:
    """As long as it was, so that places stay, and on one line, for the parser counts letters of a line."""
    if piece[0] in "\r\n":
        return " "
    return piece[0] if piece[1] is None else "_" * len(piece[0])


class WrongExpression(Exception):
    """What is wrong, and at which letter, counted from 1."""

    def __init__(self, what: str, place: int) -> None:
        super().__init__(what)
        self.place = place


@dataclass(frozen=True)
class Value:
    """A value of the graph: (rows, 1), of a constant (1, 1)."""

    name: str  # in the graph
    type: str  # number, boolean, date or text
    text: str | None = None  # of a constant text


class Expression:
    """
    Args:
        columns: the type of each column that may be used; its value in the graph has its name.
        others: why another name may not.
    """

    def __init__(self, text: str, graph: Graph, columns: Mapping[str, str], others: Mapping[str, str]) -> None:
        self._text, self._graph, self._columns, self._others = text, graph, columns, others
        self._plain = PIECES.sub(_plain, text)
        self._quoted = {found.start(): found[1] for found in PIECES.finditer(text) if found[1] is not None}
        self._used: set[str] = set()
        self._values: dict[ast.expr, Value] = {}
        self.compared: list[tuple[str, str]] = []  # columns with texts

    def value(self) -> Value:
        """Its nodes, added to the graph; a WrongExpression where it is none."""
        try:
            value = self._of(self._parsed())
        except RecursionError:
            raise WrongExpression("it is nested too deep", 1) from None
        if not self._used:
            raise WrongExpression("it uses no column", 1)
        return value

    def _parsed(self) -> ast.expr:
        if len(self._text) > LONGEST:
            raise WrongExpression(f"it is longer than {LONGEST:,} letters", LONGEST)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                return ast.parse(f"({self._plain})", mode="eval").body  # in brackets, so that spaces do not count
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            place = min(max(1, (getattr(error, "offset", None) or 2) - 1), max(1, len(self._text)))
            raise WrongExpression(
                "it is no expression; a name that is no identifier stands in backticks", place
            ) from None

    def _of(self, node: ast.expr) -> Value:
        """Once for each: the middle of a < b < c is asked for twice, and chains may be nested."""
        if node not in self._values:
            self._values[node] = self._made(node)
        return self._values[node]

    def _made(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool() | int() | float() | str()):
                return self._constant(node)
            case ast.Name():
                return self._column(node)
            case ast.Call(func=ast.Name(), keywords=[]):
                return self._called(node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                number = self._needed(operand, self._of(operand), NUMBERS)
                return Value(self._graph.node("Neg", number) if isinstance(node.op, ast.USub) else number, "number")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                one = functions.number(self._graph, 1.0)
                truth = self._needed(operand, self._of(operand), ("boolean",))
                return Value(self._graph.node("Sub", one, truth), "boolean")
            case ast.BoolOp():
                return self._combined(node)
            case ast.BinOp():
                return self._computed(node)
            case ast.Compare():
                return self._compared(node)
        self._refuse(node, "this is not understood")

    def _constant(self, node: ast.Constant) -> Value:
        try:
            if isinstance(node.value, str):
                node.value.encode()  # half a surrogate pair is no text
                return Value(self._graph.constant([[node.value]], object), "text", node.value)
            kind = "boolean" if isinstance(node.value, bool) else "number"
            return Value(functions.number(self._graph, float(node.value)), kind)  # type: ignore[arg-type]
        except (OverflowError, UnicodeEncodeError):
            self._refuse(node, "no column can hold this")

    def _column(self, node: ast.Name) -> Value:
        start, end = self._letter(node.col_offset), self._letter(node.end_col_offset or 0)
        name = self._quoted.get(start, self._text[start:end])  # as it stands: the parser normalises letters
        if name in self._columns:
            self._used.add(name)
            value = functions.as_number(self._graph, name) if self._columns[name] in NUMBERS else name
            return Value(value, self._columns[name])
        if name in self._others:
            self._refuse(node, f"{name!r} {self._others[name]}")
        self._refuse(node, f"{name!r} is no column{nearest(name, map(written, self._columns))}")

    def _combined(self, node: ast.BoolOp) -> Value:
        """a and b is a b, a or b is a + b - a b, which is missing where one is."""
        truths = [self._needed(each, self._of(each), ("boolean",)) for each in node.values]
        both = truths[0]
        for truth in truths[1:]:
            product = self._graph.node("Mul", both, truth)
            added = self._graph.node("Sub", self._graph.node("Add", both, truth), product)
            both = product if isinstance(node.op, ast.And) else added
        return Value(both, "boolean")

    def _computed(self, node: ast.BinOp) -> Value:
        left, right = self._of(node.left), self._of(node.right)
        if isinstance(node.op, ast.Sub) and left.type == right.type == "date":
            seconds = self._graph.node("Sub", left.name, right.name)
            return Value(self._graph.node("Div", seconds, functions.number(self._graph, DAY)), "number")
        sides = self._needed(node.left, left, NUMBERS), self._needed(node.right, right, NUMBERS)
        if isinstance(node.op, ast.Mod):
            return Value(functions.rest(self._graph, *sides), "number")
        if type(node.op) not in ARITHMETIC:
            self._refuse(node, f"of operators there are {' '.join('+-*/%')} **")
        return Value(self._graph.node(ARITHMETIC[type(node.op)], *sides), "number")

    def _compared(self, node: ast.Compare) -> Value:
        """Of a chain, a < b < c, all parts must hold."""
        truths, left = [], node.left
        for sign, right in zip(node.ops, node.comparators, strict=True):
            truths.append(self._truth(node, left, sign, right))
            left = right
        return Value(reduce(partial(self._graph.node, "Mul"), truths), "boolean")

    def _truth(self, node: ast.Compare, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> str:
        negated = isinstance(sign, ast.NotEq | ast.NotIn)
        if isinstance(sign, ast.In | ast.NotIn):
            truth = self._among(left, right)
        elif isinstance(sign, ast.NotEq) or type(sign) in ORDER:
            first, second = self._of(left), self._of(right)
            first, second = self._as_date(left, first, second), self._as_date(right, second, first)
            truth = self._ordered(node, first, ORDER.get(type(sign), "Equal"), second)
        else:
            self._refuse(node, "values are compared by < <= > >= == != in")
        return self._graph.node("Sub", functions.number(self._graph, 1.0), truth) if negated else truth

    def _ordered(self, node: ast.Compare, first: Value, kind: str, second: Value) -> str:
        if first.type == second.type == "text":
            column, text = (second, first.text) if first.text is not None else (first, second.text)
            if kind != "Equal" or text is None or column.text is not None:
                self._refuse(node, "a column of texts is compared with a text in quotes, by == or != or in")
            return self._is_text(column, [text])
        if first.type != second.type and not {first.type, second.type} <= set(NUMBERS):
            self._refuse(node, f"{KINDS[first.type]} is compared with {KINDS[second.type]}")
        return functions.compared(self._graph, kind, first.name, second.name)

    def _among(self, left: ast.expr, right: ast.expr) -> str:
        value = self._of(left)
        members = right.elts if isinstance(right, ast.Tuple | ast.List | ast.Set) else []
        constants = [
            self._of(each) for each in members if not any(isinstance(part, ast.Name) for part in ast.walk(each))
        ]
        if not constants or len(constants) < len(members):
            self._refuse(right, "`in` needs constants in brackets, such as (1, 2)")
        if value.type == "text" and all(each.text is not None for each in constants):
            return self._is_text(value, [str(each.text) for each in constants])
        truths = [functions.compared(self._graph, "Equal", self._needed(left, value, NUMBERS),
                                     self._needed(right, each, NUMBERS)) for each in constants]  # fmt: skip
        return reduce(partial(functions.larger, self._graph), truths)

    def _is_text(self, column: Value, texts: list[str]) -> str:
        if column.name in self._columns:
            self.compared += [(column.name, level(text)) for text in texts]
        return functions.by_text(self._graph, column.name, {"": float("nan")} | {level(text): 1.0 for text in texts})

    def _as_date(self, node: ast.expr, value: Value, beside: Value) -> Value:
        """A text in quotes beside a date is one."""
        if value.text is None or beside.type != "date":
            return value
        try:
            seconds = CONVERTERS["date"](value.text, PLAIN)
        except ValueError:
            self._refuse(node, f"{value.text!r} is no date such as 2024-12-31 or 2024-12-31T23:59:59")
        return Value(functions.number(self._graph, seconds), "date")

    def _called(self, node: ast.Call) -> Value:
        name = node.func.id  # type: ignore[attr-defined]
        of_any_type = {"fill": self._fill, "missing": self._missing, "where": self._where}
        if name in of_any_type:
            return of_any_type[name](node, [self._of(each) for each in node.args])
        if name not in FUNCTIONS:
            known = sorted([*FUNCTIONS, *of_any_type])
            self._refuse(node, f"{name} is no function{nearest(name, known)}: there are {', '.join(known)}")
        function = FUNCTIONS[name]
        wanted = function.takes + function.more * (len(node.args) - len(function.takes))
        if len(wanted) != len(node.args):
            self._refuse(node, f"{name} takes {', '.join(KINDS[each] for each in function.takes)}")
        values = [
            self._needed(each, self._of(each), NUMBERS if kind == "number" else (kind,))
            for each, kind in zip(node.args, wanted, strict=True)
        ]
        return Value(function.nodes(self._graph, *values), function.gives)

    def _missing(self, node: ast.Call, given: list[Value]) -> Value:
        if len(given) != 1:
            self._refuse(node, "missing takes one value")
        (value,) = given
        if value.type == "text":
            return Value(functions.by_text(self._graph, value.name, {"": 1.0}), "boolean")
        return Value(functions.as_number(self._graph, self._graph.node("IsNaN", value.name)), "boolean")

    def _fill(self, node: ast.Call, given: list[Value]) -> Value:
        if len(given) == 2:
            value, instead = given[0], self._as_date(node.args[1], given[1], given[0])
            if self._alike(value, instead):
                return Value(self._graph.node("Where", self._is_missing(value), instead.name, value.name), value.type)
        self._refuse(node, "fill takes a value and what stands for it where it is missing, of one type")

    def _where(self, node: ast.Call, given: list[Value]) -> Value:
        if len(given) != 3 or given[0].type != "boolean" or not self._alike(*given[1:]):
            self._refuse(node, "where takes a condition, and two values of one type")
        condition, first, second = given
        chosen = self._graph.node("Where", functions.is_true(self._graph, condition.name), first.name, second.name)
        nan = functions.number(self._graph, float("nan"))
        none = self._graph.constant([[""]], object) if first.type == "text" else nan
        kind = "number" if {first.type, second.type} == set(NUMBERS) else first.type
        return Value(self._graph.node("Where", self._is_missing(condition), none, chosen), kind)

    def _alike(self, first: Value, second: Value) -> bool:
        return first.type == second.type or {first.type, second.type} <= set(NUMBERS)

    def _is_missing(self, value: Value) -> str:
        if value.type == "text":
            return functions.is_missing_text(self._graph, value.name)
        return self._graph.node("IsNaN", value.name)

    def _needed(self, node: ast.expr, value: Value, types: tuple[str, ...]) -> str:
        if value.type not in types:
            self._refuse(node, f"this is {KINDS[value.type]}, and {KINDS[types[0]]} is needed")
        return value.name

    def _letter(self, offset: int) -> int:
        """The letter, from 0, at the parser's offset: that counts bytes, and the bracket."""
        return len(self._plain.encode()[: offset - 1].decode())

    def _refuse(self, node: ast.expr, what: str) -> NoReturn:
        raise WrongExpression(what, self._letter(node.col_offset) + 1)
