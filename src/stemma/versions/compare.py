"""Who is better, honestly: two versions judged on the same rows, with how much of the difference is chance.

The rows are the test rows that both were evaluated on, or those of a table that both bundles are run on. The verdict
follows from one figure, the metric asked for: the 95 % interval of its difference, by paired bootstrap, lies above
zero, below it, or holds it.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from stemma import metrics
from stemma.bundle import Bundle
from stemma.entries import Entry
from stemma.errors import StemmaError
from stemma.evaluation.results import told
from stemma.metrics import Metric, power, resampling, tests
from stemma.metrics.resampling import Difference, Measure
from stemma.metrics.slices import cut
from stemma.metrics.tests import Test
from stemma.repo.repository import PACKAGE, Repo, Repository, Version, opened
from stemma.task import Task
from stemma.text import apart, counted, figure, nearest, signed
from stemma.versions import arrays, own, predictions, speed
from stemma.versions.predictions import Predictions, described
from stemma.versions.reasons import Reason, reasons
from stemma.versions.speed import Latency

Pair = tuple[Version, Version]
Verdict = Literal["better", "worse", "not distinguishable"]
Columns = Mapping[str, Sequence[Any]]
Marks = Sequence[tuple[str, str, NDArray[np.int64]]]  # column, value, which rows
T = TypeVar("T")
RESAMPLES = 1000
SIGNIFICANCE = 0.05
FEWEST = 10  # rows from which a difference is judged at all


@dataclass(frozen=True)
class Options:
    # a CSV or Parquet file with the target's column: both bundles are run on it. None: the predictions for the test
    # rows, which must be the same rows
    on: Path | str | None = None
    by: Sequence[str] = ()  # columns whose every value is compared by itself: of `on`, else of b's test rows
    # that the verdict follows from; by default the task's main figure: roc_auc for two classes, balanced_accuracy for
    # several, rmse
    metric: str | None = None
    # of a false positive and of a false negative; their mean over the rows becomes the figure `cost`
    cost: tuple[float, float] | None = None
    resamples: int = RESAMPLES  # of the bootstrap
    latency: bool = True  # time both bundles


@dataclass(frozen=True)
class Size:
    """What a version takes: bytes of its bundle, parameters of its network, latency, and bytes of memory; None where
    not known."""

    bytes: int | None
    parameters: int | None
    latency: Latency | None
    memory: int | None


@dataclass(frozen=True)
class Slice:
    """The main figure on a part of the rows."""

    column: str  # what its rows have in common
    value: str
    rows: int
    difference: Difference  # with its interval; NaN where the figure has no meaning on so few rows
    test: Test | None  # of this slice alone; None where its rows are too few
    corrected: float | None  # its p-value by Holm's method, over all slices tested
    verdict: Verdict  # from the corrected p-value, at 5 %


@dataclass(frozen=True)
class Comparison:
    """How version b does beside version a."""

    a: str
    b: str
    on: str | None  # the table they were run on; None: the test rows of both
    task: str
    rows: int  # that both were judged on
    metric: str  # the figure that the verdict follows from
    higher_is_better: bool  # whether more of it is better
    verdict: Verdict
    # rows on which this difference of the metric would show in 80 % of the cases; None where it shows already, or is
    # zero
    needed: int | None
    differences: Mapping[str, Difference]  # of every figure, b minus a, by name
    tests: tuple[Test, ...]  # of "both are equally good", on all rows
    slices: tuple[Slice, ...]
    sizes: tuple[Size, Size]  # of a and of b
    reasons: tuple[Reason, ...]  # what answers of both go by, where that is known
    resamples: int
    notes: tuple[str, ...]  # what could not be said, and why

    @property
    def main(self) -> Difference:
        return self.differences[self.metric]

    @property
    def lost(self) -> float:
        """What b may have lost at most, by the end of the interval: below 0 where it won. NaN: nothing is known."""
        return -self.main.low if self.higher_is_better else self.main.high

    @property
    def sentence(self) -> str:
        found = self.main
        moved = f"{self.metric} {figure(found.a)} -> {figure(found.b)} on {counted(self.rows, 'row')}"
        interval = f"difference {signed(found.difference)}, 95 % interval {signed(found.low)} to {signed(found.high)}"
        if self.verdict != "not distinguishable":
            return f"{self.b} is {self.verdict} than {self.a}: {moved}, {interval}"
        needed = f"about {counted(self.needed, 'row')} would be needed" if self.needed else ""
        known = needed or "no number of rows would tell them apart"
        return f"{self.b} is not distinguishable from {self.a} at this sample size: {moved}, {interval}; {known}"

    def meets(self, requirement: Literal["better", "not-worse"], margin: float | None = None) -> bool:
        """Whether b may take the place of a.

        Args:
            requirement: better: the verdict is better. not-worse: the verdict is not worse; with a margin, b is shown
                to lose less than that: the whole 95 % interval of the loss lies below the margin.
            margin: in the unit of the metric, 0 or more. Fewer than 10 rows show nothing.
        """
        if requirement == "better":
            return self.verdict == "better"
        if margin is None:
            return self.verdict != "worse"
        return self.rows >= FEWEST and self.lost < margin


def compare(repo: Repo, a: str | Version, b: str | Version, options: Options = Options()) -> Comparison:
    """Judge version b beside version a.

    Args:
        a, b: revisions, or versions at hand.

    Raises:
        StemmaError: a version, its predictions or its bundle is not there, or the two cannot be compared.
    """
    first, second = (opened(repo).version(each) if isinstance(each, str) else each for each in (a, b))
    entry = None if options.metric is None else told(second.evaluation, "test", options.metric, "entry")
    if entry is None:  # the figure is no project's own
        return _compared((first, second), options)
    names, root = [first.name, second.name], second.repository.root
    with own.code(second, f"stemma compare --metric {options.metric}") as source:
        return cast(Comparison, own.run(_by_own, str(options.metric), source, root, names, options, entry))


def _by_own(root: Path, names: Sequence[str], options: Options, entry: str) -> Comparison:
    """By a figure of the project's own, where its code can be imported."""
    repository = Repository(root)
    found = metrics.loaded(str(options.metric), Entry(entry))
    return _compared((repository.version(names[0]), repository.version(names[1])), options, found)


def _compared(versions: Pair, options: Options, by: Metric | None = None) -> Comparison:
    """By the figures of the toolkit, and by one of the project's own."""
    on, notes = options.on, list[str]()
    bundles = None if on is None else (predictions.bundle_of(versions[0]), predictions.bundle_of(versions[1]))
    columns = None if bundles is None else predictions.table(Path(str(on)), bundles[1].signature)
    if bundles is None or columns is None:
        first, second = recorded(versions)
    else:
        first, second = _alike(versions, *(predictions.computed(each, columns, str(on)) for each in bundles))
    chosen = _metrics(first.task, options.cost) | ({} if by is None else {by.name: by})
    wanted = options.metric or told(versions[1].evaluation, "main")
    name, rows = _metric(first.task, list(chosen), wanted), len(first.rows)
    found = differences(first, second, chosen.values(), options.resamples)
    main, higher = found[name], chosen[name].better == "higher"
    if not math.isfinite(main.difference):
        raise StemmaError(f"{name} has no meaning on {counted(rows, 'row')}: choose another metric")
    verdict = _verdict(rows >= FEWEST and (main.low > 0 or main.high < 0), main.low > 0, higher)
    marks = _marks(versions[1], first, columns, options)
    bundles = _bundles(versions, notes) if bundles is None and options.latency else bundles
    sizes = _sizes(versions, bundles if options.latency else None, columns, notes)
    moved: tuple[Reason, ...] | None = ()
    if bundles is not None:
        moved = _or_note("where they reason differently", notes, reasons, *bundles, None if on is None else Path(on))
    if columns is not None:
        _note_seen(versions, columns, str(on), notes)
    return Comparison(
        a=versions[0].name,
        b=versions[1].name,
        on=None if on is None else str(on),
        task=first.task.kind,
        rows=rows,
        metric=name,
        higher_is_better=higher,
        verdict=verdict,
        needed=_needed(main, rows) if verdict == "not distinguishable" else None,
        differences=(_own(versions) if on is None else {}) | found,
        tests=_tests(first, second),
        slices=_slices(first, second, marks, chosen[name], options),
        sizes=sizes,
        reasons=moved or (),
        resamples=resampling.affordable(rows, options.resamples),
        notes=(*_doubts(_test(name, first, second), verdict), *notes),
    )


def _own(versions: Pair) -> dict[str, Difference]:
    """The figures of the projects' own that both recorded, for nobody's code runs here: without an interval."""
    figures = [told(version.evaluation, "test") or {} for version in versions]
    names = [name for name in figures[0] if all(told(each, name, "entry") for each in figures)]
    pairs = {name: [told(each, name, "value") for each in figures] for name in names}
    return {
        name: Difference(a, b, b - a, math.nan, math.nan, math.nan)
        for name, (a, b) in pairs.items()
        if isinstance(a, float) and isinstance(b, float)
    }


def _note_seen(versions: Pair, columns: Columns, where: str, notes: list[str]) -> None:
    """A note for a version that was trained on rows of the table: it knows them by heart."""
    rows = counted(len(next(iter(columns.values()))), "row")
    for version in versions:
        what = f"whether {version.name} was trained on rows of {where}"
        if count := _or_note(what, notes, predictions.seen, version, columns):
            trained = f"{version.name} was trained on {count:,} of {rows} of {where}"
            notes.append(f"warning: {trained}: judge by rows that are new to both")


# What can be compared.


def recorded(versions: Pair) -> tuple[Predictions, Predictions]:
    """What both said of their test rows, with the classes in one order.

    Raises:
        StemmaError: their predictions are not there, or are of other rows or of something else.
    """
    first, second = _alike(versions, *(predictions.recorded(version) for version in versions))
    same_data = len({described(version, "content", "sha256") for version in versions}) == 1
    if not (same_data and np.array_equal(first.rows, second.rows) and np.array_equal(first.actual, second.actual)):
        what = "the split is" if same_data else "the data are"
        a, b = (version.name for version in versions)
        run = f"stemma compare {a} {b} --on DATA.csv"
        raise StemmaError(f"{a} and {b} were judged on different test rows ({what} not the same)", run=run)
    return first, second


def _alike(versions: Pair, a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """With the classes in one order; versions that predict different things are refused."""
    name_a, name_b = (version.name for version in versions)
    for what, of_a, of_b in (
        ("the task", a.task.kind, b.task.kind),
        ("the target", a.target, b.target),
        ("the positive class", a.task.positive, b.task.positive),
    ):
        if of_a != of_b:
            raise StemmaError(f"{name_a} and {name_b} cannot be compared: {what} of one is {of_a}, of the other {of_b}")
    if {*a.task.classes} != {*b.task.classes}:
        told = apart(a.task.classes, b.task.classes, name_a, name_b)
        raise StemmaError(f"{name_a} and {name_b} cannot be compared: of the classes {told}")
    return a, b.in_order_of(a.task.classes)


# Figures and tests.


def differences(
    a: Predictions, b: Predictions, chosen: Collection[Metric], resamples: int = RESAMPLES
) -> dict[str, Difference]:
    """Of each figure, b minus a."""

    def measure(of: Predictions) -> Measure:
        rows = metrics.Rows.of(of.task, of.actual, of.outputs, of.decided)
        return lambda weights: metrics.figures(rows, weights, chosen)

    return resampling.paired(measure(a), measure(b), len(a.rows), resamples)


def _metrics(task: Task, costs: tuple[float, float] | None) -> dict[str, Metric]:
    chosen = {metric.name: metric for metric in metrics.of_task(task.kind)}
    if costs is None:
        return chosen
    if task.positive is None:
        raise StemmaError(f"a cost of false positives and negatives needs two classes, and the task is {task.kind}")
    return chosen | {"cost": metrics.cost(*costs)}


def check_metric(version: Version, wanted: str) -> None:
    """Raises StemmaError where no version like this one can be compared by a figure of that name."""
    if told(version.evaluation, "test", wanted, "entry") is None:
        task = recorded((version, version))[0].task
        _metric(task, [*_metrics(task, None)], wanted)


def _metric(task: Task, names: Sequence[str], wanted: str | None) -> str:
    if wanted is None:
        return task.main
    if wanted not in names:
        costs = wanted == "cost" and task.positive is not None
        hint = " (give --cost fp=...,fn=...)" if costs else nearest(wanted, names)
        raise StemmaError(f"{wanted!r} is no metric of a {task.kind} task{hint}: one of {', '.join(sorted(names))}")
    return wanted


def _verdict(is_shown: bool, is_more: bool, higher_is_better: bool) -> Verdict:
    """Of a difference that rows show, or do not; b has more than a, or less."""
    if not is_shown:
        return "not distinguishable"
    return "better" if is_more == higher_is_better else "worse"


def _needed(found: Difference, rows: int) -> int | None:
    """More rows than there are, or None: a difference that chance hides needs more than were there."""
    needed = power.rows_needed(found.difference, found.error, rows)
    return None if needed is None else max(needed, rows + 1, FEWEST)


def _doubts(test: Test | None, verdict: Verdict) -> tuple[str, ...]:
    """A note where the test of the metric sees it otherwise than its interval."""
    if test is None or (test.p < SIGNIFICANCE) == (verdict != "not distinguishable"):
        return ()
    finds = "finds a difference" if test.p < SIGNIFICANCE else "finds no difference"
    ranks = "it goes by the ranks of errors, not by how large they are"
    why = ranks if test.name == "Wilcoxon" else "this is at the border of what these rows can tell"
    return (f"{test.name} {finds} (p = {test.p:.2g}): {why}",)


def _tests(a: Predictions, b: Predictions) -> tuple[Test, ...]:
    """Those that fit the task, on all rows."""
    names = ("roc_auc", "accuracy") if a.task.classes else (a.task.main,)
    return tuple(test for test in (_test(name, a, b) for name in names) if test is not None)


def _test(metric: str, a: Predictions, b: Predictions) -> Test | None:
    """The test of its own that a metric has; None where it has none or the rows do not allow it."""
    if not a.task.classes:
        return tests.wilcoxon(a.decided - a.actual, b.decided - b.actual)
    if metric == "accuracy":
        return tests.mcnemar(a.decided == a.actual, b.decided == b.actual)
    if metric == "roc_auc" and a.task.positive is not None:
        place = a.task.classes.index(a.task.positive)
        positive = a.actual == place
        if min(positive.sum(), (~positive).sum()) >= 2:
            return tests.delong(positive, a.outputs[:, place], b.outputs[:, place])
    return None


# Slices.


def _marks(version: Version, predicted: Predictions, columns: Columns | None, options: Options) -> Marks:
    """The slices of each column asked for, over the rows in the order of the predictions."""
    if not options.by:
        return ()
    where = f"{predictions.TEST} of {version.name}" if columns is None else str(options.on)
    found = predictions.test_columns(version, predicted.rows, options.by) if columns is None else columns
    for column in options.by:
        if column not in found:
            raise StemmaError(f"{where} has no column {column!r}{nearest(column, list(found))}")
    return [(column, part.value, part.rows) for column in options.by for part in cut(found[column])]


def _slices(a: Predictions, b: Predictions, marks: Marks, metric: Metric, options: Options) -> tuple[Slice, ...]:
    """The metric on each slice, tested, with Holm's correction over all of them."""
    found: list[tuple[Difference, Test | None]] = []
    for _, _, places in marks:
        one, other = a.at(places), b.at(places)
        each = differences(one, other, [metric], options.resamples)[metric.name]
        tested = len(places) >= FEWEST and math.isfinite(each.error)
        test = (_test(metric.name, one, other) or tests.z(each.difference, each.error)) if tested else None
        found.append((each, test))
    corrected = tests.holm([None if test is None else test.p for _, test in found])
    made = []
    for (column, value, places), (each, test), p in zip(marks, found, corrected, strict=True):
        by = each.difference
        verdict = _verdict(p is not None and p < SIGNIFICANCE and by != 0, by > 0, metric.better == "higher")
        made.append(Slice(column, value, len(places), each, test, p, verdict))
    return tuple(made)


# What a version takes.


def _sizes(
    versions: Pair, bundles: tuple[Bundle, Bundle] | None, columns: Columns | None, notes: list[str]
) -> tuple[Size, Size]:
    """Of both, with latency and memory of bundles; with a note for each figure that is not known."""
    bytes_of = [_or_note(f"the bundle's size of {each.name}", notes, bundle_bytes, each) for each in versions]
    counts = [_or_note(f"the number of parameters of {each.name}", notes, parameters, each) for each in versions]
    seen: Iterable[tuple[Latency | None, int | None]] = [(None, None)] * 2
    if bundles is not None:
        seen = zip(speed.latencies(*bundles, columns), [speed.memory(each, columns) for each in bundles], strict=True)
    a, b = (Size(size, count, *took) for size, count, took in zip(bytes_of, counts, seen, strict=True))
    return a, b


def _bundles(versions: Pair, notes: list[str]) -> tuple[Bundle, Bundle] | None:
    a, b = (_or_note(f"latency of {each.name}", notes, predictions.bundle_of, each) for each in versions)
    return None if a is None or b is None else (a, b)


def _or_note(what: str, notes: list[str], read: Callable[..., T], *of: Any) -> T | None:
    """What is read of these; a note where it is out of reach."""
    try:
        return read(*of)
    except StemmaError as error:
        notes.append(f"{what} is not known: {error}")
        return None


def bundle_bytes(version: Version) -> int | None:
    """Of models/package/model.zip; None where the version has none."""
    output = version.output(PACKAGE)
    if output is not None and output.size is not None:
        return output.size  # from dvc.lock: nothing is fetched
    return len(version.bytes(PACKAGE)) if version.has(PACKAGE) else None


def parameters(version: Version) -> int | None:
    """Numbers that training moves, each once; None where the version has no weights."""
    return None if version.index is None else arrays.parameters(version.index.tensors)
