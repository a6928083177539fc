"""Uvicorn's HTTP/1.1, with an end to heads that are too long, and to requests that never arrive: it waits for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stemma.serve.tls import CLIENT, client_name

HEAD = 65_536  # bytes, beyond which no head goes on
TOO_LONG, TOO_SLOW = b"431 Request Header Fields Too Large", b"408 Request Timeout"


class Wire(HttpToolsProtocol):
    """A connection.

    Args:
        seconds: for a request to arrive, head and body.
    """

    def __init__(self, *arguments: Any, seconds: float, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._seconds, self._length, self._in_head, self._in_message = seconds, 0, False, False
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
        self._in_head, self._length = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self._seconds, self._refuse, TOO_SLOW)

    def _arrived(self) -> None:
        self._in_message = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: bytes) -> None:
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)
        self.transport.close()
