"""Where a table that is larger than memory lies: in files that have no name, which the system pages in and out.

They lie in $TMPDIR, else in /var/tmp, which is a disk where /tmp may be memory, and are gone when their process ends.
"""

import errno
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import DTypeLike

from stemma.files import told_where

NUMBERS = "biufM"  # kinds of types that lie in an array as they are
DISK = Path("/var/tmp")  # noqa: S108 - files there have no name
CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system, to give room at once
LARGE = 16 * 2**20  # bytes from which an array or a table does not stay in memory


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array to be filled: in memory, or in a file where it is large."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    with _file() as file:
        _take(file, size)
        return np.memmap(file, dtype, "r+", shape=shape).view(np.ndarray)


def kept(values: np.ndarray) -> np.ndarray:
    """The same values, in a file where they are large."""
    if values.nbytes < LARGE or isinstance(values.base, np.memmap):
        return values
    found = empty(values.shape, values.dtype)
    found[...] = values
    return found


def frame(columns: Iterable[tuple[str, Any]]) -> pd.DataFrame:
    """Columns of a canonical table (name, values) as one, large ones of numbers in files, one after the other."""
    return pd.DataFrame(
        {name: kept(np.asarray(values)) if values.dtype.kind in NUMBERS else values for name, values in columns},
        copy=False,
    )


def table(schema: pa.Schema, batches: Iterable[pa.RecordBatch], size: int) -> pa.Table:
    """Batches one after the other as one table; mapped from a file where their source is large (`size`, in bytes)."""
    if size < LARGE:
        return pa.Table.from_batches(batches, schema)
    with _file() as file:
        with pa.ipc.new_stream(file, schema) as stream:
            for batch in batches:
                stream.write_batch(batch)
        file.flush()
        return pa.ipc.open_stream(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))).read_all()


@contextmanager
def _file() -> Iterator[IO[bytes]]:
    folder = DISK if DISK.is_dir() and "TMPDIR" not in os.environ else Path(tempfile.gettempdir())
    with told_where(folder), tempfile.TemporaryFile(dir=folder) as file:
        yield file


def _take(file: IO[bytes], size: int) -> None:
    """All room at once: where a disk gets full under what is mapped, the process ends without a word."""
    os.ftruncate(file.fileno(), size)
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in CANNOT:
                raise
