"""Who wins: two versions that answered different requests at the same time, judged by what came of them.

Only requests of the time in which both were in service count. First the split: where it is not the one that was meant,
the two did not answer the same kind of requests, and nothing else is said. Then the difference of a figure, with an
interval that may be looked at every day (stemma.watch.sequential), and the verdict that follows from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from stemma import metrics
from stemma.errors import StemmaError
from stemma.metrics import Metric, slices, tests
from stemma.metrics.power import SIGNIFICANCE
from stemma.metrics.resampling import Difference
from stemma.signature import Signature
from stemma.task import Task
from stemma.text import counted, figure, lasting, nearest, signed
from stemma.watch import sequential
from stemma.watch.answers import OUTCOME, PREDICTED, Answers, measured, of_name, read, telling
from stemma.watch.log import Log

Verdict = Literal["better", "worse", "not distinguishable", "not compared"]
NOTHING = Difference(*[math.nan] * 6)


@dataclass(frozen=True)
class Options:
    """How two versions are compared."""

    # one of stemma.metrics, or `outcome`: the share of the positive class, or the mean of the values; by default the
    # task's main figure
    metric: str | None = None
    by: Sequence[str] = ()  # inputs or headers whose every value is compared by itself
    share: float = 0.5  # of the requests that b was meant to get
    since: float | None = None  # seconds since 1970


@dataclass(frozen=True)
class Slice:
    """The metric on the rows where a column has a value."""

    column: str
    value: str
    rows: tuple[int, int]
    difference: Difference
    # the p-value that may be looked at every day, by Holm's method over all slices; None of too few rows
    corrected: float | None
    verdict: Verdict  # from it, at 5 %


@dataclass(frozen=True)
class Experiment:
    """How version b does beside version a."""

    a: str
    b: str
    metric: str
    higher_is_better: bool
    verdict: Verdict
    requests: tuple[int, int]  # to a and to b, while both were in service
    # who sent these requests, as the split told them apart; whom it did not know is one with each request
    callers: tuple[int, int]
    rows: tuple[int, int]  # with an outcome
    judged: tuple[int, int]  # callers of these; rows of one are alike, so these are what is counted
    first: float  # the time of these requests, seconds since 1970
    last: float
    share: float  # of b, as it was meant
    mismatch: float  # p-value of "the split is as it was meant"
    difference: Difference  # b minus a, its interval and p-value valid whenever one looks
    p: float | None
    needed: int | None  # callers of both by whom this difference would show
    days: float | None  # until then, at the pace of these requests
    slices: tuple[Slice, ...]
    skipped: tuple[str, ...]

    @property
    def sentence(self) -> str:
        if self.verdict == "not compared":
            whom = counted(sum(self.callers), "request" if self.callers == self.requests else "caller")
            got = f"it got {self.callers[1]:,} of {whom}, and {self.share:.0%} were meant"
            got += f" (p = {self.mismatch:.2g}); find out why first, or tell what was meant by --share"
            return f"{self.b} is not compared with {self.a}: {got}"
        found = self.difference
        moved = f"{self.metric} {figure(found.a)} -> {figure(found.b)} on {counted(sum(self.rows), 'row')}"
        moved += f", difference {signed(found.difference)}, 95 % interval {signed(found.low)} to {signed(found.high)}"
        if self.verdict != "not distinguishable":
            return f"{self.b} is {self.verdict} than {self.a}: {moved}"
        return f"{self.b} is not distinguishable from {self.a} yet: {moved}; {self._known}"

    @property
    def _known(self) -> str:
        whom = "rows" if self.judged == self.rows else "callers"
        if min(self.judged) < sequential.FEWEST:
            return f"nothing is said before each has {sequential.FEWEST} {whom} with an outcome"
        if self.needed is None:
            return f"no number of {whom} would tell them apart"
        days = "" if self.days is None else f", in {lasting(86400 * self.days)} at this pace"
        return f"about {self.needed:,} {whom} would be needed{days}"

    def meets(self, requirement: Literal["better", "not-worse"]) -> bool:
        """Whether b may take the place of a."""
        return self.verdict == "better" or (requirement == "not-worse" and self.verdict == "not distinguishable")


def compare(folder: Path, a: str, b: str, options: Options = Options()) -> Experiment:
    """Judge version b beside version a.

    Args:
        folder: of the request log. a, b: versions as the log names them.

    Raises:
        StemmaError: there is no log, a version is not in it or has no outcomes, or the two predict different things.
    """
    kept = Log(folder, options.since)
    found = read(kept, (*PREDICTED, *(options.by and ("input", "header"))))
    both = of_name(found, a, folder), of_name(found, b, folder)
    return replace(experiment(folder, *both, options), skipped=kept.skipped)


def experiment(folder: Path, first: Answers, second: Answers, options: Options = Options()) -> Experiment:
    """As `compare`, of answers that were read: the second version beside the first."""
    both = _together(first, second)
    task = _task(*both)
    metric = _metric(task, options.metric)
    judged = _judged(both, folder)
    callers, counts, rows = _callers(both), _callers(judged), (len(judged[0].table), len(judged[1].table))
    mismatch = sequential.mismatch(*callers, options.share)
    difference = _difference(judged, task, metric)
    if not math.isfinite(difference.difference):
        raise StemmaError(f"{metric.name} has no meaning on {counted(sum(rows), 'row')}: choose another metric")
    p = _p(difference, counts)
    verdict = _verdict(difference, p, metric)
    needed = _needed(difference, counts) if verdict == "not distinguishable" else None
    start, end = (float(pick([pick(each.times) for each in both])) for pick in (min, max))
    return Experiment(
        a=first.version,
        b=second.version,
        metric=metric.name,
        higher_is_better=metric.better == "higher",
        verdict="not compared" if mismatch < sequential.MISMATCH else verdict,
        requests=(both[0].requests, both[1].requests),
        callers=callers,
        rows=rows,
        judged=counts,
        first=start,
        last=end,
        share=options.share,
        mismatch=mismatch,
        difference=difference,
        p=p,
        needed=needed,
        days=None if needed is None else (needed / sum(counts) - 1) * (end - start) / 86400,
        slices=_slices(judged, task, metric, options.by),
        skipped=(),
    )


# What can be compared.


def _together(a: Answers, b: Answers) -> tuple[Answers, Answers]:
    """What both answered while both were in service."""
    if a.version == b.version:
        raise StemmaError(f"{a.version} cannot be compared with itself")
    if not len(a.times) or not len(b.times) or a.times[0] > b.times[-1] or b.times[0] > a.times[-1]:
        raise StemmaError(f"{a.version} and {b.version} were never in service at the same time")
    start, end = max(a.times[0], b.times[0]), min(a.times[-1], b.times[-1])
    first, second = (each.only((each.times >= start) & (each.times <= end)).but("named") for each in (a, b))
    return first, second


def _task(a: Answers, b: Answers) -> Task:
    one, other = _predicts(a.signature), _predicts(b.signature)
    if one != other:
        raise StemmaError(f"{a.version} and {b.version} cannot be compared: one predicts {one}, the other {other}")
    return a.task


def _predicts(known: Signature) -> str:
    told = (known.task, *sorted(known.classes), known.positive and f"positive {known.positive}")
    return f"{known.target} ({', '.join(filter(None, told))})"


def _metric(task: Task, wanted: str | None) -> Metric:
    known = {metric.name: metric for metric in metrics.of_task(task.kind)}
    if task.kind != "multiclass":
        known[OUTCOME] = Metric(OUTCOME, OUTCOME, "what came of it", (task.kind,), lambda sample: math.nan)
    name = task.main if wanted is None else wanted
    if name not in known:
        names = ", ".join(sorted(known))
        raise StemmaError(f"{name!r} is no metric of a {task.kind} task{nearest(name, known)}: one of {names}")
    return known[name]


def _judged(both: tuple[Answers, Answers], folder: Path) -> tuple[Answers, Answers]:
    judged = both[0].judged, both[1].judged
    for each in judged:
        if not len(each.table):
            told = f"no request to {each.version} has an outcome while both were in service"
            raise StemmaError(told, run=telling(folder))
    return judged


# Figures.


def _callers(both: tuple[Answers, Answers]) -> tuple[int, int]:
    return both[0].callers, both[1].callers


def _difference(judged: tuple[Answers, Answers], task: Task, metric: Metric) -> Difference:
    """Of two groups of other requests; its interval may be looked at whenever one likes."""
    (a, error_a), (b, error_b) = (measured(each, task, metric) for each in judged)
    error = math.hypot(error_a, error_b)
    reach = error * sequential.reach(sequential.rows_of(*_callers(judged)))
    return Difference(a, b, b - a, b - a - reach, b - a + reach, error)


def _p(found: Difference, callers: tuple[int, int]) -> float | None:
    if min(callers) < sequential.FEWEST or math.isnan(found.error):
        return None
    if not found.error:
        return float(not found.difference)
    return sequential.p(found.difference / found.error, sequential.rows_of(*callers))


def _verdict(found: Difference, p: float | None, metric: Metric) -> Verdict:
    if p is None or p >= SIGNIFICANCE:
        return "not distinguishable"
    return "better" if (found.difference > 0) == (metric.better == "higher") else "worse"


def _needed(found: Difference, callers: tuple[int, int]) -> int | None:
    """Callers of both, as they are split now."""
    alike = sequential.rows_of(*callers)
    needed = sequential.rows_needed(found.difference, found.error, alike)
    return None if needed is None else max(math.ceil(needed * sum(callers) / alike), sum(callers) + 1)


def _slices(both: tuple[Answers, Answers], task: Task, metric: Metric, by: Sequence[str]) -> tuple[Slice, ...]:
    made: list[Slice] = []
    for column in by:
        values = [*both[0].values(column), *both[1].values(column)]
        of_b = np.arange(len(values)) >= len(both[0].table)
        for part in slices.cut(values):
            inside = np.isin(np.arange(len(values)), part.rows)
            first, second = both[0].only(inside[~of_b]), both[1].only(inside[of_b])
            rows = len(first.table), len(second.table)
            found = _difference((first, second), task, metric) if min(rows) else NOTHING
            p = _p(found, _callers((first, second)))
            made.append(Slice(column, part.value, rows, found, p, "not distinguishable"))
    holm = tests.holm([each.corrected for each in made])
    return tuple(replace(each, corrected=p, verdict=_verdict(each.difference, p, metric))
                 for each, p in zip(made, holm, strict=True))  # fmt: skip
