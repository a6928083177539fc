"""The page of a log: who answered what, how fast, how well, and what drifted."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from math import isfinite, nan
from pathlib import Path

import numpy as np

from stemma import metrics
from stemma.bundle.model import Bundle
from stemma.errors import StemmaError
from stemma.files import check_place, write_text
from stemma.report.document import Document, Section, Table, html
from stemma.text import counted, figure
from stemma.watch import ab, drift, sequential, shown
from stemma.watch.answers import PREDICTED, Answers, day, measured, model, read
from stemma.watch.log import Log

HEAD = ("version", "main figure", "requests", "rows", "with an outcome", "50 %, ms", "99 %, ms", "from", "to")
MOST = 200  # lines of a table
DEFAULT = ab.Options()
WORDS = ("from", "to", "what", "kind", "PSI", "told", "requests", "state", "without outcomes")  # columns of no figures


def write(
    folder: Path,
    page: Path,
    bundle: Bundle | None = None,
    seconds: float = drift.WEEK,
    options: ab.Options = DEFAULT,
) -> drift.Drift:
    """Write the page as one file of HTML; what drifted. A StemmaError without a log, or where it cannot be written.

    Args:
        options: of the comparison of each version with the one before it; `since` is that of the page.
    """
    check_place(page)
    found = drift.drift(folder, bundle, seconds, options.since)
    kept = Log(folder, options.since)
    versions = _in_order(read(kept, ("latency", *PREDICTED)))
    alarms = [(f"{each.version}: {shift.name} {shift.told}", "bad") for each in found.windows for shift in each.alarms]
    expected = _of("By probabilities, in the last window", shown.expectations(found))
    sections: dict[str, Iterable[Table | str]] = {
        "Versions": [Table("Latency is that of requests", HEAD, tuple(map(_version, versions.values())), words=(7, 8))],
        "Which is better": _experiments(folder, versions, options),
        "Drift": [_of("", shown.alarms(found), "Nothing is certain."), _of("Windows", shown.states(found))],
        "Columns": [_columns(found)],
        "Expected without outcomes": [expected, *shown.doubts(found)],
        "Left out": dict.fromkeys((*found.skipped, *kept.skipped)) or ["Every file of the log was read."],
    }
    document = Document(
        title="In service",
        lead=f"{found.sentence[:1].upper()}{found.sentence[1:]}.",
        badges=tuple(alarms[:8] or [("no drift", "good")] * any(each.state == "judged" for each in found.windows)),
        cards=_cards(folder, versions),
        sections=tuple(Section(title, tuple(parts)) for title, parts in sections.items()),
    )
    write_text(page, html(document, {}))
    return found


def _cards(folder: Path, versions: Mapping[str, Answers]) -> tuple[tuple[str, str, str], ...]:
    rows, requests = (sum(each) for each in zip(*((len(a.table), a.requests) for a in versions.values()), strict=True))
    judged = sum(len(each.judged.table) for each in versions.values())
    return (
        ("requests", f"{requests:,}", f"{counted(rows, 'row')} of {folder.name}"),
        ("versions", f"{len(versions)}", ", ".join(sorted(versions))[:80]),
        ("outcomes", f"{judged / rows:.0%}", f"{judged:,} of {counted(rows, 'row')}"),
    )


def _in_order(versions: Mapping[str, Answers]) -> dict[str, Answers]:
    """By models, then by their numbers, which a split serves at the same time; those without one as they came."""

    def place(each: Answers) -> tuple[str, list[int], float]:
        number = re.search(r"(?:^|@)v?(\d+(?:\.\d+)*)(?: |$)", each.version)
        return model(each.version), [int(part) for part in number[1].split(".")] if number else [], each.times[0]

    return {each.version: each for each in sorted(versions.values(), key=place)}


def _version(answers: Answers) -> tuple[str, ...]:
    judged, task = answers.judged, answers.task
    first = answers.table["row"].to_numpy() == 0
    half, most = np.quantile(answers.table["latency"].to_numpy()[first], [0.5, 0.99]) * 1000 if first.any() else (0, 0)
    is_enough = judged.callers >= sequential.FEWEST
    found = measured(judged, task, metrics.METRICS[task.main]) if is_enough else (nan, nan)
    main = f"{task.main} {figure(found[0])} ± {figure(1.96 * found[1])}" if all(map(isfinite, found)) else "-"
    times = (day(moment) for moment in (answers.times[0], answers.times[-1]))
    counts = (answers.requests, len(answers.table), len(judged.table))
    return answers.version, main, *(f"{count:,}" for count in counts), f"{half:.2f}", f"{most:.2f}", *times


def _experiments(folder: Path, versions: dict[str, Answers], options: ab.Options) -> Iterator[str]:
    """Each version of a model beside the one before it."""
    pairs = [(a, b) for a, b in pairwise(versions.values()) if model(a.version) == model(b.version)]
    for a, b in pairs:
        try:
            yield f"{ab.experiment(folder, a, b, options).sentence}."
        except StemmaError as error:
            yield f"{b.version} is not compared with {a.version}: {error.what}."
    if not pairs:
        yield "There is one version of each model."


def _of(caption: str, table: shown.Rows, none: str = "Nothing yet.") -> Table | str:
    """The last lines; a head without rows says nothing."""
    head, rows = table
    words = tuple(place for place, name in enumerate(head) if name in WORDS)
    return Table(caption, head, tuple(rows[-MOST:]), words=words) if rows else none


def _columns(found: drift.Drift) -> Table | str:
    last = {each.version: each for each in found.windows if each.state == "judged"}
    rows: list[tuple[str, ...]] = [
        (shift.name, each.version, shift.size, f"{shift.p:.2g}", shift.weight)
        for each in last.values()
        for shift in sorted(each.shifts, key=lambda shift: -shift.matters)
    ]
    head = ("column", "version", "PSI", "p", "importance")
    return _of("In the last window that was judged", (head, rows[:MOST]))
