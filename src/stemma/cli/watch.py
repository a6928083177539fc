"""`stemma watch`: what the request log of a model in service tells."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemma.cli.compare import slices
from stemma.cli.gc import age
from stemma.cli.guard import guard
from stemma.cli.options import Require, argument, option
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer
from stemma.text import say

if TYPE_CHECKING:
    from stemma.watch.ab import Experiment
    from stemma.watch.check import Server
    from stemma.watch.drift import Drift
    from stemma.watch.outcomes import Taken

app = typer.Typer(
    help="Models in service, by their request log: outcomes, experiments, drift, a page.", no_args_is_help=True
)
app.command()(guard)


def _window(text: str) -> timedelta:
    found = age(text)
    if not found:
        raise typer.BadParameter("a window takes some time")
    return found


def _share(share: float) -> float:
    if not 0 < share < 1:
        raise typer.BadParameter(f"{share} is no share between 0 and 1")
    return share


Log = Annotated[Path, argument("LOG", "The folder of the request log.")]
Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Requests from then on, UTC.")
]
Bundle = Annotated[Path | None, option("MODEL.zip", "Whose training is the reference; else the first window.")]
Share = Annotated[
    float,
    typer.Option(help="Of the requests, that the later version was meant to get.", callback=_share),
]
WINDOW = option("AGE", "What is judged at once, such as 1d; it is judged when it is over.", parser=_window)


@app.command()
def outcomes(
    log: Log,
    file: Annotated[Path, argument("FILE.csv", "Columns id and outcome; row, from 0, at will.")],
    late: Annotated[
        Any, option("AGE", "From so long after the request on an outcome is late: 36h, 7d, 4w.", parser=age)
    ] = "7d",
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Take what came of requests into a log, by their ids; say what was late, told before, unknown or no outcome.

    Example: stemma watch outcomes requests outcomes.csv
    """
    from stemma.watch.outcomes import take

    found = take(log, file, late.total_seconds())
    answer(found, lambda: _taken(found), as_json, as_md)


@app.command()
def ab(
    log: Log,
    a: Annotated[str, option("VERSION", "The version to compare with.", "--a")],
    b: Annotated[str, option("VERSION", "The version that is judged.", "--b")],
    metric: Annotated[
        str | None, typer.Option(help="What the verdict follows from: a metric as in compare, or outcome itself.")
    ] = None,
    by: Annotated[list[str] | None, option("COLUMN", "Each value of an input or a header by itself.")] = None,
    share: Share = 0.5,
    since: Since = None,
    require: Require = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Say whether version B did better than A on requests of the same time; look at it as often as you like.

    Example: stemma watch ab requests --a shop@v1.0.0 --b shop@v1.1.0 --metric accuracy
    """
    from stemma.watch.ab import Options, compare

    found = compare(log, a, b, Options(metric, by or (), share, _moment(since)))
    answer(found, lambda: _experiment(found), as_json, as_md)
    raise typer.Exit(0 if require is None or found.meets(require) else 1)


@app.command()
def drift(
    log: Log,
    bundle: Bundle = None,
    window: Annotated[Any, WINDOW] = "7d",
    since: Since = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Say which inputs, predictions and figures are no longer those of training, by version and window.

    Example: stemma watch drift requests --bundle models/package/model.zip
    """
    from stemma.bundle import open_bundle
    from stemma.watch.drift import drift

    found = drift(log, None if bundle is None else open_bundle(bundle), window.total_seconds(), _moment(since))
    answer(found, lambda: _drifted(found), as_json, as_md)


@app.command()
def report(
    log: Log,
    html: Annotated[Path, option("FILE.html", "Where to write the page.")],
    bundle: Bundle = None,
    window: Annotated[Any, WINDOW] = "7d",
    since: Since = None,
    share: Share = 0.5,
) -> None:
    """Write a page of all of it: versions, latency, figures, which is better, what drifted.

    Example: stemma watch report requests --html service.html
    """
    from stemma.bundle import open_bundle
    from stemma.watch.ab import Options
    from stemma.watch.report import write

    opened = None if bundle is None else open_bundle(bundle)
    found = write(log, html, opened, window.total_seconds(), Options(share=share, since=_moment(since)))
    say(f"{html}: {found.sentence}")


@app.command()
def retrain(
    log: Log,
    version: Annotated[str | None, option("VERSION", "In production; by default the one that answered last.")] = None,
    write: Annotated[Path | None, option("FILE.parquet", "Write the rows there; without it, only tell.")] = None,
    since: Since = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Say what training on what came would take: rows with outcomes as a table, a start from the weights in production,
    a comparison as the gate.

    Example: stemma watch retrain requests --write data/raw/service.parquet
    """
    from stemma.watch.retrain import retrain

    found = retrain(log, version, _moment(since), write)
    answer(found, lambda: [f"{found.sentence}.", "\n".join(found.commands), *found.skipped], as_json, as_md)


@app.command()
def check(
    log: Log,
    bundle: Annotated[Path, option("MODEL.zip", "That is served.")],
    table: Annotated[
        Path | None, option("FILE.csv", "Raw rows that the bundle and the server at --url are asked.")
    ] = None,
    url: Annotated[str | None, option("URL", "Of the server.", envvar="STEMMA_URL")] = None,
    model: Annotated[str | None, option("MODEL", "Its name there, where it is not the first.")] = None,
    idle: Annotated[Any, option("AGE", "Without a request, nobody asks a version any more.", parser=age)] = "7d",
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Say where what is served is not what was trained: rows that the server answers otherwise, features that are
    missing or constant in service (exit code 1); and versions that nobody asks any more.

    Example: stemma watch check requests --bundle models/package/model.zip --table rows.csv --url http://127.0.0.1:8501
    """
    from stemma.bundle import open_bundle
    from stemma.watch.check import check

    if table is not None and url is None:
        raise typer.BadParameter("it is asked of a server: give its --url", param_hint="--table")
    server = None if url is None else _server(url, model)
    found = check(log, open_bundle(bundle), idle.total_seconds(), table, server)
    rows = [(each.kind, each.name, each.told) for each in found.findings]
    parts = [Table(("what", "of", "told"), rows, left=None)] if rows else []
    answer(found, lambda: [f"{found.sentence}.", *parts, *found.skipped], as_json, as_md)
    raise typer.Exit(0 if found.is_sound else 1)


def _server(url: str, model: str | None) -> "Server":
    from stemma.cli import client
    from stemma.cli.looks import serving
    from stemma.watch.check import Server

    models = client.ask(url, "GET", "/status", "models")["models"]
    path = "/predict" if model is None else f"/predict/{model}"
    names = [*serving(models).values()]
    return Server(names, lambda rows: client.ask(url, "POST", path, "predictions", body=list(rows)))


def _drifted(found: "Drift") -> Report:
    from stemma.watch.shown import alarms, doubts, expectations, states

    tables = [
        Table(head, rows, left=None) for head, rows in (alarms(found), states(found), expectations(found)) if rows
    ]
    return [f"{found.sentence}.", *tables, *doubts(found), *found.skipped]


def _moment(since: datetime | None) -> float | None:
    return None if since is None else since.replace(tzinfo=UTC).timestamp()


def _experiment(found: "Experiment") -> Report:
    from stemma.watch.answers import day

    period = f"From {day(found.first)} to {day(found.last)} (UTC), while both were in service."
    both = {"requests": found.requests, "callers": found.callers, "rows with an outcome": found.rows}
    if found.callers == found.requests:
        del both["callers"]
    counts = [(name, *(f"{count:,}" for count in of_each)) for name, of_each in both.items()]
    more = [slices(found)] if found.slices else []
    return [f"{found.sentence}.", period, Table(("", found.a, found.b), counts), *more, *found.skipped]


def _taken(found: "Taken") -> Report:
    rows = [(what, f"{count:,}", meaning, ids) for what, count, meaning, ids in found.rows]
    table = [Table(("what", "rows", "meaning", "ids"), rows, left=None)] if rows else []
    return [f"{found.sentence}.", *table, *found.skipped]
