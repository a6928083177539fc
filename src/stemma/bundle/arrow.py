"""Arrow's columns as the arrays that a graph takes: the rules of stemma.values, a column at a time.

Texts are converted once for each value that occurs, by the very functions of stemma.values; numbers, truth values
and times without a loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from stemma.errors import BundleError
from stemma.parquet import widened
from stemma.signature import Input, Signature, called, wrong
from stemma.values import PLAIN, seconds, wanted


def names(known: Signature, columns: Sequence[str]) -> dict[str, str]:
    """The column of each input, see `called`; a BundleError names the inputs that have none."""
    found = called(columns)
    known.check_there(found)
    return {each.name: found[each.name] for each in known.inputs}


def is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: Any) -> bool:
    """Or a truth value."""
    return bool(pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind))


def plain(name: str, values: Any) -> tuple[str, list[Any]]:
    """A column as JSON can hold it, with its type: numbers, truth values and texts; all else as text.

    Raises:
        BundleError: names the column, whose values have no text.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain(name, values.dictionary_decode())
    if not (_is_number(kind) or is_text(kind)):
        try:
            values = compute.cast(values, pa.string())
        except pa.ArrowException:
            raise BundleError(f"the column {name!r} cannot be kept: values of type {kind} have no text") from None
    return str(values.type), values.to_pylist()


def arrays(batch: Any, known: Signature, columns: Mapping[str, str], first_row: int) -> dict[str, NDArray[Any]]:
    """The graph's inputs, (N, 1) each, from a RecordBatch.

    Args:
        columns: as `names` gives them.
        first_row: number of the first row, for messages.

    Raises:
        BundleError: names the column, and the row of a value or the type that does not fit.
    """
    return {
        each.name: array(each, batch.column(columns[each.name]), known, first_row).reshape(-1, 1)
        for each in known.inputs
    }


def array(column: Input, values: Any, known: Signature, first_row: int) -> NDArray[Any]:
    """One input, (N,)."""
    types, kind = pa.types, values.type
    if types.is_dictionary(kind) and (types.is_primitive(kind.value_type) or types.is_decimal(kind.value_type)):
        values = values.dictionary_decode()  # of these alone: what is long is not copied to its rows
    if column.type == "string":
        values = compute.cast(values, pa.string()) if types.is_decimal(values.type) else widened(values)
    kind, by_format = values.type, column.type == "date" and column.name in known.date_format
    of_texts = is_text(kind) or types.is_null(kind) or (types.is_dictionary(kind) and is_text(kind.value_type))
    if of_texts or (_is_number(kind) and (column.type == "string" or by_format)):
        return _by_value(column, values, known, first_row)
    if column.type == "date" and (types.is_timestamp(kind) or types.is_date(kind)):
        return _seconds(values)
    number = _is_number(kind) or types.is_decimal(kind)
    if column.type == "string" or not number or (column.type, kind) == ("date", pa.bool_()):
        raise BundleError(f"column {column.name!r} holds {kind}, which is not {wanted(column.type)}")
    return _numbers(column, values, first_row).astype(np.float64 if column.type == "date" else np.float32, copy=False)


def _numbers(column: Input, values: Any, first_row: int) -> NDArray[Any]:
    narrow_already = pa.types.is_float16(values.type) or (pa.types.is_float32(values.type) and column.type != "date")
    wide = values if narrow_already else compute.cast(values, pa.float64(), safe=False)
    found = wide.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        narrow = found if column.type == "date" else found.astype(np.float32, copy=False)
    bad = np.isinf(narrow)
    if column.type == "boolean":
        bad |= ~((found == 0) | (found == 1) | np.isnan(found))
    if bad.any():
        row = int(bad.argmax())
        raise wrong(column, first_row + row, values[row].as_py(), PLAIN)
    return np.asarray(narrow)


def _seconds(values: Any) -> NDArray[np.float64]:
    """Seconds since 1970 in whole microseconds, NaN where there is none; an ArrowInvalid where one is beyond them."""
    if pa.types.is_timestamp(values.type) and values.type.unit == "ns":
        values = compute.floor_temporal(compute.cast(values, pa.timestamp("ns")), unit="microsecond")
    return seconds(compute.cast(values, pa.timestamp("us")).to_numpy(zero_copy_only=False))


def _by_value(column: Input, values: Any, known: Signature, first_row: int) -> NDArray[Any]:
    """Convert each value that occurs once, then place it in its rows."""
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    used, place = np.unique(codes, return_inverse=True)
    occurring = coded.dictionary.take(pa.array(used[used >= 0])).to_pylist()
    if len(used) and used[0] < 0:
        occurring.insert(0, None)
    alone = replace(known, inputs=(column,))
    try:
        table = alone.arrays({column.name: occurring})[column.name][:, 0]
    except BundleError:  # once more, for the number of the row; a value that is long is not copied to its rows
        return alone.arrays({column.name: [occurring[each] for each in place]}, first_row)[column.name][:, 0]
    return np.asarray(table[place])
