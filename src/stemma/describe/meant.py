"""What texts may be meant as that are read as texts, and the settings of their column that say so.

A format, or a pair of marks, is offered where every text that was seen fits it; where several do, a person must choose.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import product
from typing import Any

from stemma.conf.hydra_yaml import flow
from stemma.values import CONVERTERS, THOUSANDS, Writing, usual_decimal

THREE = re.compile(r"[-+]?[1-9]\d{0,2}([.,]\d{3})+")
QUOTE = '"'
Reading = dict[str, str]  # of a column: `thousands` and others, by setting
DAYS = [f"%{order[0]}{mark}%{order[1]}{mark}%{order[2]}" for mark in ".-/ " for order in ("dmY", "mdY", "dmy", "mdy")]
DAYS += [f"%d{mark}%{month}{mark}%{year}" for mark in "- " for month in "bB" for year in "Yy"]
DAYS += ["%b %d, %Y", "%B %d, %Y", "%Y.%m.%d", "%Y/%m/%d", "%Y-%m-%d", "%Y%m%d"]
TIMES = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"]


def dates(texts: Sequence[str]) -> list[Reading]:
    """The setting of a column, once for each format that all of its texts have."""
    formats = (day + time for day, time in product(DAYS, TIMES))
    return [{"date_format": each} for each in formats if _all(datetime.strptime, texts, each)]


def numbers(texts: Sequence[str], decimal: str) -> list[Reading]:
    """The settings of a column, once for each pair of marks with which all of its texts are numbers."""
    several = [[*_marks(texts, decimal)], [Writing(decimal=".,")]]
    fitting = [[how for how in some if _all(CONVERTERS["number"], texts, how)] for some in several]
    return [reading(how, decimal) for how in fitting[0] or fitting[1]]


def between_thousands(texts: Sequence[str], decimal: str) -> list[str]:
    """Numbers that show that the decimal mark may stand between thousands: three digits are behind each."""
    marked, plain = ([text for text in texts if (decimal in text) is has] for has in (True, False))
    shown = len(marked) > 1 and plain and all(map(THREE.fullmatch, marked))
    return [plain[0], *marked[:2]] if shown else []


def reading(how: Writing, decimal: str) -> Reading:
    """The settings that say of a column of a file that it is written so."""
    told = {"thousands": how.thousands} if how.thousands else {}
    return told | ({} if how.decimal == usual_decimal(decimal, how.thousands) else {"decimal_in": how.decimal})


def lines(name: str, told: Reading) -> str:
    """Settings of a column as a person writes them."""
    return " and ".join(f"{setting}: {flow({name: mark}, QUOTE)}" for setting, mark in told.items())


def _marks(texts: Sequence[str], decimal: str) -> Iterator[Writing]:
    """Those that occur."""
    occurring = set("".join(texts))
    for point, thousands in product(".,", (None, *THOUSANDS)):
        differs = thousands in occurring if thousands else point != decimal
        if differs and thousands != point and point in {decimal, *occurring}:
            yield Writing(decimal=point, thousands=thousands)


def _all(read: Callable[[str, Any], object], texts: Sequence[str], how: object) -> bool:
    """Whether there are texts, and all of them are read so."""
    try:
        return bool([read(text, how) for text in texts])
    except ValueError:
        return False
