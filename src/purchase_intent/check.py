"""`python -m purchase_intent.check`: what the stage `prepare` checks before it learns anything.

It reads params.yaml and the table, writes nothing, and ends with 1 where the table cannot be used.
"""

import argparse
from collections.abc import Sequence

from purchase_intent.settings import load
from purchase_intent.sources import SOURCES
from stemma.errors import one_line
from stemma.tables.check import check
from stemma.tables.columns import features


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m purchase_intent.check",
        description="Check the table that params.yaml names, as the stage prepare does, and write nothing.",
        epilog="Example: python -m purchase_intent.check --strict",
    )
    parser.add_argument("--strict", action="store_true", help="hints are errors, as with prepare.strict")
    strict = parser.parse_args(arguments).strict
    settings = load()
    found = check(settings.data, SOURCES, strict or settings.prepare.strict)
    rows, used = len(found.table), len(features(found.table.columns, settings.data))
    parts = ", ".join(f"{len(part):,} {name}" for name, part in found.splits.items())
    print(f"{settings.data.source}: {rows:,} rows ({parts}), {used} features, {_count(len(found.hints))}")


def _count(hints: int) -> str:
    return f"{hints or 'no'} hint{'' if hints == 1 else 's'}"


if __name__ == "__main__":
    with one_line():
        main()
