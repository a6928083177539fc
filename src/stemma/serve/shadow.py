"""Copies of calls, for versions that answer nobody: beside the answers, and dropped first where there is no time."""

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
REST = 10  # times as long as a copy had to wait for others
LONGEST = 1.0  # seconds of rest
Scope = MutableMapping[str, Any]


class Shadows:
    """One thread that asks them.

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
                self._add(scope, call, model.versions[number])

    def close(self) -> None:
        """Ask no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _add(self, scope: Scope, call: Call, version: Version) -> None:
        if len(call.body) > LARGEST or not self._room.acquire(blocking=False):
            self._drop(version)
            return
        copied = replace(call, ran=Ran(call.ran.keeps, version, SHADOW))
        self._thread.submit(self._run, scope, copied).add_done_callback(lambda _: self._room.release())

    def _run(self, scope: Scope, call: Call) -> None:
        """The more it has to wait for those who answer, the longer it rests."""
        started, used = time.perf_counter(), time.thread_time()
        self._ask(scope, call)
        waited = time.perf_counter() - started - (time.thread_time() - used)
        time.sleep(min(LONGEST, REST * max(0.0, waited)))
