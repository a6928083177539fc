"""The same figures for parts of the test rows: by each value of a column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from purchase_intent.data.columns import nearest
from stemma.errors import SettingsError

MOST = 20  # values of a column that are shown; the rarest others are one
FEW = 10  # different numbers are values, more are cut at the quartiles


@dataclass(frozen=True)
class Slice:
    """The rows (positions in the split) where a column has a value."""

    value: str
    rows: NDArray[np.int64]


def check(columns: Sequence[str], offered: Sequence[str]) -> None:
    """Refuse what is not a column of the prepared test rows.

    Raises:
        SettingsError: names the column and the nearest one.
    """
    for name in columns:
        if name not in offered:
            raise SettingsError(
                f"evaluate.slices: {name!r} is not a column of data/prepared/test.parquet{nearest(name, offered)}"
            )


def cut(column: pd.Series, boolean: bool = False) -> tuple[Slice, ...]:
    """The slices of a column: one for each text or truth value, up to four of about equal size for numbers and dates,
    and one for rows without a value."""
    present = column.notna().to_numpy()
    numbers = isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufM"
    if boolean:
        made = [Slice(text, np.flatnonzero(column == value)) for text, value in (("false", 0), ("true", 1))]
    else:
        made = list(_ranges(column) if numbers and column.nunique() > FEW else _values(column, present))
    made.append(Slice("(missing)", np.flatnonzero(~present)))
    return tuple(part for part in made if len(part.rows))


def _values(column: pd.Series, present: NDArray[np.bool_]) -> Iterator[Slice]:
    """One for each of the most frequent values, in their order, and one for all others."""
    counts = column[present].value_counts(sort=False)
    counts = counts[counts > 0].sort_index().sort_values(ascending=False, kind="stable")
    for value in sorted(counts.index[:MOST]):
        yield Slice(_text(value), np.flatnonzero(column == value))
    if others := list(counts.index[MOST:]):
        yield Slice(f"({len(others)} others)", np.flatnonzero(column.isin(others)))


def _ranges(column: pd.Series) -> Iterator[Slice]:
    """Up to each quartile; equal quartiles are one, so many rows with one value are a slice of their own."""
    low = column.min()
    for place, high in enumerate(column.quantile([0.25, 0.5, 0.75, 1]).drop_duplicates()):
        inside = (column <= high) & ((column >= low) if place == 0 else (column > low))
        text = _text(low) if low == high else f"{_text(low)} to {_text(high)}"
        yield Slice(text if place == 0 else f"above {text}", np.flatnonzero(inside))
        low = high


def _text(value: Any) -> str:
    if isinstance(value, pd.Timestamp | np.datetime64):
        return str(pd.Timestamp(value).isoformat(sep=" ", timespec="seconds")).removesuffix(" 00:00:00")
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return str(value) if str(value) else "(blank)"
