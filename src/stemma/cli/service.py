"""`stemma service`: who may ask a server, what its admins did, and what it is told to do."""

from pathlib import Path
from typing import Annotated

import typer
from click import Choice

from stemma.cli.output import AsJson, answer
from stemma.errors import MissingExtra
from stemma.text import say

app = typer.Typer(help="A running server: who may ask it, what its admins did.", no_args_is_help=True)


@app.command()
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of whoever gets it; logs show it.")],
    file: Annotated[Path, typer.Option(metavar="FILE", help="The server's file of tokens.")] = Path("tokens.yaml"),
    scope: Annotated[
        list[str], typer.Option(click_type=Choice(("predict", "feedback", "admin")), help="Can be given again.")
    ] = ["predict"],  # noqa: B006 - typer copies it
    days: Annotated[float | None, typer.Option(min=0, help="Until it expires; without it, never.")] = None,
) -> None:
    """Make a token and print it, once: FILE holds its hash alone. A running server knows it at once.

    Example: stemma service token shop --days 90
    """
    from datetime import UTC, datetime, timedelta

    try:
        from stemma.serve import access
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "serve") from None
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    say(access.add(file, name, scope, expires))


@app.command()
def audit(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The server's log of admin actions.")],
    holds: Annotated[
        str | None, typer.Option(metavar="HASH", help="Of a last line, as it was told before: it must be there yet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no line of the log of admin actions was changed, left out or put between; exit 1 if one was.

    Example: stemma service audit audit.jsonl
    """
    from stemma.serve import audit as chain

    found = chain.check(log, holds)
    answer(
        found, lambda: [f"{log}: {found.lines} lines, each follows the one before; the last is {found.last}"], as_json
    )
