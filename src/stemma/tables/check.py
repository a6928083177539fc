"""All that `prepare` checks before it learns anything."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stemma.entries import Entry
from stemma.tables import hints, load, select, validate
from stemma.tables.columns import features, refuse
from stemma.tables.settings import Table
from stemma.tables.split import split
from stemma.text import counted, say


@dataclass(frozen=True)
class Checked:
    """A table that can be learned from."""

    table: pd.DataFrame  # canonical, see `load.table`
    splits: dict[str, np.ndarray]  # row positions of train, validation and test
    hints: tuple[hints.Hint, ...]  # what looks wrong all the same
    left_out: Mapping[str, int]  # how many rows of the source are not in the table, by reason


def check(settings: Table, sources: Mapping[str, Entry], strict: bool) -> Checked:
    """Read, check and split the table, and look for what is suspicious, which is told on stderr, one line each.

    Args:
        strict: hints are errors.

    Raises:
        DataError: the table cannot be used; every reason at once.
    """
    whole = load.table(settings, sources)
    table, left_out = select.select(whole, settings)
    validate.check(table, settings)
    splits = split(table, settings)
    validate.check_splits(table, settings, splits)
    unheld = (hints.Hint("unheld", name, f"column {name!r} {text}") for name, text in select.unheld(whole, settings))
    found = (*unheld, *hints.find(table, settings, splits))
    if strict:
        refuse(settings.source, hints.lines(found))
    for line in hints.lines(found):
        say(f"hint: {line}", error=True)
    return Checked(table, splits, found, left_out)


def told(found: Checked, settings: Table) -> str:
    """What was found, in a line."""
    parts = ", ".join(f"{len(rows):,} {name}" for name, rows in found.splits.items())
    used, hints = len(features(found.table.columns, settings)), len(found.hints)
    count = counted(hints, "hint") if hints else "no hints"
    without = f", without {select.told(found.left_out)}" if found.left_out else ""
    rows, seen = counted(len(found.table), "row"), counted(used, "feature")
    return f"{settings.source}: {rows} ({parts}){without}, {seen}, {count}"
