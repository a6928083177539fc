"""Texts as values: numbers, dates, true and false. What describing a table and reading it have in common.

Each takes an Arrow array or chunked array of text without spaces around it, and keeps nulls.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stemma.values import MINUS, NEGATIVE, SPACED, SPACES

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
ZONED = r"[T ]\d.*(Z|[+-]\d\d(:?\d\d)?)$"
INSTANT = pa.timestamp("us")


def trimmed(texts: Any, missing: tuple[str, ...]) -> Any:
    """Texts without spaces around them, null for those that stand for no value."""
    bare = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(bare, value_set=pa.array(missing, pa.string())), None, bare)


def numbers(texts: Any, decimal: str) -> Any:
    """float64, such as 1, -2.5, .5, 1e-3 and inf; pa.ArrowInvalid where one of them is no number."""
    return pointed(texts, decimal).cast(pa.float64())


def plain(texts: Any) -> Any:
    """Texts of numbers as `values.plain_number` has them, without marks between thousands."""
    texts = pc.replace_substring(texts, MINUS, "-")
    spaced = pc.match_substring_regex(texts, f"^(?:{SPACED.pattern})$")
    texts = pc.if_else(spaced, pc.replace_substring_regex(texts, SPACES.pattern, ""), texts)
    return pc.replace_substring_regex(texts, f"^(?:{NEGATIVE.pattern})$", r"-\1\2")


def pointed(texts: Any, decimal: str) -> Any:
    """Texts of numbers with a decimal point; a point where the comma is decimal is none of a number."""
    if decimal == ".":
        return texts
    return pc.replace_substring(pc.replace_substring(texts, ".", "?"), ",", ".")


def instants(texts: Any) -> Any:
    """timestamp[us] of ISO 8601 dates and times, also YYYY/MM/DD; those with a zone in UTC, others as they stand.

    Raises:
        pa.ArrowInvalid: one of them is no date.
    """
    # Arrow takes six digits of a second; SQL Server writes seven.
    plain = pc.replace_substring_regex(pc.replace_substring(texts, "/", "-"), r"(\.\d{6})\d+", r"\1")
    try:
        return plain.cast(INSTANT)
    except pa.ArrowInvalid:
        zoned = pc.match_substring_regex(plain, ZONED)
    local = pc.if_else(zoned, None, plain).cast(INSTANT)
    world = pc.if_else(zoned, plain, None).cast(pa.timestamp("us", "UTC")).cast(INSTANT)
    return pc.coalesce(local, world)
