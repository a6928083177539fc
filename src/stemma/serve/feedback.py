"""`POST /v1/feedback`: what came of requests, by their ids, as soon or as late as it is known.

curl -d '{"id": "a1b2", "outcome": "TRUE"}' localhost:8501/v1/feedback
{"taken": 1, "late": 0, "same": 0, ..., "told": []}

An object, a list of them, or CSV; `row` is the number of the row in its request, from 0.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from stemma.bundle.rows import Rows, records
from stemma.serve import log
from stemma.serve.models import Refused
from stemma.serve.routes import JSON, Answer, Call, Observer, Outcome, Route, in_json
from stemma.serve.scopes import Scope
from stemma.values import CONVERTERS, PLAIN

CSV = "text/csv"
NEEDED = ("id", "outcome")
AGAIN = ((b"retry-after", b"60"),)
LONGEST = 128, 9  # letters of an id, and of a row
Waiting = tuple[Sequence[Outcome], "asyncio.Future[dict[str, Any]]"]


class Feedback:
    """Has outcomes joined with the log, of all who wait at once: for many that takes as long as for one."""

    def __init__(self, observer: Observer) -> None:
        self._observer, self._one = observer, asyncio.Lock()
        self._waiting: list[Waiting] = []

    def answer(self, call: Call) -> Coroutine[Any, Any, Answer]:
        """Take what came of requests; say what was late, told before, unknown or no outcome."""
        if call.header(b"content-type").partition(";")[0].strip().lower() == CSV:
            call.check_rows(call.body.rstrip().count(b"\n"))
            given: Any = records(Rows(Path("outcomes.csv"), content=call.body), NEEDED, "row")
        else:
            given = call.json()
            given = given if isinstance(given, list) else [given]
            call.check_rows(len(given))
        return self._joined([_outcome(each, number) for number, each in enumerate(given, start=1)])

    async def _joined(self, told: Sequence[Outcome]) -> Answer:
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append((told, mine))
        async with self._one:
            if not mine.done():  # nobody took it along
                batch, self._waiting = self._waiting, []
                await self._join(batch)
        return in_json(await mine)

    async def _join(self, batch: Sequence[Waiting]) -> None:
        try:
            found = await asyncio.to_thread(self._observer.outcomes, [told for told, _ in batch])
        except Exception as error:  # whoever waits is told, else they would wait for ever
            told = error
            if isinstance(error, OSError):
                log.note("feedback", error=str(error))
                told = Refused(503, "outcomes cannot be written now, and none was taken", AGAIN)
            for _, waits in batch:
                waits.set_exception(told)
        else:
            for result, (_, waits) in zip(found, batch, strict=True):
                waits.set_result(result)


def refuse(call: Call) -> Answer:
    """Where nothing is kept that outcomes could be joined with."""
    raise Refused(403, "this server keeps no log of requests: start it with --log FOLDER")


def route(observer: Observer | None) -> Route:
    answer = refuse if observer is None else Feedback(observer).answer
    return Route("POST", "/v1/feedback", answer, takes=(JSON, CSV), scope=Scope.FEEDBACK)


def _outcome(given: Any, number: int) -> Outcome:
    """(id, row, outcome) of what a caller tells."""
    told = {"row": 0} | given if isinstance(given, dict) else {}
    id, row = told.get("id"), str(told.get("row"))
    try:
        text = CONVERTERS["string"](told.get("outcome"), PLAIN)
    except (TypeError, ValueError):
        text = ""
    is_row = row.isascii() and row.isdigit() and len(row) <= LONGEST[1]
    if not (isinstance(id, str) and 0 < len(id) <= LONGEST[0] and is_row and text):
        wanted = "id, a text; outcome, a text or number; and, at will, row, a number from 0"
        raise Refused(422, f"row {number} tells no outcome", row=number, expected=wanted)
    return id, int(row), text
