"""The ASGI callable: reads a request within its limits, finds its route, sends an answer or a refusal.

There is no framework in between: a request costs what its body and its network cost (bench/serve.py). Small bodies are
answered on the event loop, since a change of threads would cost more than they do; large ones beside it.
"""

import asyncio
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from os import urandom
from pathlib import Path
from typing import Any, cast

from stemma.errors import GraphError, RowError, StemmaError
from stemma.files import state_folder
from stemma.serve import audit, log
from stemma.serve.access import ADMIN, Access
from stemma.serve.metrics import Metrics
from stemma.serve.models import LATER, Models, Refused
from stemma.serve.rates import Rates
from stemma.serve.routes import Answer, Call, Control, Header, Observer, Ran, Route, answered, found, in_json
from stemma.serve.settings import MEGABYTE, ServeSettings
from stemma.serve.shadow import Shadows

REQUEST_ID, ID = b"x-request-id", re.compile(rb"[!-~]{1,128}")
INLINE = 16_384  # bytes of a body
HELD = "held"  # in a scope: bytes of the body that are in memory
CLOSING = ((b"connection", b"close"),)  # what else the caller sends is not read
SAFE = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))  # no browser shows or keeps an answer
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class App:
    """Answers for the models that `serving` gives at the moment of a call, by the first route that matches.

    Raises:
        SettingsError: the tokens of the settings cannot be read.
    """

    def __init__(
        self,
        settings: ServeSettings,
        serving: Callable[[], Models],
        routes: Iterable[Route],
        metrics: Metrics,
        control: Control | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._settings, self._serving, self._control, self._metrics = settings, serving, control, metrics
        self._access, self._observer = Access(settings.tokens), observer
        self._rates = None if settings.limits.rate is None else Rates(settings.limits.rate)
        table = tuple(routes)
        # Paths hold names of models, which callers may invent: only those that were found are kept.
        self._found = lru_cache(1024)(lambda method, path: found(table, method, path))
        self._shadows = Shadows(self._copied, metrics.count_dropped)
        self._log, self._held = log.Requests(), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started, scope["id"] = time.perf_counter(), _id(scope["headers"])
        self._metrics.opens(1)
        try:
            answer = await self.answer(scope, receive)
        finally:
            self._metrics.opens(-1)
            self._held -= scope.get(HELD, 0)
        seconds = time.perf_counter() - started
        call = scope.get("call")
        self._metrics.count(scope.get("route", "none"), answer, seconds, call and call.ran)
        if self._settings.log_requests:
            self._log.tell(scope, answer, seconds)
        length = str(len(answer.body)).encode()
        headers = [(b"content-type", answer.kind.encode()), (b"content-length", length), *SAFE, *answer.headers]
        headers += [(REQUEST_ID, scope["id"].encode())]
        headers += answer.version.headers if answer.version else ()
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})
        if call is not None:
            self._observe(call, answer, seconds)
            if call.models.copied:
                self._shadows.copy(scope)

    def close(self) -> None:
        self._shadows.close()
        self._log.write()
        if self._observer is not None:
            self._observer.close()

    def _observe(self, call: Call, answer: Answer, seconds: float) -> None:
        if self._observer is not None and call.ran.parts and answer.status == HTTPStatus.OK:
            self._observer.answered(call, seconds)

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Of any request; what goes wrong is told in JSON."""
        limits, path = self._settings.limits, scope["path"].removeprefix(self._settings.root_path)
        try:
            if self._metrics.open > limits.concurrency:
                raise Refused(503, "too many calls at once", LATER)
            route, named = self._found(scope["method"], path)
            scope["route"] = route.path
            headers = tuple(scope["headers"])
            who = self._admitted(route.scope, scope, headers)
            if route.scope == ADMIN and self._control is not None:
                await self._write_down(scope, path, who)
            body = await self._body(scope, headers, receive)
            call = self._call(scope, path, named, headers, body)
            scope["answers"] = route.answer
            if len(body) > INLINE:
                answer = await asyncio.get_running_loop().run_in_executor(None, answered, route.answer, call)
            else:
                answer = answered(route.answer, call)
            return answer if isinstance(answer, Answer) else await answer
        except Exception as error:
            return _told(error, scope)

    def _admitted(self, asked: str | None, scope: Scope, headers: Iterable[Header]) -> str | None:
        """The name of a caller's token, where it has one; Refused where it may not do this, or not as often."""
        if self._rates is None or asked is None:
            return self._access.check(asked, headers)
        caller = (scope.get("client") or ("",))[0]  # by which who is refused counts
        try:
            who = self._access.check(asked, headers)
            caller = caller if who is None else f"token {who}"
        finally:
            self._rates.take(caller)
        return who

    def _copied(self, scope: Scope, call: Call) -> None:
        """Ask a shadow; nobody hears its answer."""
        started = time.perf_counter()
        try:
            answer = cast(Answer, answered(scope["answers"], call))  # what predicts is no coroutine
        except Exception as error:
            answer = _told(error, scope)
        seconds = time.perf_counter() - started
        self._metrics.count_copy(answer, seconds, call.ran)
        self._observe(call, answer, seconds)

    def _call(
        self, scope: Scope, path: str, named: Mapping[str, str], headers: tuple[Header, ...], body: bytes
    ) -> Call:
        id, limits = scope["id"], self._settings.limits
        ran = Ran(keeps=self._observer is not None and self._observer.takes(id))
        query, models = scope["query_string"], self._serving()
        scope["call"] = call = Call(path, named, query, headers, body, models, limits, self._control, id, ran)
        return call

    async def _write_down(self, scope: Scope, path: str, who: str | None) -> None:
        """What is ordered, before it is done; Refused where it cannot be."""
        query = "?" * bool(scope["query_string"]) + scope["query_string"].decode("latin-1")
        facts = {"who": who, "from": (scope.get("client") or ["a Unix socket"])[0], "action": f"{path}{query}"[:1000]}
        facts |= scope.get("state", {})  # whom a client's certificate names
        file = Path(self._settings.audit or state_folder() / "audit.jsonl")
        try:
            await asyncio.to_thread(audit.append, file, **facts)
        except (OSError, StemmaError) as error:
            log.note("audit", error=str(error))
            raise Refused(503, "what is ordered cannot be written down, and is not done") from None

    async def _body(self, scope: Scope, headers: Iterable[Header], receive: Receive) -> bytes:
        """All of it; Refused where it is too long, or packed, or there are too many."""
        most = int(self._settings.limits.body * MEGABYTE)
        for name, value in headers:
            if name == b"content-encoding" and value.lower() != b"identity":
                raise Refused(415, "a body is not unpacked here: send it without Content-Encoding")
            if name == b"content-length" and int(value) > most:
                raise Refused(413, f"the body has {int(value)} bytes, and {most} are taken", CLOSING)
        parts: list[bytes] = []
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(408, "the body did not arrive", CLOSING)  # nobody is told: the connection is gone
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
            self._hold(scope, len(parts[-1]), most)
        return b"".join(parts)

    def _hold(self, scope: Scope, length: int, most: int) -> None:
        """Count what of a body is in memory, until its call is answered."""
        scope[HELD] = scope.get(HELD, 0) + length
        self._held += length
        if scope[HELD] > most:
            raise Refused(413, f"the body has more than {most} bytes", CLOSING)
        if (fault := self._crowded()) is not None:
            raise fault

    def _crowded(self) -> Refused | None:
        too_many = self._held > self._settings.limits.bodies * MEGABYTE
        return Refused(503, "too many bytes of bodies at once", (*LATER, *CLOSING)) if too_many else None

    @contextmanager
    def holding(self, length: int) -> Iterator[Refused | None]:
        """Count the bytes of a message as those of bodies, while it is in memory beside one; why they are too many."""
        self._held += length
        try:
            yield self._crowded()
        finally:
            self._held -= length


def _id(headers: Iterable[Header]) -> str:
    """Of a request: its caller's, where it is one that can be kept and told; else ours."""
    for name, value in headers:
        if name == REQUEST_ID and ID.fullmatch(value):
            return value.decode()
    return urandom(16).hex()


def _told(error: Exception, scope: Scope) -> Answer:
    """What went wrong, in JSON; a fault of ours is told in the log alone."""
    if isinstance(error, Refused):
        more = {name: value for name, value in error.more.items() if value is not None}
        return in_json({"error": str(error), **more}, error.status, error.headers)
    if isinstance(error, RowError):
        return in_json({"error": str(error), "field": error.column, "row": error.row, "expected": error.wanted}, 422)
    if isinstance(error, StemmaError):
        return in_json({"error": str(error)}, 422, fault=isinstance(error, GraphError))
    log.note("fault", **log.names(scope), trace="".join(traceback.format_exception(error)))
    return in_json({"error": "this call met a fault of the server, which its log tells"}, 500, fault=True)
