"""The words of the command line. Everything heavy is imported by the word that needs it: `stemma --help` is instant."""

import os
from typing import Annotated

import typer

from stemma.cli import (
    backup,
    best,
    bundle,
    check,
    compare,
    compress,
    conf,
    describe,
    diff,
    docs,
    doctor,
    experiments,
    explain,
    export,
    follow,
    gc,
    lock,
    log,
    publish,
    push,
    registry,
    remote,
    rollback,
    search,
    serve,
    service,
    show,
    trust,
    undo,
    verify,
    watch,
)
from stemma.text import say

app = typer.Typer(
    help="Read, compare and serve the versions of a model.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
PIPELINE, READ, NAMED = "The pipeline", "Versions, read", "Versions, named"
KEPT, SERVED, TOOLKIT = "Versions, moved and kept", "In service", "The toolkit"
COMMANDS = {  # as `stemma --help` shows them
    PIPELINE: (describe.describe, check.check, experiments.experiments, search.search, compress.compress, undo.undo),
    READ: (log.log, show.show, diff.diff, compare.compare, best.best, explain.explain, doctor.doctor),
    NAMED: (registry.register, registry.promote, registry.demote, registry.retire, registry.history),
    KEPT: (
        rollback.rollback,
        export.export,
        verify.verify,
        push.push,
        backup.backup,
        backup.restore,
        backup.key,
        trust.trust,
    ),
    SERVED: (serve.serve, follow.follow),
    TOOLKIT: (lock.lock, docs.docs),
}
for panel, found in COMMANDS.items():
    for command in found:
        app.command(rich_help_panel=panel)(command)
app.command(cls=gc.Command, rich_help_panel=KEPT)(gc.gc)
app.add_typer(conf.app, name="conf", rich_help_panel=PIPELINE)
app.add_typer(remote.app, name="remote", rich_help_panel=KEPT)
app.add_typer(publish.app, name="publish", rich_help_panel=NAMED)
app.add_typer(bundle.app, name="bundle", rich_help_panel=SERVED)
app.add_typer(service.app, name="service", rich_help_panel=SERVED)
app.add_typer(watch.app, name="watch", rich_help_panel=SERVED)


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
