"""Rows of train, validation and test: stratified by class, the same for the same seed."""

from itertools import count
from math import ceil, floor

import numpy as np
import pandas as pd

from purchase_intent.config import SplitSettings, Table

SPLITS = ("train", "validation", "test")


def split(frame: pd.DataFrame, settings: Table) -> dict[str, np.ndarray]:
    """Row positions of each split, ascending; together they are all rows, each once.

    Classes have the same share in every split, to within a row.

    Args:
        frame: a canonical table that `validate.check` accepts.
        settings: the `data` section: test is a share of all rows, validation a share of those that test leaves.
    """
    classes = None if settings.task == "regression" else frame[settings.target].cat.codes.to_numpy()
    rest, test = _cut(np.arange(len(frame)), classes, settings.split.test, settings.split.seed)
    train, validation = _cut(rest, classes, settings.split.validation, settings.split.seed)
    return {"train": train, "validation": validation, "test": test}


def rows_needed(settings: SplitSettings, least: int = 1) -> int:
    """The fewest rows (of a class) that always leave `least` of them in every split.

    Of n rows, scikit-learn puts n * share, rounded up or down, into a part.
    """
    for rows in count(1):
        rest = rows - ceil(rows * settings.test)
        train = rest - ceil(rest * settings.validation)
        if min(floor(rows * settings.test), floor(rest * settings.validation), train) >= least:
            return rows
    raise AssertionError("a share lies between 0 and 1")


def _cut(rows: np.ndarray, classes: np.ndarray | None, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in two parts, the second with `share` of them."""
    from sklearn.model_selection import train_test_split

    strata = None if classes is None else classes[rows]
    first, second = train_test_split(rows, test_size=share, random_state=seed, stratify=strata)
    return np.sort(first), np.sort(second)
