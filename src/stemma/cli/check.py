"""`stemma check`: whether a table can be learned from."""

from contextlib import chdir
from pathlib import Path
from typing import Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import flag
from stemma.errors import VersionError
from stemma.text import say


def check(strict: Annotated[bool, flag("--strict", "Hints are errors, as with prepare.strict.")] = False) -> None:
    """Check the table that params.yaml names, as the stage prepare does, and write nothing.

    A table in a file is read by the toolkit alone. Rows that the project's own code gives need `stemma trust`.

    Example: stemma check --strict
    """
    from stemma import conf
    from stemma.tables.settings import FILES

    root = repository()
    data = conf.params(root).get("data")
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind in FILES:
        with chdir(root):
            say(_of_file(strict))
    else:
        _of_code(root, kind, strict)


def _of_file(strict: bool) -> str:
    from stemma import settings
    from stemma.tables.check import check, told
    from stemma.tables.settings import FILES, Checks

    chosen = settings.load(Checks, "params.yaml", {"data": ("kind", FILES)}, part=True)
    return told(check(chosen.data, FILES, strict or chosen.prepare.strict), chosen.data)


def _of_code(root: Path, kind: object, strict: bool) -> None:
    """The project's stage file checks the rows of its own source."""
    from stemma.repo import project, trust

    trust.code(root, None, f"stemma check of the source {kind}")
    done = project.run(root, "check", *(["strict"] if strict else []))
    if done.returncode == project.WRONG_USAGE:
        raise VersionError(f"{project.STAGE} of this project is older than `stemma check`: update the project's files")
    if done.stdout:
        say(done.stdout.rstrip("\n"))
    if done.stderr:
        say(done.stderr.rstrip("\n"), error=True)
    raise typer.Exit(done.returncode)
