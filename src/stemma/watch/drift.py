"""Is the world still the one that a version was trained on: columns, predictions and figures, window by window.

A column is held beside its entry in the bundle's reference.json, or beside the first window where there is none. PSI
and the Jensen-Shannon divergence say how far it moved; stemma.watch.tests, whether that is certain. A window's tests
share its part of ALPHA, so all columns, tests and windows together raise one false alarm in 20 weeks, however often one
looks: rows of a window are judged when it is over, and are the same at every look; its figures, whose outcomes come
later, by tests that hold whenever one looks.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import compute

from stemma import metrics
from stemma.bundle.archive import SIGNATURE
from stemma.bundle.model import RECORD, Bundle, reading
from stemma.errors import StemmaError
from stemma.tables.distance import jensen_shannon, level, psi, shares
from stemma.text import SHOWN, counted, few, figure, lasting, short
from stemma.watch import evidence, sequential, tests
from stemma.watch.answers import PREDICTED, Answers, bare, measured, model, of_model, versions
from stemma.watch.columns import PREDICTION, Column, Part, gone, of_texts, present, profiled, shown, trained
from stemma.watch.expected import Came, Expected, expected
from stemma.watch.log import Log
from stemma.watch.windows import Asked, windows

WEEK = 7 * 86400.0
ALPHA, WEEKS = 0.05, 20  # of false alarms in a week; in which there is one
FEWEST = 50  # rows of a window that is judged
TESTS = {  # kind of drift -> the tests that are certain of it
    "unit": {"location", "shape", "range"}, "moved": {"location", "shape"}, "range": {"range"}, "new": {"new"},
    "missing": {"missing"},
}  # fmt: skip
BEYOND = ("unit", "range", "new")  # kinds of drift to rows that training had none of
Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class Shift:
    """How a column, the predictions or a figure stand beside the reference."""

    name: str
    kind: str | None  # unit, moved, range, new, missing or figure; None: nothing is certain
    told: str  # what was found, in a few words
    p: float  # of the test that found it, or of the nearest to it; corrected for all columns, tests and versions
    psi: float | None = None  # None where the two have no bins in common
    jensen_shannon: float | None = None
    importance: float | None = None  # share of what the columns do to the prediction; None where that is not known
    ids: tuple[str, ...] = ()  # of some requests that make it

    @property
    def size(self) -> str:
        return "-" if self.psi is None else f"{self.psi:.3f} {level(self.psi)}"

    @property
    def weight(self) -> str:
        return "-" if self.importance is None else f"{self.importance:.0%}"

    @property
    def matters(self) -> float:
        """The size of the drift, weighted by importance where that is known."""
        return (self.psi or 0.0) * (1.0 if self.importance is None else self.importance)


@dataclass(frozen=True)
class Window:
    """What a version answered in some time."""

    version: str
    first: float  # seconds since 1970; the end is not in it
    last: float
    rows: int
    state: str  # judged; or why not: reference, not over, few rows
    alpha: float  # what its tests share
    shifts: tuple[Shift, ...] = ()
    expected: Expected | None = None  # figures from probabilities alone

    @property
    def alarms(self) -> tuple[Shift, ...]:
        return tuple(each for each in self.shifts if each.kind)

    @property
    def doubt(self) -> str | None:
        """Why the expected figures are not to be believed."""
        if self.expected is None:
            return None
        beyond = dict.fromkeys(each.name for each in self.alarms if each.kind in BEYOND)
        told = f"training saw nothing like {few(list(beyond))}" if beyond else None
        return "; ".join(filter(None, (self.expected.doubt, told))) or None


@dataclass(frozen=True)
class Drift:
    """All windows of all versions, in the order of time."""

    seconds: float  # of a window
    bundle: str | None  # whose reference it is; None: that of the first windows
    windows: tuple[Window, ...]
    skipped: tuple[str, ...]
    kept: tuple[str, ...] = ()  # conditions of the rows that the reference is of: in service others are asked too

    @property
    def sentence(self) -> str:
        judged = [each for each in self.windows if each.state == "judged"]
        alarmed = [f"{shift.name}: {shift.told}" for each in judged for shift in each.alarms]
        where = f"in {counted(len(judged), 'window')} of {lasting(self.seconds)}"
        if not judged:
            return "no window is judged yet: none is over and has enough rows beside its reference"
        return (
            f"nothing drifted {where}" if not alarmed else f"{counted(len(alarmed), 'drift')} {where}: {few(alarmed)}"
        )


def drift(
    folder: Path, bundle: Bundle | None = None, seconds: float = WEEK, since: float | None = None, of: str | None = None
) -> Drift:
    """Look at every window of a log.

    Args:
        bundle: with the reference, of its model's versions that take its inputs; None: the first window of each is it.
        seconds: of a window; windows begin at whole multiples of it since 1970.
        of: the version that the bundle is, by which alone it is looked at; None: all that take its inputs are.

    Raises:
        StemmaError: there is no log, or no version of it takes the bundle's inputs.
    """
    kept = Log(folder, since)
    files = versions(kept.files())
    if bundle is not None:
        files = of_model({name: its for name, its in files.items() if of is None or model(name) == model(of)}, bundle)
        if not files:
            raise StemmaError(f"no version in {folder} takes the inputs of the bundle")
    together = len(files)
    files = {name: its for name, its in files.items() if of in (None, name)}
    looks, found = dict[str, _Look](), list[Window]()
    for asked in windows(kept, files, seconds, ("input", *PREDICTED)):
        name = asked.answers.version
        if name not in looks:
            looks[name] = _Look(bundle, seconds, together, time.time())
            if bundle is not None:
                looks[name].take(bundle, asked.answers, of == name or together == 1)
        found.append(_judged(asked, looks[name]))
    if not found:
        raise StemmaError(f"{folder} holds no request since then")
    named = None if bundle is None else str(bundle.registered.get("version", "not registered"))
    contract = {} if bundle is None else json.loads(bundle.files[SIGNATURE])
    return Drift(seconds, named, tuple(found), kept.skipped, tuple(contract.get("keep", {}).values()))


def predictions(answers: Answers, bundle: Bundle, alpha: float) -> Shift | None:
    """The decisions of a version beside those that its bundle made of the test rows; None where it tells none."""
    before, now = _decided(bundle), of_texts(answers.table[PREDICTION].combine_chunks())
    return next(_of_column(PREDICTION, before[PREDICTION], now, None, alpha, family=1)) if before else None


@dataclass
class _Look:
    """How the windows of a version are judged, and what they are held beside."""

    bundle: Bundle | None  # as in `drift`
    seconds: float  # as in `drift`
    versions: int  # how many there are
    now: float  # seconds since 1970
    reference: dict[str, Column] = field(default_factory=dict)
    usual: Came | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    began: bool = False

    @property
    def alpha(self) -> float:
        """What the tests of a window share."""
        alpha = ALPHA * min(1.0, self.seconds / WEEK)
        return alpha / WEEKS if self.bundle is None else alpha  # all share the luck of the one they are held beside

    def take(self, bundle: Bundle, answers: Answers, is_known: bool) -> None:
        """What a bundle says of its columns; of predictions and figures, if it gave these answers."""
        self.reference = trained(bundle, answers)
        if _is_of(bundle, answers, is_known):
            self.reference |= _decided(bundle)
            self.usual = _recorded(bundle, answers.task.main)
            self.importance = evidence.importance(bundle, answers)


def _judged(asked: Asked, look: _Look) -> Window:
    last = asked.first + look.seconds
    window = Window(asked.answers.version, asked.first, last, asked.rows, "judged", look.alpha)
    if last > look.now or asked.rows < FEWEST:
        return replace(window, state="not over" if last > look.now else "few rows")
    part = profiled(asked.answers)
    came = _figure(part)
    window = replace(window, expected=expected(part.answers, came))
    if not look.began:  # what the bundle says nothing of is held beside the first window
        look.began, look.usual = True, look.usual or came
        look.reference = {**part.profiles, **look.reference}
        if look.bundle is None:
            return replace(window, state="reference")
    family = (len(part.profiles) + 1) * look.versions  # every column, and the figure
    columns = [
        _told(shift, part, look) for name, now in part.profiles.items() if name in look.reference
        for shift in _of_column(name, look.reference[name], now, part.values.get(name), look.alpha, family)
    ]  # fmt: skip
    figures = _of_figure(part.answers.task.main, look.usual, came, look.alpha, family)
    return replace(window, shifts=(*columns, *figures))


def _told(shift: Shift, part: Part, look: _Look) -> Shift:
    """With the requests that make it, and whether it matters."""
    name, weighed = shift.name, replace(shift, importance=look.importance.get(shift.name))
    if shift.kind is None:
        return weighed
    values = part.answers.table[name if name == PREDICTION else f"input.{name}"].combine_chunks()
    mask = evidence.rows_of(shift.kind, values, look.reference[name], part.profiles[name])
    some = part.answers.table["id"].filter(compute.fill_null(mask, False)).slice(0, SHOWN)
    return replace(weighed, ids=tuple(some.to_pylist()))


def _is_of(bundle: Bundle, answers: Answers, is_known: bool) -> bool:
    """Whether the bundle gave these answers: versions with the same inputs decide otherwise. One that was not
    registered is taken for the version that is known to be it, or the only one of a log."""
    if answers.signature != bundle.signature:
        return False
    registered = bundle.registered.get("version")
    return is_known if registered is None else bare(str(registered)) == bare(answers.version)


def _decided(bundle: Bundle) -> dict[str, Column]:
    """How the test rows were decided."""
    with reading(RECORD):
        confusion = (bundle.record.get("evaluation") or {}).get("confusion")
        if not confusion:
            return {}
        counts = dict(zip(bundle.signature.classes, np.sum(confusion, axis=0).tolist(), strict=True))
        return {PREDICTION: {"missing": 0, "values": counts, "other": 0}}


def _recorded(bundle: Bundle, name: str) -> Came | None:
    """The main figure of the test rows."""
    with reading(RECORD):
        tests_of = (bundle.record.get("evaluation") or {}).get("test") or {}
        told = tests_of.get(name) or {}
        if None in (told.get("value"), told.get("low"), told.get("high")):
            return None
        return Came(told["value"], (told["high"] - told["low"]) / (2 * Z))


def _figure(part: Part) -> Came | None:
    """The main figure by outcomes; None of too few callers."""
    judged, task = part.answers.judged, part.answers.task
    if judged.callers < sequential.FEWEST:
        return None
    value, error = measured(judged, task, metrics.METRICS[task.main])
    return Came(value, error, judged.callers) if math.isfinite(value) and error > 0 else None


def _of_figure(name: str, usual: Came | None, came: Came | None, alpha: float, family: int) -> Iterator[Shift]:
    """Once outcomes are there."""
    if came is not None and usual is not None:
        errors = (came.value - usual.value) / math.hypot(came.error, usual.error)
        p = sequential.p(errors, came.callers, sequential.SOON) * family
        moved = f"{figure(usual.value)} -> {figure(came.value)}"
        yield Shift(name, "figure" if p < alpha else None, moved, min(1.0, p))


def _of_column(name: str, before: Column, now: Column, values: Any, alpha: float, family: int) -> Iterator[Shift]:
    """What is certain of a column; one shift without a kind where nothing is."""
    cut = shares(before, now)
    sizes = (None, None) if cut is None else (psi(*cut), jensen_shannon(*cut))
    weights = tests.WEIGHTS["text" if values is None else "number"]
    found = (
        tests.of_texts(before, now["values"], now["missing"]) if values is None else tests.of_numbers(before, values)
    )
    p = {test: min(1.0, value * family / weights[test]) for test, value in found.items()}
    certain = dict(_certain(before, now, {test for test, value in p.items() if value < alpha}))
    for kind, told in certain.items():
        yield Shift(name, kind, told, min(p[test] for test in TESTS[kind] if test in p), *sizes)
    if not certain:
        yield Shift(name, None, "", min(p.values()), *sizes)


def _certain(before: Column, now: Column, tests_that_saw: set[str]) -> Iterator[tuple[str, str]]:
    """Kinds of drift, and what is told of them. One that explains another stands for both."""
    factor = tests.factor(before, now) if "quantiles" in now and tests_that_saw & TESTS["unit"] else None
    if factor is not None:
        yield "unit", f"about {factor:.3g} times as large"
    elif tests_that_saw & TESTS["moved"]:
        yield "moved", _moved(before, now)
    elif "range" in tests_that_saw:
        yield "range", " -> ".join(f"{shown(now, each['min'])} to {shown(now, each['max'])}" for each in (before, now))
    if "new" in tests_that_saw:
        names = sorted(now["values"].keys() - before["values"].keys(), key=lambda name: -now["values"][name])
        yield "new", f"{few([short(name, 40) for name in names])}, unknown in training"
    if "missing" in tests_that_saw:
        yield "missing", f"{gone(before):.2%} -> {gone(now):.2%} without a value"


def _moved(before: Column, now: Column) -> str:
    """Of numbers the middle and the spread; of texts the one whose share changed most."""
    if "quantiles" in now:
        at = (
            " ".join(shown(now, each["quantiles"][percent]) for percent in ("5", "50", "95")) for each in (before, now)
        )
        return "5, 50, 95 % at " + " -> ".join(at)
    of = [{name: count / present(each) for name, count in each["values"].items()} for each in (before, now)]
    most = max(before["values"], key=lambda name: abs(of[1].get(name, 0) - of[0][name]))
    return f"{short(most, 40)}: {of[0][most]:.1%} -> {of[1].get(most, 0):.1%}"
