"""Any source of a table -> one canonical table, column by column so that memory stays low.

Canonical columns, whatever the source:

    numeric, bayes   float64, NaN is missing
    boolean          float64, 1, 0 or NaN (true/false, yes/no, t/f, y/n, 1/0 in any case)
    categorical      category of text, exactly as in the file; "" is missing; categories in text order
    target           category of text (classes; TRUE/FALSE for booleans), or float64 (regression)

Files are read by Arrow: it refuses a row with too few or too many fields, which pandas fills or folds without a word.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from purchase_intent.config import BundledTable, FileTable, SimulatedTable, Table
from purchase_intent.data import bundled, simulate
from purchase_intent.data.columns import refuse, role_of, roles
from stemma.errors import DataError
from stemma.signature import TRUTH  # what a served network takes for true and false


class WrongValue(Exception):
    """A value that does not fit the role of its column."""


def table(settings: Table) -> pd.DataFrame:
    """Read, draw or load the table that the settings name.

    Returns:
        The canonical table: columns in the order of the source, those with role `drop` left out, rows numbered from 0.

    Raises:
        DataError: the file is not there or cannot be read, columns and settings do not fit each other, or a value does
            not fit the role of its column (column, row from 1 and value are named).
    """
    source = READERS[settings.kind](settings)  # type: ignore[attr-defined]
    columns = {name: source.column(name) for name in source.column_names}
    del source
    canonical, problems = {}, []
    for name in list(columns):
        kind = _kind(name, settings)
        try:
            canonical[name] = CONVERTERS[kind](columns.pop(name))
        except WrongValue as wrong:
            problems.append(f"column {name!r} ({kind}) {wrong}")
    refuse(settings.source, problems)
    pa.default_memory_pool().release_unused()  # Arrow keeps freed memory for itself, about twice the table
    return pd.DataFrame(canonical, copy=False)


def _used(names: list[str], settings: Table) -> list[str]:
    """The columns that are not dropped, once all have been checked."""
    kept = roles(names, settings)
    return [name for name in names if kept.get(name) != "drop"]


def _kind(name: str, settings: Table) -> str:
    """The role of a column, for the target "class" or "numeric"."""
    if name == settings.target:
        return "numeric" if settings.task == "regression" else "class"
    return str(role_of(name, settings))


def _simulated(settings: SimulatedTable) -> pa.Table:
    pieces = simulate.frames(settings.rows, settings.seed, settings.missing)
    source = pa.concat_tables(pa.Table.from_pandas(piece, preserve_index=False) for piece in pieces)
    return source.select(_used(source.column_names, settings))


def _bundled(settings: BundledTable) -> pa.Table:
    source = pa.Table.from_pandas(bundled.table(settings.dataset), preserve_index=False)
    return source.select(_used(source.column_names, settings))


def _file(settings: FileTable) -> pa.Table:
    path = Path(settings.source)
    if not path.is_file():
        raise DataError(f"{path} is not there: copy the table to that place, or correct `source` in conf/data/")
    parquet = path.suffix == ".parquet"
    try:
        return _parquet(path, settings) if parquet else _csv(path, settings)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        form = "Parquet" if parquet else f"CSV in UTF-8, separated by {settings.separator!r}"
        raise DataError(f"{path} cannot be read as {form}: {_reason(error)}") from None


def _parquet(path: Path, settings: FileTable) -> pa.Table:
    """The columns that have a use, with the texts for "no value" as nulls."""
    from pyarrow import parquet

    source = parquet.read_table(path, columns=_used(parquet.read_schema(path).names, settings))
    for place, name in enumerate(source.column_names):
        column = _decoded(source.column(name))
        if pa.types.is_string(column.type):
            missing = pc.is_in(column, value_set=pa.array(settings.missing, column.type))
            source = source.set_column(place, name, pc.if_else(missing, None, column))
    return source


def _csv(path: Path, settings: FileTable) -> pa.Table:
    """The columns that have a use, as text; classes and categories as dictionaries, which are small."""
    from pyarrow import csv

    # One thread: only then does an error name the row.
    reading = csv.ReadOptions(use_threads=False)
    parsing = csv.ParseOptions(delimiter=settings.separator, newlines_in_values=True)
    with csv.open_csv(path, reading, parsing) as head:
        used = _used(head.schema.names, settings)
    text, coded = pa.string(), pa.dictionary(pa.int32(), pa.string())
    converting = csv.ConvertOptions(
        include_columns=used,
        column_types={name: coded if _kind(name, settings) in ("categorical", "class") else text for name in used},
        null_values=list(settings.missing),
        strings_can_be_null=True,
    )
    return csv.read_csv(path, reading, parsing, converting)


def _reason(error: Exception) -> str:
    """The first line of what Arrow says; it counts the header as row 1."""
    text = re.sub(r".*Row #(\d+): ", lambda found: f"row {int(found[1]) - 1}: ", str(error).splitlines()[0])
    return text if len(text) <= 200 else text[:200] + "..."


def _number(column: pa.ChunkedArray) -> np.ndarray:
    """float64, NaN where there is no value."""
    column = _decoded(column)
    if pa.types.is_string(column.type):
        try:
            column = column.cast(pa.float64())
        except pa.ArrowInvalid:
            column = _parsed(pc.utf8_trim_whitespace(column))
    try:
        return column.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowNotImplementedError:
        raise WrongValue(f"holds values of type {column.type}, not numbers") from None


def _parsed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as float64; the first that is no number is found by halving."""
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        good, bad = 0, len(texts)  # texts[:good] are numbers, texts[:bad] are not all
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            texts.slice(good, middle - good).cast(pa.float64())
            good = middle
        except pa.ArrowInvalid:
            bad = middle
    raise WrongValue(f"holds {texts[good].as_py()!r} in row {good + 1}, which is not a number")


def _category(column: pa.ChunkedArray) -> pd.Categorical:
    """Text, "" where there is no value."""
    codes, texts = _coded(column)
    if (codes < 0).any():
        codes = np.where(codes < 0, len(texts), codes)
        texts = [*texts, ""]
    return _sorted(codes, texts)


def _class(column: pa.ChunkedArray) -> pd.Categorical:
    """Text, NaN where there is no value, which `validate.check` refuses."""
    return _sorted(*_coded(column))


def _flag(column: pa.ChunkedArray) -> np.ndarray:
    """1.0, 0.0 or NaN."""
    codes, texts = _coded(column)
    values = np.array([TRUTH.get(text.strip().lower(), -1.0) for text in texts] + [np.nan])  # code -1 takes the last
    flags = values[codes]
    if (flags < 0).any():
        row = int(np.argmax(flags < 0))
        raise WrongValue(f"holds {texts[codes[row]]!r} in row {row + 1}, which is neither true nor false")
    return flags


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """A code for each row, -1 where there is no value, and the text of each code."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        if not pa.types.is_dictionary(column.type):
            column = _decoded(column).dictionary_encode()
        coded = column.combine_chunks()
        texts = coded.dictionary.cast(pa.string()).to_pylist()
    except pa.ArrowNotImplementedError:
        raise WrongValue(f"holds values of type {column.type}, which have no text") from None
    if pa.types.is_boolean(coded.dictionary.type):
        texts = [text.upper() for text in texts]
    return coded.indices.fill_null(-1).to_numpy(), texts


def _sorted(codes: np.ndarray, texts: list[str]) -> pd.Categorical:
    """A category whose texts are in order and occur once each; only those that are in use."""
    used = np.unique(codes[codes >= 0])
    order = sorted({texts[code] for code in used})
    place = {text: number for number, text in enumerate(order)}
    codes = np.array([place.get(text, -1) for text in texts] + [-1])[codes]
    return pd.Categorical.from_codes(codes, pd.Index(order, dtype="str"))


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A dictionary column as plain values, and the types that text has in Arrow as one."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column


READERS: dict[str, Callable[[Any], pa.Table]] = {"simulated": _simulated, "bundled": _bundled, "file": _file}
CONVERTERS: dict[str, Callable[[pa.ChunkedArray], Any]] = {
    "numeric": _number,
    "bayes": _number,
    "boolean": _flag,
    "categorical": _category,
    "class": _class,
}
