"""The quality gate: what figures on the test rows must reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma import metrics, text
from stemma.errors import EvaluationError
from stemma.metrics import Better
from stemma.task import Task


@dataclass(frozen=True)
class Demand:
    """One line of the gate."""

    metric: str  # name of the figure
    better: Better  # which way
    figure: float | None  # on the test rows; None where it is not defined, which does not pass
    needed: float | None  # the least that is allowed, or the most of a figure where less is better
    baseline: str | None = None  # which must be surpassed by the figure, not just met; None for a plain number

    @property
    def passed(self) -> bool:
        if self.figure is None or self.needed is None:
            return False
        gain = self.figure - self.needed
        if self.better == "lower":
            gain = -gain
        return gain > 0 if self.baseline else gain >= 0

    def __str__(self) -> str:
        figure = "not defined" if self.figure is None else text.figure(self.figure)
        if self.baseline:
            needed = "not defined" if self.needed is None else text.figure(self.needed)
            return f"{self.metric} {figure} on the test rows is not better than {self.baseline} ({needed})"
        if figure == text.figure(self.needed):  # they differ in a later digit
            figure = f"{self.figure:.12g}"
        asked = "allows at most" if self.better == "lower" else "asks for at least"
        return f"{self.metric} {figure} on the test rows, evaluate.minimum {asked} {self.needed:.12g}"


def demands(
    minimum: Mapping[str, float | str],
    task: Task,
    figures: Mapping[str, float | None],
    others: Mapping[str, Mapping[str, float | None]],
    own: Sequence[metrics.Metric] = (),
) -> tuple[Demand, ...]:
    """What the gate asks beside what there is.

    Args:
        figures: on the test rows, gaps and falls; None where not defined.
        others: the same of each baseline.
        own: figures beside those of the toolkit.
    """
    made, way = [], {metric.name: metric.better for metric in metrics.of_task(task.kind, own)}
    for name, needed in minimum.items():
        if isinstance(needed, str):
            main = task.main
            made.append(Demand(main, way[main], figures[main], others[needed][main], needed))
        else:
            made.append(Demand(name, way.get(name, "lower"), figures.get(name), needed))
    return tuple(made)


def stop(told: Sequence[Mapping[str, Any]], page: Path) -> None:
    """Stop where a demand, as the record tells it, is not met.

    Args:
        page: that tells it, for the message.

    Raises:
        EvaluationError: a figure does not reach what `evaluate.minimum` asks.
    """
    demands = [Demand(d["metric"], d["better"], d["figure"], d["needed"], d["baseline"]) for d in told]
    missed = [str(demand) for demand in demands if not demand.passed]
    if missed:
        raise EvaluationError(f"the quality gate failed: {'; '.join(missed)} (see {page})")
