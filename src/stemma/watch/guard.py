"""Is a young version beyond a bound, for certain, though somebody looks at it every few seconds?

Shares (errors, slow answers) are held beside their bound by `sequential.exceeds`, figures by the interval of
`sequential.p`, predictions at 200, 400, 800, ... rows with half of the chance left at each. All rules of a version
share ALPHA. What the version before does too is not the young one's fault; where a split lets both answer, a figure
that is worse than its is one, as `ab` judges it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stemma import metrics
from stemma.bundle.model import Bundle
from stemma.errors import StemmaError
from stemma.tables.distance import LARGE
from stemma.text import counted, figure
from stemma.watch import ab, answers, sequential
from stemma.watch.answers import PREDICTED, Answers, measured
from stemma.watch.drift import predictions
from stemma.watch.log import Log

ALPHA = 0.05  # chance that a sound version is taken back
SLOW = 0.01  # share of the requests that may take longer than the bound
MOST = 100_000  # rows; what is not certain of a version by then will not be
FIRST = 200  # rows whose predictions are looked at first


@dataclass(frozen=True)
class Rules:
    """Bounds of a young version."""

    young: float = 3600.0  # seconds from its first request in which a version is
    errors: float | None = None  # share of the requests that fail
    latency: float | None = None  # seconds, of all but 1 % of them
    drift: bool = False  # whether its predictions may not be far from those of the bundle's test rows
    figure: Mapping[str, float] = field(default_factory=dict)  # by name, the least (of losses the most) by outcomes

    @property
    def alpha(self) -> float:
        """What each of them may err."""
        return ALPHA / max(1, (self.errors is not None) + (self.latency is not None) + self.drift + len(self.figure))


@dataclass(frozen=True)
class Seen:
    """What is known of a version."""

    requests: int = 0  # as the server counts them
    errors: int = 0  # the same
    answers: Answers | None = None  # its first rows in the log
    bundle: Bundle | None = None  # what it is
    # of the requests that it and the version before it share, by a split between them; None: there is none
    share: float | None = None


def read(kept: Log) -> dict[str, Answers]:
    """The first rows of every version that answered, by name; nothing where there are none."""
    found = answers.read(kept, ("latency", *PREDICTED), MOST, needed=False)
    return {name: each.but("shadow") for name, each in found.items()}


def lacking(figures: Iterable[str], task: str) -> list[str]:
    """Those that a task does not have."""
    return [name for name in figures if task not in metrics.METRICS[name].tasks]


def verdict(rules: Rules, young: Seen, before: Seen | None) -> str | None:
    """Why a version is to be taken back; None where that is not certain."""
    found = faults(rules, young)
    if found and before is not None:
        found = {name: why for name, why in found.items() if name not in faults(rules, before)}
    if before is not None:
        found |= worse(rules, young, before)
    return "; ".join(found.values()) or None


def faults(rules: Rules, seen: Seen) -> dict[str, str]:
    """By rule, what is beyond its bound for certain."""
    found: dict[str, str | None] = {}
    if rules.errors is not None:
        found["errors"] = _share(seen.errors, seen.requests, rules.errors, rules.alpha, "failed")
    of = seen.answers
    if of is not None and rules.latency is not None:
        took = of.table["latency"].to_numpy()[of.table["row"].to_numpy() == 0]
        slow = f"took longer than {rules.latency:g} s"
        found["latency"] = _share(int((took > rules.latency).sum()), len(took), SLOW, rules.alpha, slow)
    if of is not None:
        found |= {name: _figure(of.judged, name, bound, rules.alpha) for name, bound in rules.figure.items()}
    if of is not None and rules.drift and seen.bundle is not None:
        found["drift"] = _predictions(of, seen.bundle, rules.alpha)
    return {name: why for name, why in found.items() if why}


def worse(rules: Rules, young: Seen, before: Seen) -> dict[str, str]:
    """By figure, where it does worse than the version before on requests of the same time, for certain."""
    found: dict[str, str] = {}
    if young.answers is None or before.answers is None or young.share is None:
        return found
    for name in rules.figure:
        try:
            seen = ab.experiment(Path(), before.answers, young.answers, ab.Options(name, share=young.share))
        except StemmaError:  # they share no time yet, no outcome is there, or the task has no such figure
            continue
        if seen.verdict == "worse":
            found[name] = seen.sentence
    return found


def _share(count: int, rows: int, bound: float, alpha: float, what: str) -> str | None:
    if sequential.exceeds(count, rows, bound) >= alpha:
        return None
    return f"{count / rows:.1%} of {counted(rows, 'request')} {what}, and {bound:.1%} may"


def _figure(judged: Answers, name: str, bound: float, alpha: float) -> str | None:
    metric = metrics.METRICS[name]
    if judged.callers < sequential.FEWEST or lacking([name], judged.task.kind):
        return None
    value, error = measured(judged, judged.task, metric)
    beyond = bound - value if metric.better == "higher" else value - bound
    p = sequential.p(beyond / error if error else math.inf, judged.callers, sequential.SOON)
    if not beyond > 0 or p >= alpha:
        return None
    return f"{name} is {figure(value)} by {counted(len(judged.table), 'outcome')}, and the bound is {figure(bound)}"


def _predictions(of: Answers, bundle: Bundle, alpha: float) -> str | None:
    if len(of.table) < FIRST:
        return None
    doubled = int(math.log2(len(of.table) / FIRST))
    first = of.only(np.arange(len(of.table)) < FIRST * 2**doubled)
    shift = predictions(first, bundle, alpha / 2 ** (doubled + 1))
    if shift is None or shift.kind is None or (shift.psi or 0) < LARGE:
        return None
    return f"predictions are far from those of the test rows: {shift.told}"
