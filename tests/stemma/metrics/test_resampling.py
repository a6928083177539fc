"""The bootstrap, of one version and paired: against SciPy's, against theory, seeded, fast."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

import timing
from stemma import metrics
from stemma.metrics import resampling
from stemma.task import of


def measured(kind: str, y: np.ndarray, predictions: np.ndarray, *names: str) -> resampling.Measure:
    """Figures of predictions for any weighting; two classes are decided at 0.5."""
    task = of(kind, "ab" if kind == "binary" else "")
    predictions = np.stack([1 - predictions, predictions], axis=1) if kind == "binary" else predictions.reshape(-1, 1)
    rows = metrics.Rows.of(task, y, predictions, task.decide(predictions, 0.5))
    chosen = [metrics.METRICS[name] for name in names] or metrics.of_task(kind)
    return lambda weights: metrics.figures(rows, weights, chosen)


def mean_of(values: np.ndarray) -> resampling.Measure:
    return lambda weights: {"mean": float((values * weights).sum() / weights.sum())}


def regressions(
    rows: int, shift: float = 0.1, seed: int = 0
) -> tuple[resampling.Measure, resampling.Measure, np.ndarray]:
    """Two versions whose errors go together; and the difference of their absolute errors, row by row."""
    generator = np.random.default_rng(seed)
    y, common, own = (generator.normal(size=rows) for _ in range(3))
    a, b = y + common, y + common + 0.1 * own + shift
    of_a, of_b = (measured("regression", y, each, "mae", "rmse") for each in (a, b))
    return of_a, of_b, np.abs(b - y) - np.abs(a - y)


def test_interval_and_error_are_those_of_scipys_bootstrap() -> None:
    a, b, moved = regressions(400)
    found = resampling.paired(a, b, 400, 4000)["mae"]
    reference = stats.bootstrap((moved,), np.mean, n_resamples=4000, method="percentile", rng=1)
    assert found.difference == pytest.approx(moved.mean())
    assert found.error == pytest.approx(reference.standard_error, rel=0.05)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval), abs=0.1 * found.error)


def test_the_error_of_a_mean_is_its_deviation_over_the_root_of_the_rows() -> None:
    a, b, moved = regressions(500)
    found = resampling.paired(a, b, 500, 3000)["mae"]
    assert found.error == pytest.approx(moved.std() / math.sqrt(500), rel=0.05)


@pytest.mark.slow
def test_an_interval_holds_the_truth_in_95_of_100_tries() -> None:
    held = 0
    for seed in range(200):
        a, b, _ = regressions(150, 0.0, seed)
        found = resampling.paired(a, b, 150, 200, seed)["mae"]
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
    a, b = (measured("binary", y, each, "roc_auc") for each in (p, 1 - p))
    found = resampling.paired(a, b, 21, 200)["roc_auc"]
    assert (found.a, found.b, found.low, found.high) == (1, 0, -1, -1)


def test_a_figure_without_meaning_on_the_rows_is_nan_throughout() -> None:
    y, p = np.ones(5, bool), np.linspace(0.1, 0.9, 5)
    a = measured("binary", y, p, "roc_auc")
    found = resampling.paired(a, a, 5, 20)["roc_auc"]
    assert all(map(math.isnan, (found.a, found.difference, found.low, found.error)))


# Of one version.


def test_a_resample_draws_as_many_rows_as_there_are() -> None:
    drawn = list(resampling.resamples(50, 20, seed=0))
    assert len(drawn) == 20 and all(weights.sum() == 50 for weights in drawn)
    assert np.std(np.concatenate(drawn)) == pytest.approx(1, abs=0.1)  # nearly Poisson


def test_the_same_seed_gives_the_same_interval_of_a_figure_and_another_seed_another() -> None:
    values = np.random.default_rng(0).normal(size=200)
    first, again, other = (resampling.intervals(mean_of(values), 200, 300, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 1000)
    interval = resampling.intervals(mean_of(values), 1000, 2000, 0)["mean"]
    half = 1.96 * values.std() / 1000**0.5
    assert interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_intervals_of_the_roc_auc_cover_the_truth_in_about_95_of_100_samples() -> None:
    truth = 0.7602  # of normal scores one standard deviation apart: Phi(1 / sqrt(2))
    generator, covered, samples = np.random.default_rng(0), 0, 100
    for _ in range(samples):
        y = np.arange(200) % 2
        score = 1 / (1 + np.exp(-generator.normal(y, 1.0)))
        interval = resampling.intervals(measured("binary", y, score, "roc_auc"), 200, 200, 0)["roc_auc"]
        covered += interval is not None and interval[0] <= truth <= interval[1]
    assert 0.88 <= covered / samples <= 0.99


@pytest.mark.parametrize(("shift", "truth"), [(0.0, 0.0), (0.15, 0.0243)])  # logits; the truth of 10^6 rows
def test_intervals_of_the_calibration_error_cover_the_truth(shift: float, truth: float) -> None:
    """Percentiles of resamples lie above it, nearly all of them."""
    generator, covered, above, samples = np.random.default_rng(0), 0, 0, 60
    task, error = of("binary", "ab"), metrics.METRICS["calibration_error"]
    for _ in range(samples):
        logits = generator.normal(-1, 1.5, 500)
        y = (generator.random(500) < 1 / (1 + np.exp(-logits))).astype(np.float32)
        p = 1 / (1 + np.exp(-logits - shift))
        rows = metrics.Rows.of(task, y, np.stack([1 - p, p], axis=1))
        value = metrics.figures(rows, of=[error])[error.name]
        measure = lambda weights, rows=rows: metrics.figures(rows, weights, [error])  # noqa: E731
        plain = resampling.intervals(measure, 500, 200, 0)[error.name]
        low, high = resampling.mirrored(plain, value, rows.bins.by_chance())
        assert 0 <= low <= value <= high
        covered += low <= truth <= high
        above += plain[0] > truth
    assert covered / samples >= 0.88
    assert above / samples > 0.5


def test_resamples_without_a_figure_are_left_out_and_mostly_none_means_no_interval() -> None:
    assert resampling.percentiles(np.array([1.0, 2.0, np.nan])) == pytest.approx((1.025, 1.975))
    assert resampling.percentiles(np.array([1.0, np.nan, np.nan])) is None


def test_no_resamples_are_no_intervals() -> None:
    assert resampling.intervals(mean_of(np.ones(3)), 3, 0, 0) == {}


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_all_figures_of_100_000_rows_take_less_than_5_ms_a_resample(kind: str) -> None:
    """1000 resamples under 5 s."""
    generator = np.random.default_rng(0)
    y, p = generator.integers(0, 2, 100_000), generator.random(100_000).astype(np.float32)
    measure = measured(kind, y, p)
    assert timing.seconds(lambda: resampling.intervals(measure, 100_000, 40, 0), below=0.2) < 40 * 0.005


def test_on_a_hundred_thousand_rows_a_resample_is_judged_five_times_as_fast_as_by_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    y = generator.random(100_000) < 0.2
    p = np.clip(0.5 * y + 0.5 * generator.random(100_000), 0, 1).astype(np.float32)
    measure = measured("binary", y, p)
    sample = generator.integers(100_000, size=100_000)

    def judge() -> None:
        for score in (reference.roc_auc_score, reference.average_precision_score, reference.log_loss):
            score(y[sample], p[sample])
        reference.classification_report(y[sample], p[sample] >= 0.5)

    def ratio() -> float:
        ours = timing.processor_seconds(lambda: resampling.intervals(measure, 100_000, 10, 0)) / 10
        return ours / timing.processor_seconds(judge)

    assert timing.best(ratio, below=0.2) < 0.2


def test_of_very_many_rows_fewer_resamples_are_drawn_and_say_much_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [resampling.affordable(rows, 1000) for rows in (0, 2**18, 2**19, 10**9)] == [1000, 1000, 500, 100]
    assert resampling.affordable(10**9, 30) == 30
    measure = mean_of(np.random.default_rng(0).normal(size=2000))
    (usual,) = resampling.intervals(measure, 2000, 1000, 0).values()
    monkeypatch.setattr(resampling, "LARGE", 100)
    assert len(resampling.drawn(measure, 2000, 1000, 0)["mean"]) == 100
    part = mean_of(np.zeros(40))
    assert [len(resampling.drawn(part, 40, 1000, 0, parts)["mean"]) for parts in (1, 2, 5, 100)] == [
        1000,
        1000,
        500,
        100,
    ]
    (fewer,) = resampling.intervals(measure, 2000, 1000, 0).values()
    assert usual is not None and fewer is not None
    assert fewer == pytest.approx(usual, abs=0.15 * (usual[1] - usual[0]))
