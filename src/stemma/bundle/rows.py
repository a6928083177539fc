"""The rows of CSV, Parquet or Arrow as the arrays that a graph takes: some at a time, so that memory stays flat."""

import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from numpy.typing import NDArray

from stemma.errors import BundleError, RowError
from stemma.files import mistaken
from stemma.signature import Signature
from stemma.text import in_one_line
from stemma.values import fields

BATCH = 8192  # rows read and predicted at once
PARQUET = ".parquet"
ARROW, ARROW_STREAM = ".arrow", ".arrows"  # IPC: the file and the stream
Batch = tuple[int, dict[str, NDArray[Any]]]  # number of the first row, arrays (N, 1)


@dataclass(frozen=True)
class Rows:
    """A file to predict: Parquet or Arrow where its name ends so, else CSV with a header and in UTF-8.

    Args:
        separator: of two fields in CSV, one character.
        decimal: the mark before the decimals of a number in CSV, a point or a comma, where the signature gives none.
        content: its bytes, where they came another way; `path` is what it is called then.
        columns: at most; unpacked: bytes that `content` may unpack to.
    """

    path: Path
    separator: str = ","
    decimal: str = "."
    content: bytes | None = None
    columns: float = math.inf
    unpacked: float = math.inf

    @property
    def kind(self) -> str:
        """The end of its name."""
        return self.path.suffix.lower()

    def text(self) -> TextIO:
        if self.content is None:
            return self.path.open(encoding="utf-8-sig", newline="")
        return io.TextIOWrapper(io.BytesIO(self.content), encoding="utf-8-sig", newline="")


def batches(rows: Rows, known: Signature) -> Iterator[Batch]:
    """Some rows at a time; at least once. Empty lines are no rows.

    Raises:
        BundleError: names the file.
        RowError: and the column and row of a value that does not fit.
    """
    if rows.kind in (PARQUET, ARROW, ARROW_STREAM):
        return _of_arrow(rows, known)
    return _of_csv(rows, known)


def character(text: str) -> str:
    """A separator; a tab may be written as \\t, which is easier to type.

    Raises:
        ValueError: it is none.
    """
    text = "\t" if text == "\\t" else text
    if len(text) != 1 or text in '"\r\n':
        raise ValueError(f"{text!r} is not one character that can separate fields")
    return text


# CSV.


def _of_csv(rows: Rows, known: Signature) -> Iterator[Batch]:
    known = replace(known, decimal=rows.decimal)
    for first_row, columns in texts(rows, {each.name for each in known.inputs}):
        try:
            arrays = known.arrays(columns, first_row)
        except RowError as error:
            raise error.within(rows.path) from None
        except BundleError as error:
            raise BundleError(f"{rows.path}: {error}") from None
        yield first_row, arrays


def texts(rows: Rows, wanted: set[str]) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """Number of the first row, and those columns of texts that are wanted; the others are not kept in memory."""
    path = rows.path
    try:
        with rows.text() as file:
            reader = fields(file, rows.separator, strict=True)
            header = _header(next(reader, []), rows)
            kept = [place for place, name in enumerate(header) if {name, name.strip()} & wanted]
            names = [header[place] for place in kept]
            first_row = 1
            batch: list[list[str]] = []
            for row in reader:
                if len(row) != len(header):
                    number = first_row + len(batch)
                    raise BundleError(f"{path}, row {number}: {len(row)} values, and the header has {len(header)}")
                batch.append(row if len(kept) == len(row) else [row[place] for place in kept])
                if len(batch) == BATCH:
                    yield first_row, _columns(names, batch)
                    first_row, batch = first_row + BATCH, []
            if batch or first_row == 1:
                yield first_row, _columns(names, batch)
    except FileNotFoundError:
        raise BundleError(f"{path} is not there") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read as CSV ({in_one_line(error)})") from None


def _header(names: list[str], rows: Rows) -> list[str]:
    if told := mistaken(",".join(names).encode()):
        raise BundleError(f"{rows.path} {told}")
    if not names:
        raise BundleError(f"{rows.path} is empty: its first line must name the columns")
    _check_names(names, rows)
    return names


def _check_names(names: Sequence[str], rows: Rows) -> None:
    if len(names) > rows.columns:
        raise BundleError(f"{rows.path} has {len(names)} columns, and {rows.columns} are taken")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BundleError(f"{rows.path} has two columns named {twice[0]!r}")


def _columns(header: list[str], rows: list[list[str]]) -> dict[str, list[str]]:
    values = zip(*rows, strict=True) if rows else ([] for _ in header)
    return {name: list(column) for name, column in zip(header, values, strict=True)}


# Parquet and Arrow.


def _of_arrow(rows: Rows, known: Signature) -> Iterator[Batch]:
    try:
        import pyarrow as pa
    except ImportError:
        what = "Parquet" if rows.kind == PARQUET else "Arrow"
        raise BundleError(f"pyarrow is not installed, and {what} needs it", run="pip install pyarrow") from None
    from stemma.bundle import arrow

    first_row = 1
    try:
        for batch in (_of_parquet if rows.kind == PARQUET else _of_ipc)(rows, known):
            yield first_row, arrow.arrays(batch, known, arrow.names(known, batch.schema.names), first_row)
            first_row += batch.num_rows
    except FileNotFoundError:
        raise BundleError(f"{rows.path} is not there") from None
    except RowError as error:
        raise error.within(rows.path) from None
    except BundleError as error:
        raise BundleError(f"{rows.path}: {error}" if str(rows.path) not in str(error) else str(error)) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:  # what pyarrow says of damage
        what = "Parquet" if rows.kind == PARQUET else "Arrow"
        raise BundleError(f"{rows.path} cannot be read as {what} ({in_one_line(error)})") from None


def _of_parquet(rows: Rows, known: Signature) -> Iterator[Any]:
    """Batches of the columns that are inputs, at least one."""
    import pyarrow as pa
    from pyarrow import parquet

    from stemma.bundle import arrow, packed

    # A buffer: what is not yet read of a row group stays on disk.
    with parquet.ParquetFile(_source(rows), buffer_size=2**20, pre_buffer=False) as file:
        schema = file.schema_arrow
        _check_names(schema.names, rows)
        named = arrow.names(known, schema.names)
        wanted = list(named.values())
        none = pa.RecordBatch.from_pylist([], schema=pa.schema([schema.field(name) for name in wanted]))
        arrow.arrays(none, known, named, 1)  # a type that does not fit is refused before its values are unpacked
        texts = [name for name in wanted if arrow.is_text(schema.field(name).type)]
        if rows.content is not None:
            packed.check(packed.pages(rows.content, file.metadata, wanted), rows.unpacked)
    with parquet.ParquetFile(_source(rows), buffer_size=2**20, pre_buffer=False, read_dictionary=texts) as file:
        there = False  # whatever the footer says
        for batch in file.iter_batches(BATCH, columns=wanted, use_threads=False):
            there = True
            yield batch
        if not there:
            yield none


def _of_ipc(rows: Rows, known: Signature) -> Iterator[Any]:
    """Batches of the columns that are inputs, at least one; offsets that lead out of a buffer are refused."""
    import pyarrow as pa

    from stemma.bundle import arrow, packed

    if rows.content is not None:
        packed.check(packed.batches(rows.content, stream=rows.kind == ARROW_STREAM), rows.unpacked)
    source = pa.OSFile(_source(rows)) if rows.content is None else _source(rows)
    with source, (pa.ipc.open_file if rows.kind == ARROW else pa.ipc.open_stream)(source) as reader:
        _check_names(reader.schema.names, rows)
        wanted = list(arrow.names(known, reader.schema.names).values())
        whole = reader if rows.kind == ARROW_STREAM else map(reader.get_batch, range(reader.num_record_batches))
        there = False
        for batch in whole:
            chosen = batch.select(wanted)  # as many others may share one buffer, and each would be read
            chosen.validate(full=True)
            for start in range(0, batch.num_rows, BATCH):
                there = True
                yield chosen.slice(start, BATCH)
        if not there:
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)


def _source(rows: Rows) -> Any:
    import pyarrow as pa

    return str(rows.path) if rows.content is None else pa.BufferReader(rows.content)
