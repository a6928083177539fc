"""What `prepare` does, by Polars on one thread: python bench/scale_peer.py TABLE.parquet"""

import os
import sys
import tempfile
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "1"
import polars as pl

SHARES = {"train": 0.64, "validation": 0.16, "test": 0.2}

table = pl.read_parquet(sys.argv[1]).with_row_index("row")
numbers, texts = ([name for name in table.columns if name[0] in letters] for letters in ("n", "cy"))
table = table.with_columns(pl.col(texts).cast(pl.Categorical))
for part in (table, table.sample(fraction=SHARES["train"], seed=0)):  # the whole, and what is learned from
    part.select(numbers).describe((0.05, 0.25, 0.5, 0.75, 0.95))
    for name in texts:
        part[name].value_counts()
table.hash_rows(0).bottom_k(512)
table, start = table.sample(fraction=1, shuffle=True, seed=0), 0
with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
    for name, share in SHARES.items():
        rows = round(share * len(table))
        table.slice(start, rows).sort("row").write_parquet(Path(folder, f"{name}.parquet"), compression="zstd")
        start += rows
