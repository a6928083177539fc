"""`stemma remote`: what a remote allows."""

from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import argument
from stemma.cli.output import AsJson, AsMarkdown, Report, answer

if TYPE_CHECKING:
    from stemma.storage.remote import Probe

app = typer.Typer(help="The storage that DVC pushes to.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """The storage that DVC pushes to."""


@app.command()
def check(
    name: Annotated[str | None, argument("[NAME]", "A remote; the default one if not given.")] = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """List a remote, write a small object, read it, delete it; say what is denied and what to do. Exit 1 then.

    Example: stemma remote check
    """
    from stemma.storage.remote import probe

    found = probe(repository(), name)
    answer(found, lambda: report(found), as_json, as_md)
    raise typer.Exit(0 if found.is_usable else 1)


def report(found: "Probe") -> Report:
    words = {True: "allowed", False: "denied", None: "unknown"}
    lines = [f"{step.action:<7} {words[step.allowed]}{': ' if step.says else ''}{step.says}" for step in found.steps]
    left = [f"{found.left} could not be deleted: delete it by hand"] if found.left else []
    return ["\n".join([f"{found.remote}: {found.url}", *lines]), *left, *(f"note: {note}" for note in found.notes)]
