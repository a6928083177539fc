"""Settings, metrics and environment of two versions, key by key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemma.conf.difference import MISSING, compare
from stemma.evaluation.results import figures, interval


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
    left, right = figures(before), figures(after)
    return tuple(_move(key, left.get(key), right.get(key), interval(evaluation, key)) for key in {**left, **right})


def _move(key: str, before: float | None, after: float | None, reach: tuple[float, float] | None) -> MetricMove:
    if before is None or after is None:
        return MetricMove(key, before, after, None, reach, None)
    within = None if reach is None else reach[0] <= after <= reach[1]
    return MetricMove(key, before, after, after - before, reach, within)
