"""The rows of two versions' tables, each compared with each: reads the Parquet files of both."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemma import layout, parquet
from stemma.errors import VersionError
from stemma.repo.repository import Version
from stemma.text import in_one_line
from stemma.versions.diff.data import Rows, counted


def count_rows(before: Version, after: Version) -> Rows:
    """Count the rows that two versions share, by the columns that are in both in the same role.

    Raises:
        VersionError: a table is out of reach, or no Parquet file.
    """
    held = [(version.profile or {})["columns"] for version in (before, after)]
    both = held[0].keys() & held[1].keys()
    columns = tuple(sorted(name for name in both if held[0][name]["role"] == held[1][name]["role"]))
    sides = [_hashes(version, columns) for version in (before, after)]
    values, place = np.unique(np.concatenate(sides), return_inverse=True)
    first = np.bincount(place[: len(sides[0])], minlength=len(values))
    second = np.bincount(place[len(sides[0]) :], minlength=len(values))
    all_columns = len(columns) == len(held[0]) == len(held[1])
    kept = int(np.minimum(first, second).sum())
    return counted(len(sides[0]), len(sides[1]), kept, None if all_columns else columns)


def _hashes(version: Version, columns: Sequence[str]) -> NDArray[np.uint64]:
    """One hash per row (rows,) of the splits together; columns that the splits leave out are left out here."""
    import pandas as pd
    from pyarrow import ArrowException

    hashes = []
    for split in layout.SPLITS:
        path = layout.rows(split).as_posix()
        try:
            table = parquet.read(io.BytesIO(version.bytes(path)), columns)
            frame = table.select([name for name in columns if name in table.column_names]).to_pandas(use_threads=False)
        except (ArrowException, ValueError, KeyError) as error:
            raise VersionError(f"{path} of {version.name} is no table ({in_one_line(error)})") from None
        hashes.append(pd.util.hash_pandas_object(frame, index=False).to_numpy(np.uint64))
    return np.concatenate(hashes)
