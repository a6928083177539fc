"""The one engine of figures: how good predictions are, how sure that is, and whether two versions differ.

table        every figure: its name, unit, direction, and how it is computed
rows         predictions beside the truth, sorted once and then measured for any weighting
ranking      areas under curves, for any weighting
resampling   the bootstrap: intervals and errors of figures, and of their differences
tests        McNemar, DeLong, Wilcoxon, the z test; Holm's correction for many of them
power        rows that it would take to tell a difference from none

    task = stemma.task.of("binary", ("no", "yes"))
    rows = metrics.Rows.of(task, actual, probabilities, task.decide(probabilities, 0.5))
    metrics.figures(rows)["roc_auc"]

A figure of your own is one more `Metric`, which `added_to` loads and `figures` takes beside those of the table.
"""

from stemma.metrics.ranking import areas, roc_auc
from stemma.metrics.rows import BINS, Rows, Sample
from stemma.metrics.table import METRICS, Better, Metric, added_to, better, cost, figures, label, loaded, names, of_task

__all__ = [
    "BINS", "METRICS", "Better", "Metric", "Rows", "Sample", "added_to", "areas", "better", "cost", "figures", "label",
    "loaded", "names", "of_task", "roc_auc",
]  # fmt: skip
