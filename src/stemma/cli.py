"""The command `stemma`: parses the command line, calls the toolkit, prints.

What goes wrong is one line on stderr and exit code 1; wrong usage is exit code 2. Everything heavy is imported by the
command that needs it, so that `stemma --help` is instant.
"""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from stemma.errors import StemmaError, one_line

app = typer.Typer(
    help="Read, compare and serve the versions of a model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
conf_app = typer.Typer(help="Compose conf/ into params.yaml, compare the two, or take params.yaml back into conf/.")
app.add_typer(conf_app, name="conf", no_args_is_help=True)


def main() -> None:
    with one_line():
        app()


def print_version(wanted: bool) -> None:
    from importlib.metadata import packages_distributions, version

    if wanted:
        distributions = packages_distributions().get("stemma")
        if not distributions:
            raise StemmaError("stemma runs from its sources and is not installed", run="pip install -e .")
        typer.echo(f"stemma {version(distributions[0])}")
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


@conf_app.command()
def sync(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[OVERRIDE]...", help="As for `dvc exp run -S`, such as model=keras_mlp or +train.x=1."),
    ] = None,
) -> None:
    """Write params.yaml, byte for byte as `dvc exp run` composes it from conf/.

    Example: stemma conf sync model=keras_mlp train.learning_rate=0.01
    """
    from stemma import conf

    changed = conf.sync(repository(), overrides or ())
    typer.echo("params.yaml written" if changed else "params.yaml is up to date")


@conf_app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """List the settings that differ, as `key: conf -> params`; exit 1 if there are any.

    Example: stemma conf check --json
    """
    from stemma import conf

    found = conf.differences(repository())
    if as_json:
        typer.echo(json.dumps({"differences": [one.as_dict() for one in found]}, indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(str(one) for one in found) or "params.yaml is the composition of conf/")
    raise typer.Exit(1 if found else 0)


@conf_app.command()
def adopt() -> None:
    """Put the values of params.yaml into conf/: choices into its defaults list, others into the files that decide them.

    Comments and order stay.

    Example: dvc exp apply NAME && stemma conf adopt
    """
    from stemma import conf

    adopted = conf.adopt(repository())
    typer.echo("\n".join(str(one) for one in adopted) or "params.yaml is the composition of conf/: nothing to adopt")


def repository() -> Path:
    """The nearest folder with .dvc, from the current one upward.

    Raises:
        StemmaError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            return folder
    raise StemmaError(f"{here} is not in a DVC repository: no folder from here upward holds .dvc")


if __name__ == "__main__":
    main()
