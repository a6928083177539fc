"""What the prepared rows say: test rows that were seen in training, columns that drift between the splits."""

import io
from collections.abc import Iterator
from typing import Any

from stemma import layout
from stemma.repo.repository import PROFILE, Version
from stemma.tables.distance import LARGE
from stemma.versions.doctor.finding import Finding, there

NOISE = 5  # times the PSI that equal distributions have on average in samples of this size
SHOWN = 5


def test_rows_are_new(version: Version) -> Iterator[Finding]:
    """Rows of test with the same features and target as a row of train."""
    train, test = _frame(version, "train"), _frame(version, "test")
    import pandas as pd

    known = set(pd.util.hash_pandas_object(train, index=False))
    seen = int(pd.util.hash_pandas_object(test, index=False).isin(known).sum())
    if seen:
        yield Finding(
            "error" if seen > len(test) / 2 else "warning", "seen-rows", "rows of test are also in train",
            f"{seen} of {len(test)} ({seen / len(test):.1%})",
            "remove duplicates from the table, or keep them together: -S data.group=duplicates",
        )  # fmt: skip


def splits_are_alike(version: Version) -> Iterator[Finding]:
    """Population stability index of every column between train and test, beyond what chance gives."""
    from stemma.tables.drift import drift

    train, test = _frame(version, "train"), _frame(version, "test")
    for name in train:
        value, bins = drift(train[name], test[name])
        chance = (bins - 1) * (1 / len(train) + 1 / len(test))
        if value >= LARGE and value > NOISE * chance:
            yield Finding(
                "warning", "split-drift", f"column {name} is distributed otherwise in test than in train",
                f"PSI {value:.2f}", "see whether the split by data.time or data.group is meant; collect newer rows",
            )  # fmt: skip


def _frame(version: Version, split: str) -> Any:
    """The features and the target of a split."""
    import pandas as pd

    path = layout.rows(split).as_posix()
    content = there(version.bytes(path) if version.has(path) else None, path)
    profile = there(version.profile, PROFILE)
    names = [feature["name"] for feature in profile["features"]]
    frame = pd.read_parquet(io.BytesIO(content), columns=[*names, profile["target"]])
    # One type for texts, whatever the categories of the split are.
    texts = frame.select_dtypes(["category", "str", "object"]).columns
    return frame.astype(dict.fromkeys(texts, "str"))
