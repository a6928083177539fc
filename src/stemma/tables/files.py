"""Files of tables: text in any dialect, or Parquet, opened as Arrow takes it.

    names           its columns
    opened          its bytes: decompressed, in UTF-8
    texts           its values, as csv_options has Arrow read them
    one_reason      what goes wrong while reading, as one DataError that names the row or the byte

Files are read by Arrow: it refuses a row with too few or too many fields, which pandas fills or folds without a word.
A file is known by its first bytes rather than by its ending: Parquet, and the compressions that Arrow knows.
"""

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from stemma.errors import DataError
from stemma.files import mistaken
from stemma.tables import spool
from stemma.text import counted, encoding_of
from stemma.values import LONGEST, TOO_LONG, Text, fields

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
BLOCK = 4 * 2**20  # bytes that Arrow parses at once; no row may be longer
HEAD = 2**20  # bytes from which names and dialect are known
UTF8 = ("utf-8", "utf-8-sig")
SPACES = re.compile(rb'"[^"]*"| +')


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its ending or its first bytes; a DataError where it is not there or no table."""
    first = start(path, 64)
    if told := mistaken(first):
        raise DataError(f"{path} {told}")
    return path.suffix in (".parquet", ".pq") or first.startswith(b"PAR1")


def start(path: Path, size: int) -> bytes:
    """The first bytes of a file as it lies on the disk.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise DataError(
            f"{path} is not there: copy the table to that place, or correct `source` in conf/data/"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from None


def names(path: Path, text: Text) -> list[str]:
    """The columns of a text file, without spaces around them; one without a name is c and its place, from 0.

    Raises:
        DataError: the file is not there, is empty or cannot be read.
    """
    with one_reason(path, text):
        first = next(records(head(path, text), text.separator), None)
    if first is None:
        raise DataError(f"{path} is empty")
    given = [name.strip() for name in first] if text.header else [""] * len(first)
    return [name or f"c{place}" for place, name in enumerate(given)]


def head(path: Path, text: Text) -> str:
    """The text at the start of a file; its last line may be cut."""
    with opened(path, text) as stream:
        return stream.read(HEAD).decode("utf-8-sig", errors="ignore")


def records(text: str, separator: str) -> Iterator[list[str]]:
    """The rows of a text, empty lines left out."""
    return fields(io.StringIO(text, newline=""), separator)


@contextmanager
def opened(path: Path, text: Text) -> Iterator[BinaryIO]:
    """The content of a text file in UTF-8."""
    with raw(path) as stream:
        content: Any = stream
        if encoding_of(text.encoding) not in UTF8:
            content = pa.transcoding_input_stream(stream, text.encoding, "utf-8")
        yield io.BufferedReader(_Squeezed(content)) if text.separator == " " else content


def raw(path: Path) -> Any:
    """The bytes of a file, decompressed."""
    first = start(path, 4)
    if first == b"PK\x03\x04":
        raise DataError(f"{path} is an archive or a workbook: unpack it, or save the sheet as CSV")
    known = next((name for magic, name in MAGIC.items() if first.startswith(magic)), None)
    return pa.input_stream(str(path), compression=known)


def texts(
    path: Path, text: Text, columns: Mapping[str, pa.DataType] | None = None, missing: Sequence[str] = ()
) -> pa.Table:
    """The columns of a text file, or these of them, as texts or the dictionaries asked for; raises as `one_reason`.

    Args:
        missing: texts that become nulls.
    """
    columns = columns or dict.fromkeys(names(path, text), pa.string())
    options = csv_options(path, text, columns, null_values=list(missing))
    with one_reason(path, text), opened(path, text) as stream, csv.open_csv(stream, *options) as reader:
        return spool.table(reader.schema, map(refuse_long, reader), path.stat().st_size)


def refuse_long(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows, if they hold no value that a served network would not read."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        texts = column.dictionary if pa.types.is_dictionary(column.type) else column
        if (pc.max(pc.binary_length(texts)).as_py() or 0) > LONGEST:
            raise pa.ArrowInvalid(f"column {name!r}: {TOO_LONG}")
    return batch


def csv_options(
    path: Path, text: Text, columns: Mapping[str, pa.DataType], **converting: Any
) -> tuple[csv.ReadOptions, csv.ParseOptions, csv.ConvertOptions]:
    """How Arrow reads these columns of `opened(path, text)`."""
    # One thread: only then does an error name the row.
    reading = csv.ReadOptions(
        use_threads=False, block_size=BLOCK, column_names=names(path, text), skip_rows_after_names=int(text.header)
    )
    parsing = csv.ParseOptions(delimiter=text.separator, newlines_in_values=True)
    return reading, parsing, csv.ConvertOptions(
        include_columns=list(columns), column_types=dict(columns), strings_can_be_null=True, **converting
    )  # fmt: skip


@contextmanager
def one_reason(path: Path, text: Text | None = None) -> Iterator[None]:
    """Turn what goes wrong while a file is read into one DataError.

    Args:
        text: None for Parquet.

    Raises:
        DataError: names the file, the row of a fault in its form, or the line and byte of one in its encoding.
    """
    form = f"text separated by {text.separator!r}" if text else "Parquet"
    try:
        yield
    except LookupError:
        raise DataError(f"{path}: Python knows no encoding {text and text.encoding!r}: correct `encoding`") from None
    except (ValueError, OSError) as error:  # UnicodeError and Arrow's are ValueErrors
        told = text and (_preface(path, text) or _undecoded(path, text.encoding))
        if text and "straddl" in str(error) and len(head(path, text)) < HEAD:
            told = "no row follows the header"
        told = told or _reason(error, text is not None and text.header)
        raise DataError(f"{path} cannot be read as {form}: {told}") from None


def fault(path: Path, encoding: str) -> tuple[int, int, int] | None:
    """The first byte that an encoding does not have, if there is one: its place and line, from 1, and its value."""
    decoder = codecs.getincrementaldecoder(encoding)()
    read, line = 0, 1
    with raw(path) as stream:
        while True:
            block = stream.read(BLOCK)
            held = len(decoder.getstate()[0])
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, errors="ignore")
                return read - held + error.start + 1, line + before.count("\n"), error.object[error.start]
            if not block:
                return None
            read += len(block)


def _preface(path: Path, text: Text) -> str | None:
    """A first line that is no row."""
    try:
        start = head(path, text)
        widths = [len(row) for row in records(start, text.separator)]
    except (OSError, ValueError):
        return None
    first = start.partition("\n")[0].rstrip("\r")
    if re.fullmatch(r"(?i)\"?sep=.?\"?", first):
        return f"its first line, {first}, speaks to Excel alone: take it out"
    usual = Counter(reversed(widths)).most_common(1)[0][0] if widths else 0
    if widths and (widths[0] < usual or (first.startswith("#") and widths[0] != usual)):
        told = f"its first line ({first[:40]!r}) has {counted(widths[0], 'field')}, and most have {usual}"
        cure = "name the column that it lacks" if 1 < widths[0] == usual - 1 else "take out what is above the header"
        return f"{told}: {cure}"
    return None


def _undecoded(path: Path, encoding: str) -> str | None:
    try:
        found = fault(path, encoding)
    except (pa.ArrowInvalid, OSError, UnicodeError):
        return None
    if not found:
        return None
    byte, line, value = found
    return f"byte {byte} (line {line}) is {value:#04x}, which {encoding} does not have: correct `encoding`"


def _reason(error: Exception, header: bool) -> str:
    """The first line of what Arrow says, in the rows of the table."""
    text = (str(error).splitlines() or [type(error).__name__])[0]
    if "straddl" in text:
        return f"a quote is not closed, or a row is longer than {BLOCK:,} bytes"
    text = re.sub(r".*Row #(\d+): ", lambda found: f"row {int(found[1]) - header}: ", text)
    return text if len(text) <= 200 else text[:200] + "..."


class _Squeezed(io.RawIOBase):
    """Lines whose fields are apart by any number of spaces, with one space between them."""

    def __init__(self, stream: Any) -> None:
        self._lines = io.BufferedReader(stream)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            line = self._lines.readline()
            if not line:
                return 0
            end = b"\n" if line.endswith(b"\n") else b""
            fields = SPACES.sub(lambda found: found[0] if found[0].startswith(b'"') else b" ", line.strip())
            self._left = fields + end
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size
