"""The process of a server: its socket, its signals, ready when warm, drained at the end."""

import asyncio
import contextlib
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from stemma.errors import StemmaError, told_by_system
from stemma.serve import page, protocols, status
from stemma.serve.app import App
from stemma.serve.load import load
from stemma.serve.models import Model, Models, Version
from stemma.serve.settings import ModelSettings, ServeSettings
from stemma.text import say

BACKLOG = 2048


def run(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT, and answer what was taken before.

    Raises:
        StemmaError: a bundle cannot be served, or the address is taken.
    """
    models = Models({each.name: each for each in map(_model, settings.models)})
    with listening(settings) as bound:
        server = _Server(_config(app_of(settings, lambda: models), settings))
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_serve(server, bound, settings))


def app_of(settings: ServeSettings, serving: Any) -> App:
    """The ASGI callable of a server."""
    return App(settings, serving, (*protocols.routes(), *status.ROUTES, *page.ROUTES))


def _model(settings: ModelSettings) -> Model:
    bundle = load(Path(settings.source))
    name = settings.name or str(bundle.record.get("name") or Path(settings.source).stem)
    return Model(name, {1: Version(name, 1, bundle)})


class _Server(uvicorn.Server):
    """Uvicorn, with signals that are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(server: uvicorn.Server, bound: socket.socket, settings: ServeSettings) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # on Windows, where Ctrl+C interrupts the loop
            asyncio.get_running_loop().add_signal_handler(number, _stop, server)
    say(f"ready: {address(settings, bound)}")
    await server.serve(sockets=[bound])


def _stop(server: uvicorn.Server) -> None:
    server.force_exit = server.should_exit  # who asks twice does not want to wait
    server.should_exit = True


def _config(asgi: App, settings: ServeSettings) -> uvicorn.Config:
    return uvicorn.Config(
        asgi,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http="httptools",
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=max(1, round(settings.drain)),
    )


@contextlib.contextmanager
def listening(settings: ServeSettings) -> Iterator[socket.socket]:
    """A socket that takes calls; those that come before the server is there wait.

    Raises:
        StemmaError: the address is taken or is none of this machine.
    """
    try:
        bound = _unix(Path(settings.socket)) if settings.socket else _internet(settings.host, settings.port)
    except OSError as error:
        where = settings.socket or f"{settings.host}:{settings.port}"
        raise StemmaError(f"{where} cannot be listened at ({told_by_system(error)})") from None
    try:
        yield bound
    finally:
        bound.close()
        if settings.socket:
            Path(settings.socket).unlink(missing_ok=True)


def address(settings: ServeSettings, bound: socket.socket) -> str:
    """Where to ask."""
    if settings.socket:
        return f"unix:{settings.socket}"
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{settings.root_path}"


def _internet(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _unix(path: Path) -> socket.socket:
    """A socket that is left over by a server that was killed is replaced; another file never."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode) and not _answers(path):
            path.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        try:
            asked.connect(str(path))
        except OSError:
            return False
        return True
