"""`stemma serve`: a bundle behind HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from stemma.errors import MissingExtra


def serve(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[[NAME=]SOURCE]...", help="Bundles; by default models/package/model.zip."),
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="serve.yaml", help="Settings; options go before.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="0: any that is free.  [default: 8501]")] = None,
    socket: Annotated[str | None, typer.Option(metavar="PATH", help="A Unix socket in the place of a port.")] = None,
    tokens: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Who may ask what: hashes, as `stemma service token` writes them."),
    ] = None,
    root_path: Annotated[str | None, typer.Option(metavar="/PATH", help="What a proxy puts before paths.")] = None,
) -> None:
    """Answer predictions over HTTP, until Ctrl+C or SIGTERM.

    Example: stemma serve models/package/model.zip --port 8501
    """
    try:
        from stemma.serve.process import run
        from stemma.serve.settings import ServeSettings
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "serve") from None
    run(
        ServeSettings.of(config, sources or (), host=host, port=port, socket=socket, tokens=tokens, root_path=root_path)
    )
