"""Tests of "both versions are equally good" on the same rows, and Holm's correction for many tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
P = TypeVar("P", float, float | None)
EXACT = 25  # discordant rows below which McNemar's test counts instead of approximating


@dataclass(frozen=True)
class Test:
    """A two-sided test."""

    __test__ = False  # pytest: this is no test of ours

    name: str  # McNemar exact, McNemar, DeLong, Wilcoxon or z
    statistic: float  # what it is made from; above zero where b is larger, for DeLong and z
    p: float  # chance of a difference at least this large between equal versions


def mcnemar(right_a: Array, right_b: Array) -> Test:
    """Whether two classifiers are right equally often.

    Only rows on which one is right and the other wrong tell: the exact binomial test below 25 of them, else chi-square
    with Edwards' continuity correction (McNemar, Psychometrika 12, 1947; Edwards, Psychometrika 13, 1948). Of the
    exact test the statistic is the smaller of the two counts, as in statsmodels.

    Args:
        right_a, right_b: (rows,), true where the decision is right.
    """
    from scipy import stats

    right_a, right_b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    discordant = only_a + only_b
    if discordant < EXACT:
        p = float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0
        return Test("McNemar exact", float(min(only_a, only_b)), p)
    statistic = (abs(only_a - only_b) - 1) ** 2 / discordant if only_a != only_b else 0.0
    return Test("McNemar", statistic, float(stats.chi2.sf(statistic, 1)))


def delong(actual: Array, score_a: Array, score_b: Array) -> Test:
    """Whether two scores have the same ROC-AUC on the same rows.

    The variance of the difference is that of DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988, from midranks in
    O(n log n): Sun and Xu, IEEE Signal Processing Letters 21, 2014.

    Args:
        actual: (rows,), true for the positive class; at least two rows of each class.
        score_a, score_b: (rows,).
    """
    from scipy import stats

    actual = np.asarray(actual, bool)
    scores = np.stack([score_a, score_b]).astype(np.float64)  # (2, rows)
    ranks = stats.rankdata(scores, axis=1)
    positives, negatives = scores[:, actual], scores[:, ~actual]
    m, n = positives.shape[1], negatives.shape[1]
    # For each positive row the share of negatives below it (2, m), for each negative that of positives above it (2, n).
    of_positives = (ranks[:, actual] - stats.rankdata(positives, axis=1)) / n
    of_negatives = 1 - (ranks[:, ~actual] - stats.rankdata(negatives, axis=1)) / m
    difference = float(np.diff(of_positives.mean(axis=1))[0])
    variance = np.diff(of_positives, axis=0).var(ddof=1) / m + np.diff(of_negatives, axis=0).var(ddof=1) / n
    return z(difference, math.sqrt(variance), "DeLong")


def wilcoxon(errors_a: Array, errors_b: Array) -> Test:
    """Whether absolute errors of two regressions lie equally high: the signed-rank test of SciPy (Wilcoxon 1945).

    Args:
        errors_a, errors_b: (rows,), of either sign.
    """
    from scipy import stats

    difference = np.abs(np.asarray(errors_b, np.float64)) - np.abs(np.asarray(errors_a, np.float64))
    if not difference.any():
        return Test("Wilcoxon", 0.0, 1.0)
    found = stats.wilcoxon(difference)
    return Test("Wilcoxon", float(found.statistic), float(found.pvalue))


def z(difference: float, error: float, name: str = "z") -> Test:
    """Whether a difference with a normal error is zero."""
    from scipy import stats

    if not difference:
        return Test(name, 0.0, 1.0)
    statistic = difference / error if error else math.copysign(math.inf, difference)
    return Test(name, statistic, float(2 * stats.norm.sf(abs(statistic))))


def holm(p: Sequence[P]) -> list[P]:
    """p-values corrected for their number, in the order given (Holm, Scandinavian Journal of Statistics 6, 1979). None
    is no test's, and stays."""
    known = np.array([each for each in p if each is not None], np.float64)
    order = np.argsort(known, kind="stable")
    raised = known[order] * np.arange(len(order), 0, -1)
    known[order] = np.minimum(np.maximum.accumulate(raised), 1) if len(order) else raised
    corrected = iter(known.tolist())
    return [None if each is None else next(corrected) for each in p]
