"""Who is better, honestly: two versions judged on the same rows, with how much of the difference is chance.

The rows are the test rows that both were evaluated on, or those of a table that both bundles are run on. The verdict
follows from one figure, the metric asked for: the 95 % interval of its difference, by paired bootstrap, lies above
zero, below it, or holds it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from stemma.entries import Entry
from stemma.errors import StemmaError
from stemma.evaluation.results import told
from stemma.repo.repository import PACKAGE, Repo, Repository, Version, opened
from stemma.text import counted, figure, nearest, signed
from stemma.versions import own

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stemma.bundle import Bundle
    from stemma.metrics import Metric
    from stemma.metrics.resampling import Difference, Measure
    from stemma.metrics.tests import Test
    from stemma.task import Task
    from stemma.versions.predictions import Predictions
    from stemma.versions.reasons import Reason
    from stemma.versions.speed import Latency

Verdict = Literal["better", "worse", "not distinguishable"]
T = TypeVar("T")
RESAMPLES = 1000
SIGNIFICANCE = 0.05
FEWEST = 10  # rows from which a difference is judged at all


@dataclass(frozen=True)
class Options:
    """How two versions are compared."""

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
    seed: int = 0  # of their draws
    latency: bool = True  # time both bundles


@dataclass(frozen=True)
class Size:
    """What a version takes: bytes of its bundle, parameters of its network, its latency; None where not known."""

    bytes: int | None
    parameters: int | None
    latency: "Latency | None"


@dataclass(frozen=True)
class Slice:
    """The main figure on a part of the rows."""

    column: str  # what its rows have in common
    value: str
    rows: int
    difference: "Difference"  # with its interval; NaN where the figure has no meaning on so few rows
    test: "Test | None"  # of this slice alone; None where its rows are too few
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
    differences: "Mapping[str, Difference]"  # of every figure, b minus a, by name
    tests: "tuple[Test, ...]"  # of "both are equally good", on all rows
    slices: tuple[Slice, ...]
    sizes: tuple[Size, Size]  # of a and of b
    reasons: "tuple[Reason, ...]"  # what answers of both go by, where that is known
    resamples: int
    seed: int
    notes: tuple[str, ...]  # what could not be said, and why

    @property
    def main(self) -> "Difference":
        """The difference that the verdict follows from."""
        return self.differences[self.metric]

    @property
    def lost(self) -> float:
        """What b may have lost at most, by the end of the interval: below 0 where it won. NaN: nothing is known."""
        return -self.main.low if self.higher_is_better else self.main.high

    @property
    def sentence(self) -> str:
        """The verdict, in one sentence."""
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
    from stemma import metrics

    repository = Repository(root)
    found = metrics.loaded(str(options.metric), Entry(entry))
    return _compared((repository.version(names[0]), repository.version(names[1])), options, found)


def _compared(versions: tuple[Version, Version], options: Options, by: "Metric | None" = None) -> Comparison:
    """By the figures of the toolkit, and by one of the project's own."""
    from stemma.metrics.resampling import affordable
    from stemma.versions import predictions

    on = options.on
    bundles = None if on is None else (predictions.bundle_of(versions[0]), predictions.bundle_of(versions[1]))
    columns = None if bundles is None else predictions.table(Path(str(on)), bundles[1].signature)
    first, second = _predictions(versions, bundles, columns or {}, str(on))
    chosen = _metrics(first.task, options.cost) | ({} if by is None else {by.name: by})
    wanted = options.metric or told(versions[1].evaluation, "main")
    name, rows = _metric(first.task, list(chosen), wanted), len(first.rows)
    recorded = _recorded(versions) if on is None else {}
    differences = {**recorded, **_differences(first, second, chosen.values(), options)}
    main, higher = differences[name], chosen[name].better == "higher"
    if not math.isfinite(main.difference):
        raise StemmaError(f"{name} has no meaning on {counted(rows, 'row')}: choose another metric")
    verdict = _verdict(rows >= FEWEST and (main.low > 0 or main.high < 0), main.low > 0, higher)
    marks = _marks(versions[1], first, columns, options)
    notes: list[str] = []
    bundles = _bundles(versions, notes) if bundles is None and options.latency else bundles
    sizes = _sizes(versions, bundles if options.latency else None, columns, notes)
    reasons = () if bundles is None else _reasons(bundles, options.on, notes)
    seen = () if columns is None else _seen(versions, columns, str(on))
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
        differences=differences,
        tests=_tests(first, second),
        slices=_slices(first, second, marks, chosen[name], options),
        sizes=sizes,
        reasons=reasons,
        resamples=affordable(rows, options.resamples),
        seed=options.seed,
        notes=(*notes, *_doubts(_test(name, first, second), verdict), *seen),
    )


def _recorded(versions: tuple[Version, Version]) -> "dict[str, Difference]":
    """The figures of the projects' own that both recorded, for nobody's code runs here: without an interval."""
    from stemma.metrics.resampling import Difference

    tests = [told(version.evaluation, "test") or {} for version in versions]
    names = [name for name in tests[0] if all(told(test, name, "entry") for test in tests)]
    pairs = {name: [told(test, name, "value") for test in tests] for name in names}
    return {
        name: Difference(a, b, b - a, math.nan, math.nan, math.nan)
        for name, (a, b) in pairs.items()
        if isinstance(a, float) and isinstance(b, float)
    }


def _seen(versions: tuple[Version, Version], columns: Mapping[str, Sequence[Any]], where: str) -> Iterable[str]:
    """A note for a version that was trained on rows of the table: it knows them by heart."""
    from stemma.versions import predictions

    for version in versions:
        try:
            if count := predictions.seen(version, columns):
                rows = f"{count:,} of {counted(len(next(iter(columns.values()))), 'row')} of {where}"
                yield f"warning: {version.name} was trained on {rows}: judge by rows that are new to both"
        except StemmaError as error:
            yield f"whether {version.name} was trained on rows of {where} is not known: {error}"


# What can be compared.


def _predictions(
    versions: tuple[Version, Version],
    bundles: "tuple[Bundle, Bundle] | None",
    columns: Mapping[str, Sequence[Any]],
    where: str,
) -> "tuple[Predictions, Predictions]":
    """Of both for the same rows, with the classes in one order: what bundles say of a table, or what was recorded."""
    from stemma.versions import predictions

    if bundles is None:
        first, second = (predictions.recorded(version) for version in versions)
    else:
        first, second = (predictions.computed(each, columns, where) for each in bundles)
    _check_task(first, second, (versions[0].name, versions[1].name))
    second = second.in_order_of(first.task.classes)
    if bundles is None and (what := other_rows(versions, first, second)):
        a, b = (version.name for version in versions)
        run = f"stemma compare {a} {b} --on DATA.csv"
        raise StemmaError(f"{a} and {b} were judged on different test rows ({what})", run=run)
    return first, second


def _check_task(a: "Predictions", b: "Predictions", names: tuple[str, str]) -> None:
    """Refuse versions that predict different things."""
    for what, of_a, of_b in (
        ("the task", a.task.kind, b.task.kind),
        ("the target", a.target, b.target),
        ("the classes", sorted(a.task.classes), sorted(b.task.classes)),
        ("the positive class", a.task.positive, b.task.positive),
    ):
        if of_a != of_b:
            shown = [", ".join(value) if isinstance(value, list) else value for value in (of_a, of_b)]
            raise StemmaError(
                f"{names[0]} and {names[1]} cannot be compared: {what} of one is {shown[0]}, of the other {shown[1]}"
            )


def other_rows(versions: "tuple[Version, Version]", a: "Predictions", b: "Predictions") -> str | None:
    """Why the recorded predictions of two versions are not for the same rows; None where they are."""
    import numpy as np

    from stemma.versions.predictions import described

    contents = [described(version, "content", "sha256") for version in versions]
    if contents[0] != contents[1]:
        return "the data are not the same"
    same = np.array_equal(a.rows, b.rows) and np.array_equal(a.actual, b.actual)
    return None if same else "the split is not the same"


# Figures and tests.


def measure(of: "Predictions", chosen: "Iterable[Metric]", mask: Any = slice(None)) -> "Measure":
    """Figures of a version for any weighting, of all rows or of some."""
    from stemma import metrics

    rows = metrics.Rows.of(of.task, of.actual[mask], of.outputs[mask], of.decided[mask])
    chosen = tuple(chosen)
    return lambda weights: metrics.figures(rows, weights, chosen)


def _differences(
    a: "Predictions", b: "Predictions", chosen: "Iterable[Metric]", options: Options, mask: Any = slice(None)
) -> "Mapping[str, Difference]":
    """Of each figure, on all rows or on some."""
    from stemma.metrics import resampling

    of_a, of_b = (measure(each, chosen, mask) for each in (a, b))
    return resampling.paired(of_a, of_b, len(a.rows[mask]), options.resamples, options.seed)


def _metrics(task: "Task", costs: tuple[float, float] | None) -> "dict[str, Metric]":
    """What is compared, by name."""
    from stemma import metrics

    if costs is not None and task.positive is None:
        raise StemmaError(f"a cost of false positives and negatives needs two classes, and the task is {task.kind}")
    chosen = (*metrics.of_task(task.kind), *([] if costs is None else [metrics.cost(*costs)]))
    return {metric.name: metric for metric in chosen}


def _metric(task: "Task", names: Sequence[str], wanted: str | None) -> str:
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


def _needed(found: "Difference", rows: int) -> int | None:
    """More rows than there are, or None: a difference that chance hides needs more than were there."""
    from stemma.metrics import power

    needed = power.rows_needed(found.difference, found.error, rows)
    return None if needed is None else max(needed, rows + 1, FEWEST)


def _doubts(test: "Test | None", verdict: Verdict) -> tuple[str, ...]:
    """A note where the test of the metric sees it otherwise than its interval."""
    if test is None or (test.p < SIGNIFICANCE) == (verdict != "not distinguishable"):
        return ()
    finds = "finds a difference" if test.p < SIGNIFICANCE else "finds no difference"
    return (f"{test.name} {finds} (p = {test.p:.3f}): this is at the border of what these rows can tell",)


def _tests(a: "Predictions", b: "Predictions") -> "tuple[Test, ...]":
    """Those that fit the task, on all rows."""
    names = ("roc_auc", "accuracy") if a.task.classes else (a.task.main,)
    return tuple(test for test in (_test(name, a, b) for name in names) if test is not None)


def _test(metric: str, a: "Predictions", b: "Predictions", mask: Any = slice(None)) -> "Test | None":
    """The test of its own that a metric has; None where it has none or the rows do not allow it."""
    from stemma.metrics import tests

    actual = a.actual[mask]
    if not a.task.classes:
        return tests.wilcoxon(a.decided[mask] - actual, b.decided[mask] - actual)
    if metric == "accuracy":
        return tests.mcnemar(a.decided[mask] == actual, b.decided[mask] == actual)
    if metric == "roc_auc" and a.task.positive is not None:
        place = a.task.classes.index(a.task.positive)
        positive = actual == place
        if min(positive.sum(), (~positive).sum()) >= 2:
            return tests.delong(positive, a.outputs[mask][:, place], b.outputs[mask][:, place])
    return None


# Slices.

Marks = Sequence[tuple[str, str, "NDArray[np.int64]"]]  # column, value, which rows


def _marks(
    version: "Version", predicted: "Predictions", columns: Mapping[str, Sequence[Any]] | None, options: Options
) -> Marks:
    """The slices of each column asked for, over the rows in the order of the predictions."""
    from stemma.metrics.slices import cut
    from stemma.versions import slices

    if not options.by:
        return ()
    where = f"{slices.TEST} of {version.name}" if columns is None else str(options.on)
    found = slices.columns_of(version, predicted.rows, options.by) if columns is None else columns
    marks: list[tuple[str, str, NDArray[np.int64]]] = []
    for column in options.by:
        if column not in found:
            raise StemmaError(f"{where} has no column {column!r}{nearest(column, list(found))}")
        marks += [(column, part.value, part.rows) for part in cut(found[column])]
    return marks


def _slices(a: "Predictions", b: "Predictions", marks: Marks, metric: "Metric", options: Options) -> tuple[Slice, ...]:
    """The metric on each slice, tested, with Holm's correction over all of them."""
    from stemma.metrics import tests

    found: list[tuple[int, Difference, Test | None]] = []
    for _, _, mask in marks:
        rows = len(mask)
        difference = _differences(a, b, [metric], options, mask)[metric.name]
        tested = rows >= FEWEST and math.isfinite(difference.error)
        fit = _test(metric.name, a, b, mask) if tested else None
        found.append((rows, difference, fit or (tests.z(difference.difference, difference.error) if tested else None)))
    corrected = iter(tests.holm([test.p for _, _, test in found if test is not None]))
    made = []
    for (column, value, _), (rows, difference, test) in zip(marks, found, strict=True):
        p, by = None if test is None else next(corrected), difference.difference
        verdict = _verdict(p is not None and p < SIGNIFICANCE and by != 0, by > 0, metric.better == "higher")
        made.append(Slice(column, value, rows, difference, test, p, verdict))
    return tuple(made)


# What a version takes.


def _sizes(
    versions: "tuple[Version, Version]",
    bundles: "tuple[Bundle, Bundle] | None",
    columns: Mapping[str, Sequence[Any]] | None,
    notes: list[str],
) -> tuple[Size, Size]:
    """Of both, with the latency of bundles; with a note for each figure that is not known."""
    from stemma.versions import speed

    bytes_of = [_or_note(bundle_bytes, version, "the bundle's size", notes) for version in versions]
    counts = [_or_note(parameters, version, "the number of parameters", notes) for version in versions]
    times = (None, None) if bundles is None else speed.latencies(*bundles, columns)
    a, b = (Size(*each) for each in zip(bytes_of, counts, times, strict=True))
    return a, b


def _bundles(versions: "tuple[Version, Version]", notes: list[str]) -> "tuple[Bundle, Bundle] | None":
    from stemma.versions import predictions

    a, b = (_or_note(predictions.bundle_of, version, "latency", notes) for version in versions)
    return None if a is None or b is None else (a, b)


def _reasons(bundles: "tuple[Bundle, Bundle]", on: Path | str | None, notes: list[str]) -> "tuple[Reason, ...]":
    """What both go by; a note where they cannot be asked about the same rows."""
    from stemma.versions.reasons import reasons

    try:
        return reasons(*bundles, None if on is None else Path(on))
    except StemmaError as error:
        notes.append(f"where they reason differently is not known: {error}")
        return ()


def _or_note(read: Callable[[Version], T], version: Version, what: str, notes: list[str]) -> "T | None":
    """What is read of a version; a note where it is out of reach."""
    try:
        return read(version)
    except StemmaError as error:
        notes.append(f"{what} of {version.name} is not known: {error}")
        return None


def bundle_bytes(version: Version) -> int | None:
    """Of models/package/model.zip; None where the version has none."""
    output = version.output(PACKAGE)
    if output is not None and output.size is not None:
        return output.size  # from dvc.lock: nothing is fetched
    return len(version.bytes(PACKAGE)) if version.has(PACKAGE) else None


def parameters(version: Version) -> int | None:
    """Numbers that training moves, each once; None where the version has no weights."""
    if version.index is None:
        return None
    return sum(
        math.prod(tensor.shape) for tensor in version.index.tensors if not tensor.buffer and tensor.tied_to is None
    )
