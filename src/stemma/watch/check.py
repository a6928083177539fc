"""Is what is served what was trained: the same rows here and there, features that say nothing in service, versions that
nobody asks any more.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from stemma.bundle.check import TOLERANCE
from stemma.bundle.model import Bundle
from stemma.bundle.rows import Rows, records
from stemma.errors import StemmaError
from stemma.text import by_number, counted, few
from stemma.watch.answers import Answers, day, of_model, versions
from stemma.watch.columns import Column, gone, profiled, shown, trained
from stemma.watch.drift import FEWEST
from stemma.watch.log import Log
from stemma.watch.windows import windows

EVER = 1e12  # seconds: all of a log is one window
ROWS = 1000  # of the table that are asked
GONE = 0.99  # share of rows without a value from which a feature is missing
Row = Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """One that is running."""

    serving: Sequence[str]  # names of its versions, as the log has them
    ask: Callable[[Sequence[Row]], Any]  # gives what its /predict answers of rows


@dataclass(frozen=True)
class Finding:
    """Something that was found."""

    kind: str  # skew, missing, constant or idle
    name: str  # of a version, or of a feature of one
    told: str


@dataclass(frozen=True)
class Checked:
    """What was found; `asked` rows were sent to a server."""

    findings: tuple[Finding, ...]
    asked: int
    skipped: tuple[str, ...]

    @property
    def sentence(self) -> str:
        rows = f"; {counted(self.asked, 'row')} of the table asked of the server" if self.asked else ""
        found = counted(len(self.findings), "finding") if self.findings else "nothing found"
        return f"{found}{rows}"

    @property
    def is_sound(self) -> bool:
        """Whether what is served is what was trained; versions may be idle."""
        return all(each.kind == "idle" for each in self.findings)


def check(
    folder: Path, bundle: Bundle, idle: float, table: Path | None = None, server: Server | None = None
) -> Checked:
    """Look at a log beside a bundle, and at a server that serves it.

    Args:
        idle: seconds without a request from which nobody asks a version any more.
        table: a CSV file of raw rows, for the server.

    Raises:
        StemmaError: there is no log, or the table or the server cannot be asked.
    """
    kept, now = Log(folder), time.time()
    files = versions(kept.files())
    found = [Finding("idle", name, f"nobody asked it since {day(last)}") for name, its in files.items()
             if (last := max(file.last for file in its)) < now - idle]  # fmt: skip
    for name in set(server.serving if server else ()) - files.keys():
        found.append(Finding("idle", name, "it serves, and nobody ever asked it"))
    for asked in windows(kept, of_model(files, bundle), EVER, ("input", "prediction")):
        found += _silent(bundle, asked.answers) if asked.rows >= FEWEST else ()
    names = [each.name for each in bundle.signature.inputs]
    sent = [] if table is None or server is None else list(islice(records(Rows(table), names), ROWS))
    if sent and server is not None:
        found += _skewed(bundle, sent, server.ask(sent))
    return Checked(tuple(found), len(sent), kept.skipped)


def _silent(bundle: Bundle, answers: Answers) -> Iterator[Finding]:
    """Features that say less in service than in training."""
    reference = trained(bundle, answers)
    for name, now in profiled(answers).profiles.items():
        before = reference.get(name)
        if before is None or _levels(before) < 2:
            continue
        of = f"{name} of {answers.version}"
        if gone(now) >= GONE > gone(before):
            told = f"{gone(now):.1%} of the rows have no value, and {gone(before):.1%} of those of training"
            yield Finding("missing", of, told)
        elif _levels(now) == 1:
            only = next(iter(now["values"])) if "values" in now else shown(now, now["min"])
            yield Finding("constant", of, f"every value is {only}")


def _levels(column: Column) -> int:
    """0, 1 or more values."""
    if "values" in column:
        return len(column["values"]) + bool(column.get("other"))
    return 0 if column["min"] is None else 1 + (column["min"] < column["max"])


def _skewed(bundle: Bundle, rows: Sequence[Row], said: Any) -> Iterator[Finding]:
    """The bundle's graph begins with the encoder of prepare: what it says here is what training said."""
    names = [each.name for each in bundle.signature.inputs]
    here = bundle.predict({name: [row[name] for row in rows] for name in names})
    try:
        told = said["predictions"]
        classes = bundle.signature.classes
        there = np.array([[each["probabilities"][name] for name in classes] if classes else [each["prediction"]]
                          for each in told], np.float64)  # fmt: skip
        version = f"{said['model']} {said['version']}"
    except (KeyError, TypeError, ValueError) as error:
        raise StemmaError(f"the server does not answer as this bundle does ({type(error).__name__}: {error})") from None
    if there.shape != here.shape:
        raise StemmaError(f"the server answers {there.shape[0]} of {counted(len(rows), 'row')}")
    apart = (np.abs(there - here) / (1 if classes else np.maximum(1, np.abs(here)))).max(axis=1)
    other = np.flatnonzero(apart > TOLERANCE)
    if len(other):
        which = f"{len(other)} of {counted(len(rows), 'row')} (such as {few([str(row + 1) for row in other])})"
        told = f"{which} {by_number(len(other), 'is', 'are')} answered otherwise"
        yield Finding("skew", version, f"{told}, by up to {apart.max():.2g}")
