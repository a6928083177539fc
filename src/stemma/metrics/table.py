"""Every figure, once: its name, unit, direction, the tasks that have it, and how it is computed.

Figures are those of scikit-learn 1.9 with `sample_weight`, on the rows and on resamples of them; a test keeps it so.
Where one is not defined:

- 0 / 0 in precision, recall, F1 and Matthews' correlation is 0 (`zero_division=0`): nothing is predicted positive, no
  row is positive, all rows are of one class. Averages are over all classes of the task, also those without a row.
- balanced accuracy is the mean over the classes that have rows.
- ROC-AUC is NaN where a class, or all but one, has no row; PR-AUC where the class has none.
- R2 of a constant target is 1 where every prediction is right, else 0; of fewer than two rows it is NaN.
- every figure of no rows, or of rows that all weigh 0, is NaN; figures of decisions are where nothing is decided.

In files NaN is null.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import numpy as np

from stemma.entries import Entry, added, naming
from stemma.errors import EntryError
from stemma.metrics.rows import Floats, Rows, Sample

Better = Literal["higher", "lower"]
CLASSES, VALUES = ("binary", "multiclass"), ("regression",)
LOWER = frozenset({"cost", "loss", "mape", "mse"})  # of figures that are in files and not in the table
LOWER_ENDS = ("_loss", "_error")


@dataclass(frozen=True)
class Metric:
    """One figure."""

    name: str  # in files and on the command line
    label: str  # where people read it
    meaning: str  # what it says, in a few words
    tasks: tuple[str, ...]  # the kinds that have it
    # rows with weights -> the figure; NaN where it is not defined. Called only if a row has weight
    measure: Callable[[Sample], float]
    better: Better = "higher"  # which way
    unit: str | None = None  # nats, target (that of the target), or None
    entry: str | None = None  # where a project has it, "module:Name"; None for those of the toolkit
    least: float = -math.inf  # with `most` the ends of what it can be; an interval over folds is cut to them
    most: float = math.inf


def accuracy(sample: Sample) -> float:
    return float(np.trace(sample.confusion)) / sample.total


def balanced_accuracy(sample: Sample) -> float:
    """Brodersen et al., ICPR 2010."""
    occurs = sample.confusion.sum(axis=1) != 0
    return float(np.mean(sample.by_class[1][occurs]))


def mcc(sample: Sample) -> float:
    """Biochimica et Biophysica Acta 405, 1975; several classes: Gorodkin, Comput. Biology and Chemistry 28, 2004."""
    confusion, total = sample.confusion, sample.total
    hit, actual, decided = float(np.trace(confusion)), confusion.sum(axis=1), confusion.sum(axis=0)
    spread = (total**2 - float(np.square(actual).sum())) * (total**2 - float(np.square(decided).sum()))
    covered = hit * total - float((actual * decided).sum())
    return 0.0 if spread <= 0 else covered / math.sqrt(spread)


def calibration_error(sample: Sample) -> float:
    """Expected calibration error: how far mean probability and share of outcomes are apart, over bins (Naeini, Cooper
    and Hauskrecht, AAAI 2015) of equal size (Nguyen and O'Connor, EMNLP 2015); of several classes that of the decided
    one (Guo et al., ICML 2017)."""
    error: float = sample.rows.bins.error(sample.sorted)
    return error / sample.total


def r2(sample: Sample) -> float:
    if sample.rows.count < 2:
        return math.nan
    y, weights = sample.rows.y, sample.sorted
    mean = float((y * weights).sum()) / sample.total
    variance = float((np.square(y - mean) * weights).sum()) / sample.total
    if variance > sample.rows.noise:
        return 1 - sample.means["squared"] / variance
    return float(sample.means["squared"] == 0)


def error_quantile(share: float) -> Callable[[Sample], float]:
    """The least error that so many rows do not exceed (Hyndman and Fan, The American Statistician 50, 1996,
    definition 1)."""

    def measure(sample: Sample) -> float:
        place = int(np.searchsorted(sample.cumulated, share * sample.total))
        return float(sample.rows.errors[min(place, sample.rows.count - 1)])

    return measure


def cost(false_positive: float, false_negative: float) -> Metric:
    """The mean cost of a row, of two classes, by what wrong decisions cost: for `figures`, beside the table."""

    def measure(sample: Sample) -> float:
        positive = sample.rows.place
        negative = 1 - positive
        wrong = sample.confusion[negative, positive], sample.confusion[positive, negative]
        return float(false_positive * wrong[0] + false_negative * wrong[1]) / sample.total

    return Metric("cost", "cost", "mean cost of a row", ("binary",), measure, "lower")


_shares = partial(Metric, least=0, most=1)
_losses = partial(Metric, better="lower", least=0)
_TABLE = (
    # Losses are in nats. Brier: Monthly Weather Review 78, 1950; of several classes the sum over them, from 0 to 2.
    _losses("log_loss", "log loss", "surprise per row, in nats", CLASSES, lambda s: s.means["log_loss"], unit="nats"),
    _shares("accuracy", "accuracy", "share of rows decided rightly", CLASSES, accuracy),
    _shares("balanced_accuracy", "balanced accuracy", "mean recall of the classes", CLASSES, balanced_accuracy),
    _shares("precision", "precision", "share of those decided positive that are", CLASSES, lambda s: s.averaged(0)),
    _shares("recall", "recall", "share of the positive that are found", CLASSES, lambda s: s.averaged(1)),
    _shares("f1", "F1", "harmonic mean of precision and recall", CLASSES, lambda s: s.averaged(2)),
    _shares("roc_auc", "ROC-AUC", "chance that a positive row scores above another", CLASSES, lambda s: s.area(0)),
    _shares("pr_auc", "PR-AUC", "mean precision over all recalls", CLASSES, lambda s: s.area(1)),
    _losses("brier", "Brier score", "squared error of the probabilities", CLASSES, lambda s: s.means["brier"], most=2),
    _losses("calibration_error", "calibration error", "how far probabilities and shares are apart", CLASSES,
            calibration_error, most=1),
    Metric("mcc", "MCC", "correlation of truth and decision", CLASSES, mcc, least=-1, most=1),
    _losses("mae", "MAE", "mean absolute error", VALUES, lambda s: s.means["absolute"], unit="target"),
    _losses("rmse", "RMSE", "root of the mean squared error", VALUES, lambda s: math.sqrt(s.means["squared"]),
            unit="target"),
    Metric("r2", "R²", "share of the variance that is explained", VALUES, r2, most=1),
    *(_losses(f"error_p{n}", f"error, {n} %", f"{'half' if n == 50 else f'{n} %'} of the rows err by no more", VALUES,
              error_quantile(n / 100), unit="target") for n in (50, 90, 95)),
)  # fmt: skip
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _TABLE}


def of_task(kind: str, own: Iterable[Metric] = ()) -> tuple[Metric, ...]:
    return tuple(metric for metric in (*_TABLE, *own) if kind in metric.tasks)


def added_to(lines: Mapping[str, Entry]) -> tuple[Metric, ...]:
    """The figures that a project and installed packages add to the table.

    Raises:
        EntryError: one is no Metric or cannot be loaded; and as it is measured, what it raises.
    """
    return tuple(loaded(name, entry) for name, entry in added("metrics", lines, METRICS).items())


def loaded(name: str, entry: Entry) -> Metric:
    """The figure of a line; it has the name of its line."""
    metric: Metric = entry.load(Metric)
    if metric.better not in get_args(Better):
        raise EntryError(f"{entry.path}: better is {metric.better!r}, not {' or '.join(get_args(Better))}")

    def measure(sample: Sample) -> float:
        with naming(f"the metric {name} ({entry.path}) fails"):
            return float(metric.measure(sample))

    return replace(metric, name=name, measure=measure, entry=entry.path)


def figures(rows: Rows, weights: Floats | None = None, of: Iterable[Metric] | None = None) -> dict[str, float]:
    """Figures by name.

    Args:
        weights: (rows,) how often each row counts; None: once.
        of: what to measure; None: all that the task has.
    """
    sample = Sample(rows, weights)
    chosen = of_task(rows.task.kind) if of is None else of
    return {metric.name: metric.measure(sample) if sample.total > 0 else math.nan for metric in chosen}


def names(kind: str, own: Iterable[Metric] = ()) -> tuple[str, ...]:
    """Of every figure of a task."""
    return tuple(metric.name for metric in of_task(kind, own))


def better(name: str) -> Better:
    """Which way a figure is better, also one that is not in the table; `test.` and the like are left out."""
    last = name.rpartition(".")[2]
    if last in METRICS:
        return METRICS[last].better
    return "lower" if last in LOWER or last.endswith(LOWER_ENDS) else "higher"


def label(name: str) -> str:
    """What people read."""
    return METRICS[name].label if name in METRICS else name.replace("_", " ")
