"""How scores become decisions: the temperature and the threshold, both chosen on the validation rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import EvaluationError
from stemma.evaluation import calibration, threshold
from stemma.evaluation.settings import EvaluateSettings
from stemma.task import Floats, Task


@dataclass(frozen=True)
class Decision:
    """How scores become decisions."""

    rule: str | None  # the name of the rule that chose the threshold, or "fixed"; None where nothing is decided by one
    threshold: float | None  # probability from which a row counts as positive; None unless there are two classes
    temperature: float = 1.0  # what scores are divided by; 1 changes nothing

    def predictions(self, task: Task, scores: Floats) -> Floats:
        """Probabilities (rows, classes), or values (rows, 1)."""
        return task.predictions(scores if self.temperature == 1 else calibration.cooled(scores, self.temperature))


def decide(task: Task, scores: Floats, y: NDArray[Any], settings: EvaluateSettings) -> Decision:
    """The decision that the settings ask for, from the validation rows.

    Raises:
        EvaluationError: no threshold reaches `evaluate.precision`.
    """
    by = calibration.temperature(task, scores, y) if settings.calibration == "temperature" else 1.0
    if task.positive is None:
        return Decision(None, None, by)
    probability = Decision(None, None, by).predictions(task, scores)[:, 1]
    found = threshold.choose(y, probability, settings)
    if found is None:
        best = np.floor(threshold.best_precision(y, probability) * 1e4) / 1e4
        raise EvaluationError(
            f"evaluate.precision: {settings.precision:g} is not reached on the validation rows at any threshold"
            f" (the most is {best:g})",
            run=f"dvc exp run -S evaluate.precision={best:g}",
        )
    rule = threshold.rule(y, probability, settings)
    return Decision(rule if isinstance(rule, str) else "fixed", found, by)
