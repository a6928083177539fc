"""How much too good the best of many looks: it was chosen by the rows that it is told by.

The bootstrap bias correction of Tsamardinos, Greasidou and Borboudakis (Bootstrapping the out-of-sample predictions for
efficient and accurate cross-validation, Machine Learning 107, 2018, algorithm 4): the rows are drawn anew, the best is
chosen by those that were drawn, and told by those that were not. No network is fitted again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemma.metrics.resampling import percentiles, resamples

Floats = NDArray[np.float64]
Measure = Callable[[Floats | None], float]  # how often each row counts (rows,) -> the figure of one trial
RESAMPLES = 300
METHOD = "bootstrap bias correction (Tsamardinos, Greasidou and Borboudakis, Machine Learning 107, 2018)"


@dataclass(frozen=True)
class Optimism:
    """How much too good the figure is that a search chose by.

    `optimism` is told - expected, with its 95 % interval `low` to `high`; above 0 it is too good, where more is better.
    """

    told: float  # the figure of the best on the rows that chose it
    expected: float  # what new rows are expected to give
    expected_low: float  # its 95 % interval
    expected_high: float
    method: str = METHOD

    @property
    def optimism(self) -> float:
        return self.told - self.expected

    @property
    def low(self) -> float:
        return self.told - self.expected_high

    @property
    def high(self) -> float:
        return self.told - self.expected_low


def estimate(trials: Sequence[Measure], rows: int, higher: bool, seed: int = 0) -> Optimism | None:
    """Of the best of these trials; None where too few resamples have the figure.

    Args:
        trials: each one's figure for any weighting of the rows. higher: is better.
    """
    pick = max if higher else min
    told, fresh = pick(trial(None) for trial in trials), []
    for weights in resamples(rows, RESAMPLES, seed):
        inside = [trial(weights) for trial in trials]
        known = [place for place, value in enumerate(inside) if np.isfinite(value)]
        chosen = pick(known, key=inside.__getitem__) if known else None
        fresh.append(np.nan if chosen is None else trials[chosen]((weights == 0).astype(np.float64)))
    values = np.array(fresh)
    interval = percentiles(values)
    if interval is None:
        return None
    return Optimism(told, float(np.nanmean(values)), *interval)
