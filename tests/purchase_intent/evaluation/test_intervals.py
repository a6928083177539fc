"""Bootstrap intervals: seeded, near the truth, fast."""

import numpy as np
import pytest

import timing
from purchase_intent.evaluation import intervals, metrics


def mean_of(values: np.ndarray) -> intervals.Measure:
    return lambda weights: {"mean": float((values * weights).sum() / weights.sum())}


def test_a_resample_draws_as_many_rows_as_there_are() -> None:
    drawn = list(intervals.resamples(50, 20, seed=0))
    assert len(drawn) == 20 and all(weights.sum() == 50 for weights in drawn)
    assert np.std(np.concatenate(drawn)) == pytest.approx(1, abs=0.1)  # nearly Poisson


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(0).normal(size=200)
    first, again, other = (intervals.bootstrap(mean_of(values), 200, 300, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 1000)
    low, high = intervals.bootstrap(mean_of(values), 1000, 2000, 0)["mean"]
    half = 1.96 * values.std() / 1000**0.5
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_intervals_of_the_roc_auc_cover_the_truth_in_about_95_of_100_samples() -> None:
    truth = 0.7602  # of normal scores one standard deviation apart: Phi(1 / sqrt(2))
    generator, covered, samples = np.random.default_rng(0), 0, 100
    for _ in range(samples):
        y = np.arange(200) % 2
        score = 1 / (1 + np.exp(-generator.normal(y, 1.0)))
        ready = metrics.judged("binary", y, np.stack([1 - score, score], axis=1), 0.5, 10)
        interval = intervals.bootstrap(lambda w, ready=ready: {"auc": ready.main(w)}, 200, 200, 0)["auc"]
        covered += interval[0] <= truth <= interval[1]
    assert 0.88 <= covered / samples <= 0.99


def test_resamples_without_a_figure_are_left_out_and_mostly_none_means_no_interval() -> None:
    assert intervals.percentiles(np.array([1.0, 2.0, np.nan])) == pytest.approx((1.025, 1.975))
    assert intervals.percentiles(np.array([1.0, np.nan, np.nan])) is None


def test_no_resamples_are_no_intervals() -> None:
    assert intervals.bootstrap(mean_of(np.ones(3)), 3, 0, 0) == {}


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_all_metrics_of_100_000_rows_take_less_than_5_ms_a_resample(task: str) -> None:
    """1000 resamples under 5 s."""
    generator = np.random.default_rng(0)
    y, p = generator.integers(0, 2, 100_000), generator.random((100_000, 1)).astype(np.float32)
    ready = metrics.judged(task, y, np.concatenate([1 - p, p], axis=1) if task == "binary" else p, 0.5, 10)
    assert timing.seconds(lambda: intervals.bootstrap(ready.figures, 100_000, 40, 0), below=0.2) < 40 * 0.005
