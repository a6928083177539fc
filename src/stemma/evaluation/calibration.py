"""One number that makes probabilities as sure as they are right."""

import numpy as np
from numpy.typing import NDArray

from stemma import exact
from stemma.task import Floats, Task

COLDEST, HOTTEST = 0.05, 20.0


def temperature(task: Task, scores: Floats, y: NDArray[np.generic]) -> float:
    """What scores (rows, outputs) are divided by for the least log loss on these rows, by Guo, Pleiss, Sun and
    Weinberger, On Calibration of Modern Neural Networks, ICML 2017; at least 0.05, at most 20.

    The order of the probabilities stays, so ROC-AUC does too. Rounded to 6 digits: it is written to a file and read.
    """
    from scipy.optimize import minimize_scalar

    def by(logarithm: float) -> float:
        return float(exact.exp(np.asarray(logarithm)))

    def loss(logarithm: float) -> float:
        return float(task.losses(cooled(scores, by(logarithm)), y).mean())

    bounds = exact.log(np.array([COLDEST, HOTTEST]))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(f"{by(found.x):.6g}")


def cooled(scores: Floats, by: float) -> Floats:
    """Scores divided by a temperature, in float32 as in the exported graph."""
    return scores / np.float32(by)
