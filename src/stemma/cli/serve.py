"""`stemma serve`: a bundle behind HTTP and gRPC."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemma import layout
from stemma.cli.follow import seconds
from stemma.cli.guard import guarding
from stemma.cli.options import argument, flag, option
from stemma.errors import MissingExtra

if TYPE_CHECKING:
    from stemma.serve.settings import ServeSettings


def serve(
    sources: Annotated[
        list[str] | None,
        argument("[[NAME=]SOURCE]...", "Bundles or folders of versions.", show_default=str(layout.PACKAGE)),
    ] = None,
    stage: Annotated[
        str | None, option("STAGE", "SOURCE is a repository, a clone or a Git URL: serve what this stage holds.")
    ] = None,
    config: Annotated[Path | None, option("serve.yaml", "Settings; options go before.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0: any that is free.", show_default="8501")
    ] = None,
    grpc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of gRPC, such as 8500; without it there is none.")
    ] = None,
    socket: Annotated[str | None, option("PATH", "A Unix socket in the place of a port.")] = None,
    tls_cert: Annotated[str | None, option("FILE", "Certificate in PEM: answer over TLS.")] = None,
    tls_key: Annotated[str | None, option("FILE", "Its key.")] = None,
    tls_clients: Annotated[
        str | None, option("CA", "Answer clients alone that have a certificate of this authority.")
    ] = None,
    tokens: Annotated[
        str | None, option("FILE", "Who may ask what: hashes, as `stemma service token` writes them.")
    ] = None,
    require_signature: Annotated[
        str | None, option("PUBLIC", "Every version must be signed by the owner of this key.")
    ] = None,
    at_least: Annotated[
        str | None, option("1.2.0", "With --require-signature: and as this version or a later one.")
    ] = None,
    allow_breaking: Annotated[
        bool | None, flag("--allow-breaking", "Take versions that break callers of the one before.")
    ] = None,
    poll: Annotated[
        float | None, option("5s", "Between two looks at SOURCE.", parser=seconds, show_default="1s; 5s at a stage")
    ] = None,
    log: Annotated[str | None, option("FOLDER", "Keep what is asked and answered there, for `stemma watch`.")] = None,
    admin: Annotated[bool | None, flag("--admin", "Take orders, as `stemma service` gives them.")] = None,
    explain: Annotated[bool | None, flag("--explain", "Say why rows are answered so, too.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Processes that answer.", show_default="1")
    ] = None,
    batch: Annotated[
        str | None, option("auto|off", "Run small calls together where that pays.", show_default="auto")
    ] = None,
    root_path: Annotated[str | None, option("/PATH", "What a proxy puts before paths.")] = None,
) -> None:
    """Answer predictions over HTTP, and gRPC where a port is given for it, until Ctrl+C or SIGTERM.

    Example: stemma serve models/package/model.zip --port 8501
    """
    try:
        from stemma.serve.process import run
        from stemma.serve.settings import ServeSettings
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "serve") from None
    if at_least is not None and require_signature is None:
        raise typer.BadParameter("it goes with --require-signature", param_hint="--at-least")
    signature = None if require_signature is None else {"key": require_signature, "at_least": at_least}
    options: dict[str, Any] = {"host": host, "port": port, "socket": socket, "root_path": root_path, "workers": workers}
    options |= {"grpc_port": grpc_port, "allow_breaking": allow_breaking, "tokens": tokens, "admin": admin}
    options |= {"signature": signature, "batch": batch, "explain": explain}
    options |= {"poll" if stage is None else "stage_poll": poll}
    files = {"cert": tls_cert, "key": tls_key, "clients": tls_clients}
    options["tls"] = {name: file for name, file in files.items() if file is not None} or None
    models = sources or ([] if stage is None else ["."])
    read = partial(ServeSettings.of, config, models, stage, log, **options)
    settings = read()
    if not any(each.stage for each in settings.models):
        return run(read, _observer(settings), guarding(settings))
    from stemma.follow import beside

    with beside.following(settings):
        folders = beside.folders(settings)
        run(lambda: beside.folders(read()), _observer(folders), guarding(settings))


def _observer(settings: "ServeSettings") -> str:
    """What keeps the request log, for `run`; nothing where none is asked for."""
    if settings.log is None:
        return ""
    from stemma.cli import observe

    observe.check(settings.log, settings.models)
    return f"{observe.__name__}:{observe.Kept.__name__}"
