"""Rows cut by the value of a column, for evaluate and compare alike."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.text import by_number

MOST = 20  # values of a column that are shown; the rarest others are one
FEW = 10  # different numbers are values, more are cut at the quartiles
MISSING = "(missing)"


@dataclass(frozen=True)
class Slice:
    """The rows (their positions) where a column has a value."""

    value: str
    rows: NDArray[np.int64]


def cut(column: Sequence[Any]) -> tuple[Slice, ...]:
    """The slices of a column: one for each text, truth value or few numbers, in their order; up to four of about equal
    size for many numbers or dates; one for rows without a value (None, NaN, blank).

    Texts that are all numbers are numbers: a CSV file is cut as a Parquet file.
    """
    texts = np.array([_text(value) for value in column], dtype=object)
    missing = texts == MISSING
    numbers = _numbers(column, missing)
    if numbers is not None and len(np.unique(numbers[~missing])) > FEW:
        dates = any(isinstance(value, datetime) for value in column)
        made = list(_ranges(numbers, dates))
    else:
        made = list(_values(texts, missing, texts if numbers is None else numbers))
    made.append(Slice(MISSING, np.flatnonzero(missing)))
    return tuple(part for part in made if len(part.rows))


def _values(texts: NDArray[Any], missing: NDArray[np.bool_], order: NDArray[Any]) -> Iterator[Slice]:
    """One for each of the most frequent values, in this order of the rows, and one for all others."""
    names, first, counts = np.unique(texts[~missing], return_index=True, return_counts=True)
    ranked = np.argsort(-counts, kind="stable")
    for place in sorted(ranked[:MOST], key=lambda place: order[~missing][first[place]]):
        yield Slice(names[place], np.flatnonzero(texts == names[place]))
    if len(others := names[ranked[MOST:]]):
        yield Slice(
            f"({len(others)} {by_number(len(others), 'other', 'others')})", np.flatnonzero(np.isin(texts, others))
        )


def _ranges(numbers: NDArray[np.float64], dates: bool) -> Iterator[Slice]:
    """Up to each quartile; equal quartiles are one, so many rows with one value are a slice of their own."""
    low, *highs = np.nanquantile(numbers, [0, 0.25, 0.5, 0.75, 1]).tolist()
    for place, high in enumerate(dict.fromkeys(highs)):
        inside = (numbers <= high) & ((numbers >= low) if place == 0 else (numbers > low))
        first, last = (_text(datetime.fromtimestamp(edge, UTC)) if dates else f"{edge:.6g}" for edge in (low, high))
        text = first if low == high else f"{first} to {last}"
        yield Slice(text if place == 0 else f"above {text}", np.flatnonzero(inside))
        low = high


def _numbers(column: Sequence[Any], missing: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Numbers, or seconds since 1970, NaN where there is no value; None where a value is neither."""
    try:
        found = np.array(
            [math.nan if gone else _number(v) for v, gone in zip(column, missing, strict=True)], np.float64
        )
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found[~missing]).all() else None


def _number(value: Any) -> float:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(str(value))  # a truth value is no number


def _text(value: Any) -> str:
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "seconds").removesuffix(" 00:00:00")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
