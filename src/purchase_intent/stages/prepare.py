"""Stage `prepare`: a table -> data/prepared/ with the splits, the encoder and the profile, and reports/data.md."""

from pathlib import Path

import numpy as np
import pandas as pd

from purchase_intent.settings import load
from purchase_intent.sources import SOURCES
from stemma.files import swapped_folder
from stemma.report import data as report
from stemma.tables import encode, profile, statistics
from stemma.tables.check import check
from stemma.tables.columns import features

PREPARED = Path("data/prepared")
REPORTS = Path("reports")


def main() -> None:
    settings = load()
    checked = check(settings.data, SOURCES, settings.prepare.strict)
    table, splits = checked.table, checked.splits
    encoder = encode.fit(table.iloc[splits["train"]], features(table, settings.data), settings.prepare)
    about = statistics.make(table, settings.data, splits, encoder.blocks)
    with swapped_folder(PREPARED) as folder:
        write_splits(folder, table, splits, about["row"])
        (folder / encode.FILE).write_bytes(encoder.graph)
        statistics.write(folder / profile.FILE, about)
    report.write(REPORTS, table, settings.data, splits, about, checked.hints)


def write_splits(folder: Path, table: pd.DataFrame, splits: dict[str, np.ndarray], row: str) -> None:
    """One Parquet file per split: the position of each row in the table, then its columns."""
    for name, rows in splits.items():
        part = table.iloc[rows].reset_index(drop=True)
        part.insert(0, row, rows)
        part.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")
