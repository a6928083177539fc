"""How a CSV of the command line is written, where it is not as the table of training was."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stemma.cli.options import option

if TYPE_CHECKING:
    from stemma.bundle import Rows

Separator = Annotated[str | None, option("CHARACTER", "Of ROWS in CSV; by default as in training.")]
Decimal = Annotated[
    Literal[".", ","] | None, typer.Option(help="The mark in numbers of ROWS in CSV; by default as in training.")
]
Encoding = Annotated[str | None, option("NAME", "Of ROWS in CSV; by default UTF-8, or as in training.")]


def rows(
    path: Path, separator: str | None, decimal: str | None, encoding: str | None, keep: Sequence[str] = ()
) -> "Rows":
    """A table to predict or to explain."""
    from stemma.bundle import Rows
    from stemma.values import checked_separator

    try:
        mark = None if separator is None else checked_separator(separator)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--separator") from None
    return Rows(path, mark, decimal, encoding, keep=tuple(keep))
