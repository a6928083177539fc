"""`stemma publish`: a version in a registry of models that others have."""

from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import argument, flag, option
from stemma.cli.output import AsJson, answer
from stemma.errors import MissingExtra

if TYPE_CHECKING:
    from stemma.trackers.publish import Published

PATIENCE = 30  # seconds for an answer of a server, which may be writing a large file

app = typer.Typer(help="Versions in other registries.", no_args_is_help=True)


@app.callback()
def publish() -> None:
    """Put versions into other registries."""


@app.command()
def mlflow(
    version: Annotated[str, argument("VERSION", "model@v1.2.0, a commit, a stage: model#prod.")],
    stage: Annotated[str | None, option("STAGE", "Let the alias of this name mean it.")] = None,
    uri: Annotated[
        str | None, option("URI", "Of MLflow; by default MLFLOW_TRACKING_URI, else runs/mlflow.db here.")
    ] = None,
    undo: Annotated[
        bool, flag("--undo", "Take it back: with --stage the alias means what it did before, else it goes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a version into MLflow's registry, with its signature and card. Again, it changes nothing.

    Example: stemma publish mlflow model@v1.2.0 --stage prod
    """
    from stemma.trackers.base import be_quiet

    be_quiet(PATIENCE)
    try:
        from stemma.trackers.publish import publish, take_back
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "mlflow") from error

    made = (take_back if undo else publish)(repository(), version, stage, uri)
    answer(made, lambda: [_sentence(made, undo)], as_json)


def _sentence(made: "Published", undone: bool) -> str:
    what = f"{made.name} {made.number} ({made.version or made.commit[:7]}) in {made.uri}"
    if undone:
        return f"{what}: {f'the alias {made.alias} is what it was before' if made.alias else 'taken out'}"
    return f"{what}: {'published' if made.is_changed else 'was there'}{f', alias {made.alias}' if made.alias else ''}"
