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
    conf,
    describe,
    diff,
    docs,
    doctor,
    experiments,
    export,
    follow,
    gc,
    lock,
    log,
    push,
    registry,
    remote,
    rollback,
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
app.add_typer(bundle.app, name="bundle")
app.add_typer(conf.app, name="conf")
app.add_typer(remote.app, name="remote")
app.add_typer(watch.app, name="watch")
app.add_typer(service.app, name="service")
app.command()(describe.describe)
app.command()(check.check)
app.command()(best.best)
app.command()(compare.compare)
app.command()(log.log)
app.command()(show.show)
app.command()(diff.diff)
app.command()(doctor.doctor)
app.command()(experiments.experiments)
app.command()(export.export)
app.command()(serve.serve)
app.command()(lock.lock)
app.command()(docs.docs)
app.command()(verify.verify)
app.command()(push.push)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(backup.key)
app.command()(registry.register)
app.command()(registry.promote)
app.command()(registry.demote)
app.command()(registry.retire)
app.command()(registry.history)
app.command()(rollback.rollback)
app.command()(undo.undo)
app.command()(trust.trust)
app.command()(follow.follow)
app.command(cls=gc.Command)(gc.gc)


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
