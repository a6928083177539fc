"""What each column of a file holds, in one pass, with memory that does not grow with the file.

The different values of a column are counted until there are more than `MOST_LEVELS`. From then on the column is
measured only: numbers and dates by their lowest and highest, texts not at all.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stemma.describe.dialect import Dialect
from stemma.errors import DataError
from stemma.tables import files, load
from stemma.tables.texts import NUMBER, instants, numbers, plain, pointed
from stemma.text import counted
from stemma.values import level

MOST_LEVELS = 20_000
MOST_ODD = 1000  # different texts kept that are neither numbers nor dates
BATCH = 65_536  # rows of a Parquet file at once
# What stands for no value in any column, and what does so only where all else is a number or a date.
MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "<NA>", "NaT")
DOUBTFUL = (
    "-", "--", ".", "none", "None", "NONE", "na", "Na", "nil", "n.a.", "missing", "Missing", "unknown", "Unknown",
)  # fmt: skip


@dataclass
class Measure:
    """Numbers or dates: how many, and between which ends."""

    count: int = 0
    low: Any = None
    high: Any = None
    whole: bool = True  # all are whole numbers
    padded: bool = False  # one has zeros in front, as a postal code may

    def add(self, values: pa.Array, times: int | None = None) -> None:
        """More of them, each once; together they stand for `times` values."""
        ends = pc.min_max(values)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        if low is None:
            return
        self.count += len(values) - values.null_count if times is None else times
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        if pa.types.is_floating(values.type) and self.whole:
            self.whole = bool(pc.all(pc.equal(pc.floor(values), values)).as_py())


@dataclass
class Column:
    """What one column holds. Counts are of rows."""

    name: str
    kind: str  # text, number, date, boolean, or the Arrow type of values that have no role
    decimal: str = "."  # the mark in its numbers
    rows: int = 0
    # text -> rows, for those that do not stand for no value; None where they are more than MOST_LEVELS
    levels: Counter[str] | None = field(default_factory=Counter)
    distinct: int = 0
    counted: int = 0  # rows with a value when `distinct` was last known: all of them where `levels` is there
    missing: Counter[str] = field(default_factory=Counter)  # text -> rows of what stands for no value; a null is ""
    odd: Counter[str] = field(default_factory=Counter)  # text -> rows of what is neither number nor date, some of them
    number: Measure = field(default_factory=Measure)
    date: Measure = field(default_factory=Measure)
    nothing_but_text: bool = False
    # its different texts as they are, where all were counted; levels are values
    spelled: list[str] = field(default_factory=list)

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing.total()


@dataclass(frozen=True)
class Survey:
    """A file as it was found. `dialect` is None for Parquet."""

    path: Path
    dialect: Dialect | None
    rows: int
    columns: tuple[Column, ...]


def survey(path: Path, dialect: Dialect | None) -> Survey:
    """Look at every value of a file.

    Raises:
        DataError: the file cannot be read, or has two columns of one name or one without a name.
    """
    text, decimal = (dialect.text, dialect.text.decimal) if dialect else (None, ".")
    columns: list[Column] = []
    rows = 0
    with files.one_reason(path, text):
        for names, batch in _batches(path, dialect):
            columns = columns or [Column(n, _kind(one.type), decimal) for n, one in zip(names, batch, strict=True)]
            for column, values in zip(columns, batch, strict=True):
                _add(column, values)
            rows += len(batch[0])
    for column in columns:
        _finish(column)
    return Survey(path, dialect, rows, tuple(columns))


def _batches(path: Path, dialect: Dialect | None) -> Iterator[tuple[list[str], list[pa.Array]]]:
    """The names of the columns, and some rows of each; at least once."""
    from pyarrow import csv, parquet

    if dialect is None:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        _refuse_names(path, names)
        yield names, [pa.array([], one.type) for one in file.schema_arrow]
        for batch in file.iter_batches(BATCH):
            yield names, batch.columns
        return
    names = files.names(path, dialect.text)
    _refuse_names(path, names, ": if the first row is no header, give --no-header" if dialect.headless else "")
    yield names, [pa.array([], pa.string())] * len(names)
    options = files.csv_options(path, dialect.text, dict.fromkeys(names, pa.string()), null_values=[""])
    with files.opened(path, dialect.text) as stream:
        for batch in csv.open_csv(stream, *options):
            files.refuse_long(batch)
            yield names, batch.columns


def _refuse_names(path: Path, names: list[str], cure: str = "") -> None:
    [(twice, times)] = Counter(names).most_common(1) or [("", 1)]
    if times > 1:
        raise DataError(f"{path}: column {twice!r} appears twice{cure}")
    if "" in names:
        raise DataError(f"{path}: column {names.index('') + 1} has no name")
    long = next((name for name in names if len(name) > 500), None)
    if long is not None:
        raise DataError(f"{path}: column {names.index(long) + 1} has a name of {counted(len(long), 'letter')}")


def _kind(type_: pa.DataType) -> str:
    """text, number, date, boolean, or the type itself."""
    types = pa.types
    if types.is_dictionary(type_):
        return _kind(type_.value_type)
    tests = {
        "text": (types.is_string, types.is_large_string, types.is_string_view, types.is_null),
        "number": (types.is_integer, types.is_floating, types.is_decimal),
        "date": (types.is_date, types.is_timestamp),
        "boolean": (types.is_boolean,),
    }
    return next((kind for kind, some in tests.items() if any(test(type_) for test in some)), str(type_))


def _add(column: Column, values: pa.Array) -> None:
    """More rows of a column."""
    column.rows += len(values)
    if column.kind not in ("text", "number", "date", "boolean"):
        column.missing[""] += values.null_count
        return
    values = load.decoded(values)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    column.missing[""] += values.null_count
    values = values.drop_null()
    if column.levels is None:
        _measure(column, values)
        return
    counts = values.value_counts()
    for text, rows in zip(load.written(counts.field("values")), counts.field("counts").to_pylist(), strict=True):
        column.levels[text.strip()] += rows
    if len(column.levels) > MOST_LEVELS:
        _widen(column)


def _widen(column: Column) -> None:
    """Measure a column from now on, beginning with the values that were counted."""
    levels, column.levels = _present(column), None
    before = column.number.count + column.date.count
    _measure_levels(column, levels)
    column.nothing_but_text = column.number.count + column.date.count - before < column.counted // 2


def _present(column: Column) -> Counter[str]:
    """Its levels, of which those that stand for no value are counted as missing."""
    levels = column.levels or Counter()
    for text in [text for text in levels if text in MISSING]:
        column.missing[text] += levels.pop(text)
    column.distinct, column.counted = len(levels), levels.total()
    return levels


def _measure_levels(column: Column, levels: dict[str, int]) -> None:
    """Numbers, dates and other texts among levels of a column, by their rows."""
    numeric, dated, odd = _sorted_out(pa.array(list(levels), pa.string()), column.decimal)
    parsed = numbers(plain(numeric), column.decimal), instants(dated)
    for measure, some, values in zip((column.number, column.date), (numeric, dated), parsed, strict=True):
        measure.add(values, sum(levels[text] for text in some.to_pylist()))
    column.number.padded = column.number.padded or _padded(numeric)
    if len(column.odd) < MOST_ODD:
        column.odd.update({text: levels[text] for text in odd.to_pylist()[:MOST_ODD]})


def _measure(column: Column, values: pa.Array) -> None:
    """Rows of a column with too many levels to count.

    Of texts the quickest way first: most columns hold numbers alone.
    """
    if column.kind == "number":
        column.number.add(values.cast(pa.float64(), safe=False))
    elif column.kind == "date":
        column.date.add(values.cast(pa.timestamp("us"), safe=False))
    elif column.nothing_but_text or not _measured(column, values):
        texts = pc.utf8_trim_whitespace(values)
        absent = pc.is_in(texts, value_set=pa.array(MISSING))
        column.missing.update(_counted(texts.filter(absent)))
        texts = texts.filter(pc.invert(absent))
        if not column.nothing_but_text and not _measured(column, texts):
            _measure_levels(column, _counted(texts))


def _measured(column: Column, values: pa.Array) -> bool:
    """Add texts that are all numbers, or all dates in a column of dates; where they are not, none, and say False."""
    try:
        if column.date.count and not column.number.count:
            column.date.add(instants(values))
            return True
        column.number.add(numbers(values, column.decimal))
    except pa.ArrowInvalid:
        return False
    column.number.padded = column.number.padded or _padded(values)
    return True


def _counted(texts: pa.Array) -> dict[str, int]:
    counts = texts.value_counts()
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def _sorted_out(texts: pa.Array, decimal: str) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Texts that are numbers, that are dates, and others."""
    is_number = pc.match_substring_regex(pointed(plain(texts), decimal), NUMBER)
    infinite = pc.match_substring_regex(texts, r"^[+-]?inf(inity)?$", ignore_case=True)
    is_number = pc.or_(is_number, infinite)
    rest = texts.filter(pc.invert(is_number))
    dated = pa.array(_are_dates(rest), pa.bool_())
    return texts.filter(is_number), rest.filter(dated), rest.filter(pc.invert(dated))


def _are_dates(texts: pa.Array) -> list[bool]:
    """Whether each text is a date; where only some are, by halving."""
    form = pc.match_substring_regex(texts, r"^\d{4}[-/]\d\d[-/]\d\d")
    if not pc.any(form).as_py():
        return [False] * len(texts)
    try:
        instants(texts)
        return [True] * len(texts)
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return [False]
    middle = len(texts) // 2
    return _are_dates(texts.slice(0, middle)) + _are_dates(texts.slice(middle))


def _padded(texts: pa.Array) -> bool:
    """Whether a number has zeros in front."""
    zeros = texts.filter(pc.starts_with(texts, "0"))
    return bool(pc.any(pc.match_substring_regex(zeros, r"^0\d")).as_py())


def _finish(column: Column) -> None:
    """What the levels say, where they could all be counted."""
    if column.levels is None:
        return
    levels = _present(column)
    column.spelled = list(levels)
    column.levels = Counter()
    for text, rows in levels.items():
        column.levels[level(text, column.decimal)] += rows
    column.distinct = len(column.levels)
    _measure_levels(column, column.levels)
