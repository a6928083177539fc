"""Settings, metrics and environment of two versions, key by key."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemma.conf.difference import MISSING, compare
from stemma.evaluation.results import told
from stemma.versions.log import flat


@dataclass(frozen=True)
class Setting:
    """One value that differs; None on the side that does not have it."""

    key: str  # dotted
    before: Any
    after: Any


@dataclass(frozen=True)
class MetricMove:
    """One figure of both versions; None on the side that does not have it."""

    key: str  # dotted, such as "test.roc_auc"
    before: float | None
    after: float | None
    move: float | None  # after - before
    interval: tuple[float, float] | None  # the 95 % interval of the version before, where its evaluation has one
    # whether the new figure lies in that interval: then the move says little. None without an interval
    within: bool | None


def settings_that_differ(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Setting, ...]:
    """The leaves of two trees that differ, in the order of `before`, then those that only `after` has."""
    found = compare(dict(before), dict(after))
    return tuple(Setting(one.key, *(None if side is MISSING else side for side in one.sides)) for one in found)


def metric_moves(
    before: Mapping[str, Any], after: Mapping[str, Any], evaluation: Mapping[str, Any] | None
) -> tuple[MetricMove, ...]:
    """Every figure of either version, in order; `evaluation` is evaluation.json of the version before."""
    left, right = flat(before), flat(after)
    keys = [*left, *(key for key in right if key not in left)]
    return tuple(_move(key, left.get(key), right.get(key), _interval(evaluation, key)) for key in keys)


def _move(key: str, before: float | None, after: float | None, interval: tuple[float, float] | None) -> MetricMove:
    if before is None or after is None:
        return MetricMove(key, before, after, None, interval, None)
    within = None if interval is None else interval[0] <= after <= interval[1]
    return MetricMove(key, before, after, after - before, interval, within)


def _interval(evaluation: Mapping[str, Any] | None, key: str) -> tuple[float, float] | None:
    """The interval of a figure in evaluation.json; None where it holds none."""
    low, high = (told(evaluation, *key.split("."), end) for end in ("low", "high"))
    usable = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (low, high))
    return (float(low), float(high)) if usable else None
