"""What Parquet and Arrow unpack to, told before it is; and bodies of some hundred bytes that would fill the memory."""

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from bundles import REGRESSION
from stemma import signature
from stemma.bundle import packed
from stemma.bundle.rows import ARROW, ARROW_STREAM, PARQUET, Rows, batches
from stemma.errors import BundleError

KNOWN = signature.parse(json.dumps(REGRESSION).encode())
ROOM = {"columns": 20, "unpacked": 2**24}
LONG = 2**25  # letters, or bytes


def in_parquet(table: pa.Table, **how: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, **how)
    return sink.getvalue()


def in_arrow(table: pa.Table, codec: str | None, *, stream: bool, **how: Any) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=codec, **how)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows // 2))
    return sink.getvalue()


def table(rows: int = 3, month: Any = None) -> pa.Table:
    months = pa.array(["May"] * rows) if month is None else month
    return pa.table({"Month": months, "PageValues": np.zeros(rows, np.float32), "Weekend": np.ones(rows, bool)})


def read(content: bytes, kind: str) -> int:
    """How many rows are read."""
    found = batches(Rows(Path(f"request{kind}"), content=content, **ROOM), KNOWN)
    return sum(len(arrays["Month"]) for _, arrays, _ in found)


CODED = pa.array(["May", "June", "May"]).dictionary_encode()
PARQUETS = [
    {"compression": codec, "use_dictionary": coded, "data_page_version": version, "data_page_size": size, **more}
    for codec, coded, version, size, more in (
        ("none", True, "1.0", None, {}),
        ("snappy", False, "2.0", 1, {"write_batch_size": 1}),
        ("zstd", True, "2.0", None, {"write_page_checksum": True, "write_page_index": True}),
        ("gzip", ["Month"], "1.0", 1, {"row_group_size": 2}),
    )
]


@pytest.mark.parametrize("how", PARQUETS, ids=range(len(PARQUETS)))
@pytest.mark.parametrize("rows", [0, 1, 3000])
def test_parquet_is_read_and_said_to_be_as_large_as_its_footer_says(how: dict[str, Any], rows: int) -> None:
    content = in_parquet(table(rows), **how)
    metadata = parquet.ParquetFile(pa.BufferReader(content)).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(3)]
    told = sum(packed.pages(content, metadata, ["Month", "PageValues", "Weekend"]))
    assert told <= sum(each.total_uncompressed_size for each in chunks) <= told + 100 * 3 * (rows + 2)
    assert read(content, PARQUET) == rows


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("stream", [True, False])
def test_arrow_is_read_and_said_to_be_as_large_as_its_buffers(codec: str | None, stream: bool) -> None:
    for content in (table(3000), table(3, CODED), table(0)):
        found = in_arrow(content, codec, stream=stream)
        told = sum(packed.batches(found, stream=stream))
        assert (told > 0) == (codec is not None and content.num_rows > 0)
        assert told <= content.nbytes * 2 + 4096
        assert read(found, ARROW_STREAM if stream else ARROW) == content.num_rows


def bombs() -> dict[str, Callable[[], tuple[bytes, str]]]:
    def zeros() -> pa.Table:
        return table(LONG // 4, pa.nulls(LONG // 4, pa.string()))

    def text() -> pa.Array:
        return pa.array(["x" * LONG])

    def many() -> pa.Array:
        return pa.array(["x" * 10_000] * 5_000)

    plain: dict[str, Any] = {"compression": "zstd", "use_dictionary": False}
    prefixed = plain | {"column_encoding": {"Month": "DELTA_BYTE_ARRAY"}}
    return {
        "zeros in a stream": lambda: (in_arrow(zeros(), "zstd", stream=True), ARROW_STREAM),
        "zeros in a file": lambda: (in_arrow(zeros(), "lz4", stream=False), ARROW),
        "a dictionary": lambda: (in_arrow(table(1, text().dictionary_encode()), "zstd", stream=True), ARROW_STREAM),
        "a dictionary in a file": lambda: (in_arrow(table(1, text().dictionary_encode()), "zstd", stream=False), ARROW),
        "a page": lambda: (in_parquet(table(1, text()), **plain), PARQUET),
        "a page of version 2": lambda: (in_parquet(table(1, text()), data_page_version="2.0", **plain), PARQUET),
        "a dictionary of Parquet": lambda: (in_parquet(table(1, text()), compression="zstd"), PARQUET),
        "prefixes": lambda: (in_parquet(table(5_000, many()), **prefixed), PARQUET),
        "prefixes in pages of version 2": lambda: (
            in_parquet(table(5_000, many()), data_page_version="2.0", **prefixed),
            PARQUET,
        ),
    }


@pytest.mark.parametrize("name", bombs())
def test_what_would_fill_the_memory_is_refused_before_it_is_unpacked(name: str) -> None:
    content, kind = bombs()[name]()
    assert len(content) < 500_000
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(BundleError, match=r"unpacks to more than|DELTA_BYTE_ARRAY"):
        read(content, kind)
    assert pa.default_memory_pool().max_memory() == before


def test_a_footer_that_lies_helps_nobody() -> None:
    """What a chunk unpacks to is written in the footer once, and in each of its pages."""
    content = in_parquet(table(1, pa.array(["x" * LONG])), compression="zstd", use_dictionary=False)
    metadata = parquet.ParquetFile(pa.BufferReader(content)).metadata
    size = metadata.row_group(0).column(0).total_uncompressed_size
    lie = content.replace(varint(size), padded(5, len(varint(size))))
    assert lie != content
    told = parquet.ParquetFile(pa.BufferReader(lie)).metadata.row_group(0).column(0).total_uncompressed_size
    assert told == 5
    with pytest.raises(BundleError, match="unpacks to more than"):
        read(lie, PARQUET)


def padded(value: int, length: int) -> bytes:
    """A number of Thrift in so many bytes."""
    made = bytearray(varint(value).ljust(length, b"\0"))
    for place in range(length - 1):
        made[place] |= 128
    return bytes(made)


def varint(value: int) -> bytes:
    value, made = value << 1, bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def test_a_footer_that_says_rows_where_no_group_has_any_gives_none() -> None:
    content = in_parquet(table(4))
    place = content.rindex(b"\x16\x08")  # the rows of the one group: 4, as Thrift has it
    assert read(content[:place] + b"\x16\x00" + content[place + 2 :], PARQUET) == 0


def test_a_field_of_another_type_or_there_twice_is_what_the_reader_takes_it_for() -> None:
    """Else one that the reader skips could hide the one that counts: 2 as i32 is 8, then as i64 is 5."""
    assert packed._struct(b"\x25\x10\x06\x04\x0a\x00", 0) == ({(2, 5): 8, (2, 6): 5}, 6)
    twice = b"\x5c\x25\x0e\x00" + b"\x0c\x0a\x00" + b"\x00"
    assert packed._struct(twice, 0) == ({(5, 12): {(2, 5): 7}}, 8)
    for endless in (b"\x25" + b"\x80" * 100, b"\x1c" * 5000, b"\x19\x00"):
        with pytest.raises(BundleError, match="damaged"):
            packed.check((packed._struct(endless, 0)[1] for _ in "a"), 10)


def test_many_parts_are_refused_where_any_number_of_bytes_is_taken() -> None:
    with pytest.raises(BundleError, match="more than inf bytes or 100,000 parts"):
        packed.check([0] * 100_002, math.inf)


def test_many_columns_are_refused(tmp_path: Path) -> None:
    wide = pa.table({f"c{number}": [1] for number in range(30)})
    bodies = {PARQUET: in_parquet(wide), ARROW: in_arrow(wide, None, stream=False), ".csv": b",".join([b"a"] * 30)}
    for kind, content in bodies.items():
        with pytest.raises(BundleError, match="30 columns, and 20 are taken"):
            read(content, kind)


GOOD = [
    (PARQUET, in_parquet(table(9), compression="zstd")),
    (PARQUET, in_parquet(table(9), compression="snappy", use_dictionary=False, data_page_version="2.0")),
    (ARROW, in_arrow(table(9), "zstd", stream=False)),
    (ARROW_STREAM, in_arrow(table(9, pa.array(["May"] * 9).dictionary_encode()), "lz4", stream=True)),
]


@given(st.sampled_from(GOOD), st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=9)), max_size=4))
def test_a_body_that_was_changed_is_read_or_refused(good: tuple[str, bytes], changes: list[tuple[int, bytes]]) -> None:
    kind, content = good
    changed = bytearray(content)
    for place, new in changes:
        start = place % len(changed)
        changed[start : start + len(new)] = new
    try:
        read(bytes(changed), kind)
    except BundleError:
        return
