"""A worker: `python -m stemma.serve.worker FD OBSERVER` serves at an open socket what it is told; see workers.py."""

import asyncio
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from stemma.errors import one_line
from stemma.serve.lines import Action, Lines
from stemma.serve.process import Server, app_of, loop_factory
from stemma.serve.service import Plan, Service
from stemma.serve.settings import ServeSettings


class _Worker:
    def __init__(self, settings: ServeSettings, bound: socket.socket, out: BinaryIO, observer: str) -> None:
        self._service, self._bound, self._serves = Service(settings), bound, False
        actions: dict[str, Action] = {"prepare": self._prepare, "commit": self._commit, "serve": self._serve}
        self._keeper = Lines(out.write, actions, "the server ends")
        self._app = app_of(settings, lambda: self._service.models, partial(self._keeper.ask, "act"), observer)
        self._server, self.ends = Server(self._app, settings), asyncio.Event()

    async def obey(self, keeper: asyncio.StreamReader) -> None:
        """Until the keeper has no more to say, or one that stops all processes says so here, too; then answer what was
        taken, and end: the keeper replaces this one, if it stays."""
        hearing = asyncio.create_task(self._keeper.hear(keeper))
        hearing.add_done_callback(lambda _: self.ends.set())
        await self.ends.wait()
        self._server.stop()
        await asyncio.gather(*self._keeper.tasks)
        self._app.close()
        if hearing.done():
            hearing.result()  # a fault of it is told

    async def _prepare(self, name: str, number: int, path: str, follows: int | None) -> str | None:
        return await self._service.prepare(name, number, Path(path), follows)

    async def _commit(self, plan: dict[str, Any]) -> None:
        faults = {int(number): why for number, why in plan["faults"].items()}
        await self._service.commit(Plan(**plan | {"versions": tuple(plan["versions"]), "faults": faults}))

    async def _serve(self) -> None:
        """Once: one that joined as all began to serve is told twice."""
        if not self._serves:
            self._serves = True
            await self._server.open()
            self._keeper.begin(self._server.serve(sockets=[self._bound]))


async def _work(bound: socket.socket, out: BinaryIO, observer: str) -> None:
    loop, keeper = asyncio.get_running_loop(), asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(keeper), sys.stdin)
    settings = ServeSettings.model_validate_json(await keeper.readline())
    for number in (signal.SIGINT, signal.SIGHUP):  # who tells all, as `pkill`; the keeper says what follows
        loop.add_signal_handler(number, lambda: None)
    worker = _Worker(settings, bound, out, observer)
    loop.add_signal_handler(signal.SIGTERM, worker.ends.set)  # once, if the keeper ends it, too
    await worker.obey(keeper)


def main() -> None:
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no message
    with one_line(), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_work(socket.socket(fileno=int(sys.argv[1])), out, sys.argv[2]))


if __name__ == "__main__":
    main()
