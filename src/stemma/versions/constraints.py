"""Constraints on versions, as text: NAME OP VALUE, such as `rows > 1000`, `size <= 5 MB`, `date >= 2026-01-01`.

Numbers take no unit but for size (B, kB, MB, GB, KiB, MiB, GiB) and latency (ms, s). Text is compared with = and !=
alone, a date with all six.
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stemma.errors import StemmaError
from stemma.text import cut

GRAMMAR = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(<=|>=|!=|==|=|<|>)\s*(.*?)\s*", re.DOTALL)
NUMBER = re.compile(r"([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)", re.ASCII)
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
UNITS: dict[str, dict[str, float]] = {
    "size": {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30},  # bytes
    "latency": {"": 1, "ms": 1, "s": 1000},  # milliseconds
}
TEXTS = ("stage", "framework")
NAMES = (*TEXTS, "rows", "size", "latency", "parameters", "date")  # and every metric


@dataclass(frozen=True)
class Constraint:
    text: str
    name: str
    operator: str
    value: Any

    def holds(self, found: Any) -> bool:
        """Whether a version with this value fits: a number, a datetime, a text, or several texts, of which one counts.

        What is not known (None) does not fit.
        """
        if isinstance(found, tuple):
            return (self.value in found) == (self.operator == "=")
        if found is None:
            return False
        return OPERATORS[self.operator](found, self.value)


def parse(text: str) -> Constraint:
    """Read one constraint; a StemmaError where it is not NAME OP VALUE, or the value does not fit the name."""
    match = GRAMMAR.fullmatch(text)
    if not match or not match[3]:
        raise StemmaError(f"{text!r} is no constraint: write NAME OP VALUE with one of {' '.join(OPERATORS)}")
    name, sign, written = match[1], match[2].replace("==", "="), match[3]
    if name in TEXTS:
        if sign not in ("=", "!="):
            raise StemmaError(f"{text!r}: a {name} is compared with = or != alone")
        return Constraint(text, name, sign, written.strip("'\""))
    return Constraint(text, name, sign, _date(written, text) if name == "date" else _number(name, written, text))


def _number(name: str, written: str, text: str) -> float:
    match, units = NUMBER.fullmatch(written), UNITS.get(name, {"": 1.0})
    found = float(match[1].replace("_", "")) * units.get(match[2].lower(), math.nan) if match else math.nan
    if not math.isfinite(found):
        allowed = f" with one of the units {', '.join(filter(None, units))}" if len(units) > 1 else ""
        raise StemmaError(f"{cut(text)!r}: {cut(written)!r} is no finite number{allowed}")
    return found


def _date(written: str, text: str) -> datetime:
    """A day begins at midnight UTC; a time without a zone is UTC."""
    try:
        found = datetime.fromisoformat(written.strip("'\""))
    except ValueError:
        raise StemmaError(f"{text!r}: {written!r} is not a date such as 2026-01-31") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
