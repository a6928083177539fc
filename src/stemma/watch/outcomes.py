"""What came of requests: outcomes, as they are told, in files of their own beside the log.

    id, row    of the request; the number of the row in it
    time       when it was told
    outcome    the class, or the value, as text, as it was told: classes that a version merges stay apart

Of several outcomes for a row the first that its version predicts counts: nobody changes later what a figure rests on.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute

from stemma.bundle.rows import Rows, records
from stemma.errors import DataError
from stemma.signature import Signature
from stemma.text import SHOWN, counted, lasting
from stemma.watch import log

OUTCOMES = "outcomes"
Key = tuple[str, int]
Told = tuple[Key, str]
Asked = tuple[float, Signature]  # when a row was asked, and of what
NEEDED = ("id", "outcome")
LATE = 7 * 86400.0  # seconds
NEW = ("taken", "kept")
LARGE = 50_000  # rows of a file that is written no more
SAID = {  # what is told of a row, and what that means
    "taken": "new outcomes",
    "kept": "of no request in the log yet: they count once it is there, if its version predicts them",
    "late": "of them told more than {late} after the request",
    "same": "told before, and the same",
    "contradicting": "told before, and otherwise: the first counts",
    "unknown": "of no request in the log: not sampled, not written yet, or never asked",
    "wrong": "no class and no number that the version predicts",
}


@dataclass(frozen=True)
class Taken:
    """What was done with a file of outcomes."""

    file: str
    days: float
    counts: Mapping[str, int]  # rows by what was done with them, see SAID; those that are late are taken too
    examples: Mapping[str, tuple[str, ...]]  # ids of some of those that were not taken
    skipped: tuple[str, ...]  # files of the log that could not be read

    @property
    def sentence(self) -> str:
        given = sum(self.counts.values()) - self.counts["late"]
        return f"{self.file}: {self.counts['taken']:,} of {counted(given, 'outcome')} taken"

    @property
    def rows(self) -> list[tuple[str, int, str, str]]:
        """What was done, with how many, what that means, and ids."""
        late = lasting(86400 * self.days)
        return [(what, self.counts[what], meaning.format(late=late), ", ".join(self.examples.get(what, ())))
                for what, meaning in SAID.items() if self.counts[what]]  # fmt: skip


def take(folder: Path, file: Path, late: float = LATE) -> Taken:
    """Take the outcomes of a CSV file (UTF-8, commas, a header) into a log: columns id and outcome, and row where a
    request has several. Taking a file again changes nothing.

    Args:
        late: seconds after the request from which an outcome is.

    Raises:
        StemmaError: the file cannot be read or lacks a column, or there is no log.
    """
    (found,) = join(folder, {str(file): list(_rows(file))}, late, Ledger(folder).keep)
    return found


def join(
    folder: Path,
    tellings: Mapping[str, Sequence[Told]],
    late: float,
    keep: Callable[[Mapping[Key, str], float], None],
    awaited: Callable[[str], bool] | None = None,
) -> list[Taken]:
    """Join outcomes with the requests of a log, and have those that are new kept.

    Args:
        tellings: by their names.
        keep: is given them, and when they were told.
        awaited: whether a request that is not in the log may still come, by its id; then its outcome is kept.

    Raises:
        StemmaError: there is no log, and none may come.
    """
    kept, now, new = log.Log(folder), time.time(), dict[Key, str]()
    ids = {id for told in tellings.values() for (id, _), _ in told}
    asked = _asked(kept, ids, awaited is None)
    first = read(kept, ids, asked)
    found = []
    for name, told in tellings.items():
        counts, examples = Counter(dict.fromkeys(SAID, 0)), dict[str, list[str]]()
        for key, came in told:
            request, text = asked.get(key), came.strip()
            what = _judged(text, request, first.get(key), awaited is not None and awaited(key[0]))
            counts[what] += 1
            if what not in NEW:
                examples.setdefault(what, []).append(key[0])
                continue
            first[key] = new[key] = text
            counts["late"] += request is not None and now - request[0] > late
        shown = {what: tuple(ids[:SHOWN]) for what, ids in examples.items()}
        found.append(Taken(name, late / 86400, dict(counts), shown, kept.skipped))
    if new:
        keep(new, now)
    return found


class Ledger:
    """Keeps outcomes beside the log as they are told, in one file that is written anew with each, until it is large:
    they are on the disk when they are answered, and files stay few.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._name, self._table = folder, "", None  # Arrow's

    def keep(self, outcomes: Mapping[Key, str], told: float) -> None:
        """An OSError where they cannot be written, and nothing is left of them."""
        new = _table(outcomes, told)
        table = new if self._table is None else pa.concat_tables([self._table, new])
        self._name = log.save(self._folder, OUTCOMES, table, {}, self._name)
        self._table = table
        if len(table) >= LARGE:
            self._name, self._table = "", None


def _table(outcomes: Mapping[Key, str], told: float) -> Any:
    columns = (*zip(*outcomes, strict=True), [round(told * 1e6)] * len(outcomes), list(outcomes.values()))
    types = (*log.CORE.items(), ("outcome", pa.string()))
    return pa.table({name: pa.array(values, kind) for (name, kind), values in zip(types, columns, strict=True)})


def read(kept: log.Log, ids: Collection[str] | None = None, asked: Mapping[Key, Asked] | None = None) -> dict[Key, str]:
    """The outcome of each row that has one, as it was told first: of requests of these ids, by default of all; of rows
    of which it is known what was asked, the first that is one."""
    found, told = dict[Key, str](), table(kept)
    for row in (told if ids is None else _of(_array(ids), told)).to_pylist():
        key, text = (row["id"], row["row"]), row["outcome"]
        if asked is None or key not in asked or spelled(asked[key][1], text) is not None:
            found.setdefault(key, text)
    return found


def table(kept: log.Log) -> Any:
    """Of Arrow: every outcome, in the order in which they were told."""
    nothing = pa.schema([*log.CORE.items(), ("outcome", pa.string())]).empty_table()
    tables = (nothing, *kept.scan(OUTCOMES, ("outcome",)))
    return pa.concat_tables(tables, promote_options="default").sort_by("time")


def keyed(kept: log.Log) -> Any:
    """As `table`, with the key of each row."""
    found = table(kept)
    return found.append_column("key", keys(found))


def keys(table: Any) -> Any:
    """One text for each row, of its id and its number."""
    return compute.binary_join_element_wise(table["row"].cast(pa.string()), table["id"], " ")


def _array(ids: Collection[str]) -> Any:
    return pa.array(ids, pa.string())


def _of(ids: Any, table: Any) -> Any:
    return table.filter(compute.is_in(table["id"], ids))


def _asked(kept: log.Log, ids: Collection[str], needed: bool) -> dict[Key, Asked]:
    """The rows of the log that have these ids."""
    found, wanted = dict[Key, Asked](), _array(ids)
    for file in kept.files(needed):
        for table in kept.rows(file, ()):
            rows = _of(wanted, table)
            columns = (rows[name].to_pylist() for name in log.CORE)
            found |= {(id, row): (moment.timestamp(), file.source.signature)
                      for id, row, moment in zip(*columns, strict=True)}  # fmt: skip
    return found


def _judged(text: str, asked: Asked | None, before: str | None, awaited: bool) -> str:
    """What is done with an outcome."""
    if asked is None and not awaited:
        return "unknown"
    outcome = text if asked is None else spelled(asked[1], text)
    if outcome is None:
        return "wrong"
    if before is None:
        return "kept" if asked is None else "taken"
    known = before if asked is None else spelled(asked[1], before)
    return "same" if known == outcome else "contradicting"


def spelled(known: Signature, text: str) -> str | None:
    """The class as the version has it, or the number; None where it is neither."""
    if known.classes:
        outcome = known.class_of(text.strip())
        return outcome if outcome in known.classes else None
    try:
        value = float("" if "_" in text else text)  # 1_000 is none
    except ValueError:
        return None
    return repr(value) if math.isfinite(value) else None


def _rows(file: Path) -> Iterator[Told]:
    for number, told in enumerate(records(Rows(file), NEEDED, "row"), 1):
        row = told.get("row", "0").strip()
        if not (row.isascii() and row.isdigit() and len(row) < 10):
            raise DataError(f"{file}, row {number}: {row!r} in column 'row' is not the number of a row, from 0")
        yield (told["id"], int(row)), told["outcome"]
