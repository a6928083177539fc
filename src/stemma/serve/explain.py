"""`POST /v1/models/NAME:explain`: why rows are answered so, where `explain: true` of the settings lets callers ask.

curl -d '{"instances": [{"Month": "May", "PageValues": 0.5}]}' localhost:8501/v1/models/shop:explain
{"model": "shop", "version": "3", "method": "shap", ..., "reasons": [{"row": 1, "answer": 0.07, "effects": [...]}]}

The body is that of `:predict`, with a "method" and a "class" at will. One explanation is made at a time, in a thread of
its own that gives way to those that predict.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from stemma.bundle.explain import flat, model_of
from stemma.explain import SHAP, Asked, Explanation, Table, explain, length, taken
from stemma.serve.models import LATER, Refused, Version
from stemma.serve.protocols.tensorflow import MODEL, asked, read
from stemma.serve.routes import Answer, Call, Route, in_json, versions
from stemma.serve.settings import Limits
from stemma.text import counted, few, nearest

PART = 512  # rows that run at once: between two parts others get their turn
NICE = 10  # of the thread
KEYS = ("instances", "inputs", "signature_name", "method", "class")  # of the body


class Explainer:
    """Makes explanations, one at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._busy = limits, False
        self._thread = ThreadPoolExecutor(1, "explain", initializer=_give_way)

    def answer(self, call: Call) -> Coroutine[Any, Any, Answer]:
        """Say why rows are answered so."""
        version, body = call.models.find(call.named), read(call)
        if others := [key[:100] for key in body if key not in KEYS]:
            raise Refused(400, f"the body holds {others[0]!r}, and takes {few(KEYS, 99)}{nearest(others[0], KEYS)}")
        _, columns = asked(call, body, version)
        rows = flat(version.bundle.signature.arrays(columns))
        if not 0 < length(rows) <= self._limits.explained:
            given = counted(length(rows), "row")
            raise Refused(422, f"{given}: from 1 to {self._limits.explained} are explained at once")
        wanted = None if body.get("class") is None else str(body["class"])
        return self._answered(version, partial(self._found, version, str(body.get("method", SHAP)), rows, wanted))

    async def _answered(self, version: Version, find: Callable[[], Explanation]) -> Answer:
        if self._busy:
            raise Refused(429, "another explanation is being made", LATER)
        self._busy = True
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, find)
        finally:
            self._busy = False
        return in_json({**version.facts, **asdict(found)}, version=version, rows=found.rows)

    def _found(self, version: Version, method: str, rows: Table, wanted: str | None) -> Explanation:
        model, until = model_of(version.bundle), time.monotonic() + self._limits.explaining
        return explain(
            method, replace(model, predict=partial(self._in_time, model.predict, until)), rows, Asked(0, wanted)
        )

    def _in_time(self, predict: Callable[[Table], Any], until: float, table: Table) -> Any:
        parts = []
        for start in range(0, length(table), PART):
            if time.monotonic() > until:
                raise Refused(422, f"it takes more than {self._limits.explaining:g} s: send fewer rows")
            parts.append(predict(taken(table, slice(start, start + PART))))
        return np.concatenate(parts)


def _give_way() -> None:
    """On Linux a thread has its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def routes(limits: Limits) -> tuple[Route, ...]:
    answer = Explainer(limits).answer
    return tuple(Route("POST", f"{place}:explain", answer) for place in versions(MODEL))
