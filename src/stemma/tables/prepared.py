"""A checked table -> data/prepared, which `arrays` and `profile` read."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from stemma import threads
from stemma.files import swapped_folder
from stemma.tables import encode, hints, profile, statistics
from stemma.tables.check import Checked
from stemma.tables.columns import features
from stemma.tables.settings import PrepareSettings, Table

GROUP = 2**20  # rows that a Parquet file holds together, as pandas writes it


def write(folder: Path, checked: Checked, data: Table, settings: PrepareSettings) -> dict[str, Any]:
    """Fit the encoder to the training rows, and write it with the profile and one Parquet file for each split.

    Of each row they hold its position in the table, then its columns. A fault leaves the folder as it was. The profile
    is given back.
    """
    table, splits = checked.table, checked.splits
    encoder = encode.fit(table, features(table, data), settings, derive=data.derive, train=splits["train"])
    with swapped_folder(folder) as into:
        *_, made = threads.together(
            *(partial(_write_split, into / f"{name}.parquet", table, rows) for name, rows in splits.items()),
            partial(statistics.make, table, data, splits, encoder.blocks),
        )
        about: dict[str, Any] = made | ({"hints": hints.lines(checked.hints)} if checked.hints else {})
        about |= {"left_out": dict(checked.left_out)} if checked.left_out else {}
        (into / encode.FILE).write_bytes(encoder.graph)
        profile.write(into, about)
    return about


def _write_split(file: Path, table: pd.DataFrame, rows: NDArray[np.int64]) -> None:
    """Rows of a table with their numbers, GROUP at a time: memory stays low."""

    def piece(start: int) -> pa.Table:
        part = table.iloc[rows[start : start + GROUP]]
        numbered = {statistics.row_column(table): part.index.to_numpy(), **part.reset_index(drop=True)}
        return pa.Table.from_pandas(pd.DataFrame(numbered, copy=False), preserve_index=False)

    with parquet.ParquetWriter(file, piece(len(rows)).schema, compression="zstd") as writer:
        for start in range(0, len(rows), GROUP):
            writer.write_table(piece(start), GROUP)
