"""What each version answered, with what came of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

import stemma.task
from stemma import metrics
from stemma.errors import StemmaError
from stemma.signature import Signature
from stemma.task import Task
from stemma.text import nearest
from stemma.watch import log, outcomes

PREDICTED = ("probability", "prediction")
Array = NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """Rows that a version answered, in the order of time.

    Args:
        treated: what was done to columns before they were kept, by name.
        table: Arrow's, the columns of the log that were asked for, and `outcome`, null where there is none.
    """

    version: str
    signature: Signature
    treated: frozenset[str]
    table: Any

    @property
    def task(self) -> Task:
        known = self.signature
        return stemma.task.of(known.task, known.classes, known.positive)

    @property
    def requests(self) -> int:
        return int(compute.sum(compute.equal(self.table["row"], 0)).as_py() or 0)

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """(rows,) seconds since 1970."""
        return np.asarray(self.table["time"].cast(pa.int64()).to_numpy()) / 1e6

    def only(self, mask: Array) -> "Answers":
        return Answers(self.version, self.signature, self.treated, self.table.filter(pa.array(mask)))

    @property
    def judged(self) -> "Answers":
        """Those with an outcome."""
        return self.only(compute.is_valid(self.table["outcome"]).to_numpy(zero_copy_only=False))

    def rows(self, task: Task) -> metrics.Rows:
        """Predictions beside outcomes, which all of them have, with the classes in the order of a task."""
        actual, decided = (task.codes(self.table[name].to_pylist()) for name in ("outcome", "prediction"))
        columns = [f"probability.{name}" for name in task.classes] or ["prediction"]
        return metrics.Rows.of(task, actual, np.column_stack([self.table[name] for name in columns]), decided)

    def values(self, name: str) -> Sequence[Any]:
        """Of an input or a header.

        Raises:
            StemmaError: the log has neither.
        """
        kept = {each.partition(".")[2]: each for each in self.table.column_names if each[:6] in ("input.", "header")}
        found = name if name in self.table.column_names else kept.get(name)
        if found is None:
            raise StemmaError(f"the log of {self.version} has no column {name!r}{nearest(name, kept)}")
        return list(self.table[found].to_pylist())


def read(folder: Path, columns: Collection[str], skipped: list[str], since: float | None = None) -> dict[str, Answers]:
    """All versions of a log, by name; of several with one name and other signatures, the later ones are numbered.

    Args:
        columns, skipped, since: as in `log.read`.
    """
    parts: dict[log.Source, list[log.Part]] = {}
    for part in log.read(folder, columns, skipped, since):
        parts.setdefault(part.source, []).append(part)
    told, found = outcomes.read(folder, skipped), dict[str, Answers]()
    for source, its in parts.items():
        same = sum(each.split(" (")[0] == source.version for each in found)
        name = f"{source.version} ({same + 1})" if same else source.version
        table = pa.concat_tables([part.table for part in its], promote_options="permissive").sort_by("time")
        treated = frozenset(column for part in its for column in part.treated)
        found[name] = Answers(name, source.signature, treated, _joined(table, source.signature, told))
    return found


def _joined(table: Any, known: Signature, told: dict[outcomes.Key, str]) -> Any:
    """With the outcome of each row. Those that a server was told are looked at here."""
    spelled = {text: outcomes.spelled(known, text) for text in set(told.values())}
    keys = zip(table["id"].to_pylist(), table["row"].to_pylist(), strict=True) if told else ()
    found = [spelled.get(told.get(key, "")) for key in keys] or [None] * len(table)
    return table.append_column("outcome", pa.array(found, pa.string()))
