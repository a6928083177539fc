"""How much too good the best of many looks: simulated searches, whose truth is known."""

from functools import partial

import numpy as np
import optuna

from stemma.search import optimism, study
from stemma.search.settings import SearchSettings


def mean(values: np.ndarray, weights: np.ndarray | None) -> float:
    return float(values.mean() if weights is None else (values * weights).sum() / weights.sum())


def simulated(seed: int, rows: int = 80, trials: int = 15) -> tuple[optimism.Optimism, float]:
    """Trials of nearly the same skill on the same rows: what is told, and how much too good the best really looks."""
    draw = np.random.default_rng(seed)
    skills, common = 0.1 * draw.normal(size=trials), draw.normal(size=rows)
    looks = [skill + 0.7 * common + 0.7 * draw.normal(size=rows) for skill in skills]
    told = optimism.estimate([partial(mean, each) for each in looks], rows, higher=True, seed=seed)
    assert told is not None
    return told, told.told - skills[int(np.argmax([each.mean() for each in looks]))]


def test_the_interval_of_the_optimism_covers_the_true_one() -> None:
    made = [simulated(seed) for seed in range(60)]
    assert np.mean([told.low <= true <= told.high for told, true in made]) >= 0.9
    told, true = (np.mean([each.optimism for each, _ in made]), np.mean([true for _, true in made]))
    assert abs(told - true) < 0.05 and true > 0.05


def test_of_one_trial_there_is_no_optimism() -> None:
    values = np.random.default_rng(0).normal(size=200)
    told = optimism.estimate([partial(mean, values)], 200, higher=False)
    assert told is not None and abs(told.optimism) < 0.02


def planted(seed: int, sampler: str) -> float:
    """How far from the best of a known objective 40 trials come: width, rate and dropout, one of which is a choice."""
    search = SearchSettings.model_validate({"space": {"a": {"choices": (1, 2)}}, "sampler": sampler})
    made, best = optuna.create_study(), np.inf
    for number in range(40):
        made.sampler = study._sampler(search, seed, number)
        trial = made.ask()
        rate = np.log10(trial.suggest_float("rate", 1e-5, 1, log=True))
        width, dropout = trial.suggest_int("width", 1, 256, log=True), trial.suggest_float("dropout", 0, 0.9)
        far = 0.0 if trial.suggest_categorical("activation", ["relu", "gelu", "tanh"]) == "gelu" else 0.3
        value = (rate + 2.5) ** 2 / 4 + (np.log2(width) - 6) ** 2 / 16 + 4 * (dropout - 0.2) ** 2 + far
        made.tell(trial, value)
        best = min(best, value)
    return best


def test_a_planted_optimum_is_found_in_9_of_10_seeds() -> None:
    assert sum(planted(seed, "tpe") < 0.1 for seed in range(10)) >= 9
