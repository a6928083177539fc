"""The repository that a command works on, and how its versions are named."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stemma.errors import StemmaError

Revision = Annotated[str, typer.Argument(metavar="[REV]", help="A commit, a tag, model@v1.2.0, model#prod, ...")]
Revisions = Annotated[list[str] | None, typer.Argument(metavar="[REV]...", help="Versions; HEAD by default.")]
All = Annotated[bool, typer.Option("--all", help="Every registered version, every stage, every branch's tip.")]
Experiments = Annotated[bool, typer.Option("--experiments", help="Every experiment too.")]
On = Annotated[
    Path | None, typer.Option(metavar="DATA", help="Compare on this CSV or Parquet file, which holds the target too.")
]
Require = Annotated[
    Literal["better", "not-worse"] | None, typer.Option(help="Fail, with exit code 1, unless the verdict meets this.")
]


def repository() -> Path:
    """The nearest folder with .dvc, from the current one upward; a StemmaError where there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            return folder
    raise StemmaError(f"{here} is not in a DVC repository: no folder from here upward holds .dvc")
