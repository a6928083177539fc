"""Parts of the rows by the value of a column."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import VersionError
from stemma.versions import parquet
from stemma.versions.predictions import described

if TYPE_CHECKING:
    from stemma.versions.repository import Version

TEST = "data/prepared/test.parquet"
MOST = 20  # values shown by themselves; the rest is one slice
FEW = 10  # different numbers up to which each is a slice; more are cut at their quartiles
REST, MISSING = "(other)", "(missing)"


def columns_of(version: "Version", rows: NDArray[Any], wanted: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    """Columns of a version's test rows, in the order of these row numbers; those that are not there are left out.

    Raises:
        VersionError: the table is not in the version, or lacks one of these rows.
    """
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    number = described(version, "row")
    try:
        content = io.BytesIO(version.bytes(TEST))
        names = read_schema(content).names
        table = parquet.read(content, (number, *wanted))
        numbers = table.column(number).to_numpy()
    except (pa.ArrowInvalid, KeyError) as error:
        raise VersionError(f"{TEST} of {version.name} cannot be read ({error})") from None
    order = np.argsort(numbers, kind="stable")
    if not np.array_equal(numbers[order], rows):
        raise VersionError(f"{TEST} of {version.name} does not hold the rows that it was judged on")
    found: dict[str, Sequence[Any]] = dict.fromkeys(names, ())
    return found | {name: table.column(name).take(pa.array(order)).to_pylist() for name in wanted if name in names}


def cut(values: Sequence[Any]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Name and rows (rows,) of each slice: each value, the most frequent first; many different numbers by quartiles."""
    texts = np.array([_text(value) for value in values], dtype=object)
    present = texts != MISSING
    numbers = _numbers(texts[present])
    if numbers is not None and len(np.unique(numbers)) > FEW:
        spread = np.full(len(texts), np.nan)
        spread[present] = numbers
        found = _quartiles(spread)
    else:
        names, counts = np.unique(texts[present], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        found = [(str(name), texts == name) for name in names[order[:MOST]]]
        if len(order) > MOST:
            found.append((REST, np.isin(texts, names[order[MOST:]])))
    return found if present.all() else [*found, (MISSING, ~present)]


def _quartiles(numbers: NDArray[np.float64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Four parts of about as many rows each; fewer where many rows share a number."""
    edges = np.unique(np.nanquantile(numbers, [0, 0.25, 0.5, 0.75, 1]))
    place = np.clip(np.searchsorted(edges, numbers, side="left"), 1, None)  # in (edge, next edge], the first closed
    place[np.isnan(numbers)] = 0
    return [
        (f"{edges[end - 1]:g} to {edges[end]:g}", mask)
        for end in range(1, len(edges))
        if (mask := place == end).any()
    ]  # fmt: skip


def _text(value: Any) -> str:
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return MISSING
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _numbers(texts: NDArray[Any]) -> NDArray[np.float64] | None:
    """The texts as numbers, if all of them are finite ones."""
    try:
        numbers = texts.astype(np.float64)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None
