"""Parquet files of versions, read by one thread; and what Arrow holds in float32, as CSV and JSON have it."""

from collections.abc import Sequence
from typing import Any


def read(source: Any, columns: Sequence[str] | None = None) -> Any:
    """The table (pyarrow) of a path or an open file: all of its columns, or those of these that it has.

    Arrow's threads gain little on tables as small as these, and abort the process (exit code 134) if it ends while
    they start, as it does after one line about wrong input. `read_table` starts one whatever it is told.

    Raises:
        pyarrow.ArrowInvalid: it is no Parquet file.
    """
    from pyarrow.parquet import ParquetFile

    with ParquetFile(source, pre_buffer=False) as file:
        chosen = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
        return file.read(chosen, use_threads=False)


def widened(values: Any) -> Any:
    """Arrow's values; of float32 the float64 of its shortest text, 0.1 for 0.1."""
    import pyarrow as pa

    return values.cast(pa.string()).cast(pa.float64()) if pa.types.is_float32(values.type) else values
