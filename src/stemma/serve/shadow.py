"""Copies of calls, for versions that answer nobody: beside the answers, and dropped first where there is no time."""

import asyncio
import time
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import BoundedSemaphore
from typing import Any

from stemma.serve.models import Version, placed
from stemma.serve.routes import NAMED, SHADOW, Call, Ran

WAITING = 64  # copies; more are dropped
LARGEST = 2**20  # bytes of a body; the copies of larger ones are dropped
BUSY = 0.001  # seconds that the event loop has still to do when an answer is sent: there is no time for copies
Scope = MutableMapping[str, Any]


class Shadows:
    """One thread that asks them, while the event loop has little to do.

    Args:
        ask: a copy of the call that a scope holds.
        drop: is told of each that is not asked.
    """

    def __init__(self, ask: Callable[[Scope, Call], None], drop: Callable[[Version], None]) -> None:
        self._ask, self._drop = ask, drop
        self._room, self._thread = BoundedSemaphore(WAITING), ThreadPoolExecutor(1, "shadow")

    def copy(self, scope: Scope) -> None:
        """Give each shadow its share of the calls that name no version."""
        call: Call = scope["call"]
        asked = call.ran.version
        if asked is None or call.ran.arm == NAMED:
            return
        model = call.models.by_name[asked.model]
        for number, share in model.shadows.items():
            if number != asked.number and placed(f"shadow {number}", call.id) < share:
                loop = asyncio.get_running_loop()
                loop.call_soon(self._add, scope, call, model.versions[number], time.perf_counter())

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _add(self, scope: Scope, call: Call, version: Version, answered: float) -> None:
        """Unless others wait for their answers."""
        busy = time.perf_counter() - answered > BUSY
        if busy or len(call.body) > LARGEST or not self._room.acquire(blocking=False):
            self._drop(version)
            return
        copied = replace(call, ran=Ran(call.ran.keeps, version, SHADOW))
        self._thread.submit(self._ask, scope, copied).add_done_callback(lambda _: self._room.release())
