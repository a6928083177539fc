"""Versions that follow each other in `stemma serve` under full load: what fails, what is answered wrongly, what grows.

python bench/switches.py                     both tables: switches, stage
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson

import page
from load import LAYERS, ROOT, Caller, Row, Side, answered, callers, free, mlp, request, running
from page import Table
from stemma import bundle
from stemma.bundle.model import Bundle
from stemma.serve.protocols.rows import told

sys.path.insert(0, str(ROOT / "tests"))

SWITCHES, REQUESTS, PARTS = 1000, 1_000_000, 10
PROMOTIONS = 50
ROWS = 16  # of which callers ask one each
NAMES = [f"x{number}" for number in range(LAYERS[0])]


def switches() -> Table:
    """1,000 changes of the version that serves while 64 connections ask without a pause, two networks by turns:
    versions published by rename and taken away, `rollback` and `switch` by order. Every answer is compared with the
    bytes that its version gives to its row when it is asked alone."""
    with tempfile.TemporaryDirectory() as name:
        shop = Shop(Path(name), free())
        shop.publish(1)
        command = ("stemma", "serve", Path(name, "shop"), "--port", shop.port, "--poll", "0.01", "--admin")
        with running(*command, XDG_STATE_HOME=name) as process:
            return measured(shop, Side(process, shop.port), SWITCHES, REQUESTS)


def stage() -> Table:
    """25 times `stemma promote` and `stemma rollback --stage` in one clone, pushed to a Git server, under the same load
    of `stemma serve --stage` beside another clone. Every answer is compared, as above."""
    from followed import followed_by_two, make_registered_bundles

    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"XDG_STATE_HOME": name, "DVC_SITE_CACHE_DIR": name}
        followed = followed_by_two(make_registered_bundles(Path(name, "made")), Path(name))
        followed.promote("v1.0.0")
        registry, port = Registry(followed), free()
        command = ("stemma", "serve", f"shop={followed.bob.folder}", "--stage", "prod", "--poll", "0.2", "--port", port)
        with running(*command) as process:
            return measured(registry, Side(process, port), PROMOTIONS, 0)


def measured(source: "Shop | Registry", side: Side, changes: int, requests: int) -> Table:
    answered(side.port)
    load = Load(source, side)
    asyncio.run(load.until(changes, requests))
    return ["what", "here", "goal"], load.rows()


class Shop:
    """A folder of versions, of two networks by turns: what is in it, and what each answers."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self.port, self._newest = folder, port, 0
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
        self._newest = number

    def change(self, number: int) -> tuple[Callable[[], None], int]:
        """Two promotions, back by order, forward by order, and back because a version is taken away."""
        newest = self._newest
        kinds: list[tuple[Callable[[], None], int]] = [
            (lambda: self.publish(newest + 1), newest + 1),
            (lambda: self.publish(newest + 1), newest + 1),
            (lambda: self._order("rollback"), newest - 1),
            (lambda: self._order("switch/latest:1"), newest),
            (self._withdraw, newest - 1),
        ]
        return kinds[number % len(kinds)]

    def _withdraw(self) -> None:
        shutil.rmtree(self._folder / "shop" / str(self._newest))
        self._newest -= 1

    def _order(self, what: str) -> None:
        with urlopen(Request(f"http://127.0.0.1:{self.port}/admin/models/shop/{what}", method="POST"), timeout=60):
            return

    def answer(self, version: int, row: int) -> bytes:
        return _whole(version, self._answers[version % 2][row])


class Registry:
    """A stage that holds v1.0.0 and v2.0.0 by turns: each event is a version of the server's."""

    def __init__(self, followed: Any) -> None:
        self._followed = followed
        self.asked = [{"Month": "May", "PageValues": -2.1, "Weekend": False}]  # TRUE of the first, FALSE of the second
        self._answers = [_answer(_registered(threshold), self.asked[0]) for threshold in (0.3, 0.1)]

    def change(self, number: int) -> tuple[Callable[[], None], int]:
        promotes = number % 2 == 0
        return partial(self._followed.promote, "v2.0.0") if promotes else self._followed.roll_back, number + 2

    def answer(self, version: int, row: int) -> bytes:
        return _whole(version, self._answers[version % 2])


class Load:
    """64 callers, and what they saw."""

    def __init__(self, shop: Shop | Registry, side: Side) -> None:
        self._shop, self._side, self._started = shop, side, time.perf_counter()
        self._requests = [request("/predict", json.dumps(row).encode()) for row in shop.asked]
        self._row: dict[Caller, int] = {}
        self._count, self._failed, self._wrong, self._version, self._changes = 0, 0, 0, 1, 0
        self._memory: list[float] = []
        self._stop = False

    async def until(self, changes: int, requests: int) -> None:
        async with callers(self._side.port, self._answered) as made:
            for number, caller in enumerate(made):
                self._row[caller] = number % len(self._requests)
                caller.ask(self._requests[self._row[caller]])
            while self._changes < changes or self._count < requests:
                if self._changes < changes:
                    await self._change(self._changes)
                else:
                    await asyncio.sleep(0.1)
                if len(self._memory) < PARTS * min(self._changes / changes, self._count / max(1, requests)):
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
        self._row[caller] = (row + 1) % len(self._requests)
        caller.ask(self._requests[self._row[caller]])

    async def _change(self, number: int) -> None:
        change, version = self._shop.change(number)
        await asyncio.to_thread(change)
        end = time.monotonic() + 60
        while self._version != version:
            if time.monotonic() > end:
                raise TimeoutError(f"version {version} does not serve")
            await asyncio.sleep(0.002)
        self._changes += 1


def _row(number: int) -> Row:
    return {name: round(0.1 * place - 0.3 * number, 4) for place, name in enumerate(NAMES)}


def _answer(opened: Bundle, row: Row) -> bytes:
    output = opened.predict({name: [value] for name, value in row.items()})
    return orjson.dumps(told(output, opened.signature), option=orjson.OPT_SERIALIZE_NUMPY)


def _registered(threshold: float) -> Bundle:
    import bundles

    return Bundle.of(bundles.contents(bundles.SIGNATURE | {"threshold": threshold}))


def _whole(version: int, predictions: bytes) -> bytes:
    return b'{"model":"shop","version":"%d","predictions":%s}' % (version, predictions)


if __name__ == "__main__":
    page.main({"switches": switches, "stage": stage})
