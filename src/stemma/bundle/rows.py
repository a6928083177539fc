"""The rows of CSV, Parquet or Arrow as the arrays that a graph takes: some at a time, so that memory stays flat."""

import codecs
import io
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from numpy.typing import NDArray

from stemma.errors import BundleError, RowError
from stemma.files import mistaken
from stemma.signature import Signature, called
from stemma.text import counted, encoding_of, few, in_one_line, nearest
from stemma.values import Text, fields

UTF8 = "utf-8-sig"
BATCH = 8192  # rows read and predicted at once
PARQUET = ".parquet"
ARROW, ARROW_STREAM = ".arrow", ".arrows"  # IPC: the file and the stream
HEAD = 2**20  # bytes by which a file is known
ALL = "*"  # of the columns
SPACES = re.compile(r'("[^"]*")| +')
Kept = Mapping[str, tuple[str, Sequence[Any]]]  # columns of the file by name: Arrow's word for the type, and values
Batch = tuple[int, dict[str, NDArray[Any]], Kept]  # number of the first row, arrays (N, 1)


@dataclass(frozen=True)
class Rows:
    """A file to predict: Parquet or Arrow where its name ends so, else CSV with a header."""

    path: Path
    separator: str | None = None  # of two fields in CSV, one character. None, here and below: see `as_written`
    # the mark before the decimals of a number in CSV, a point or a comma, where the signature gives none
    decimal: str | None = None
    encoding: str | None = None  # of CSV, as Python names it
    header: bool = True  # whether CSV has one; without it, one that names inputs is one too
    content: bytes | None = None  # its bytes, where they came another way; `path` is what it is called then
    keep: tuple[str, ...] = ()  # columns that go with the predictions; ALL: every one
    columns: float = math.inf  # at most
    unpacked: float = math.inf  # bytes that `content` may unpack to

    @property
    def kind(self) -> str:
        """The end of its name."""
        return self.path.suffix.lower()

    def text(self) -> TextIO:
        encoding = encoding_of(self.encoding or UTF8)
        encoding = UTF8 if encoding == "utf-8" else encoding  # it may begin with a mark
        if self.content is None:
            return self.path.open(encoding=encoding, newline="")
        return io.TextIOWrapper(io.BytesIO(self.content), encoding=encoding, newline="")

    def as_written(self, usual: Text) -> "Rows":
        """With what is not told of CSV: as the table of training was written, where its separator is in the first line.

        Bytes that are UTF-8 are that; a pipe, which cannot be read twice, is as the table was.
        """
        head = self._head()
        encoding = UTF8 if _is_utf8(head) else usual.encoding
        first = head.decode(encoding, errors="ignore").partition("\n")[0]
        if self.separator not in (None, usual.separator) or (head and usual.separator not in first):
            usual = Text()
        separator, decimal = self.separator or usual.separator, self.decimal or usual.decimal
        encoding = self.encoding or encoding
        return replace(self, separator=separator, decimal=decimal, encoding=encoding, header=usual.header)

    def keeps(self, names: Sequence[str]) -> dict[str, str]:
        """Of the columns of the file those that go with the predictions: as asked for, and as they are called there.

        Raises:
            BundleError: one is not there.
        """
        there = called(names)
        wanted = [name for asked in self.keep for name in (names if asked == ALL and ALL not in there else [asked])]
        for name in wanted:
            if name not in there:
                raise BundleError(f"{self.path} has no column {name!r} to keep{nearest(name, names)}")
        return {name: there[name] for name in wanted}

    def _head(self) -> bytes:
        """Its first bytes; none of what is no file, or not there."""
        if self.content is not None:
            return self.content[:HEAD]
        if not self.path.is_file():
            return b""
        with self.path.open("rb") as file:
            return file.read(HEAD)


def batches(rows: Rows, known: Signature) -> Iterator[Batch]:
    """Some rows at a time; at least once. Empty lines are no rows.

    Raises:
        BundleError: names the file.
        RowError: and the column and row of a value that does not fit.
    """
    if rows.kind in (PARQUET, ARROW, ARROW_STREAM):
        return _of_arrow(rows, known)
    return _of_csv(rows, known)


# CSV.


def _of_csv(rows: Rows, known: Signature) -> Iterator[Batch]:
    with _readable(rows.path):
        rows = rows.as_written(known.file)
    known = replace(known, decimal=rows.decimal or known.decimal)
    for first_row, columns in texts(rows, {each.name for each in known.inputs}):
        try:
            arrays = known.arrays(columns, first_row)
        except RowError as error:
            raise error.within(rows.path) from None
        except BundleError as error:
            raise BundleError(f"{rows.path}: {error}") from None
        yield first_row, arrays, {name: ("string", columns[own]) for name, own in rows.keeps([*columns]).items()}


def texts(rows: Rows, wanted: set[str]) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """Number of the first row, and those columns of texts that are wanted; the others are not kept in memory."""
    path = rows.path
    with _readable(path), rows.text() as file:
        reader = fields(_lines(file, rows.separator), rows.separator or ",", strict=True)
        first = next(reader, [])
        if not rows.header and not wanted & {name.strip() for name in first}:
            reader = itertools.chain([first], reader)
            first = [f"c{place}" for place in range(len(first))]
        header = _header(first, rows)
        wanted = wanted.union(rows.keeps(header).values())
        kept = [place for place, name in enumerate(header) if {name, name.strip()} & wanted]
        names = [header[place] for place in kept]
        first_row = 1
        batch: list[list[str]] = []
        for row in reader:
            if len(row) != len(header):
                number = first_row + len(batch)
                values = counted(len(row), "value")
                raise BundleError(f"{path}, row {number}: {values}, and the header has {len(header)}")
            batch.append(row if len(kept) == len(row) else [row[place] for place in kept])
            if len(batch) == BATCH:
                yield first_row, _columns(names, batch)
                first_row, batch = first_row + BATCH, []
        if batch or first_row == 1:
            yield first_row, _columns(names, batch)


def records(rows: Rows, needed: Sequence[str], *more: str) -> Iterator[dict[str, str]]:
    """The rows of CSV, one by one: of each the columns that are needed, and others where they are there.

    Raises:
        RowError: a column that is needed is not there.
    """
    for _, columns in texts(rows, {*needed, *more}):
        found = {name.strip(): values for name, values in columns.items()}
        if gone := [name for name in needed if name not in found]:
            raise RowError(f"{rows.path} has no column {few(gone)}", gone[0], None, f"the columns {few(needed)}")
        yield from (dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what goes wrong while CSV is read into one BundleError."""
    try:
        yield
    except FileNotFoundError:
        raise BundleError(f"{path} is not there") from None
    except (OSError, ValueError, LookupError) as error:
        why = getattr(error, "strerror", None) or in_one_line(error)  # the system's, without its number and the path
        raise BundleError(f"{path} cannot be read as CSV ({why})") from None


def _lines(file: TextIO, separator: str | None) -> Iterable[str]:
    """A separator that is a space stands for any number of them, as in a table of training."""
    return (SPACES.sub(lambda found: found[1] or " ", line.strip()) for line in file) if separator == " " else file


def _is_utf8(head: bytes) -> bool:
    """Whether letters beyond ASCII say so; the last one may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not head.isascii()


def _header(names: list[str], rows: Rows) -> list[str]:
    if told := mistaken(",".join(names).encode()):
        raise BundleError(f"{rows.path} {told}")
    if not names:
        raise BundleError(f"{rows.path} is empty: its first line must name the columns")
    _check_names(names, rows)
    return names


def _check_names(names: Sequence[str], rows: Rows) -> None:
    if len(names) > rows.columns:
        raise BundleError(f"{rows.path} has {counted(len(names), 'column')}, and {rows.columns} are taken")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BundleError(f"{rows.path} has two columns named {twice[0]!r}")


def _columns(header: list[str], rows: list[list[str]]) -> dict[str, list[str]]:
    values = zip(*rows, strict=True) if rows else ([] for _ in header)
    return {name: list(column) for name, column in zip(header, values, strict=True)}


# Parquet and Arrow.


def _of_arrow(rows: Rows, known: Signature) -> Iterator[Batch]:
    what = "Parquet" if rows.kind == PARQUET else "Arrow"
    try:
        import pyarrow as pa
    except ImportError:
        raise BundleError(f"pyarrow is not installed, and {what} needs it", run="pip install pyarrow") from None
    from stemma.bundle import arrow

    first_row = 1
    try:
        for batch in (_of_parquet if rows.kind == PARQUET else _of_ipc)(rows, known):
            arrays = arrow.arrays(batch, known, arrow.names(known, batch.schema.names), first_row)
            asked = rows.keeps(batch.schema.names)
            kept = {name: arrow.plain(name, batch.column(own)) for name, own in asked.items()}
            yield first_row, arrays, kept
            first_row += batch.num_rows
    except FileNotFoundError:
        raise BundleError(f"{rows.path} is not there") from None
    except RowError as error:
        raise error.within(rows.path) from None
    except BundleError as error:
        raise BundleError(f"{rows.path}: {error}" if str(rows.path) not in str(error) else str(error)) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:  # what pyarrow says of damage
        raise BundleError(f"{rows.path} cannot be read as {what} ({in_one_line(error)})") from None


def _of_parquet(rows: Rows, known: Signature) -> Iterator[Any]:
    """Batches of the columns that are inputs, at least one."""
    from pyarrow import parquet

    from stemma.bundle import arrow, packed

    # A buffer: what is not yet read of a row group stays on disk.
    with parquet.ParquetFile(_source(rows), buffer_size=2**20, pre_buffer=False) as file:
        schema = file.schema_arrow
        _check_names(schema.names, rows)
        named = arrow.names(known, schema.names)
        arrow.arrays(_none(schema, named.values()), known, named, 1)  # a wrong type is refused before it is unpacked
        wanted = _wanted(rows, known, schema.names)
        texts = [name for name in wanted if arrow.is_text(schema.field(name).type)]
        if rows.content is not None:
            packed.check(packed.pages(rows.content, file.metadata, wanted), rows.unpacked)
    with parquet.ParquetFile(_source(rows), buffer_size=2**20, pre_buffer=False, read_dictionary=texts) as file:
        there = False  # whatever the footer says
        for batch in file.iter_batches(BATCH, columns=wanted, use_threads=False):
            there = True
            yield batch
        if not there:
            yield _none(schema, wanted)


def _of_ipc(rows: Rows, known: Signature) -> Iterator[Any]:
    """Batches of the columns that are inputs, at least one; offsets that lead out of a buffer are refused."""
    import pyarrow as pa

    from stemma.bundle import packed

    if rows.content is not None:
        packed.check(packed.batches(rows.content, stream=rows.kind == ARROW_STREAM), rows.unpacked)
    source = pa.OSFile(_source(rows)) if rows.content is None else _source(rows)
    with source, (pa.ipc.open_file if rows.kind == ARROW else pa.ipc.open_stream)(source) as reader:
        _check_names(reader.schema.names, rows)
        wanted = _wanted(rows, known, reader.schema.names)
        whole = reader if rows.kind == ARROW_STREAM else map(reader.get_batch, range(reader.num_record_batches))
        there = False
        for batch in whole:
            chosen = batch.select(wanted)  # as many others may share one buffer, and each would be read
            chosen.validate(full=True)
            for start in range(0, batch.num_rows, BATCH):
                there = True
                yield chosen.slice(start, BATCH)
        if not there:
            yield _none(reader.schema, wanted)


def _wanted(rows: Rows, known: Signature, names: Sequence[str]) -> list[str]:
    """Of the columns of a file those that are inputs or are kept, in its order."""
    from stemma.bundle import arrow

    found = {*arrow.names(known, names).values(), *rows.keeps(names).values()}
    return [name for name in names if name in found]


def _none(schema: Any, names: Iterable[str]) -> Any:
    """A batch of these columns, without rows."""
    import pyarrow as pa

    return pa.RecordBatch.from_pylist([], schema=pa.schema([schema.field(name) for name in names]))


def _source(rows: Rows) -> Any:
    import pyarrow as pa

    return str(rows.path) if rows.content is None else pa.BufferReader(rows.content)
