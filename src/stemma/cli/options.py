"""How a command says what it takes, and what several commands take."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def argument(value: str, help: str, **more: Any) -> Any:
    """Args: value: what it is called in the help; more: as of Typer."""
    return typer.Argument(metavar=value, help=help, **more)


def option(value: str, help: str, *names: str, **more: Any) -> Any:
    """Args: as of `argument`; names: where they are not that of the parameter."""
    return typer.Option(*names, metavar=value, help=help, **more)


def flag(name: str, help: str) -> Any:
    return typer.Option(name, help=help)


Revision = Annotated[str, argument("[REV]", "A commit, a tag, model@v1.2.0, model#prod, ...")]
Revisions = Annotated[list[str] | None, argument("[REV]...", "Versions; HEAD by default.")]
All = Annotated[bool, flag("--all", "Every registered version, every stage, every branch's tip.")]
Experiments = Annotated[bool, flag("--experiments", "Every experiment too.")]
On = Annotated[Path | None, option("DATA", "Compare on this CSV or Parquet file, which holds the target too.")]
Require = Annotated[
    Literal["better", "not-worse"] | None, typer.Option(help="Fail, with exit code 1, unless the verdict meets this.")
]
