"""The best version under constraints, over commits and experiments, and whether its lead is more than chance.

Whoever picks the best of many by their test rows picks some luck with it: its figure promises a little too much, the
more versions there were. `--metric validation.roc_auc` picks by the validation rows and leaves the test rows to judge.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from stemma import metrics
from stemma.errors import StemmaError, VersionError
from stemma.evaluation.results import figures, higher_is_better, main_figure, told
from stemma.metrics import METRICS
from stemma.metrics.resampling import Difference
from stemma.repo.repository import PACKAGE, PREPARED, Repo, Repository, Revision, Version, opened
from stemma.text import counted, figure, signed
from stemma.versions import judged, predictions, speed
from stemma.versions.compare import RESAMPLES, bundle_bytes, differences, parameters, recorded
from stemma.versions.constraints import NAMES, Constraint, parse
from stemma.versions.judged import Judged
from stemma.versions.log import Entry, Log, log, no_metric


@dataclass(frozen=True)
class Candidate:
    revision: str
    name: str
    stages: tuple[str, ...]  # that it holds in the registry
    date: datetime
    value: float  # of the metric
    facts: Mapping[str, Any]  # by name, those that its constraints were judged by


@dataclass(frozen=True)
class Lead:
    """How far the best version is ahead of the runner-up, on the same test rows."""

    difference: float  # of the metric, best minus runner-up
    low: float | None = None  # its 95 % interval; None where it is not known
    high: float | None = None
    why: str | None = None  # why the interval is not known

    @property
    def within_noise(self) -> bool | None:
        """Whether the interval holds zero; None where there is none."""
        return None if self.low is None or self.high is None else self.low <= 0 <= self.high


@dataclass(frozen=True)
class Group:
    """Versions that were judged on the same, the best first; `judged` says on what."""

    judged: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Best:
    """The versions that fit, in groups that were judged on the same: across them nothing is best."""

    metric: str  # as asked for
    higher_is_better: bool  # whether more of it is better
    groups: tuple[Group, ...]  # that of the newest version first
    lead: Lead | None  # of the first over the second; None where one alone fits, or there are several groups
    looked_at: int  # versions looked at
    # how many versions each constraint left out, in the order given, of those that the ones before let through; last
    # the metric, which a version may lack
    left_out: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]  # what was out of reach, and why

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The best first; none where they are of several groups."""
        return self.groups[0].candidates if len(self.groups) == 1 else ()

    @property
    def sentence(self) -> str:
        """What is best, and how sure that is; or that nothing is."""
        if len(self.groups) > 1:
            ways = counted(len(self.groups), "way")
            return (
                f"no version is the best: those that fit were judged in {ways} (another target, table or test rows), "
                "and no figure ranks across them: `stemma best --like VERSION` takes one of these ways"
            )
        first, count = self.candidates[0], len(self.candidates)
        if self.lead is None:
            return f"{first.name} is the only version that fits: {self.metric} {figure(first.value)}"
        said = f"{first.name} is the best of {count} versions that fit: {self.metric} {figure(first.value)}"
        ahead = f"its lead over {self.candidates[1].name}, {figure(abs(self.lead.difference))},"
        if self.lead.low is None or self.lead.high is None:
            return f"{said}; whether {ahead} is more than noise is not known: {self.lead.why}"
        verdict = "is within noise" if self.lead.within_noise else "is more than noise"
        interval = f"95 % interval {signed(self.lead.low)} to {signed(self.lead.high)}, on the same test rows"
        return f"{said}; {ahead} {verdict} ({interval})"


def best(repo: Repo, *, metric: str | None = None, where: Sequence[str] = (), like: str | None = None) -> Best:
    """The best version by a metric, among those that fit every constraint.

    Args:
        metric: of reports/metrics.json: roc_auc is that of the test rows, validation.roc_auc that of validation. By
            default the figure that the newest version was judged by, of the test rows.
        where: constraints, see stemma.versions.constraints.
        like: a revision; versions judged by another target or task, on another table or other test rows are left out.

    Raises:
        VersionError: a constraint or the metric is not known, or no version fits (says what left out how many).
    """
    repository = opened(repo)
    constraints = [parse(text) for text in where]
    as_judged = None if like is None else Facts(repository.version(like), like).judged
    known = log(repository, all=True)
    found = among(_seen(repository, known), constraints, metric, as_judged)
    return replace(found, notes=(*found.notes, *known.notes))


def _seen(repository: Repository, known: Log) -> "list[Facts]":
    """Every version, the newest first; of those that serve the very same the newest, with the stages of all."""
    stages: dict[object, dict[str, None]] = {}
    newest: dict[object, Entry] = {}
    for entry in known:
        model = entry.weights, entry.method, *entry.decision.items()
        newest.setdefault(model, entry)
        stages.setdefault(model, {}).update(dict.fromkeys(entry.stages))
    return [
        Facts(Version(repository, Revision(entry.name, entry.commit)), entry.name, tuple(stages[model]), entry.date)
        for model, entry in newest.items()
    ]


def among(
    seen: "Sequence[Facts]",
    constraints: Sequence[Constraint] = (),
    metric: str | None = None,
    like: Judged | None = None,
    resamples: int = RESAMPLES,
) -> Best:
    """`best` for versions at hand, the newest first."""
    if not seen:
        raise VersionError("there is no version yet: commit dvc.lock after `dvc repro`", run="dvc repro")
    metric = _known(metric, constraints, seen)
    demands: list[tuple[str, Callable[[Facts], bool]]] = [
        *((each.text, lambda facts, each=each: each.holds(facts.of(each.name))) for each in constraints),
        *([] if like is None else [("judged alike", lambda facts: facts.judged == like)]),
        (metric, lambda facts: facts.of(metric) is not None),
    ]
    left, fitting = [], seen
    for text, fits in demands:
        kept = [facts for facts in fitting if fits(facts)]
        left.append((text, len(fitting) - len(kept)))
        fitting = kept
    if not fitting:
        said = ", ".join([f"`{text}` leaves out {count}" for text, count in left if count] + list(_notes(seen)))
        raise VersionError(f"none of {counted(len(seen), 'version')} fits: {said}")
    higher = higher_is_better(fitting[0].of("evaluation"), metric)
    names = [*dict.fromkeys(constraint.name for constraint in constraints)]
    groups = [
        (about, sorted(members, key=lambda facts: facts.of(metric), reverse=higher))
        for about, members in _groups(fitting).items()
    ]
    ranked = groups[0][1] if len(groups) == 1 else []
    return Best(
        metric=metric,
        higher_is_better=higher,
        groups=tuple(Group(about, tuple(each.candidate(metric, names) for each in found)) for about, found in groups),
        lead=_lead(ranked[0], ranked[1], metric, resamples) if len(ranked) > 1 else None,
        looked_at=len(seen),
        left_out=tuple(left),
        notes=(*_notes(seen), *_guessed(fitting[0], metric, higher)),
    )


def _guessed(first: "Facts", metric: str, higher: bool) -> tuple[str, ...]:
    """A note where nobody recorded which way a figure is better."""
    name = metric.rpartition(".")[2]
    if name in METRICS or told(first.of("evaluation"), "test", name, "better"):
        return ()
    return (f"which way {metric} is better is not recorded: {'more' if higher else 'less'} is taken for better",)


def _groups(members: "Sequence[Facts]") -> dict[str, list["Facts"]]:
    """Those that were judged on the same; the profile of each data/prepared is read once."""
    by_data: dict[Any, list[Facts]] = {}
    for facts in members:
        by_data.setdefault(facts.prepared or facts, []).append(facts)
    found: dict[Judged, list[Facts]] = {}
    for same in by_data.values():
        found.setdefault(same[0].judged, []).extend(same)
    return {str(about): each for about, each in found.items()}


def _notes(seen: "Sequence[Facts]") -> tuple[str, ...]:
    """What was out of reach, and the first reason."""
    reasons: dict[str, list[str]] = {}
    for facts in seen:
        for name, why in facts.unread.items():
            reasons.setdefault(name, []).append(why)
    return tuple(
        f"{name} of {counted(len(each), 'version')} is out of reach: {each[0]}"
        for name, each in sorted(reasons.items())
    )


@dataclass(eq=False)
class Facts:
    """What is known of one version, read when asked; None for what is not. `unread`: why a fact is out of reach."""

    version: Version
    name: str
    stages: tuple[str, ...] = ()
    date: datetime = datetime.min
    unread: dict[str, str] = field(default_factory=dict)

    @cached_property
    def prepared(self) -> str | None:
        """MD5 of data/prepared: with the same, the same table, target and test rows."""
        output = self.version.output(PREPARED)
        return None if output is None else output.md5

    @cached_property
    def judged(self) -> Judged:
        return judged.of(self.of("profile"), self.of("settings"), self.prepared)

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Every number of reports/metrics.json: `validation.f1`, and those of the test rows without `test.`."""
        try:
            found = figures(self.version.metrics)
        except VersionError as error:
            self.unread["metrics"] = str(error)
            return {}
        return {name.removeprefix("test."): value for name, value in found.items() if math.isfinite(value)}

    def of(self, name: str) -> Any:
        """A fact or a metric by name; None where the version lacks it or it is out of reach (`unread` says why)."""
        try:
            return self._facts.get(name, lambda: self.metrics.get(name.removeprefix("test.")))()
        except VersionError as error:
            self.unread[name] = str(error)
            return None

    @cached_property
    def _facts(self) -> Mapping[str, Callable[[], Any]]:
        return {
            "rows": lambda: (self.version.profile or {}).get("rows"),
            "size": lambda: bundle_bytes(self.version),
            "latency": lambda: self._latency,
            "parameters": lambda: parameters(self.version),
            "framework": lambda: None if self.version.index is None else self.version.index.framework,
            "stage": lambda: (*self.stages, *(stage.rpartition("#")[2] for stage in self.stages)),
            "date": lambda: self.date,
            "evaluation": lambda: self.version.evaluation,
            "profile": lambda: self.version.profile,
            "settings": lambda: self.version.settings,
        }

    @cached_property
    def _latency(self) -> float | None:
        """Milliseconds for one row."""
        if not self.version.has(PACKAGE):
            return None
        bundle = predictions.bundle_of(self.version)
        return speed.latencies(bundle, bundle)[0].single

    def candidate(self, metric: str, names: Sequence[str]) -> Candidate:
        return Candidate(
            revision=self.version.commit or self.version.name,
            name=self.name,
            stages=self.stages,
            date=self.date,
            value=self.of(metric),
            facts={name: self.of(name) for name in names},
        )


def _known(metric: str | None, constraints: Sequence[Constraint], seen: Sequence["Facts"]) -> str:
    """The metric asked for, or the default; every name must be a fact or a metric of some version."""
    known = {name for facts in seen for name in facts.metrics}
    for name in [each.name for each in constraints] + ([] if metric is None else [metric]):
        if name.removeprefix("test.") not in known and (name == metric or name not in NAMES):
            raise no_metric(name, known, () if name == metric else NAMES)
    if metric is not None:
        return metric
    found = main_figure(seen[0].of("evaluation"), seen[0].metrics)
    if found is None:
        raise VersionError("the newest version has no main figure: name a metric", run="stemma best --metric M")
    return found


def _lead(first: "Facts", second: "Facts", metric: str, resamples: int) -> Lead:
    """Of the best over the runner-up: by their predictions for the test rows."""
    difference = float(first.of(metric) - second.of(metric))
    name = metric.removeprefix("test.")
    if "." in name:
        return Lead(difference, why=f"predictions are kept for the test rows alone, and {metric} is of others")
    try:
        found = _tested(first.version, second.version, name, resamples)
    except StemmaError as error:
        return Lead(difference, why=str(error))
    if not math.isfinite(found.high - found.low):
        return Lead(difference, why="it has no meaning on the test rows")
    return Lead(difference, found.low, found.high)


def _tested(a: Version, b: Version, metric: str, resamples: int) -> Difference:
    """Version a minus version b, paired."""
    first, second = recorded((a, b))
    if metric not in metrics.names(first.task.kind):
        if told(a.evaluation, "test", metric, "entry"):
            raise VersionError(f"{metric} is the project's own: `stemma compare A B --metric {metric}` runs its code")
        raise VersionError(f"{metric} is not a figure of predictions")
    return differences(second, first, [METRICS[metric]], resamples)[metric]
