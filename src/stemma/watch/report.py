"""The page of a log: who answered what, how fast, how well, and what drifted."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import isfinite, nan
from pathlib import Path

import numpy as np

from stemma import metrics
from stemma.bundle.model import Bundle
from stemma.errors import StemmaError
from stemma.files import write_text
from stemma.report.document import Document, Section, Table, html
from stemma.text import figure
from stemma.watch import ab, drift, sequential
from stemma.watch.answers import PREDICTED, Answers, day, measured, read

MOST = 200  # lines of a table


def write(
    folder: Path, page: Path, bundle: Bundle | None = None, seconds: float = drift.WEEK, since: float | None = None
) -> drift.Drift:
    """Write the page as one file of HTML, and give what drifted.

    Raises:
        StemmaError, OSError: there is no log, or the page cannot be written.
    """
    found = drift.drift(folder, bundle, seconds, since)
    versions = _in_order(read(folder, ("latency", *PREDICTED), [], since))
    rows, requests = (sum(each) for each in zip(*((len(a.table), a.requests) for a in versions.values()), strict=True))
    judged = sum(len(each.judged.table) for each in versions.values())
    alarms = [(f"{each.version}: {shift.name} {shift.told}", "bad") for each in found.windows for shift in each.alarms]
    document = Document(
        title="In service",
        lead=f"{found.sentence[:1].upper()}{found.sentence[1:]}.",
        badges=tuple(alarms[:8] or [("no drift", "good")] * any(each.state == "judged" for each in found.windows)),
        cards=(
            ("requests", f"{requests:,}", f"{rows:,} rows of {folder.name}"),
            ("versions", f"{len(versions)}", ", ".join(sorted(versions))[:80]),
            ("outcomes", f"{judged / rows:.0%}", f"{judged:,} of {rows:,} rows"),
        ),
        sections=(
            Section("Versions", (_versions(versions),)),
            Section("Which is better", tuple(_experiments(folder, versions))),
            Section("Drift", (_shown(_alarms(found), "Nothing is certain."), _windows(found))),
            Section("Columns", (_shown(_columns(found)),)),
            Section("Expected without outcomes", (_shown(_expected(found)), *drift.doubts(found))),
            Section("Left out", found.skipped or ("Every file of the log was read.",)),
        ),
    )
    write_text(page, html(document, {}))
    return found


def _in_order(versions: Mapping[str, Answers]) -> dict[str, Answers]:
    """By their numbers, which a split serves at the same time; those without one as they came."""

    def place(each: Answers) -> tuple[list[int], float]:
        number = re.search(r"(?:^|@)v?(\d+(?:\.\d+)*)(?: |$)", each.version)
        return [int(part) for part in number[1].split(".")] if number else [], each.times[0]

    return {each.version: each for each in sorted(versions.values(), key=place)}


def _versions(versions: dict[str, Answers]) -> Table:
    head = ("version", "main figure", "requests", "rows", "with an outcome", "50 %, ms", "99 %, ms", "from", "to")
    return Table("Latency is that of requests", head, tuple(_version(each) for each in versions.values()), words=(7, 8))


def _version(answers: Answers) -> tuple[str, ...]:
    judged, task = answers.judged, answers.task
    first = answers.table["row"].to_numpy() == 0
    half, most = np.quantile(answers.table["latency"].to_numpy()[first], [0.5, 0.99]) * 1000 if first.any() else (0, 0)
    found = (
        measured(judged.rows(task), metrics.METRICS[task.main])
        if len(judged.table) >= sequential.FEWEST
        else (nan, nan)
    )
    shown = f"{task.main} {figure(found[0])} ± {figure(1.96 * found[1])}" if all(map(isfinite, found)) else "-"
    times = (day(moment) for moment in (answers.times[0], answers.times[-1]))
    counts = (answers.requests, len(answers.table), len(judged.table))
    return answers.version, shown, *(f"{count:,}" for count in counts), f"{half:.2f}", f"{most:.2f}", *times


def _experiments(folder: Path, versions: dict[str, Answers]) -> Iterator[str]:
    """Each version beside the one before it."""
    for a, b in pairwise(versions.values()):
        try:
            yield f"{ab.experiment(folder, a, b).sentence}."
        except StemmaError as error:
            yield f"{b.version} is not compared with {a.version}: {error.what}."
    if len(versions) < 2:
        yield "There is one version."


def _shown(table: Table, none: str = "Nothing yet.") -> Table | str:
    """A head without rows says nothing."""
    return table if table.rows else none


def _alarms(found: drift.Drift) -> Table:
    rows = tuple(
        (shift.name, each.version, day(each.first), str(shift.kind), shift.told, shift.size, f"{shift.p:.2g}",
         shift.weight, ", ".join(shift.ids[:2]))
        for each in found.windows for shift in each.alarms
    )  # fmt: skip
    head = ("what", "version", "window from", "kind", "told", "PSI", "p", "importance", "requests")
    return Table("", head, rows[:MOST], words=(1, 2, 3, 4, 5, 8))


def _windows(found: drift.Drift) -> Table:
    rows = tuple(
        (each.version, day(each.first), f"{each.rows:,}", each.state, str(len(each.alarms))) for each in found.windows
    )
    return Table("Windows", ("version", "from", "rows", "state", "drifts"), rows[-MOST:], words=(1, 3))


def _columns(found: drift.Drift) -> Table:
    last = {each.version: each for each in found.windows if each.state == "judged"}
    rows = tuple(
        (shift.name, each.version, shift.size, f"{shift.p:.2g}", shift.weight)
        for each in last.values()
        for shift in sorted(each.shifts, key=lambda shift: -shift.matters)
    )
    head = ("column", "version", "PSI", "p", "importance")
    return Table("In the last window that was judged", head, rows[:MOST], words=(1, 2))


def _expected(found: drift.Drift) -> Table:
    head = ("version", "window from", "figure", "expected", "where outcomes came: expected", "came")
    return Table("By probabilities, in the last window", head, tuple(drift.expectations(found))[:MOST], words=(1, 2))
