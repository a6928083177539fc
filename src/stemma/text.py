"""Texts for people: the nearest name, figures, and the one way out, on which nothing of a stranger's is obeyed.

Whatever a repository, a bundle or a table says may be in a text: `say` prints it, `escaped` and `code` put it into
Markdown, `stemma.report.document` into HTML.
"""

import codecs
import difflib
import functools
import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

MARKUP = re.compile(r"([\\`*_\[\]<>|#~])")
IN_WORD = re.compile(r"(?<=[^\W_])\\_(?=[^\W_])")
SHOWN = 3  # of a list
SMALL = 1e-3  # of differences
TINY = 5e-5  # four digits behind the point would be none
OUTPUT = "standard output"
NO_TEXT = ("idna", "punycode", "undefined")  # of names in addresses, and of nothing
EVERY = 30  # seconds between the lines of long work
UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
PLAIN = re.compile(r"[\w.@-]+")
SECRET = re.compile(r"(?<=://)[^/@]*@")


def encoding_of(name: str) -> str:
    """Python's own name of an encoding of texts.

    Raises:
        LookupError: there is none; what turns texts into texts or bytes into bytes, as rot13 and hex, is none.
    """
    found = codecs.lookup(name).name
    unknown = LookupError(f"unknown encoding: {name}")
    if found in NO_TEXT:
        raise unknown
    try:
        "a".encode(found)
    except LookupError:  # with Python's advice
        raise unknown from None
    return found


def nearest(name: object, names: Iterable[str], most: int = 1) -> str:
    """` (did you mean roc_auc?)`, the hint that ends a line about a name that is none; empty where none is near."""
    names = list(names)
    same = [one for one in names if one.casefold() == str(name).casefold()]
    close = (same or difflib.get_close_matches(str(name), names, n=most))[:most]
    return f" (did you mean {' or '.join(map(named, close))}?)" if close else ""


def named(name: str) -> str:
    """A name as it is where that is plain, else quoted."""
    return name if PLAIN.fullmatch(name) else repr(name)


def without_password(text: str) -> str:
    """The same without the user and password that a URL in it may hold."""
    return SECRET.sub("", text)


def few(items: Sequence[str], most: int = SHOWN) -> str:
    """The first few, and how many there are besides."""
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def apart(a: Sequence[str], b: Sequence[str], of_a: str, of_b: str) -> str:
    """`A alone has 'x', B has 'y'`: the first few names that only one of two lists has."""
    only = [few([repr(name) for name in some if name not in others]) or "nothing" for some, others in ((a, b), (b, a))]
    return f"{of_a} alone has {only[0]}, {of_b} has {only[1]}"


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 row`, `1,000 rows`."""
    return f"{count:,} {by_number(count, one, several or one + 's')}"


def by_number(count: int, one: str, several: str) -> str:
    """The word that goes with a count: `is` or `are`."""
    return one if count == 1 else several


def lasting(seconds: float) -> str:
    """`7 days`, `1.5 hours`, `1 minute`."""
    unit, length = next((each for each in UNITS if seconds >= each[1]), UNITS[-1])
    number = f"{seconds / length:,.1f}".removesuffix(".0")
    return f"{number} {unit}" if number == "1" else f"{number} {unit}s"


def short(text: object, most: int) -> str:
    """One line of at most so many letters, all of which a terminal or a picture can show."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def cut(text: str, most: int = 600) -> str:
    """The text with the middle of every line that is longer left out."""
    head, tail = most * 2 // 3, most // 3
    return "\n".join(line if len(line) <= most else f"{line[:head]} … {line[-tail:]}" for line in text.split("\n"))


def in_one_line(error: object, most: int | None = 200) -> str:
    """What an error of somebody else's says, its kind where it says nothing."""
    said = visible(" ".join(str(error).split()))
    return (said or (type(error).__name__ if isinstance(error, BaseException) else ""))[:most]


def figure(value: float | None) -> str:
    """Four digits behind the point, fewer of large numbers, two in all of tiny ones; a dash where it is not defined."""
    if value is None or not math.isfinite(value):
        return "-"
    size = abs(value)
    if size >= 1e12 or 0 < size < TINY:
        return f"{value:.4g}" if size > 1 else f"{value:.2g}"
    return f"{value:.4f}" if size < 100 else f"{value:,.1f}" if size < 1e6 else f"{value:,.0f}"


def in_digits(value: float | None, sign: Literal["", "+"] = "") -> str:
    """Four digits, and all that stand before the point; a dash where there is no number."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:{sign},.0f}" if 9999.5 <= abs(value) < 1e12 else f"{value:{sign}.4g}"


def interval(low: float | None, high: float | None) -> str:
    """Two figures; nothing where there is none."""
    return "" if low is None or high is None else f"{figure(low)} to {figure(high)}"


def dated(seconds: float) -> str:
    """A date, from seconds since 1970."""
    try:
        moment = datetime(1970, 1, 1) + timedelta(seconds=round(seconds))
    except OverflowError:  # no calendar has it
        return f"{seconds:g}"
    return moment.isoformat().removesuffix("T00:00:00")


def signed(value: float) -> str:
    """A difference: as `figure`, but two digits of one that this would show as nearly nothing."""
    if not math.isfinite(value):
        return "-"
    size = abs(value)
    return ("-" if value < 0 else "+") + (f"{size:.2g}" if 0 < size < SMALL else figure(size))


def visible(text: object, *, lines: bool = False) -> str:
    """The text with all that a terminal would obey, or that turns or hides what stands beside it, written out: \\u001b.

    Args:
        lines: line ends stay.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or (lines and letter == "\n") else f"\\u{ord(letter):04x}"  # as JSON has it
        for letter in text
    )


def say(text: object, *, error: bool = False) -> None:
    """Print a text, of one line or more, on standard output or standard error.

    Raises:
        OSError: standard output cannot be written; its `filename` is OUTPUT. What standard error does not take is lost.
    """
    stream = sys.stderr if error else sys.stdout
    form = stream.encoding or "utf-8"
    try:
        print(visible(text, lines=True).encode(form, "backslashreplace").decode(form), file=stream, flush=True)
    except OSError as fault:
        if not error:
            fault.filename = OUTPUT
            raise


class Pace:
    """Lines on standard error about work that is long: one every EVERY seconds."""

    def __init__(self) -> None:
        self._start = self._said = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._start

    def say(self, line: Callable[[], str]) -> None:
        """Say it if the last one is old enough."""
        if time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            say(line(), error=True)


@functools.cache
def say_once(line: str) -> None:
    """On standard error; a command opens a repository more than once, and says it once."""
    say(line, error=True)


def escaped(text: object, *, names: bool = False) -> str:
    """Markdown, on one line, that shows just this text.

    Args:
        names: `_` in a word stays as it is, for those who read the source.
    """
    made = MARKUP.sub(r"\\\1", visible(" ".join(str(text).split())))
    return IN_WORD.sub("_", made) if names else made


def code(text: object) -> str:
    """Markdown, on one line, that shows this text as code."""
    shown = visible(" ".join(str(text).split()))
    if "`" not in shown:
        return f"`{shown}`"
    fence = "`" * (1 + max(map(len, re.findall("`+", shown))))
    return f"{fence} {shown} {fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[int] = (0,)) -> list[str]:
    """The lines of a Markdown table.

    Args:
        head, rows: cells of Markdown; none leaves its cell.
        left: numbers of the columns of words; figures stand to the right.
    """
    words = set(left)
    rule = ["---" if place in words else "---:" for place in range(len(head))]
    return [f"| {' | '.join(map(_in_cell, cells))} |" for cells in (head, rule, *rows)]


def _in_cell(markdown: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\|", " ".join(markdown.split()))
