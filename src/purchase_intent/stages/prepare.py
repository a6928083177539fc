"""Stage `prepare`: a table -> data/prepared/ with the splits, the encoder and the profile."""

from pathlib import Path

import numpy as np
import pandas as pd

from purchase_intent import config
from purchase_intent.data import encode, load, profile, statistics, validate
from purchase_intent.data.columns import features
from purchase_intent.data.split import split
from stemma.files import swapped_folder

PREPARED = Path("data/prepared")


def main() -> None:
    settings = config.load().data
    table = load.table(settings)
    validate.check(table, settings)
    splits = split(table, settings)
    validate.check_splits(table, settings, splits)
    encoder = encode.fit(table.iloc[splits["train"]], features(table, settings))
    about = statistics.make(table, settings, splits, encode.Encoder(encoder).width)
    with swapped_folder(PREPARED) as folder:
        write_splits(folder, table, splits, about["row"])
        (folder / encode.FILE).write_bytes(encoder)
        statistics.write(folder / profile.FILE, about)


def write_splits(folder: Path, table: pd.DataFrame, splits: dict[str, np.ndarray], row: str) -> None:
    """One Parquet file per split: the position of each row in the table, then its columns."""
    for name, rows in splits.items():
        part = table.iloc[rows].reset_index(drop=True)
        part.insert(0, row, rows)
        part.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")
