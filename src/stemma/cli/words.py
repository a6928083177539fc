"""The words of the command line. Everything heavy is imported by the word that needs it: `stemma --help` is instant."""

import os
from importlib import import_module
from typing import Annotated

import typer

from stemma.text import say

app = typer.Typer(
    help="Read, compare and serve the versions of a model.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
PANELS = {  # as `stemma --help` shows them: a function, or an `app` of several, of the module of its name or that told
    "The pipeline": "describe check experiments search compress undo conf",
    "Versions, read": "log show diff compare best explain doctor",
    "Versions, named": "registry.register registry.promote registry.demote registry.retire registry.history publish",
    "Versions, moved and kept": "rollback export verify push backup backup.restore backup.key trust gc remote",
    "In service": "serve follow bundle service watch",
    "The toolkit": "lock docs",
}


def add(panel: str, word: str) -> None:
    home, _, name = word.rpartition(".")
    module = import_module(f"stemma.cli.{home or name}")
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name, rich_help_panel=panel)
    else:
        app.command(cls=getattr(module, "Command", None), rich_help_panel=panel)(getattr(module, name))


for panel, words in PANELS.items():
    for word in words.split():
        add(panel, word)


def print_version(wanted: bool) -> None:
    if not wanted:
        return
    from stemma.toolkit import version

    say(f"stemma {version()}")
    raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if debug:
        os.environ["STEMMA_DEBUG"] = "1"  # read by one_line, also in the processes that a command starts
