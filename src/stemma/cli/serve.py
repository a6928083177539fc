"""`stemma serve`: a bundle behind HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from stemma.errors import MissingExtra


def serve(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[[NAME=]SOURCE]...", help="Bundles or folders of versions.  [default: models/package/model.zip]"
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="serve.yaml", help="Settings; options go before.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="0: any that is free.  [default: 8501]")] = None,
    socket: Annotated[str | None, typer.Option(metavar="PATH", help="A Unix socket in the place of a port.")] = None,
    allow_breaking: Annotated[
        bool | None, typer.Option("--allow-breaking", help="Take versions that break callers of the one before.")
    ] = None,
    poll: Annotated[float | None, typer.Option(help="Seconds between looks at SOURCE.  [default: 1]")] = None,
    admin: Annotated[bool | None, typer.Option("--admin", help="Take orders to load and unload models.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer.  [default: 1]")] = None,
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
    options = {"host": host, "port": port, "socket": socket, "root_path": root_path, "poll": poll, "workers": workers}
    run(lambda: ServeSettings.of(config, sources or (), allow_breaking=allow_breaking, admin=admin, **options))
