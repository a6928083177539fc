"""Rows with the same features: what is learned of one is known of the other, whatever else was learned."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

SHARE = 0.01  # of the test rows from which repeats are told of


def hashes(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """A number for each row, the same for rows that are equal in these columns, (rows,) uint64."""
    found = np.zeros(len(frame), np.uint64)
    for name in names:  # one at a time: memory stays low
        found *= np.uint64(0x9E3779B97F4A7C15)
        found += pd.util.hash_pandas_object(frame[name], index=False).to_numpy()
    return found


def seen(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Which test rows stand among the training rows, by the hashes of both; none where they are too few to matter."""
    twin = np.isin(test, train)
    return twin if twin.sum() >= max(SHARE * len(twin), 2) else np.zeros(len(twin), bool)
