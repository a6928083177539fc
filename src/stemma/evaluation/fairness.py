"""Whether a network treats groups of rows alike: how far rates are apart between the values of a column.

    selection_rate        share of the rows that are decided positive
    true_positive_rate    the same of those that are (Hardt, Price and Srebro, NeurIPS 2016)
    false_positive_rate   the same of those that are not
    calibration           mean probability minus share of outcomes
    mean_error            of a regression: mean of prediction minus truth
    absolute_error        of a regression: mean size of that

Of several classes each is the positive one in turn, and the gap is that of the class where it is greatest. A gap is
picked out of many, so its interval holds for all pairs of groups (and classes) at once: normal, with the error of the
bootstrap, by Bonferroni's inequality.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma import metrics
from stemma.evaluation.settings import EvaluateSettings
from stemma.files import finite
from stemma.metrics import resampling
from stemma.metrics.resampling import LEVEL
from stemma.metrics.slices import Slice
from stemma.task import Task

Array = NDArray[Any]
OF_CLASSES = ("selection_rate", "true_positive_rate", "false_positive_rate", "calibration")
OF_VALUES = ("mean_error", "absolute_error")
FEWEST = 10  # rows that a rate is of; of fewer it is not held beside others
MOST_CLASSES = 20  # the most frequent ones


def conditions(task: Task, columns: Sequence[str]) -> tuple[str, ...]:
    """What the quality gate may ask of these columns: gap.RATE.COLUMN."""
    rates = OF_CLASSES if task.has_classes else OF_VALUES
    return tuple(f"gap.{rate}.{column}" for column in columns for rate in rates)


def figures(told: Mapping[str, Any]) -> dict[str, float | None]:
    """The gaps of a record by these names."""
    return {f"gap.{name}.{column}": e["value"] for column, rates in told.items() for name, e in rates.items()}


def gaps(rows: metrics.Rows, parts: Sequence[Slice], settings: EvaluateSettings) -> dict[str, dict[str, Any]]:
    """Each rate by the groups of a column, together all rows; and how far the greatest is above the least."""
    order, starts = np.concatenate([part.rows for part in parts]), np.cumsum([0, *(len(p.rows) for p in parts[:-1])])
    classes = _classes(rows)
    sums = {name: (part[:, order], whole[:, order]) for name, (part, whole) in _rates(rows, classes).items()}

    def measure(weights: Array) -> dict[str, Array]:
        return {name: _by_group(part, whole, weights[order], starts) for name, (part, whole) in sums.items()}

    rates = measure(np.ones(rows.count))
    drawn = resampling.drawn(measure, rows.count, settings.bootstrap, settings.seed)
    found, names = {}, [rows.task.classes[each] for each in classes]
    for name, (_, whole) in sums.items():
        rates[name][np.add.reduceat(whole, starts, axis=1, dtype=np.int64) < FEWEST] = np.nan
        found[name] = _gap(rates[name], drawn.get(name), [part.value for part in parts], names)
    return found


def _classes(rows: metrics.Rows) -> Array:
    """The numbers of those that count as positive in turn; none of a regression."""
    task = rows.task
    if not task.classes or task.positive is not None:
        return np.array([task.classes.index(task.positive)] if task.positive else [], np.int64)
    frequent = np.argsort(-np.bincount(rows.actual.astype(np.int64), minlength=len(task.classes)), kind="stable")
    return np.sort(frequent[:MOST_CLASSES])


def _rates(rows: metrics.Rows, classes: Array) -> dict[str, tuple[Array, Array]]:
    """What each row adds to a rate, and to the rows that it is of: (classes, rows) both."""
    if not rows.task.classes:
        error = (rows.predictions[:, 0].astype(np.float64) - rows.actual)[None]
        return {"mean_error": (error, np.ones_like(error)), "absolute_error": (np.abs(error), np.ones_like(error))}
    outcome, said = (np.asarray(each) == classes[:, None] for each in (rows.actual, rows.decided))
    every, off = np.ones(outcome.shape), rows.predictions[:, classes].T.astype(np.float64) - outcome
    pairs = ((said, every), (said & outcome, outcome), (said & ~outcome, ~outcome), (off, every))
    return dict(zip(OF_CLASSES, pairs, strict=True))


def _by_group(part: Array, whole: Array, weights: Array, starts: Array) -> Array:
    """The rate in each group (classes, groups), NaN where it is of no row."""
    added, count = (np.add.reduceat(each * weights, starts, axis=1) for each in (part, whole))
    return np.asarray(np.divide(added, count, out=np.full(count.shape, np.nan), where=count > 0))


def _gap(rate: Array, drawn: Array | None, groups: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """The greatest difference between two groups, of several classes with its class, and its interval.

    Args:
        rate: (classes, groups), NaN where it is of too few rows. drawn: the same of each resample.
    """
    from scipy import stats

    apart = rate[:, :, None] - rate[:, None, :]
    apart[:, np.eye(len(groups), dtype=bool)] = np.nan
    pairs = int(np.isfinite(apart).sum()) // 2
    place, most, least = map(int, np.unravel_index(int(np.nan_to_num(apart, nan=-1.0).argmax()), apart.shape))
    told: dict[str, Any] = {"groups": dict(zip(groups, finite(rate[place].tolist()), strict=True))}
    told |= {"class": classes[place]} if len(classes) > 1 else {}
    if not pairs:
        return told | dict.fromkeys(("value", "low", "high", "most", "least"))
    error = float("nan") if drawn is None else float(np.nanstd(drawn[:, place, most] - drawn[:, place, least]))
    value, reach = float(apart[place, most, least]), float(stats.norm.isf((1 - LEVEL) / 2 / pairs)) * error
    told |= {"value": value, "most": groups[most], "least": groups[least]}
    # Rounded: other processors end deviations in other last digits.
    return told | {"low": finite(float(f"{value - reach:.9g}")), "high": finite(float(f"{value + reach:.9g}"))}
