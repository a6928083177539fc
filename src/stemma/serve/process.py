"""The process of a server: ready when warm, drained at the end. With several workers it is the one that keeps them."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import uvicorn

from stemma.bundle import sign
from stemma.entries import Entry
from stemma.errors import SettingsError, StemmaError
from stemma.files import scratch
from stemma.serve import admin, explain, feedback, log, openapi, page, protocols, sockets, status
from stemma.serve.access import Access
from stemma.serve.app import App
from stemma.serve.keeper import Keeper
from stemma.serve.metrics import DRIFT, SHARED, Metrics
from stemma.serve.models import Models
from stemma.serve.routes import Control, Route
from stemma.serve.service import Service
from stemma.serve.settings import ServeSettings
from stemma.serve.tls import Tls
from stemma.serve.wire import Wire
from stemma.serve.workers import Crew
from stemma.text import counted, say

BACKLOG = 2048
READ_AGAIN = {"policy", "labels", "split", "shadow"}  # of a model
GRPC = Entry("stemma.serve.rpc:Rpcs", extra="grpc")  # imported only where it is asked for
Read = Callable[[], ServeSettings]
Beside = Callable[[str], contextlib.AbstractContextManager[None]]


def run(read: Read, observer: str = "", beside: Beside = lambda address: contextlib.nullcontext()) -> None:
    """Serve until SIGTERM or SIGINT, and answer what was taken before.

    Args:
        read: gives the settings, and gives them again on SIGHUP.
        observer: "module:Name" of what sees the answers, where a log is asked for.
        beside: what is there while it answers at an address.

    Raises:
        StemmaError: a bundle cannot be served, or the address is taken.
    """
    settings = read()
    read = partial(again, read, settings)
    if settings.workers > 1 and os.name == "nt":
        raise StemmaError("workers share a socket, which Windows has not: leave --workers out")
    asks = Access(settings.tokens).asks  # here, since workers that cannot read them would be replaced for ever
    if settings.admin and not sockets.is_local(settings) and not asks:
        what = "orders from beyond this machine need tokens"
        raise SettingsError(what, run="stemma service token NAME --scope admin` and `stemma serve --tokens tokens.yaml")
    if settings.workers == 1 and not Path(os.environ.get(SHARED, "")).is_dir():
        raise SettingsError(f"{SHARED} of the environment names no folder: leave it out")
    if settings.tls is not None:
        Tls(settings.tls)  # what is wrong with it is told before anything is loaded
    if settings.signature is not None:
        sign.verifier(Path(settings.signature.key))
    if settings.grpc_port is not None:
        GRPC.load()  # so is what is not installed
    serve = _alone if settings.workers == 1 else _with_workers
    with (
        sockets.reserved(settings) as bound,
        sockets.reserved_for_grpc(settings) as settings,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        runner.run(serve(settings, read, bound, observer, beside))


def again(read: Read, before: ServeSettings) -> ServeSettings:
    """The settings as they are now; the log tells what of them changed that needs another start."""
    now = read()
    was, told = (each.model_dump(exclude={"models": {"__all__": READ_AGAIN}}) for each in (before, now))
    if waiting := [name for name in told if told[name] != was[name]]:
        log.note("settings", changed=waiting, told="these need another start")
    return now


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Of uvloop where that is installed."""
    return uvicorn.Config(None, loop="auto", log_config=None).get_loop_factory()  # type: ignore[arg-type]  # it is asked for that alone


def app_of(
    settings: ServeSettings, serving: Callable[[], Models], control: Control | None = None, observer: str = ""
) -> App:
    """The ASGI callable of a server; `observer` is as of `run`."""
    metrics = Metrics(None if settings.log is None else Path(settings.log.folder) / DRIFT)
    sees = Entry(observer).load()(settings.log, metrics.count_observed) if observer and settings.log else None
    routes = (*protocols.routes(), *status.ROUTES, *page.ROUTES, *admin.ROUTES, Route("GET", "/metrics", metrics.text))
    routes += (feedback.route(sees), *(explain.routes(settings.limits) if settings.explain else ()))
    return App(settings, serving, (*routes, openapi.route(routes)), metrics, control if settings.admin else None, sees)


class Server(uvicorn.Server):
    """Uvicorn over one of our applications, with signals that are ours."""

    def __init__(self, app: App, settings: ServeSettings) -> None:
        tls = None if settings.tls is None else Tls(settings.tls)
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                log_level="error",
                http=partial(Wire, seconds=settings.limits.seconds),  # type: ignore[arg-type]  # what makes a protocol
                ssl_context_factory=(lambda *_: tls.context) if tls else None,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=max(1, round(settings.drain)),
            )
        )
        self._drain, self._rpcs = settings.drain, None
        if settings.grpc_port is not None:
            self._rpcs = GRPC.load()(app, settings, protocols.rpcs())

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        gc.collect()
        gc.freeze()  # what was imported and loaded is not looked through again while callers wait, for 20 ms each time
        gc.set_threshold(10_000)  # objects: calls that run together hold more than the usual 700
        await super().serve(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Answer what was taken, then end; asked twice, end."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def open(self) -> None:
        """Take calls of gRPC, before it is said that the server is ready: the socket of HTTP listens already."""
        if self._rpcs is not None:
            await self._rpcs.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """What HTTP and gRPC took is answered at once, each for as long as that takes."""
        if self._rpcs is None:
            return await super().shutdown(sockets)
        ending = asyncio.create_task(self._rpcs.stop(self._drain))
        await super().shutdown(sockets)
        while not ending.done() and not self.force_exit:
            await asyncio.sleep(0.05)
        await self._rpcs.stop(0)


async def _alone(settings: ServeSettings, read: Read, bound: socket.socket, observer: str, beside: Beside) -> None:
    service = Service(settings)
    keeper = Keeper(settings, [service])
    await keeper.start()
    app = app_of(settings, lambda: service.models, keeper.act, observer)
    server = Server(app, settings)
    bound.listen(BACKLOG)
    await server.open()
    shown, at = sockets.addresses(settings, bound), sockets.address(settings, bound)
    with contextlib.closing(app), _signals(server.stop, read, keeper), _watching(keeper, shown), beside(at):
        await server.serve(sockets=[bound])


async def _with_workers(
    settings: ServeSettings, read: Read, bound: socket.socket, observer: str, beside: Beside
) -> None:
    crew = Crew(settings, bound, observer)
    with scratch("served") as kept:
        keeper = Keeper(settings, crew.members, kept)
        async with crew.working(keeper):
            await keeper.start()
            bound.listen(BACKLOG)
            await crew.serve()
            where = f"{sockets.addresses(settings, bound)}, {counted(settings.workers, 'worker')}"
            beside_it = beside(sockets.address(settings, bound))
            with _signals(crew.stop, read, keeper), _watching(keeper, where), beside_it:
                await crew.stopping.wait()


@contextlib.contextmanager
def _watching(keeper: Keeper, where: str) -> Iterator[None]:
    """Say where to ask, and whether anything can answer; then look for versions."""
    missing = keeper.missing()
    say(f"listening: {where}, but {missing}" if missing else f"ready: {where}")
    watching = asyncio.get_running_loop().create_task(_watch(keeper, None if missing is None else where))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(keeper: Keeper, where: str | None) -> None:
    """Look again and again; say once that it is ready, where it was not at the start."""
    async for _ in keeper.looks():
        if where is not None and keeper.missing() is None:
            say(f"ready: {where}")
            where = None


@contextlib.contextmanager
def _signals(stop: Callable[[], None], read: Read, keeper: Keeper) -> Iterator[None]:
    """SIGTERM and SIGINT stop, SIGHUP reads the settings again."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def reload() -> None:
        try:
            await keeper.reload(read())
        except StemmaError as error:  # what serves is served on
            log.note("settings refused", error=str(error))

    with contextlib.suppress(NotImplementedError):  # on Windows, where Ctrl+C interrupts the loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: tasks.add(loop.create_task(reload())))
    yield
