"""Uvicorn's HTTP/1.1, with an end to heads that are too long, and to requests that never arrive: it waits for ever."""

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from stemma.serve.app import CLOSING, SAFE
from stemma.serve.routes import JSON
from stemma.serve.tls import CLIENT, client_name

HEAD = 65_536  # bytes, beyond which no head goes on
FIELDS = 100  # of a head
GOODBYE, LOOK = 1.0, 0.1  # seconds
NO_HTTP = 400, "this is no request of HTTP"
TOO_LONG = 431, f"the head has more than {HEAD} bytes, or {FIELDS} fields"
TOO_SLOW = 408, "the request did not arrive in time"


class Wire(HttpToolsProtocol):
    """A connection; `seconds` are for a request to arrive, head and body."""

    def __init__(self, *arguments: Any, seconds: float, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._seconds, self._length, self._in_head, self._in_message = seconds, 0, False, False
        self._fault = NO_HTTP
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if certificate := transport.get_extra_info("peercert"):
            self.app_state = {CLIENT: client_name(certificate)}  # uvicorn puts it into the scope of each request
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._length += len(data) if self._in_head else 0
        if self._length > HEAD:
            self._refuse(TOO_LONG)
        elif self._in_message and self._timer is None:
            self._wait()

    def on_message_begin(self) -> None:
        self._in_head = self._in_message = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.headers) > FIELDS:
            self._fault = TOO_LONG
            raise ValueError  # the parser gives up
        self._in_head, self._length = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """A caller that has said all may wait for its answer; TLS has no half that stays open."""
        if self._in_message or self._owes:
            self._refuse(NO_HTTP)
        return self._owes and self.scheme == "http"

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's, when the parser has given up."""
        self._refuse(self._fault)

    def shutdown(self) -> None:
        """As the server ends. TLS waits half a minute for the client's goodbye, which an idle one does not send."""
        super().shutdown()
        if self.scheme == "https":
            wait, then = (GOODBYE, self.transport.abort) if self.transport.is_closing() else (LOOK, self.shutdown)
            self.loop.call_later(wait, then)

    @property
    def _owes(self) -> bool:
        """Whether a request that arrived whole waits for its answer."""
        return self.cycle is not None and not (self.cycle.response_complete or self.cycle.more_body)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self._seconds, self._refuse, TOO_SLOW)

    def _arrived(self) -> None:
        self._in_message = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, refusal: tuple[int, str]) -> None:
        """Hang up; and say why, where the next answer is that to this request."""
        cycle = self.cycle
        if self.transport.is_closing():
            return
        if self._owes:
            cycle.keep_alive = False  # what was asked before is answered first
            return
        if cycle is None or cycle.response_complete:
            is_next = self._in_head or not self._in_message
        else:
            is_next = not cycle.response_started and not self.pipeline
        if is_next:
            self.transport.write(_told(*refusal))
        self.transport.close()


def _told(status: int, what: str) -> bytes:
    body = orjson.dumps({"error": what})
    named = ((b"content-type", JSON.encode()), (b"content-length", b"%d" % len(body)), *SAFE, *CLOSING)
    return STATUS_LINE[status] + b"".join(b"%s: %s\r\n" % each for each in named) + b"\r\n" + body
