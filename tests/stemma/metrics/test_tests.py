"""Tests of significance: against their definitions, SciPy, pROC's own figures and published examples."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemma.metrics import tests

# aSAH: outcome of 113 patients after aneurysmal subarachnoid haemorrhage (1: poor), the WFNS grade at admission and the
# blood marker S100 beta; N. Turck et al., Intensive Care Medicine 36, 2010; the data set of the R package pROC.
POOR = (
    "00001101001011001011101000000000100110110000000001100010001010011101101111000110100000010000000000001111110001000"
)
WFNS = (
    "11113254125255125225211112121134214541425511241125521251222151125214524414121421232421451154221113125225552445111"
)
S100B = (
    "13 14 10 4 13 10 47 16 18 10 12 10 44 71 4 8 49 4 7 33 9 9 7 11 7 17 7 11 13 19 5 16 41 14 34 35 48 9 96 25 50 "
    "46 16 7 43 45 11 8 9 86 52 8 6 13 207 10 14 15 7 6 77 5 9 30 3 9 4 23 70 9 27 71 8 26 8 16 9 13 10 8 11 33 11 28 "
    "7 10 32 22 7 5 24 38 10 15 8 14 10 7 4 19 56 14 58 32 82 74 15 47 17 44 15 50 48"
)


def test_delong_gives_the_figures_of_proc() -> None:
    """tests/testthat/test-roc.test.R of github.com/xrobin/pROC (1.19): roc.test(r.wfns, r.s100b)."""
    poor = np.array(list(POOR)) == "1"
    wfns, s100b = np.array(list(WFNS), int), np.array(S100B.split(), int)
    found = tests.delong(poor, s100b, wfns)
    assert found.name == "DeLong"
    assert found.statistic == pytest.approx(2.20898359144091, rel=1e-12)
    assert found.p == pytest.approx(0.0271757822291882, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), positives=st.integers(2, 15), negatives=st.integers(2, 15), ties=st.booleans())
def test_delong_is_its_definition_by_pairs(seed: int, positives: int, negatives: int, ties: bool) -> None:
    """E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44, 1988, equations 3 to 5."""
    generator = np.random.default_rng(seed)
    y = np.arange(positives + negatives) < positives
    scores = generator.normal(size=(2, len(y))) + y
    if ties:
        scores = np.round(scores)
    x, z = scores[:, y, None], scores[:, None, ~y]
    kernel = (x > z) + 0.5 * (x == z)  # (2, positives, negatives)
    covariance = np.cov(kernel.mean(axis=2)) / positives + np.cov(kernel.mean(axis=1)) / negatives
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = float(np.diff(kernel.mean(axis=(1, 2)))[0])
    found = tests.delong(y, *scores)
    if variance > 1e-12 and abs(difference) > 1e-12:
        assert found.statistic == pytest.approx(difference / math.sqrt(variance))


def test_equal_scores_differ_in_nothing() -> None:
    y, score = np.array([True, False, True, False]), np.array([0.1, 0.2, 0.3, 0.4])
    assert tests.delong(y, score, score).p == 1
    assert tests.wilcoxon(score, -score).p == 1
    assert tests.mcnemar(y, y).p == 1


@settings(max_examples=60, deadline=None)
@given(only_a=st.integers(0, 40), only_b=st.integers(0, 40), both=st.integers(0, 5))
def test_mcnemar_is_its_definition(only_a: int, only_b: int, both: int) -> None:
    right_a = np.array([True] * only_a + [False] * only_b + [True] * both, bool)
    right_b = np.array([False] * only_a + [True] * only_b + [True] * both, bool)
    exact = only_a + only_b < 25
    found = tests.mcnemar(right_a, right_b)
    assert found.name == ("McNemar exact" if exact else "McNemar")
    fewer, discordant = min(only_a, only_b), only_a + only_b
    if only_a == only_b:
        assert found.p == 1
    elif exact:
        tail = sum(math.comb(discordant, count) for count in range(fewer + 1)) / 2**discordant
        assert (found.statistic, found.p) == pytest.approx((fewer, min(1, 2 * tail)))
    else:
        chi = (abs(only_a - only_b) - 1) / math.sqrt(discordant)
        assert (found.statistic, found.p) == pytest.approx((chi**2, math.erfc(chi / math.sqrt(2))))


def test_wilcoxon_gives_the_published_p_of_darwins_plants() -> None:
    """Differences in height of cross- and self-fertilised maize (Darwin 1876, in SciPy's page on `wilcoxon`)."""
    moved = np.array([6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75])
    found = tests.wilcoxon(np.full(15, 100.0), -(100.0 + moved))
    assert (found.statistic, found.p) == (24, pytest.approx(0.041259765625))


def test_z_is_two_sided() -> None:
    assert tests.z(1.96, 1.0).p == pytest.approx(0.05, abs=1e-4)
    assert tests.z(-1.96, 1.0).p == tests.z(1.96, 1.0).p
    assert tests.z(0.1, 0.0).p == 0


def test_holm_gives_the_published_example() -> None:
    """p = 0.01, 0.04, 0.03, 0.005 (Wikipedia, Holm-Bonferroni method): the first and the last are rejected at 5 %."""
    assert tests.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert tests.holm([]) == []


@settings(max_examples=60)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    """Marcus, Peritz and Gabriel, Biometrika 63, 1976: the largest p of all sets of hypotheses that hold this one."""
    sets = [chosen for size in range(1, len(p) + 1) for chosen in itertools.combinations(range(len(p)), size)]
    bonferroni = {chosen: min(1, len(chosen) * min(p[each] for each in chosen)) for chosen in sets}
    expected = [max(value for chosen, value in bonferroni.items() if own in chosen) for own in range(len(p))]
    assert tests.holm(p) == pytest.approx(expected)
