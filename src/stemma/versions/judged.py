"""What a version was judged on. Figures rank versions only where it is the same."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemma.evaluation.results import told

SPLITTING = ("split", "group", "time", "partition")  # settings of `data` that say which rows are test rows


@dataclass(frozen=True)
class Judged:
    """What a version was judged on, to be compared."""

    task: str | None  # what is predicted; None where it is out of reach
    target: str | None
    positive: str | None
    table: str  # a hash of its values, whatever the file looked like
    split: str  # of what says which rows are test rows

    def __str__(self) -> str:
        what = "an unknown target" if self.target is None else f"{self.target} ({self.task})"
        positive = f" = {self.positive}" if self.positive else ""
        return f"{what}{positive}, table {self.table[:7]}, split {self.split[:7]}"


def of(profile: Any, settings: Any, prepared: str | None) -> Judged:
    """Of a version's profile.json and params.yaml, each None where it is out of reach; where neither tells of the table
    `prepared`, the MD5 of data/prepared, does."""
    data, held = told(settings, "data"), told(profile, "splits", "test")
    chosen = [data.get(name) for name in SPLITTING] if isinstance(data, Mapping) else None
    split = hashlib.sha256(json.dumps([chosen, held], sort_keys=True, default=str).encode()).hexdigest()
    said = data if profile is None else profile
    found = (*(told(said, key) for key in ("task", "target", "positive")), told(profile, "content", "sha256"))
    task, target, positive, table = (None if each is None else str(each) for each in found)
    return Judged(task, target, positive, table or prepared or "unknown", split)
