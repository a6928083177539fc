"""Several processes that serve, and one that keeps them: it tells each what to prepare and when to switch.

They talk over the standard input and output of each worker (lines.py). A worker whose keeper is gone drains and
ends; one that ends by itself is replaced, and what serves is prepared by the new one before it takes calls.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import cast

from prometheus_client import multiprocess

from stemma.errors import StemmaError
from stemma.files import scratch
from stemma.serve import log
from stemma.serve.keeper import ENDED, Keeper
from stemma.serve.lines import Lines
from stemma.serve.metrics import SHARED
from stemma.serve.routes import Control
from stemma.serve.service import Plan
from stemma.serve.settings import ServeSettings
from stemma.text import counted, in_one_line

START = 60  # seconds for all of them
PAUSE = 0.2  # seconds before a worker that ended is replaced


class Worker:
    """A process that serves, as the keeper sees it."""

    def __init__(self, process: asyncio.subprocess.Process, act: Control) -> None:
        self._process, self.pid, self._to = process, process.pid, cast(asyncio.StreamWriter, process.stdin)
        self._lines = Lines(self._write, {"act": act}, ENDED)
        self._held: set[tuple[str, int]] = set()
        self.ended = asyncio.get_running_loop().create_task(self._hear())

    async def prepare(self, name: str, number: int, path: Path, follows: int | None) -> str | None:
        told: str | None = await self._lines.ask("prepare", name, number, str(path), follows)
        if told is None:
            self._held.add((name, number))
        return told

    def holds(self, name: str, number: int) -> bool:
        return (name, number) in self._held

    async def commit(self, plan: Plan) -> None:
        await self._lines.ask("commit", asdict(plan))
        self._held = {each for each in self._held if each[0] != plan.name or each[1] in plan.versions}

    async def serve(self) -> None:
        await self._lines.ask("serve")

    def stop(self) -> None:
        self._to.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _write(self, line: bytes) -> None:
        if not self._to.is_closing():
            self._to.write(line)

    async def _hear(self) -> None:
        await self._lines.hear(cast(asyncio.StreamReader, self._process.stdout))
        await self._process.wait()


class Crew:
    """All workers. The one list of members is the keeper's too."""

    def __init__(self, settings: ServeSettings, bound: socket.socket, observer: str) -> None:
        self._settings, self._bound, self._observer = settings, bound, observer
        self.members: list[Worker] = []
        self.stopping, self._serving = asyncio.Event(), False

    @contextlib.asynccontextmanager
    async def working(self, keeper: Keeper) -> AsyncIterator[None]:
        """Start them; at the end let them drain, and end those that do not."""
        with scratch("metrics") as metrics:
            self._environment = os.environ | {SHARED: str(metrics)}
            keepers = [asyncio.create_task(self._keep(keeper)) for _ in range(self._settings.workers)]
            try:
                await self._started()
                yield
            finally:
                self.stop()
                await asyncio.wait(keepers, timeout=self._settings.drain + 5)
                for each in self.members:
                    each.kill()

    def stop(self) -> None:
        self.stopping.set()
        for each in self.members:
            each.stop()

    async def serve(self) -> None:
        self._serving = True
        await asyncio.gather(*(each.serve() for each in self.members))

    async def _started(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START):
                while len(self.members) < self._settings.workers:
                    await asyncio.sleep(0.01)
                return
        raise StemmaError(f"{counted(self._settings.workers, 'worker')} did not start within {START} s")

    async def _keep(self, keeper: Keeper) -> None:
        while not self.stopping.is_set():
            try:
                worker = await self._start(keeper)
            except (OSError, RuntimeError) as error:  # the system has no more files, processes or threads just now
                await asyncio.sleep(PAUSE)  # an interrupt ends what just starts, before we hear of it
                if not self.stopping.is_set():
                    log.note("no worker started", error=in_one_line(error))
                continue
            await keeper.join(worker)
            if self._serving:
                await worker.serve()
            if self.stopping.is_set():
                worker.stop()
            await worker.ended
            self.members.remove(worker)
            # What waited there waits no more.
            multiprocess.mark_process_dead(worker.pid, self._environment[SHARED])  # type: ignore[no-untyped-call]
            if not self.stopping.is_set():
                log.note("worker ended", pid=worker.pid)
                await asyncio.sleep(PAUSE)

    async def _start(self, keeper: Keeper) -> Worker:
        """Of a session of its own: a terminal's interrupt is the keeper's, also while a worker imports."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "stemma.serve.worker", str(self._bound.fileno()), self._observer,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=self._environment,
            pass_fds=[self._bound.fileno()], limit=2**26, start_new_session=True,
        )  # fmt: skip
        cast(asyncio.StreamWriter, process.stdin).write(self._settings.model_dump_json().encode() + b"\n")
        return Worker(process, keeper.act)
