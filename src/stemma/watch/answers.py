"""What each version answered, with what came of it."""

import math
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

import stemma.task
from stemma import metrics
from stemma.bundle.model import Bundle
from stemma.errors import StemmaError
from stemma.metrics import Metric, Rows, resampling
from stemma.signature import Signature
from stemma.task import Binary, Task
from stemma.text import named, nearest
from stemma.watch import log, outcomes

PREDICTED = ("probability", "prediction")
OUTCOME = "outcome"  # a figure too: what came, whatever was predicted
BY_ROW = {"log_loss": "log_loss", "brier": "brier", "mae": "absolute"}  # metrics that are means -> of these losses
RESAMPLES = 300
Array = NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """Rows that a version answered, in the order of time."""

    version: str
    signature: Signature
    treated: frozenset[str]  # what was done to columns before they were kept, by name
    table: Any  # Arrow's, the columns of the log that were asked for, and `outcome`, null where there is none

    @property
    def task(self) -> Task:
        known = self.signature
        return replace(stemma.task.of(known.task, known.classes, known.positive), rare=known.rare)

    @property
    def requests(self) -> int:
        return int(compute.sum(compute.equal(self.table["row"], 0)).as_py() or 0)

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """(rows,) seconds since 1970."""
        return np.asarray(self.table["time"].cast(pa.int64()).to_numpy()) / 1e6

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """(rows,) the number of whom a split gave this version to, and whose rows are alike: a caller, or where none is
        known, a request."""
        whom = self.table["id"]
        if "caller" in self.table.column_names:
            whom = compute.coalesce(self.table["caller"], whom)
        return np.asarray(whom.combine_chunks().dictionary_encode().indices.to_numpy(), np.int64)

    @property
    def callers(self) -> int:
        """How many they are."""
        return int(self.units.max(initial=-1)) + 1

    def only(self, mask: Array) -> "Answers":
        return replace(self, table=self.table.filter(pa.array(mask)))

    @property
    def judged(self) -> "Answers":
        """Those with an outcome."""
        return self.only(compute.is_valid(self.table["outcome"]).to_numpy(zero_copy_only=False))

    def but(self, arm: str) -> "Answers":
        """Without an arm: "shadow", whose answers nobody heard, or "named", to which no split gave the requests."""
        if "arm" not in self.table.column_names:
            return self
        return self.only(compute.fill_null(compute.not_equal(self.table["arm"], arm), True).to_numpy())

    def rows(self, task: Task) -> Rows:
        """Predictions beside outcomes, which all of them have, with the classes in the order of a task."""
        actual, decided = (task.codes(self.table[name].to_pylist()) for name in ("outcome", "prediction"))
        columns = [f"probability.{name}" for name in task.classes] or ["prediction"]
        return Rows.of(task, actual, np.column_stack([self.table[name] for name in columns]), decided)

    def values(self, name: str) -> Sequence[Any]:
        """Of an input or a header; a StemmaError where the log has neither."""
        kept = {each.partition(".")[2]: each for each in self.table.column_names if each[:6] in ("input.", "header")}
        found = name if name in self.table.column_names else kept.get(name)
        if found is None:
            raise StemmaError(f"the log of {self.version} has no column {name!r}{nearest(name, kept)}")
        return list(self.table[found].to_pylist())


def read(kept: log.Log, columns: Collection[str], most: float = math.inf, *, needed: bool = True) -> dict[str, Answers]:
    """All versions of a log, by name; columns as in `Log.rows`.

    Args:
        most: rows of a version from which no more of its files are read.
        needed: whether it is a StemmaError that there is none.
    """
    files, told, found = kept.files(needed), outcomes.keyed(kept), dict[str, Answers]()
    for name, its in versions(files).items():
        tables: list[Any] = []
        for file in its:
            tables += kept.rows(file, columns) if sum(map(len, tables)) < most else ()
        if sum(map(len, tables)):
            found[name] = answers(name, its, tables, told, in_order=True)
    if needed and not found:
        raise StemmaError(f"{kept.folder} holds no request since then")
    return found


def of_name(found: Mapping[str, Answers], name: str, folder: Path) -> Answers:
    """A version of a log; a StemmaError where the log has none of that name."""
    if name not in found:
        known = ", ".join(map(named, sorted(found)))
        raise StemmaError(f"{folder} has no version {name!r}{nearest(name, found)}: it has {known}")
    return found[name]


def bare(version: str) -> str:
    """1.2.0 of model@v1.2.0."""
    return version.rpartition("@")[2].removeprefix("v")


def model(version: str) -> str:
    """shop of shop@v1.2.0."""
    return version.rpartition("@")[0]


def of_model(files: Mapping[str, list[log.File]], bundle: Bundle) -> dict[str, list[log.File]]:
    """Those of the versions that take a bundle's inputs; of several models, of the one that has its name, else of the
    one that has this very version, if some has."""
    takes, number = bundle.signature.inputs, bundle.registered.get("version")
    found = {name: its for name, its in files.items() if its[0].source.signature.inputs == takes}
    is_it = {name: number is None or bare(str(number)) == bare(name) for name in found}
    same = {model(name) for name, its in found.items() if is_it[name] and its[0].source.signature == bundle.signature}
    of = {model(name) for name in found} & {bundle.record.get("name")} or same
    return {name: its for name, its in found.items() if not of or model(name) in of}


def telling(folder: Path) -> str:
    """The command to type where outcomes are missing."""
    return f"stemma watch outcomes {shlex.quote(str(folder))} OUTCOMES.csv"


def versions(files: Iterable[log.File]) -> dict[str, list[log.File]]:
    """The files of each version, by name; of several with one name the last has it, and those before are numbered."""
    parts: dict[log.Source, list[log.File]] = {}
    for file in files:
        parts.setdefault(file.source, []).append(file)
    of, seen, found = Counter(source.version for source in parts), Counter[str](), dict[str, list[log.File]]()
    for source, its in parts.items():
        seen[name := source.version] += 1
        found[name if seen[name] == of[name] else f"{name} ({seen[name]})"] = its
    return found


def answers(
    version: str, files: Sequence[log.File], tables: Sequence[Any], told: Any, in_order: bool = False
) -> Answers:
    """One table of a version's rows, with their outcomes.

    Args:
        files: all of the version; tables: some of their rows. told: as `outcomes.keyed` gives it.
    """
    known, treated = files[0].source.signature, frozenset(column for file in files for column in file.treated)
    mixed = _mixed(files)
    kept = [table.select([name for name in table.column_names if name not in mixed]) for table in tables]
    table = pa.concat_tables(kept, promote_options="default")
    return Answers(version, known, treated, _joined(table.sort_by("time") if in_order else table, known, told))


def _mixed(files: Sequence[log.File]) -> set[str]:
    """An input that was treated otherwise in some files is left out."""
    kinds = Counter((name, kind) for file in files for name, kind in file.types.items())
    types = Counter(name for name, _ in kinds)
    rare = {name for (name, _), count in kinds.items() if name.startswith("input.") and count < len(files)}
    return rare | {name for name, count in types.items() if count > 1}


def _joined(table: Any, known: Signature, told: Any) -> Any:
    """With the outcome of each row, the first that the version predicts, as it has it: a server looks at none."""
    asked = outcomes.keys(table).combine_chunks().dictionary_encode()
    place = compute.index_in(told["key"], value_set=asked.dictionary)  # many outcomes are looked up in few rows
    of = np.flatnonzero(compute.is_valid(place).to_numpy())
    outcome = told["outcome"].take(pa.array(of)).combine_chunks().dictionary_encode()
    texts = outcome.dictionary.to_pylist()
    spelled = pa.array([outcomes.spelled(known, text) for text in texts], pa.string()).take(outcome.indices)
    apart = pa.array([known.spelled(known.target, text) for text in texts], pa.string()).take(outcome.indices)
    first = np.full(len(asked.dictionary), -1)
    counts = np.flatnonzero(spelled.is_valid().to_numpy(zero_copy_only=False))[::-1]
    first[place.to_numpy()[of[counts]].astype(np.int64)] = counts  # of several the last that is written here
    found = first[asked.indices.to_numpy()]
    found = pa.array(found, pa.int64(), mask=found < 0)
    table = table.append_column("told", apart.take(found))  # what a version merges stands apart
    return table.append_column("outcome", spelled.take(found))


def measured(judged: Answers, task: Task, metric: Metric) -> tuple[float, float]:
    """The figure and its standard error, of callers as they are drawn and not of their rows: of a mean from their sums
    (Liang and Zeger, Biometrika 73, 1986), else by the bootstrap of callers."""
    rows, units, count = judged.rows(task), judged.units, judged.callers
    values = _by_row(rows, metric.name)
    if values is None:
        value = metrics.figures(rows, of=[metric])[metric.name]
        found = resampling.drawn(lambda drawn: metrics.figures(rows, drawn[units], [metric]), count, RESAMPLES, 0)
        known = found[metric.name][np.isfinite(found[metric.name])]
        return value, float(known.std(ddof=1)) if len(known) > 1 else math.nan
    mean = float(values.mean())
    spread = math.sqrt(count * float(np.var(np.bincount(units, values - mean), ddof=1))) if count > 1 else math.nan
    return mean, spread / len(values)


def _by_row(rows: Rows, name: str) -> NDArray[np.float64] | None:
    """What a figure is the mean of, in the order of the log; None where it is no mean."""
    if name == OUTCOME:
        positive = rows.task.place if isinstance(rows.task, Binary) else None
        return np.asarray(rows.actual if positive is None else rows.actual == positive, np.float64)
    if name == "accuracy" and rows.decided is not None:
        return np.asarray(rows.decided == rows.actual, np.float64)
    # Losses lie in the order of `rows.order`.
    return np.asarray(rows.losses[rows.names.index(BY_ROW[name])][np.argsort(rows.order)]) if name in BY_ROW else None


def day(moment: float) -> str:
    """Of seconds since 1970, for people; UTC."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"
