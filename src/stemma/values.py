"""The values that a table may hold, each by itself: what a served network takes for a number, true, a date, a text.

number     float32; NaN is missing
boolean    float32 1 or 0, from true/false, yes/no, t/f, y/n, 1/0 in any case; NaN is missing
date       float64 seconds since 1970, from ISO 8601 text such as 2024-12-31 or 2024-12-31T23:59:59, or from a number
           of such seconds; a text with an offset is taken to UTC, one without counts as it stands; NaN is missing;
           and what Parquet holds as a date
string     text; "" is missing; a whole number is one level however it is spelled, 1, 1.0 or 1.00, and 01 is a text

Spaces around a text never count. How else the texts of a column are written, a `Writing` says; what comes as a number
is one. What a table of training may hold, `stemma.tables.load` says; TRUTH is of both.
"""

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
LONGEST = 2**20  # letters of a value in CSV
TOO_LONG = f"a quote is not closed, or a value is longer than {LONGEST:,} letters"
PROBE = datetime(2023, 1, 1)
DECIMAL, THOUSANDS = (".", ",", ".,"), (".", ",", " ", "'", "\u2019")
BY_COLUMN = ("missing_in", "fold_case", "decimal_in", "thousands", "date_format")  # what says how one is written
MISSING = ("", "NA", "NaN", "nan", "null", "NULL", "None", "?")
MINUS = "\u2212"
SPACES = re.compile("[\u00a0\u2009\u202f]")
SPACED = re.compile("[-+(]?[0-9]{1,3}([\u00a0\u2009\u202f][0-9]{3})+([.,][0-9]+)?[)-]?")
NEGATIVE = re.compile(r"\(([0-9.,]+)\)|([0-9.,]+)-")  # as accountants write it
WHOLE = {m: re.compile(rf"(-?[1-9][0-9]*)[{m}]0*|-?0(?:[{m}]0*)?") for m in DECIMAL}  # by the decimal mark
TRUTH = dict.fromkeys(("true", "yes", "t", "y", "1", "1.0"), 1.0) | dict.fromkeys(
    ("false", "no", "f", "n", "0", "0.0"), 0.0
)


@dataclass(frozen=True)
class Text:
    """How a text file of a table is written."""

    separator: str = ","  # of two fields; a space stands for any number of them
    decimal: str = "."
    encoding: str = "utf-8"  # as Python names it
    header: bool = True  # whether the first row names the columns; without one they are c0, c1, ...


@dataclass(frozen=True)
class Writing:
    """How the texts of a column are written."""

    missing: tuple[str, ...] = ()  # the texts that stand for "no value"
    decimal: str = "."  # the mark before the decimals of a number; ".,": either
    thousands: str | None = None  # the mark between its thousands; no-break spaces may stand there in any column
    # of its dates, as `datetime.strptime` has it, also of such as come as whole numbers; None: ISO 8601
    date_format: str | None = None
    fold: bool = False  # capital letters do not count


PLAIN = Writing()


def writing(told: Any, column: str) -> Writing:
    """How a column is written, by the settings of a table, or the signature of a network: both name it alike."""
    thousands = told.thousands.get(column)
    decimal = told.decimal_in.get(column, usual_decimal(told.decimal, thousands))
    missing, fold = told.missing_in.get(column, told.missing), column in told.fold_case
    return Writing(missing, decimal, thousands, told.date_format.get(column), fold)


def usual_decimal(decimal: str, thousands: str | None) -> str:
    """That of a table, but where this mark stands between thousands: there it is the other one."""
    return decimal if decimal != thousands else "," if decimal == "." else "."


def plain_number(text: str, how: Writing) -> str:
    """A number as Python takes it: a minus of typography, no-break spaces between thousands, (1.50) or 1.50- for -1.50.

    Raises:
        ValueError: it has a point, and the decimal mark is a comma.
    """
    text = text.replace(MINUS, "-")
    text = SPACES.sub("", text) if SPACED.fullmatch(text) else text
    if how.thousands and _grouped(how.thousands, how.decimal).fullmatch(text):
        text = text.replace(how.thousands, "")
    if how.decimal == "," and "." in text:
        raise ValueError
    text = text if how.decimal == "." else text.replace(",", ".")
    found = NEGATIVE.fullmatch(text)
    return text if found is None else f"-{found[1] or found[2]}"


@cache
def _grouped(thousands: str, decimal: str) -> re.Pattern[str]:
    """A number with marks between thousands, or as in India: 1,234.5 and 12,34,567."""
    mark, point = re.escape(thousands), re.escape(decimal)
    return re.compile(rf"[-+(]?[0-9]{{1,3}}({mark}[0-9]{{2,3}})*{mark}[0-9]{{3}}([{point}][0-9]*)?[)-]?")


def checked_format(text: str) -> str:
    """A format of dates that says at least which year; ValueError: it is none."""
    try:
        says_all = datetime.strptime(PROBE.strftime(text), text).replace(tzinfo=None) == PROBE
    except (ValueError, re.error):
        says_all = False
    if not says_all:
        raise ValueError(f"{text!r} is no format of a date such as %d.%m.%Y or %m/%d/%Y %H:%M")
    return text


def checked_separator(text: str) -> str:
    """The mark between fields of CSV; a tab may be written as tab or \\t. ValueError: it is none that Arrow takes."""
    text = "\t" if text.lower() in ("tab", "\\t") else text
    if len(text) != 1 or not text.isascii() or text in '\0\r\n"':
        raise ValueError(f"{text!r} is not one ASCII character that can separate fields")
    return text


def fields(lines: Iterable[str], separator: str, strict: bool = False) -> Iterator[list[str]]:
    """The rows of a CSV text, empty lines left out; a ValueError where it is none, in words."""
    csv.field_size_limit(LONGEST)
    try:
        yield from filter(None, csv.reader(lines, strict=strict, delimiter=separator))
    except csv.Error as error:
        raise ValueError(TOO_LONG if "field limit" in str(error) else str(error)) from None


def seconds(moments: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Since 1970, of datetime64[us]; NaN where there is none."""
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1_000_000)


def level(text: str, decimal: str = ".") -> str:
    """The one spelling of a level: writers of the same table give a whole number as 1, 1.0 or 1.00."""
    found = WHOLE[decimal].fullmatch(text)
    return text if found is None else found[1] or "0"


def _number(value: Any, how: Writing) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str):
        text = value.strip()
        if text in how.missing:
            return math.nan
        text = plain_number(text, how)
        if "_" in text or not text.isascii():  # float() takes 1_000 and digits of other scripts
            raise ValueError
        return float(text)
    if isinstance(value, (bool, int, float, Decimal, np.number, np.bool_)):
        return float(value)
    raise TypeError


def _flag(value: Any, how: Writing) -> float:
    if isinstance(value, str) and value.strip().lower() in TRUTH:
        return TRUTH[value.strip().lower()]
    number = _number(value, how)
    if number not in (0.0, 1.0) and not math.isnan(number):
        raise ValueError
    return number


def _date(value: Any, how: Writing) -> float:
    """Seconds since 1970."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError
    if isinstance(value, date):
        return _since(value if isinstance(value, datetime) else datetime.combine(value, time()))
    if how.date_format is not None and value is not None and value == value:
        value = _text(value, how)
    if not isinstance(value, str):
        return _number(value, how)
    text = value.strip()
    if text in how.missing:
        return math.nan
    own = how.date_format
    return _since(datetime.strptime(text, own) if own else datetime.fromisoformat(text.replace("/", "-")))


def _since(moment: datetime) -> float:
    # Whole microseconds by one division, as a table's dates are turned into seconds.
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - EPOCH) // MICROSECOND / 1_000_000


def _text(value: Any, how: Writing) -> str:
    """Text without the spaces around it; a number as a table writes it, so that 2 and 2.0 are "2"."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        value.encode()  # half a surrogate pair is no text
        text = value.strip()
        return "" if text in how.missing else text
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError


CONVERTERS: dict[str, Callable[[Any, Writing], Any]] = {
    "number": _number,
    "boolean": _flag,
    "date": _date,
    "string": _text,
}
_WANTED = {
    "number": "a finite number",
    "boolean": "true or false",
    "date": "a date such as 2024-12-31 or 2024-12-31T23:59:59",
    "string": "a text",
}


def wanted(kind: str, how: Writing = PLAIN) -> str:
    """What a value of a column should have been, in words."""
    if kind == "date" and how.date_format:
        return f"a date written as {how.date_format}"
    marks = f" with the decimal mark {how.decimal!r}" * (how.decimal != ".")
    marks += f" and {how.thousands!r} between thousands" * bool(how.thousands)
    return _WANTED[kind] + (marks if kind == "number" else "")
