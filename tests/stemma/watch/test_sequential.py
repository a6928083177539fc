"""Intervals that may be looked at every day: beside their formulas, integrals and simulation."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from stemma.watch import sequential


@pytest.mark.parametrize("rows", [100, 2_000, 50_000])
@pytest.mark.parametrize("statistic", [0.5, 3.0, 5.0])
def test_p_is_one_over_the_mixture_of_likelihood_ratios(rows: float, statistic: float) -> None:
    """The mixture SPRT of Johari et al. (2022), integrated: effects are normal, with r times the variance of a row."""
    spread = math.sqrt(sequential.SPREAD)
    error = 1 / math.sqrt(rows)  # of a row's deviation 1
    estimate = statistic * error

    def weighted(effect: float) -> float:
        ratio = stats.norm.logpdf(estimate, effect, error) - stats.norm.logpdf(estimate, 0, error)
        return math.exp(ratio) * stats.norm.pdf(effect, 0, spread)

    mixture = integrate.quad(weighted, estimate - 12 * error, estimate + 12 * error, epsabs=0, limit=400)[0]
    if rows == 100:  # the prior is narrow beside the error: everything counts
        mixture = integrate.quad(weighted, -12 * spread, 12 * spread, epsabs=0, limit=400)[0]
    assert sequential.p(statistic, rows) == pytest.approx(min(1, 1 / mixture), rel=1e-6)


def test_reach_is_that_of_the_asymptotic_confidence_sequence() -> None:
    """Waudby-Smith et al. (2024), theorem 2.2: sqrt(2 (t r2 + 1) / (t2 r2) ln(sqrt(t r2 + 1) / a))."""
    for t in (100, 10_000, 10**6):
        r2 = sequential.SPREAD
        theirs = math.sqrt(2 * (t * r2 + 1) / (t**2 * r2) * math.log(math.sqrt(t * r2 + 1) / 0.05))
        assert sequential.reach(t) / math.sqrt(t) == pytest.approx(theirs, rel=1e-12)


def test_reach_is_that_of_published_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of confseq, by the authors of the confidence sequences (test/uniform_boundaries_unittest.cpp): the two-sided
    normal mixture that is narrowest at 100 rows has rho = 12.60056, and reaches to a sum of 30.35209 there."""
    rho = 100 / (sequential.SPREAD * sequential.BEST)
    assert rho == pytest.approx(12.60056, abs=1e-5)
    assert sequential.p(3.035209, 100, best=100) == pytest.approx(0.05, abs=1e-6)
    monkeypatch.setattr(sequential, "SPREAD", 1 / rho)
    assert sequential.reach(100) * 10 == pytest.approx(30.35209, abs=1e-5)


def test_p_is_below_5_percent_just_where_the_interval_leaves_zero_out() -> None:
    for rows in (100, 10_000, 10**6):
        reach = sequential.reach(rows)
        assert sequential.p(reach, rows) == pytest.approx(0.05)
        assert sequential.p(reach * 1.01, rows) < 0.05 < sequential.p(reach * 0.99, rows)


def test_the_interval_is_wider_than_that_of_one_look() -> None:
    assert all(sequential.reach(rows) > 1.96 for rows in (1, 100, 10_000, 10**9))


def test_rows_that_are_needed_are_needed() -> None:
    """At that many rows the difference shows in 80 % of the cases."""
    needed = sequential.rows_needed(0.1, 0.05, 400)
    assert needed is not None
    error = 0.05 * math.sqrt(400 / needed)
    assert stats.norm.cdf(0.1 / error - sequential.reach(needed)) == pytest.approx(0.8, abs=0.001)
    assert sequential.rows_needed(0.0, 0.1, 100) is sequential.rows_needed(math.nan, 0.1, 100) is None
    assert sequential.rows_needed(1e-9, 1.0, 100) is None


def test_a_split_is_tested_by_the_bayes_factor_of_a_uniform_share() -> None:
    likelihood = integrate.quad(lambda share: share**33 * (1 - share) ** 67, 0, 1, epsabs=0)[0]
    assert sequential.mismatch(67, 33, 0.5) == pytest.approx(min(1, 0.5**100 / likelihood))
    assert sequential.mismatch(500, 500, 0.5) == 1
    assert sequential.mismatch(9_000, 1_000, 0.1) == 1
    assert sequential.mismatch(10_400, 9_600, 0.5) < 0.01
    assert sequential.mismatch(10**7, 10**7 // 2, 0.1) == 0
    assert math.isfinite(special.betaln(10**7, 10**7))


def test_equal_versions_are_seldom_told_apart_however_often_one_looks() -> None:
    """100 looks; the t-test of each day, beside it, finds a difference in more than a quarter of the runs."""
    draw, runs = np.random.default_rng(0), 400
    looks = np.arange(1, 101) * 100  # rows of each version
    naive = wrong = 0
    for _ in range(runs):
        found = [np.cumsum(draw.random(looks[-1]) < 0.2)[looks - 1] / looks for _ in range(2)]
        error = np.sqrt(sum(rate * (1 - rate) for rate in found) / looks)
        statistic = np.abs(found[0] - found[1]) / error
        naive += (statistic > 1.96).any()
        wrong += (statistic > [sequential.reach(2 * rows) for rows in looks]).any()
    assert wrong / runs <= 0.05
    assert naive / runs > 0.25
