"""Any source of a table -> one canonical table, column by column so that memory stays low.

Canonical columns, whatever the source:

    numeric, bayes   float64, NaN is missing
    boolean          float64, 1, 0 or NaN (true/false, yes/no, t/f, y/n, 1/0 in any case)
    date             datetime64[us] without a zone (a time with one is taken in UTC), NaT is missing
    categorical      category of text as in the file, but for whole numbers: 1 and 1.0 are one level, whoever wrote the
                     file; "" is missing; categories in text order
    target           category of text (classes; TRUE/FALSE for booleans), or float64 (regression)

Spaces around a value never count.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stemma import threads, values
from stemma.entries import Entry
from stemma.parquet import widened
from stemma.tables import derive, files, spool
from stemma.tables.columns import features, refuse, role_of, roles, splitting
from stemma.tables.settings import FileTable, Table
from stemma.tables.texts import INSTANT, instants, numbers, trimmed
from stemma.text import nearest
from stemma.values import BY_COLUMN, PLAIN, Text, Writing, level

MARKED = re.compile(r"\d{4}[-/]\d\d[-/]\d\d(?![-+\d])")  # a date; 20240131, as a number, is one of seconds in service
FITTING = {"thousands": ("numeric", "bayes", "time"), "date_format": ("date", "time")}  # kinds of columns


class WrongValue(Exception):
    """A value that does not fit the role of its column."""


def table(settings: Table, sources: Mapping[str, Entry]) -> pd.DataFrame:
    """Read, draw or load the table that the settings name.

    Args:
        sources: by kind, a function of its settings that gives an Arrow table, or frames one after the other.

    Returns:
        The canonical table: columns in the order of the source, those with role `drop` left out, rows numbered from 0.

    Raises:
        DataError: the file is not there or cannot be read, columns and settings do not fit each other, or a value does
            not fit the role of its column (column, row from 1 and value are named).
    """
    source = _source(settings, sources)
    names, columns = source.column_names, {name: source.column(name) for name in source.column_names}
    del source
    found = threads.each(partial(_canonical, columns, settings), names)
    refuse(settings.source, [told for told in found if isinstance(told, str)])
    frame = spool.frame(zip(names, found, strict=True))
    pa.default_memory_pool().release_unused()  # Arrow keeps freed memory for itself, about twice the table
    if not settings.derive or frame.empty:  # which `validate.check` refuses
        return frame
    return pd.concat([frame, derive.columns(frame, settings.derive, dict(features(frame, settings)))], axis=1)


def _canonical(columns: dict[str, pa.ChunkedArray], settings: Table, name: str) -> Any:
    """A column, which leaves `columns`; of one that cannot be converted, what is wrong."""
    kind = _kind(name, settings)
    try:
        values = CONVERTERS[kind](columns.pop(name), settings.writing(name))
    except WrongValue as wrong:
        return f"column {name!r} ({kind}) {wrong}"
    return spool.kept(values) if isinstance(values, np.ndarray) else values


def _used(names: list[str], settings: Table) -> list[str]:
    """The columns that are not dropped, once all have been checked."""
    if isinstance(settings, FileTable):
        refuse(settings.source, [*_wrong_writing(names, settings)])
    kept, splits = roles(names, settings), splitting(settings).values()
    return [name for name in names if kept.get(name) != "drop" or name in splits]


def _wrong_writing(names: list[str], settings: FileTable) -> Iterator[str]:
    """Settings of single columns that say nothing: of a column that is none, or of one of another role."""
    for setting in BY_COLUMN:
        for name in getattr(settings, setting):
            if name not in names:
                yield f"`{setting}` names {name!r}, which is no column{nearest(name, names)}"
            elif setting in FITTING and (kind := _kind(name, settings)) not in (*FITTING[setting], "drop"):
                yield f"`{setting}` names {name!r}, which is {kind}: give it the role {FITTING[setting][0]}"
    for name, mark in settings.thousands.items():
        if mark in settings.writing(name).decimal:
            yield f"`thousands` and `decimal_in` both give {name!r} the mark {mark!r}: correct one of them"


def _kind(name: str, settings: Table) -> str:
    """The role of a column, for the target "class" or "numeric", for one that only splits by time "time"."""
    if name == settings.target:
        return "class" if settings.predicts.has_classes else "numeric"
    if name in (settings.group, settings.partition):
        return "categorical"
    role = role_of(name, settings)
    return "time" if name == settings.time and role == "drop" else str(role)


def _source(settings: Table, sources: Mapping[str, Entry]) -> pa.Table:
    """The columns that have a use."""
    given = sources[settings.kind].load()(settings)
    if isinstance(settings, FileTable):
        return given  # which left out the others before it read them
    if not isinstance(given, pa.Table):
        given = pa.concat_tables(pa.Table.from_pandas(piece, preserve_index=False) for piece in given)
    return given.select(_used(given.column_names, settings))


def file(settings: FileTable) -> pa.Table:
    """The columns of a file that have a use."""
    path = Path(settings.source)
    return _parquet(path, settings) if files.is_parquet(path) else _csv(path, settings)


def _parquet(path: Path, settings: FileTable) -> pa.Table:
    """The columns that have a use, with the texts for "no value" as nulls."""
    from pyarrow import parquet

    with files.one_reason(path), parquet.ParquetFile(path, pre_buffer=False) as opened:
        schema = opened.schema_arrow
        used = _used(schema.names, settings)
        schema = pa.schema([schema.field(name) for name in used])
        batches = (batch.select(used) for batch in opened.iter_batches(columns=used))
        source = spool.table(schema, batches, path.stat().st_size)
    for place, name in enumerate(source.column_names):
        column = decoded(source.column(name))
        if pa.types.is_string(column.type):
            source = source.set_column(place, name, trimmed(column, settings.writing(name).missing))
    return source


def _csv(path: Path, settings: FileTable) -> pa.Table:
    """The columns that have a use, as text; classes and categories as dictionaries, which are small."""
    text = Text(settings.separator, settings.decimal, settings.encoding, settings.header)
    used = _used(files.names(path, text), settings)
    plain, coded = pa.string(), pa.dictionary(pa.int32(), pa.string())
    columns = {name: coded if _kind(name, settings) in ("categorical", "class") else plain for name in used}
    everywhere = set(settings.missing).intersection(*settings.missing_in.values())
    return files.texts(path, text, columns, sorted(everywhere))


def _number(column: pa.ChunkedArray, writing: Writing) -> np.ndarray:
    """float64, NaN where there is no value."""
    column = decoded(column)
    if pa.types.is_string(column.type):
        column = _parsed(column, writing, "number", lambda texts: numbers(texts, writing.decimal))
    try:
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy())
    except pa.ArrowNotImplementedError:
        raise WrongValue(f"holds values of type {column.type}, not numbers") from None


def _date(column: pa.ChunkedArray, writing: Writing) -> np.ndarray:
    """datetime64[us], NaT where there is no value."""
    column = decoded(column)
    if pa.types.is_string(column.type) or (writing.date_format and not pa.types.is_temporal(column.type)):
        column = _parsed(column, writing, "date", instants)
    if not pa.types.is_temporal(column.type) or pa.types.is_time(column.type) or pa.types.is_duration(column.type):
        raise WrongValue(f"holds values of type {column.type}, not dates")
    return np.asarray(column.cast(INSTANT, safe=False).to_numpy())


def _parsed(
    texts: pa.ChunkedArray, writing: Writing, kind: str, parse: Callable[[Any], pa.ChunkedArray]
) -> pa.ChunkedArray:
    """Texts as values: by Arrow where it can read all of them, else as a served network does."""
    if not (writing.thousands or writing.date_format or writing.decimal == ".,"):
        with suppress(pa.ArrowInvalid):
            return parse(texts)
        with suppress(pa.ArrowInvalid):
            return parse(trimmed(texts, writing.missing))
    found = _as_served(texts, writing, kind)
    return pa.chunked_array([np.rint(found * 1_000_000).astype("datetime64[us]") if kind == "date" else found])


def _as_served(column: pa.ChunkedArray, writing: Writing, kind: str) -> np.ndarray:
    """float64, each value that occurs read once."""
    coded = column.dictionary_encode().combine_chunks()
    codes, convert = coded.indices.fill_null(-1).to_numpy(), values.CONVERTERS[kind]
    is_marked = MARKED.match if kind == "date" and writing.date_format is None else bool
    found = []
    for place, value in enumerate(coded.dictionary.to_pylist()):
        try:
            found.append(convert(value, writing))
            if found[-1] == found[-1] and not is_marked(str(value).strip()):
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            row, wanted = int(np.argmax(codes == place)) + 1, values.wanted(kind, writing)
            raise WrongValue(f"holds {value!r} in row {row}, which is not {wanted}") from None
    return np.asarray(np.array([*found, np.nan])[codes])


def _category(column: pa.ChunkedArray, writing: Writing) -> pd.Categorical:
    """Text, "" where there is no value."""
    codes, texts = _coded(column, writing)
    if (codes < 0).any():
        codes = np.where(codes < 0, len(texts), codes)
        texts = [*texts, ""]
    return category(codes, texts)


def _class(column: pa.ChunkedArray, writing: Writing) -> pd.Categorical:
    """Text, NaN where there is no value, which `validate.check` refuses."""
    return category(*_coded(column, writing))


def _flag(column: pa.ChunkedArray, writing: Writing) -> np.ndarray:
    """1.0, 0.0 or NaN."""
    try:
        return _as_served(decoded(column), writing, "boolean")
    except pa.ArrowNotImplementedError:
        raise WrongValue(f"holds values of type {column.type}, not true or false") from None


def _moment(column: pa.ChunkedArray, writing: Writing) -> np.ndarray:
    """Numbers, or else dates: a column of time that has no role."""
    if writing.date_format:
        return _date(column, writing)
    try:
        return _number(column, writing)
    except WrongValue:
        return _date(column, writing)


def _coded(column: pa.ChunkedArray, writing: Writing) -> tuple[np.ndarray, list[str]]:
    """A code for each row, -1 where there is no value, and the text of each code."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        if not pa.types.is_dictionary(column.type):
            column = decoded(column).dictionary_encode()
        coded = column.combine_chunks()
        texts = [text.strip() for text in written(coded.dictionary)]
    except pa.ArrowNotImplementedError:
        raise WrongValue(f"holds values of type {column.type}, which have no text") from None
    places = np.array([-1 if text in writing.missing else code for code, text in enumerate(texts)] + [-1])
    return places[coded.indices.fill_null(-1).to_numpy()], [
        level(text.lower() if writing.fold else text, writing.decimal) for text in texts
    ]


def written(found: pa.Array) -> list[str]:
    """Values of any type as the text that a CSV file would hold, TRUE and FALSE for booleans; numbers as in service.

    Raises:
        pa.ArrowNotImplementedError: such values have no text.
    """
    if pa.types.is_floating(found.type):
        return [values.CONVERTERS["string"](value, PLAIN) for value in widened(found).to_pylist()]
    texts: list[str] = found.cast(pa.string()).to_pylist()
    return [text.upper() for text in texts] if pa.types.is_boolean(found.type) else texts


def category(codes: np.ndarray, texts: list[str]) -> pd.Categorical:
    """A category whose texts are in order and occur once each; only those that are in use."""
    used = np.unique(codes[codes >= 0])
    order = sorted({texts[code] for code in used})
    place = {text: number for number, text in enumerate(order)}
    codes = np.array([place.get(text, -1) for text in texts] + [-1])[codes]
    return pd.Categorical.from_codes(codes, pd.Index(order, dtype="str"))


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A dictionary column as plain values, and the types that text has in Arrow as one."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column


CONVERTERS: dict[str, Callable[[pa.ChunkedArray, Writing], Any]] = {
    "numeric": _number,
    "bayes": _number,
    "boolean": _flag,
    "date": _date,
    "categorical": _category,
    "class": _class,
    "time": _moment,
}
