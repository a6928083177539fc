"""`stemma service`: who may ask a server, what it serves, what it is told to do, and what it was told."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from stemma.cli.options import argument, option
from stemma.cli.output import AsJson, Table, answer
from stemma.errors import MissingExtra
from stemma.serve.scopes import Scope
from stemma.text import counted, say

app = typer.Typer(no_args_is_help=True)
Url = Annotated[str, option("URL", "Of the server.", envvar="STEMMA_URL")]
Shares = Annotated[list[str], argument("[MODEL] VERSION=SHARE...", "Number, label or name of a version: v2=0.1.")]
Model = Annotated[str, argument("MODEL", "Its name.")]


HERE = "http://127.0.0.1:8501"


@app.callback()
def service(
    ca: Annotated[
        Path | None, option("FILE", "The authority of the server's certificate.", exists=True, dir_okay=False)
    ] = None,
    cert: Annotated[
        Path | None, option("FILE", "Your certificate and its key, in PEM.", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """A running server: who may ask it, what it serves, what it is told."""
    for name, file in (("SSL_CERT_FILE", ca), ("STEMMA_CERT", cert)):
        if file is not None:
            os.environ[name] = str(file)


@app.command()
def status(url: Url = HERE, as_json: AsJson = False) -> None:
    """Say what a server serves, and why other versions do not serve; exit 1 unless each model has a version.

    Calls of this and the next commands show the token that STEMMA_TOKEN of the environment holds.

    Example: stemma service status
    """
    from stemma.cli import client

    found = client.ask(url, "GET", "/status", "models")
    rows = [
        (model["name"], each["version"], each.get("registered") or "", each.get("error", "in service"))
        for model in found["models"]
        for each in (*(model["versions"] or [{"version": "-", "error": "none serves"}]), *model["faults"])
    ]
    answer(found, lambda: [Table(("model", "version", "registered", "state"), rows, left=None)], as_json)
    raise typer.Exit(0 if found["ready"] and all(model["versions"] for model in found["models"]) else 1)


@app.command()
def load(model: Model, url: Url = HERE) -> None:
    """Look at the versions of a model anew: what was refused or unloaded is tried again.

    Example: stemma service load shop
    """
    _order(url, f"models/{model}/load")


@app.command()
def switch(
    model: Model,
    version: Annotated[str, argument("VERSION", "A number; or latest:1, latest:2, all.")],
    url: Url = HERE,
) -> None:
    """Serve another version, whatever is published, until the next switch, SIGHUP or start; latest:1 follows again.

    Example: stemma service switch shop 3
    """
    _order(url, f"models/{model}/switch/{version}")


@app.command()
def rollback(model: Model, url: Url = HERE) -> None:
    """Serve the version before those that serve, as switch does.

    Example: stemma service rollback shop
    """
    _order(url, f"models/{model}/rollback")


@app.command()
def withdraw(
    model: Model,
    version: Annotated[str, argument("VERSION", "A number.")],
    why: Annotated[str, typer.Option(help="It stands in the status and in the log of orders.")],
    url: Url = HERE,
) -> None:
    """Take a version out of service, and serve the one before, in its share and its labels too; also after a restart.

    It serves again once `stemma service load MODEL` or `switch MODEL VERSION` says so.

    Example: stemma service withdraw shop 3 --why "it refuses half of the requests"
    """
    _order(url, f"models/{model}/withdraw/{version}", {"why": why})


@app.command()
def split(
    shares: Shares,
    by: Annotated[
        str | None, option("WHAT", "What tells callers apart: id (of the request), header:NAME, column:NAME.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the experiment: under another one all are shared out anew.")
    ] = None,
    url: Url = HERE,
) -> None:
    """Let versions answer a share of those who name none, until SIGHUP or the next start; others keep their shares.

    Without MODEL it is the first; a share of 0 is none; `none` in their place ends it, and the latest version answers.

    Example: stemma service split v2=0.1 --by header:x-user
    """
    _share("split", shares, url, {key: told for key, told in (("by", by), ("name", name)) if told is not None})


@app.command()
def shadow(shares: Shares, url: Url = HERE) -> None:
    """Send versions copies of the calls that name none; they answer nobody. As split; a share may be left out.

    Example: stemma service shadow shop v2
    """
    _share("shadow", shares, url, {})


@app.command()
def drain(url: Url = HERE) -> None:
    """Let a server answer what it took, and end.

    Example: stemma service drain
    """
    _order(url, "drain")


def _order(url: str, path: str, query: Mapping[str, str] = MappingProxyType({})) -> None:
    from stemma.cli import client

    say(f"done: {client.ask(url, 'POST', f'/admin/{path}', 'done', query)['done']}")


def _share(action: str, words: list[str], url: str, more: dict[str, str]) -> None:
    """An order for the first model, unless a word before the versions names another."""
    model, told = (f"models/{words[0]}/", words[1:]) if words[1:] and "=" not in words[0] else ("", words)
    shares: dict[str, str] = {}
    for version, given, share in (word.partition("=") for word in told if told != ["none"]):
        if action == "split" and not given:
            raise typer.BadParameter(f"{version} needs its share, such as {version}=0.1")
        shares[version] = share if given else "1"
    _order(url, f"{model}{action}", shares | (more if shares else {}))


@app.command()
def token(
    name: Annotated[str, argument("NAME", "Of whoever gets it; logs show it.")],
    file: Annotated[Path, option("FILE", "The server's file of tokens.")] = Path("tokens.yaml"),
    scope: Annotated[
        list[Scope], typer.Option(help="What it may ask. Can be given again.", show_default="predict")
    ] = [],  # noqa: B006 - typer copies it
    days: Annotated[float | None, typer.Option(help="Until it expires; without it, never.")] = None,
) -> None:
    """Make a token and print it, once: FILE holds its hash alone. A running server knows it at once.

    Example: stemma service token shop --days 90
    """
    from datetime import UTC, datetime, timedelta

    try:
        from stemma.serve import access
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "serve") from None
    if days is not None and not days > 0:
        raise typer.BadParameter(f"a token of {days:g} days has expired", param_hint="--days")
    try:
        expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{days:g} days from now are no date", param_hint="--days") from None
    say(access.add(file, name, [each.value for each in scope or [Scope.PREDICT]], expires))


@app.command()
def audit(
    log: Annotated[Path, argument("LOG", "The server's log of admin actions.")],
    holds: Annotated[str | None, option("HASH", "Of a last line, as it was told before: it must be there yet.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no line of the log of admin actions was changed, left out or put between; exit 1 if one was.

    Example: stemma service audit audit.jsonl
    """
    from stemma.serve import audit as chain

    found = chain.check(log, holds)
    lines = counted(found.lines, "line")
    answer(found, lambda: [f"{log}: {lines}, each follows the one before; the last is {found.last}"], as_json)
