"""How a text file is written, known from its first megabyte; its encoding from all of its bytes.

Separators are tried in the order of `SEPARATORS`: the first that cuts all rows into the same number of fields, more
than one, is taken. A comma stands late because it may be the decimal mark, a space last because it stands in texts.
"""

import codecs
import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from stemma.errors import DataError
from stemma.tables import files
from stemma.tables.files import fault, head, one_reason, raw, records
from stemma.values import TOO_LONG, Text, fields

SEPARATORS = "\t;|, "
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
POINT = re.compile(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*")
THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*")
NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?\s*")
USUAL = ["cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"]
FOREIGN = 4096  # bytes of lines with other letters than ASCII's from which an encoding is guessed


@dataclass(frozen=True)
class Dialect:
    """How a text file is written, and what of that is doubtful."""

    text: Text
    guessed: bool = False  # the encoding fits, as others may
    headless: bool = False  # the first row, taken for a header, holds a number
    stray: bool = False  # a quote in a quoted text is not doubled


def detect(
    path: Path, header: bool, separator: str | None = None, encoding: str | None = None, decimal: str | None = None
) -> Dialect:
    """Find out what is not given; a DataError where the file is not there, is empty or cannot be read."""
    text = Text(separator or ",", decimal or ".", encoding or "utf-8", header)
    with one_reason(path, text):
        found, guessed = (encoding, False) if encoding else _encoding(path)
    text = replace(text, encoding=found)
    with one_reason(path, text):
        sample = head(path, text)
    if not sample.strip():
        raise DataError(f"{path} is empty")
    text = replace(text, separator=separator or _separator(sample))
    with one_reason(path, text):
        sample = whole_lines(head(path, text))
        rows = list(records(sample, text.separator))
        if rows and "\n" in rows[-1][-1] and sample.count('"') % 2:
            raise ValueError(TOO_LONG)
    headless = header and any(NUMBER.fullmatch(name) for name in rows[0]) if rows else False
    decimal = decimal or _decimal(rows[header:])
    return Dialect(replace(text, decimal=decimal), guessed, headless, _is_stray(sample, text.separator))


def _is_stray(sample: str, separator: str) -> bool:
    try:
        return not [*fields(io.StringIO(sample, newline=""), separator, strict=True)]
    except ValueError as error:
        return "expected after" in str(error)


def whole_lines(sample: str) -> str:
    """A sample without its last line where that may be cut."""
    return sample if len(sample) < files.HEAD // 4 else sample[: sample.rfind("\n") + 1] or sample


def _separator(sample: str) -> str:
    """The first that cuts all rows alike, else the one that cuts most of them alike, else a comma."""
    alike: dict[str, float] = {}
    for separator in SEPARATORS:
        lines = re.sub(" +", " ", sample).replace("\n ", "\n").strip(" ") if separator == " " else sample
        try:
            widths = Counter(len(row) for row in records(whole_lines(lines), separator))
        except ValueError:
            continue
        width, rows = widths.most_common(1)[0]
        alike[separator] = rows / widths.total() if width > 1 else 0.0
    best = max(alike, key=lambda separator: alike[separator], default=",")
    return best if alike.get(best) else ","


def _decimal(rows: list[list[str]]) -> str:
    """A comma where more numbers have one than a point, unless all of them could be thousands."""
    values = [value for row in rows for value in row]
    commas = [value for value in values if COMMA.fullmatch(value)]
    if len(commas) <= sum(1 for value in values if POINT.fullmatch(value)):
        return "."
    return "." if all(THOUSANDS.fullmatch(value) for value in commas) else ","


def _encoding(path: Path) -> tuple[str, bool]:
    """The encoding, and whether it is a guess: marked, UTF-16 by its zeros, UTF-8 where all bytes fit, else guessed."""
    with raw(path) as stream:
        first = stream.read(4096)
    marked = next((name for mark, name in MARKS.items() if first.startswith(mark)), None)
    if marked:
        return marked, False
    zeros = [first[place::2].count(0) for place in (0, 1)]
    if max(zeros) > len(first) // 4:
        return ("utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"), False
    return (_guess(path), True) if fault(path, "utf-8") else ("utf-8", False)


def _guess(path: Path) -> str:
    """An encoding of one of the usual families that fits the whole file."""
    from charset_normalizer import from_bytes

    # Western letters are by far the most usual, and a short sample speaks for many encodings at once.
    guesses = list(from_bytes(_foreign(path), cp_isolation=USUAL))
    western = [guess for guess in guesses[:2] if "cp1252" in guess.could_be_from_charset]
    if western and western[0].coherence >= guesses[0].coherence:
        guesses = []
    for name in [*(guess.encoding for guess in guesses), "cp1252"]:
        if not fault(path, name):
            return codecs.lookup(name).name
    return "iso8859-1"


def _foreign(path: Path) -> bytes:
    """Lines with bytes beyond ASCII, from the first megabytes that have some."""
    found = b""
    with raw(path) as stream:
        while len(found) < FOREIGN and (block := stream.read(files.HEAD)):
            found += b"\n".join(line for line in block.splitlines() if not line.isascii())
    return found[:FOREIGN]
