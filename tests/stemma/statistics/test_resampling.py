"""The paired bootstrap: against SciPy's, against theory, seeded, fast."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

import timing
from stemma.statistics import metrics, resampling


def regressions(rows: int, shift: float = 0.1, seed: int = 0) -> tuple[metrics.Parts, metrics.Parts, np.ndarray]:
    """Two versions whose errors go together; and the difference of their absolute errors, row by row."""
    generator = np.random.default_rng(seed)
    y, common, own = (generator.normal(size=rows) for _ in range(3))
    a, b = y + common, y + common + 0.1 * own + shift
    return metrics.regression(y, a), metrics.regression(y, b), np.abs(b - y) - np.abs(a - y)


def test_interval_and_error_are_those_of_scipys_bootstrap() -> None:
    a, b, moved = regressions(400)
    found = resampling.paired(a, b, 400, resamples=4000)["mae"]
    reference = stats.bootstrap((moved,), np.mean, n_resamples=4000, method="percentile", rng=1)
    assert found.difference == pytest.approx(moved.mean())
    assert found.error == pytest.approx(reference.standard_error, rel=0.05)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval), abs=0.1 * found.error)


def test_the_error_of_a_mean_is_its_deviation_over_the_root_of_the_rows() -> None:
    a, b, moved = regressions(500)
    found = resampling.paired(a, b, 500, resamples=3000)["mae"]
    assert found.error == pytest.approx(moved.std() / math.sqrt(500), rel=0.05)


def test_an_interval_holds_the_truth_in_95_of_100_tries() -> None:
    held = 0
    for seed in range(200):
        a, b, _ = regressions(150, 0.0, seed)
        found = resampling.paired(a, b, 150, resamples=200, seed=seed)["mae"]
        # |common + 0.1 own| - |common| on average: the mean of |N(0, s)| is s sqrt(2 / pi).
        truth = (math.sqrt(1.01) - 1) * math.sqrt(2 / math.pi)
        held += found.low <= truth <= found.high
    assert 178 <= held <= 199


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    a, b, _ = regressions(100)
    assert resampling.paired(a, b, 100, 50) == resampling.paired(a, b, 100, 50)
    assert resampling.paired(a, b, 100, 50)["rmse"].low != resampling.paired(a, b, 100, 50, seed=1)["rmse"].low


def test_a_version_does_not_differ_from_itself() -> None:
    a, _, _ = regressions(50)
    found = resampling.paired(a, a, 50, 50)["rmse"]
    assert (found.difference, found.low, found.high, found.error) == (0, 0, 0, 0)


def test_swapping_the_versions_turns_the_interval_round() -> None:
    a, b, _ = regressions(80)
    one, other = resampling.paired(a, b, 80, 100)["mae"], resampling.paired(b, a, 80, 100)["mae"]
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert (one.a, one.b) == (other.b, other.a)


def test_a_resample_without_positive_rows_is_left_out() -> None:
    y, p = np.array([True] + [False] * 20), np.linspace(0.9, 0.1, 21)
    a, b = metrics.binary(y, p >= 0.5, p), metrics.binary(y, p >= 0.5, 1 - p)
    found = resampling.paired(a, b, 21, 200)["roc_auc"]
    assert (found.a, found.b, found.low, found.high) == (1, 0, -1, -1)


def test_a_figure_without_meaning_on_the_rows_is_nan_throughout() -> None:
    y, p = np.ones(5, bool), np.linspace(0.1, 0.9, 5)
    a = metrics.binary(y, p >= 0.5, p)
    found = resampling.paired(a, a, 5, 20)["roc_auc"]
    assert all(map(math.isnan, (found.a, found.difference, found.low, found.error)))


def test_on_a_hundred_thousand_rows_a_resample_is_judged_five_times_as_fast_as_by_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    y = generator.random(100_000) < 0.2
    p = np.clip(0.5 * y + 0.5 * generator.random(100_000), 0, 1).astype(np.float32)
    parts = metrics.binary(y, p >= 0.5, p)
    sample = generator.integers(100_000, size=100_000)

    def judge() -> None:
        for score in (reference.roc_auc_score, reference.average_precision_score, reference.log_loss):
            score(y[sample], p[sample])
        reference.classification_report(y[sample], p[sample] >= 0.5)

    def ratio() -> float:
        ours = timing.processor_seconds(lambda: resampling.errors(parts, 100_000, resamples=10)) / 10
        return ours / timing.processor_seconds(judge)

    assert timing.best(ratio, below=0.2) < 0.2
