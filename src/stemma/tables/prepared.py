"""A checked table -> data/prepared, which `arrays` and `profile` read."""

from pathlib import Path
from typing import Any

from stemma.files import swapped_folder
from stemma.tables import encode, hints, profile, statistics
from stemma.tables.check import Checked
from stemma.tables.columns import features
from stemma.tables.settings import PrepareSettings, Table


def write(folder: Path, checked: Checked, data: Table, settings: PrepareSettings) -> dict[str, Any]:
    """Fit the encoder to the training rows, and write it with the profile and one Parquet file for each split.

    Of each row they hold its position in the table, then its columns. A fault leaves the folder as it was.

    Returns:
        The profile.
    """
    table, splits = checked.table, checked.splits
    encoder = encode.fit(table.iloc[splits["train"]], features(table, data), settings, derive=data.derive)
    about = statistics.make(table, data, splits, encoder.blocks)
    about |= {"hints": hints.lines(checked.hints)} if checked.hints else {}
    about |= {"left_out": dict(checked.left_out)} if checked.left_out else {}
    with swapped_folder(folder) as partial:
        for name, rows in splits.items():
            part = table.iloc[rows].reset_index(drop=True)
            part.insert(0, about["row"], table.index[rows].to_numpy())
            part.to_parquet(partial / f"{name}.parquet", index=False, compression="zstd")
        (partial / encode.FILE).write_bytes(encoder.graph)
        profile.write(partial, about)
    return about
