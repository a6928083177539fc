"""How differently a column is distributed in two parts of a table."""

import numpy as np
import pandas as pd

from stemma.tables.statistics import numbers

BINS = 10  # each with as many of the first part's rows


def drift(first: pd.Series, second: pd.Series) -> tuple[float, int]:
    """Population stability index, below 0.1 stable, from 0.25 large; and the number of bins.

    PSI = sum (q - p) ln(q / p) over bins with the shares p and q of the two (N. Siddiqi, Credit Risk Scorecards, 2006):
    tenths of the first part's rows, or the texts; no value is a bin too. Half a row is added to each bin, so that none
    is empty. By chance alone it is about (bins - 1) (1 / rows of the first + 1 / rows of the second).
    """
    counts = _of_numbers(first, second) if first.dtype.kind in "fiubM" else _of_texts(first, second)
    counts = [count[(counts[0] + counts[1]) > 0] + 0.5 for count in counts]
    p, q = (count / count.sum() for count in counts)
    return float(np.sum((q - p) * np.log(q / p))), len(p)


def _of_texts(*parts: pd.Series) -> list[np.ndarray]:
    held = pd.concat([part.value_counts(sort=False).rename(index=str) for part in parts], axis=1).fillna(0)
    return list(held.to_numpy().T)


def _of_numbers(*parts: pd.Series) -> list[np.ndarray]:
    first, second = map(numbers, parts)
    present = first[~np.isnan(first)]
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = np.unique(np.quantile(present, inner)) if len(present) else np.array([])
    # NaN sorts last: a bin of its own.
    bins = [np.where(np.isnan(part), len(edges) + 1, np.searchsorted(edges, part)) for part in (first, second)]
    return [np.bincount(part, minlength=len(edges) + 2) for part in bins]
