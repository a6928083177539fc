"""All that `prepare` checks before it learns anything.

`python -m purchase_intent.data.check` does it alone.

It reads params.yaml and the table, writes nothing, and ends with 1 where the table cannot be used.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from purchase_intent import config
from purchase_intent.data import hints, load, validate
from purchase_intent.data.columns import features, refuse
from purchase_intent.data.split import split
from stemma.errors import one_line


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


def check(settings: config.Table, strict: bool) -> Checked:
    """Read, check and split the table, and look for what is suspicious, which is told on stderr, one line each.

    Args:
        settings: the `data` section.
        strict: hints are errors.

    Raises:
        DataError: the table cannot be used; every reason at once.
    """
    table = load.table(settings)
    validate.check(table, settings)
    splits = split(table, settings)
    validate.check_splits(table, settings, splits)
    found = hints.find(table, settings, splits)
    if strict:
        refuse(settings.source, hints.lines(found))
    for line in hints.lines(found):
        print(f"hint: {line}", file=sys.stderr)
    return Checked(table, splits, found)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m purchase_intent.data.check",
        description="Check the table that params.yaml names, as the stage prepare does, and write nothing.",
        epilog="Example: python -m purchase_intent.data.check --strict",
    )
    parser.add_argument("--strict", action="store_true", help="hints are errors, as with prepare.strict")
    strict = parser.parse_args(arguments).strict
    settings = config.load()
    found = check(settings.data, strict or settings.prepare.strict)
    rows, used = len(found.table), len(features(found.table.columns, settings.data))
    parts = ", ".join(f"{len(part):,} {name}" for name, part in found.splits.items())
    print(f"{settings.data.source}: {rows:,} rows ({parts}), {used} features, {_count(len(found.hints))}")


def _count(hints: int) -> str:
    return f"{hints or 'no'} hint{'' if hints == 1 else 's'}"


if __name__ == "__main__":
    with one_line():
        main()
