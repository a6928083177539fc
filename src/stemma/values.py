"""The values that a table may hold, each by itself: what a served network takes for a number, true, a date, a text.

number     float32; NaN is missing
boolean    float32 1 or 0, from true/false, yes/no, t/f, y/n, 1/0 in any case; NaN is missing
date       float64 seconds since 1970, from ISO 8601 text such as 2024-12-31 or 2024-12-31T23:59:59, or from a number
           of such seconds; a text with an offset is taken to UTC, one without counts as it stands; NaN is missing
string     text; "" is missing; a whole number is one level however it is spelled, 1, 1.0 or 1.00, and 01 is a text

Spaces around a text never count. What a table of training may hold, `stemma.tables.load` says; TRUTH is of both.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
MISSING = ("", "NA", "NaN", "nan", "null", "NULL", "None", "?")
MINUS = "\u2212"
SPACES = re.compile("[\u00a0\u2009\u202f]")
SPACED = re.compile("[-+(]?[0-9]{1,3}([\u00a0\u2009\u202f][0-9]{3})+([.,][0-9]+)?\\)?")
BRACKETED = re.compile(r"\([0-9.,]+\)")
WHOLE = {mark: re.compile(rf"(-?[1-9][0-9]*)[{mark}]0*|-?0(?:[{mark}]0*)?") for mark in ".,"}  # by the decimal mark
TRUTH = dict.fromkeys(("true", "yes", "t", "y", "1", "1.0"), 1.0) | dict.fromkeys(
    ("false", "no", "f", "n", "0", "0.0"), 0.0
)


def plain_number(text: str) -> str:
    """A number as Python takes it: a minus of typography, no-break spaces between thousands, (1.50) for -1.50."""
    text = text.replace(MINUS, "-")
    text = SPACES.sub("", text) if SPACED.fullmatch(text) else text
    return f"-{text[1:-1]}" if BRACKETED.fullmatch(text) else text


def seconds(moments: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Since 1970, of datetime64[us]; NaN where there is none."""
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1_000_000)


def level(text: str, decimal: str = ".") -> str:
    """The one spelling of a level: writers of the same table give a whole number as 1, 1.0 or 1.00."""
    found = WHOLE[decimal].fullmatch(text)
    return text if found is None else found[1] or "0"


def _number(value: Any, missing: tuple[str, ...]) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str):
        text = value.strip()
        if text in missing:
            return math.nan
        text = plain_number(text)
        if "_" in text or not text.isascii():  # float() takes 1_000 and digits of other scripts
            raise ValueError
        return float(text)
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return float(value)
    raise TypeError


def _flag(value: Any, missing: tuple[str, ...]) -> float:
    if isinstance(value, str) and value.strip().lower() in TRUTH:
        return TRUTH[value.strip().lower()]
    number = _number(value, missing)
    if number not in (0.0, 1.0) and not math.isnan(number):
        raise ValueError
    return number


def _date(value: Any, missing: tuple[str, ...]) -> float:
    """Seconds since 1970."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError
    if not isinstance(value, str):
        return _number(value, missing)
    text = value.strip()
    if text in missing:
        return math.nan
    moment = datetime.fromisoformat(text.replace("/", "-"))
    # Whole microseconds by one division, as a table's dates are turned into seconds.
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - EPOCH) // MICROSECOND / 1_000_000


def _text(value: Any, missing: tuple[str, ...]) -> str:
    """Text without the spaces around it; a number as a table writes it, so that 2 and 2.0 are "2"."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        value.encode()  # half a surrogate pair is no text
        text = value.strip()
        return "" if text in missing else text
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    raise TypeError


CONVERTERS: dict[str, Callable[[Any, tuple[str, ...]], Any]] = {
    "number": _number,
    "boolean": _flag,
    "date": _date,
    "string": _text,
}
WANTED = {
    "number": "a finite number",
    "boolean": "true or false",
    "date": "a date such as 2024-12-31 or 2024-12-31T23:59:59",
    "string": "a text",
}
