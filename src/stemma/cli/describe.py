"""`stemma describe`: the settings of a table, from the table."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stemma.cli.here import repository
from stemma.cli.options import argument, flag, option
from stemma.text import say

LARGE = 1  # MB of a table that is not for Git

if TYPE_CHECKING:
    from stemma.describe.write import Written


def describe(
    file: Annotated[Path, argument("FILE", "The table: text, compressed or not, or Parquet.")],
    target: Annotated[str, option("COLUMN", "The column to predict.")],
    name: Annotated[str, option("NAME", "Of conf/data/NAME.yaml, and of -S data=NAME.")],
    no_header: Annotated[bool, flag("--no-header", "The first row is data: columns are c0, c1, ...")] = False,
    separator: Annotated[str | None, option("CHARACTER", "Instead of the one found; tab for a tab.")] = None,
    encoding: Annotated[str | None, option("ENCODING", "Instead of the one found, as Python names it.")] = None,
    decimal: Annotated[Literal[".", ","] | None, typer.Option(help="Instead of the one found.")] = None,
    track: Annotated[bool, flag("--track", "Copy the file to data/raw/ and let DVC keep it.")] = False,
    strict: Annotated[bool, flag("--strict", "Write nothing where there is a warning.")] = False,
    force: Annotated[bool, flag("--force", "Overwrite what is there.")] = False,
) -> None:
    """Look at a CSV or Parquet file and write conf/data/NAME.yaml: how it is written, each column's role, the task.

    What was seen stands beside each line, for a person to correct.

    Example: stemma describe data/raw/visits.csv --target Revenue --name visits
    """
    from stemma.describe.write import Request, write
    from stemma.repo import tracking

    mark = None if separator is None else _character(separator)
    root = repository()
    request = Request(file, target, name, not no_header, mark, encoding, decimal, strict, force)
    made = write(root, request, partial(tracking.add, root) if track else None)
    _show(made, name)
    if not made.source.resolve().is_relative_to(root.resolve()):
        _warn(f"{made.source} is outside the project, where only this machine finds it: --track copies it to data/raw/")
    size = file.stat().st_size / 1e6
    if size >= LARGE and tracking.is_for_git(root, file):
        cure = "remove it, for DVC keeps the copy in data/raw/" if track else "--track --force lets DVC keep it"
        _warn(f"{file} has {size:,.0f} MB, and Git takes it into the commit of every experiment: {cure}")


def _character(text: str) -> str:
    from stemma.values import checked_separator

    try:
        return checked_separator(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--separator") from None


def _show(made: "Written", name: str) -> None:
    """What was seen on stdout, what to look at on stderr."""
    from rich.console import Console

    from stemma.describe import page

    console = Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())
    console.print(page.table(made.found))
    for warning in made.found.warnings:
        _warn(warning)
    told = f"\n{made.settings} is written: read it, correct it, then run `dvc exp run -S data={name}`"
    console.print(told, markup=False)


def _warn(text: str) -> None:
    say(f"warning: {text}", error=True)
