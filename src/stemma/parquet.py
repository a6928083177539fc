"""Parquet files of versions, read by one thread."""

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
