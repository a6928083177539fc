"""Rows, columns and classes of two versions' tables, from their profiles.

A profile keeps the 512 smallest hashes of its rows. Up to the largest hash that both sketches know of, every row of
either table is seen: an even sample of their union. The share of it that is in both tables estimates their Jaccard
index J (bottom-k sketches, Cohen and Kaplan 2007), and kept = J / (1 + J) x (rows before + rows after). Its interval is
Wilson's, 95 %. Tables of up to 512 rows are known whole. Rows are compared over all columns: where a column was added
or removed, every row is another one.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stemma.tables import distance as drift

Z = 1.959964  # of a 95 % interval
ANOTHER = ("added", "removed", "changed")  # columns that are as far apart as columns can be


@dataclass(frozen=True)
class Rows:
    before: int  # how many each has
    after: int
    kept: int  # how many are in both
    added: int  # only after
    removed: int  # only before
    low: int  # the 95 % interval of `kept`
    high: int
    distance: float  # 1 - J, in [0, 1]
    estimated: bool  # whether `kept`, `added`, `removed` and `distance` come from sketches that do not hold every row
    over: tuple[str, ...] | None = None  # the columns by which rows were compared; None: all of them


@dataclass(frozen=True)
class Column:
    name: str
    status: str  # added, removed, changed (its role), drifted (its distribution moved at all) or same
    role_before: str | None  # None where it is not there, or where it has none
    role_after: str | None
    psi: float | None  # None where the two cannot be compared
    jensen_shannon: float | None
    level: str | None  # what the PSI is called: stable, moderate, large


@dataclass(frozen=True)
class ClassMove:
    """The share of a class among all rows (the mean of the target, named "mean", where there are no classes)."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Data:
    """Two tables side by side; `same` says that names, types, values and order of their rows are the same."""

    same: bool
    source_before: str
    source_after: str
    rows: Rows
    columns: tuple[Column, ...]
    classes: tuple[ClassMove, ...]


def compare(before: Mapping[str, Any], after: Mapping[str, Any], rows: Rows | None = None) -> Data:
    """Compare two profiles; `rows` is what was counted of the tables themselves."""
    same = before["content"] == after["content"]
    return Data(
        same=same,
        source_before=before["source"],
        source_after=after["source"],
        rows=rows or compare_rows(before, after, same),
        columns=compare_columns(before["columns"], after["columns"]),
        classes=compare_classes(before["splits"], after["splits"]),
    )


def distance(data: Data) -> float:
    """The part `data` of D, in [0, 1]: half the distance of the row sets, half the mean drift of the columns.

    A column's drift is its Jensen-Shannon divergence, 1 for one added, removed or of another role. Tables whose
    contents differ where neither sketches nor distributions show it (rows in another order, or few of many) are one
    row apart.
    """
    if data.same:
        return 0.0
    drifts = [1.0 if one.status in ANOTHER else one.jensen_shannon or 0.0 for one in data.columns]
    columns = math.fsum(drifts) / len(drifts) if drifts else 0.0
    least = 1 / max(data.rows.before + data.rows.after, 1)
    return max((data.rows.distance + columns) / 2, least)


def compare_rows(before: Mapping[str, Any], after: Mapping[str, Any], same: bool = False) -> Rows:
    """Rows kept, added and removed, from the sketches of two profiles."""
    rows = before["rows"], after["rows"]
    if same:
        return Rows(*rows, rows[0], 0, 0, rows[0], rows[0], 0.0, estimated=False)
    sketches = [set(profile["sketch"]["hashes"]) for profile in (before, after)]
    whole = [len(hashes) >= count for hashes, count in zip(sketches, rows, strict=True)]
    if all(whole):
        return counted(*rows, kept=len(sketches[0] & sketches[1]))
    known = min(max(hashes) for hashes, is_whole in zip(sketches, whole, strict=True) if not is_whole and hashes)
    seen = {value for value in sketches[0] | sketches[1] if value <= known}
    shared = len(seen & sketches[0] & sketches[1])
    jaccard = shared / len(seen)
    kept, low, high = (_kept(share, rows) for share in (jaccard, *wilson(shared, len(seen))))
    return Rows(*rows, kept, rows[1] - kept, rows[0] - kept, low, high, 1 - jaccard, estimated=True)


def counted(before: int, after: int, kept: int, over: tuple[str, ...] | None = None) -> Rows:
    """Rows that were all compared."""
    union = before + after - kept
    distance = 1 - kept / union if union else 0.0
    return Rows(before, after, kept, after - kept, before - kept, kept, kept, distance, estimated=False, over=over)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (E. B. Wilson, JASA 22, 1927)."""
    share, spread = successes / trials, Z**2 / trials
    centre = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def compare_columns(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Column, ...]:
    """Every column of either table, in the order of the first, then those that only the second has."""
    return tuple(_column(name, before.get(name), after.get(name)) for name in {**before, **after})


def compare_classes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[ClassMove, ...]:
    """The share of each class over all splits."""
    left, right = _balance(before), _balance(after)
    return tuple(ClassMove(name, left.get(name), right.get(name)) for name in {**left, **right})


def _kept(jaccard: float, rows: Sequence[int]) -> int:
    return min(round(jaccard / (1 + jaccard) * sum(rows)), *rows)


def _column(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Column:
    sides = before or {}, after or {}
    roles: tuple[str | None, str | None] = sides[0].get("role"), sides[1].get("role")
    if before is None or after is None:
        status = "added" if before is None else "removed"
        return Column(name, status, *roles, None, None, None)
    if before == after:
        return Column(name, "same", *roles, 0.0, 0.0, drift.level(0.0))
    cut = drift.shares(before, after)
    if before["role"] != after["role"] or cut is None:
        status = "drifted" if before["role"] == after["role"] else "changed"
        return Column(name, status, *roles, None, None, None)
    psi = drift.psi(*cut)
    return Column(name, "drifted", *roles, psi, drift.jensen_shannon(*cut), drift.level(psi))


def _balance(splits: Mapping[str, Any]) -> dict[str, float]:
    rows = sum(split["rows"] for split in splits.values())
    if not rows:
        return {}
    if any("mean" in split for split in splits.values()):
        return {"mean": sum(split["rows"] * (split["mean"] or 0.0) for split in splits.values()) / rows}
    counts: Counter[str] = Counter()
    for split in splits.values():
        counts.update(split["balance"])
    return {name: count / rows for name, count in counts.items()}
