"""A worker: `python -m stemma.serve.worker FD OBSERVER` serves at an open socket what it is told; see workers.py."""

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from stemma.errors import one_line
from stemma.serve.process import Server, app_of, loop_factory, service_of
from stemma.serve.service import Plan
from stemma.serve.settings import ServeSettings


class _Worker:
    def __init__(self, settings: ServeSettings, bound: socket.socket, out: BinaryIO, observer: str) -> None:
        self._service, self._bound, self._out = service_of(settings), bound, out
        self._app = app_of(settings, lambda: self._service.models, self._control, observer)
        self._server = Server(self._app, settings)
        self._asked: dict[int, asyncio.Future[str | None]] = {}
        self._numbers, self._tasks, self._serves = itertools.count(), set[asyncio.Task[Any]](), False
        self._actions: dict[str, Callable[..., Awaitable[Any]]] = {
            "prepare": self._prepare, "commit": self._commit, "serve": self._serve,
        }  # fmt: skip

    async def obey(self, keeper: asyncio.StreamReader) -> None:
        """Until the keeper has no more to say; then answer what was taken, and end."""
        while line := await keeper.readline():
            message = orjson.loads(line)
            if "asked" in message:
                self._asked.pop(message["asked"]).set_result(message["told"])
            else:
                self._start(self._answer(**message))
        for each in self._asked.values():
            each.set_result("the server ends")
        self._server.stop()
        await asyncio.gather(*self._tasks)
        self._app.close()

    async def _answer(self, number: int, action: str, arguments: dict[str, Any]) -> None:
        self._say(number=number, told=await self._actions[action](**arguments))

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
            self._start(self._server.serve(sockets=[self._bound]))

    async def _control(self, action: str, *arguments: str) -> str | None:
        """Ask the keeper to change what serves."""
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        self._say(asked=number, arguments=[action, *arguments])
        return await self._asked[number]

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _say(self, **message: Any) -> None:
        self._out.write(orjson.dumps(message) + b"\n")


async def _work(bound: socket.socket, out: BinaryIO, observer: str) -> None:
    loop, keeper = asyncio.get_running_loop(), asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(keeper), sys.stdin)
    settings = ServeSettings.model_validate_json(await keeper.readline())
    for number in (signal.SIGINT, signal.SIGHUP):  # who tells all, as `pkill`; the keeper says what follows
        loop.add_signal_handler(number, lambda: None)
    worker = _Worker(settings, bound, out, observer)
    loop.add_signal_handler(signal.SIGTERM, worker._server.stop)
    await worker.obey(keeper)


def main() -> None:
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no message
    with one_line(), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_work(socket.socket(fileno=int(sys.argv[1])), out, sys.argv[2]))


if __name__ == "__main__":
    main()
