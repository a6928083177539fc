"""What a body of Parquet or Arrow unpacks to, read before anything is unpacked: 500 bytes may hold 5 GB.

pyarrow bounds no memory. Each part says its size just where the reader looks that unpacks it, though: a page of Parquet
in its header, as the footer may lie, and a buffer of Arrow before its bytes.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from stemma.errors import BundleError

PARTS = 100_000  # pages, or batches: each takes its time
PREFIXED = 7  # DELTA_BYTE_ARRAY: a text is the one before it and some letters more, so that nothing says its length
TRUE, FALSE, I16, I32, I64, BINARY, STRUCT = 1, 2, 4, 5, 6, 8, 12  # Thrift's types
UNPACKED, PACKED = (2, I32), (3, I32)  # of a header of a page
ENCODINGS = ((5, STRUCT), (2, I32)), ((8, STRUCT), (4, I32))  # of a page of version 1, of 2


def check(sizes: Iterable[int], most: float) -> None:
    """Refuse what unpacks to parts of these sizes where they are too many, or together more than `most` bytes.

    Raises:
        BundleError: there is more, or it is damaged.
    """
    total = 0
    try:
        for count, size in enumerate(sizes):
            total += size
            if total > most or count > PARTS:
                raise BundleError(f"it unpacks to more than {most:,.0f} bytes or {PARTS:,} parts: send it in parts")
    except (IndexError, KeyError, TypeError, ValueError, struct.error, RecursionError):
        raise BundleError("it is damaged") from None


# Parquet.


def pages(content: bytes, metadata: Any, wanted: Iterable[str]) -> Iterator[int]:
    """The size of each page of some columns, which are no groups of others.

    Raises:
        BundleError: a page is packed so that nothing says its size.
    """
    there = {metadata.schema.column(place).path: place for place in range(metadata.num_columns)}
    for group in range(metadata.num_row_groups):
        yield 0  # one without a page takes its time, too
        for name in wanted:
            yield from _pages(content, metadata.row_group(group).column(there[name]))


def _pages(content: bytes, column: Any) -> Iterator[int]:
    if not column.num_values:  # the reader looks for no page then
        return
    place = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
    end = place + column.total_compressed_size
    while place < end:
        header, place = _struct(content, place)
        if any(header.get(part, {}).get(encoding) == PREFIXED for part, encoding in ENCODINGS):
            raise BundleError("its texts are packed as DELTA_BYTE_ARRAY, which is not read here")
        if header[UNPACKED] < 0 or header[PACKED] < 0:
            raise ValueError
        yield header[UNPACKED]
        place += header[PACKED]


def _struct(content: bytes, place: int) -> tuple[dict[tuple[int, int], Any], int]:
    """Fields by number and type, of Thrift's compact protocol, and the place behind them; those that pages have.

    A field of another type than the reader expects does not count for it, and one that is there twice is read twice.
    """
    found: dict[tuple[int, int], Any] = {}
    number = 0
    while kind := content[place]:
        place += 1
        if kind >> 4:
            number += kind >> 4
        else:
            number, place = _integer(content, place)
        field = number, kind & 15
        if kind & 15 in (I16, I32, I64):
            found[field], place = _integer(content, place)
        elif kind & 15 == STRUCT:
            value, place = _struct(content, place)
            found[field] = found.get(field, {}) | value
        elif kind & 15 == BINARY:
            length, place = _unsigned(content, place)
            place += length
        elif kind & 15 not in (TRUE, FALSE):
            raise ValueError
    return found, place + 1


def _integer(content: bytes, place: int) -> tuple[int, int]:
    value, place = _unsigned(content, place)
    return (value >> 1) ^ -(value & 1), place


def _unsigned(content: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        value |= (content[place + shift // 7] & 127) << shift
        if content[place + shift // 7] < 128:
            return value, place + shift // 7 + 1
    raise ValueError


# Arrow.


def batches(content: bytes, *, stream: bool) -> Iterator[int]:
    """The size of each batch."""
    import pyarrow as pa

    if stream:
        yield from map(_size, pa.ipc.MessageReader.open_stream(pa.BufferReader(content)))
        return
    whole = pa.py_buffer(content)
    for place in _places(content):
        yield _size(pa.ipc.read_message(pa.BufferReader(whole.slice(place))))


def _places(content: bytes) -> Iterator[int]:
    """Where the footer of a file says that dictionaries and batches are."""
    (length,) = struct.unpack("<i", content[-10:-6])
    footer = _root(content[-10 - length : -10])
    for slot in (8, 10):  # of Footer: dictionaries, recordBatches
        if found := footer.Offset(slot):
            start = footer.Vector(found)
            for block in range(footer.VectorLen(found)):
                yield struct.unpack_from("<q", footer.Bytes, start + 24 * block)[0]


def _size(message: Any) -> int:
    """What the buffers of a message unpack to; nothing where they are not packed."""
    root = _root(bytes(message.metadata))
    batch = _inner(root, root.Offset(8))  # of Message: header
    if message.type == "dictionary":
        batch = _inner(batch, batch.Offset(6))  # of DictionaryBatch: data
    if message.type == "schema" or not batch.Offset(10):  # of RecordBatch: compression
        return 0
    found, body = batch.Offset(8), memoryview(message.body)  # of RecordBatch: buffers
    start, count = batch.Vector(found), batch.VectorLen(found)
    buffers = struct.iter_unpack("<qq", batch.Bytes[start : start + 16 * count])
    return sum(max(0, struct.unpack_from("<q", body, place)[0]) for place, length in buffers if length)


def _root(content: bytes) -> Any:
    from flatbuffers.table import Table  # type: ignore[import-untyped]  # it has no types

    return Table(content, struct.unpack_from("<I", content)[0])


def _inner(table: Any, found: int) -> Any:
    return type(table)(table.Bytes, table.Indirect(table.Pos + found))
