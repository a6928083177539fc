"""All that `prepare` checks before it learns anything."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stemma.entries import Entry
from stemma.tables import hints, load, validate
from stemma.tables.columns import features, refuse
from stemma.tables.settings import Table
from stemma.tables.split import split
from stemma.text import say


@dataclass(frozen=True)
class Checked:
    """A table that can be learned from.

    Attributes:
        table: canonical, see `load.table`.
        splits: row positions of train, validation and test.
        hints: what looks wrong all the same.
    """

    table: pd.DataFrame
    splits: dict[str, np.ndarray]
    hints: tuple[hints.Hint, ...]


def check(settings: Table, sources: Mapping[str, Entry], strict: bool) -> Checked:
    """Read, check and split the table, and look for what is suspicious, which is told on stderr, one line each.

    Args:
        settings: the `data` section.
        sources: see `load.table`.
        strict: hints are errors.

    Raises:
        DataError: the table cannot be used; every reason at once.
    """
    table = load.table(settings, sources)
    validate.check(table, settings)
    splits = split(table, settings)
    validate.check_splits(table, settings, splits)
    found = hints.find(table, settings, splits)
    if strict:
        refuse(settings.source, hints.lines(found))
    for line in hints.lines(found):
        say(f"hint: {line}", error=True)
    return Checked(table, splits, found)


def told(found: Checked, settings: Table) -> str:
    """What was found, in a line."""
    parts = ", ".join(f"{len(rows):,} {name}" for name, rows in found.splits.items())
    used, hints = len(features(found.table.columns, settings)), len(found.hints)
    count = f"{hints or 'no'} hint{'' if hints == 1 else 's'}"
    return f"{settings.source}: {len(found.table):,} rows ({parts}), {used} features, {count}"
