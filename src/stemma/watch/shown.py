"""What drifted, as tables and as Prometheus reads it."""

import json
from collections.abc import Iterable

from stemma.text import figure, visible
from stemma.watch.answers import day
from stemma.watch.drift import Drift, Shift, Window

Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]  # a head, and what stands below it


def alarms(found: Drift) -> Rows:
    head = ("version", "from", "what", "kind", "PSI", "p", "importance", "told", "requests")
    return head, [
        (each.version, day(each.first), shift.name, shift.kind or "", shift.size, f"{shift.p:.2g}", shift.weight,
         shift.told, ", ".join(shift.ids[:2]))
        for each in found.windows for shift in each.alarms
    ]  # fmt: skip


def states(found: Drift) -> Rows:
    return ("version", "from", "to", "rows", "state", "drifts"), [
        (each.version, day(each.first), day(each.last), f"{each.rows:,}", each.state, str(len(each.alarms)))
        for each in found.windows
    ]


def expectations(found: Drift) -> Rows:
    """What is expected without outcomes in each version's last window; and of the rows with an outcome, what came."""
    return ("version", "from", "without outcomes", "expected", "where they came: expected", "came"), [
        (each.version, day(each.first), name, figure(value), *map(figure, each.expected.judged.get(name, (None, None))))
        for each in _foretold(found) if each.expected for name, value in each.expected.figures.items()
    ]  # fmt: skip


def doubts(found: Drift) -> list[str]:
    """Why some of these are not to be believed; and of which rows the reference is, where training left some out."""
    kept = [f"The reference is of rows where {' and '.join(found.kept)}; others are asked too."] * bool(found.kept)
    windows = [each for each in _foretold(found) if each.doubt]
    return kept + [f"Do not believe what is expected of {each.version}: {each.doubt}." for each in windows]


def _foretold(found: Drift) -> Iterable[Window]:
    """Each version's last window of which figures are expected."""
    return {each.version: each for each in found.windows if each.expected}.values()


def gauges(shifts: Iterable[tuple[str, Shift]], now: float) -> str:
    """When it was looked, and what drifted of which version, as Prometheus reads it."""
    lines = ["# TYPE stemma_drift_timestamp_seconds gauge", f"stemma_drift_timestamp_seconds {now:.0f}"]
    lines += ["# HELP stemma_drift 1 for what drifted in the last window that was judged.", "# TYPE stemma_drift gauge"]
    for version, shift in shifts:
        labels = {"version": version, "name": shift.name, "kind": str(shift.kind)}
        told = ",".join(f"{name}={json.dumps(visible(value), ensure_ascii=False)}" for name, value in labels.items())
        lines.append(f"stemma_drift{{{told}}} 1")
    return "\n".join(lines) + "\n"
