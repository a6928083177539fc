"""Stage `prepare`: a table -> data/prepared/ with the splits, the encoder and the profile, and reports/data.md."""

from pathlib import Path

import numpy as np
import pandas as pd

from purchase_intent import config
from purchase_intent.data import encode, profile, report, statistics
from purchase_intent.data.check import check
from purchase_intent.data.columns import features
from stemma.files import swapped_folder

PREPARED = Path("data/prepared")
REPORTS = Path("reports")


def main() -> None:
    settings = config.load()
    checked = check(settings.data, settings.prepare.strict)
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
