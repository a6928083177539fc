"""Versions that follow each other in `stemma serve` under full load: what fails, what is answered wrongly, what grows.

python bench/switches.py                     1,000 switches and at least 1,000,000 requests
python bench/switches.py 50 20000            fewer of both, which writes no page
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

import page
from load import LAYERS, Caller, Row, Side, answered, callers, free, mlp, request, running
from page import Table
from stemma import bundle
from stemma.serve.protocols.rows import told

SWITCHES, REQUESTS, PARTS = 1000, 1_000_000, 10
ROWS = 16  # of which callers ask one each
NAMES = [f"x{number}" for number in range(LAYERS[0])]


def switches() -> Table:
    """1,000 changes of the version that serves while 64 connections ask without a pause, two networks by turns:
    versions published by rename and taken away, `rollback` and `switch` by order. Every answer is compared with the
    bytes that its version gives to its row when it is asked alone."""
    return measured(SWITCHES, REQUESTS)


def measured(changes: int, requests: int) -> Table:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free()
        shop = Shop(folder)
        shop.publish(1)
        with running("stemma", "serve", folder / "shop", "--port", port, "--poll", "0.01", "--admin",
                     XDG_STATE_HOME=name) as process:  # fmt: skip
            answered(port)
            load = Load(shop, Side(process, port))
            asyncio.run(load.until(changes, requests))
    return ["what", "here", "goal"], load.rows()


class Shop:
    """A folder of versions, of two networks by turns: what is in it, and what each answers."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.newest = folder, 0
        self.asked = [_row(number) for number in range(ROWS)]
        self._answers: list[list[bytes]] = []
        for seed in (0, 1):
            bundle.build(folder / f"{seed}.zip", mlp(NAMES, seed))
            self._answers.append([_answer(bundle.open_bundle(folder / f"{seed}.zip"), row) for row in self.asked])

    def publish(self, number: int) -> None:
        partial = self._folder / "partial"
        partial.mkdir()
        os.link(self._folder / f"{number % 2}.zip", partial / "model.zip")
        (self._folder / "shop").mkdir(exist_ok=True)
        partial.rename(self._folder / "shop" / str(number))
        self.newest = number

    def withdraw(self) -> None:
        shutil.rmtree(self._folder / "shop" / str(self.newest))
        self.newest -= 1

    def answer(self, version: int, row: int) -> bytes:
        return b'{"model":"shop","version":"%d","predictions":%s}' % (version, self._answers[version % 2][row])


class Load:
    """64 callers, and what they saw."""

    def __init__(self, shop: Shop, side: Side) -> None:
        self._shop, self._side, self._started = shop, side, time.perf_counter()
        self._requests = [request("/predict", json.dumps(row).encode()) for row in shop.asked]
        self._row: dict[Caller, int] = {}
        self._count, self._failed, self._wrong, self._version, self._changes = 0, 0, 0, 1, 0
        self._memory: list[float] = []
        self._stop = False

    async def until(self, changes: int, requests: int) -> None:
        async with callers(self._side.port, self._answered) as made:
            for number, caller in enumerate(made):
                self._row[caller] = number % ROWS
                caller.ask(self._requests[number % ROWS])
            while self._changes < changes or self._count < requests:
                if self._changes < changes:
                    await self._change(self._changes)
                else:
                    await asyncio.sleep(0.1)
                if len(self._memory) < PARTS * min(self._changes / changes, self._count / requests):
                    self._memory.append(self._side.memory())
            self._stop = True

    def rows(self) -> list[list[str]]:
        took = time.perf_counter() - self._started
        first, last = self._memory[len(self._memory) // PARTS], self._memory[-1]
        return [
            ["requests", f"{self._count:,} in {took:.0f} s", ""],
            ["switches", f"{self._changes:,}", ""],
            ["failed requests", str(self._failed), "0"],
            ["answers that are not their version's", str(self._wrong), "0"],
            ["memory after a tenth, at the end", f"{first:.0f} MB, {last:.0f} MB ({last / first - 1:+.1%})", "flat"],
        ]

    def _answered(self, caller: Caller, head: bytes, body: bytes) -> None:
        if self._stop:
            return
        row = self._row[caller]
        self._count += 1
        if head.startswith(b"HTTP/1.1 200"):
            self._version = int(head.lower().partition(b"x-model-version: ")[2].partition(b"\r\n")[0])
            self._wrong += body != self._shop.answer(self._version, row)
        else:
            self._failed += 1
        self._row[caller] = (row + 1) % ROWS
        caller.ask(self._requests[self._row[caller]])

    async def _change(self, number: int) -> None:
        """Two promotions, back by order, forward by order, and back because a version is taken away."""
        newest = self._shop.newest
        kinds: list[tuple[Callable[[], None], int]] = [
            (lambda: self._shop.publish(newest + 1), newest + 1),
            (lambda: self._shop.publish(newest + 1), newest + 1),
            (lambda: self._order("rollback"), newest - 1),
            (lambda: self._order("switch/latest:1"), newest),
            (self._shop.withdraw, newest - 1),
        ]
        change, version = kinds[number % len(kinds)]
        await asyncio.to_thread(change)
        end = time.monotonic() + 60
        while self._version != version:
            if time.monotonic() > end:
                raise TimeoutError(f"version {version} does not serve")
            await asyncio.sleep(0.002)
        self._changes += 1

    def _order(self, what: str) -> None:
        with urlopen(
            Request(f"http://127.0.0.1:{self._side.port}/admin/models/shop/{what}", method="POST"), timeout=60
        ):
            return


def _row(number: int) -> Row:
    return {name: round(0.1 * place - 0.3 * number, 4) for place, name in enumerate(NAMES)}


def _answer(opened: bundle.Bundle, row: Row) -> bytes:
    import orjson

    output = opened.predict({name: [value] for name, value in row.items()})
    return orjson.dumps(told(output, opened.signature), option=orjson.OPT_SERIALIZE_NUMPY)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(page.section("switches", "", measured(*map(int, sys.argv[1:]))))
    else:
        page.main({"switches": switches})
