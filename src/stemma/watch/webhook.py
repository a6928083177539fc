"""Tells another server what happened: POST of JSON, signed, tried again, never to where an answer redirects.

    x-stemma-signature: sha256=HMAC, of the body by the secret, hexadecimal

The body has an id and the time, so that who reads it knows a copy of an old one.
"""

import hmac
import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from stemma.errors import SettingsError
from stemma.text import in_one_line

VARIABLE = "STEMMA_WEBHOOK_SECRET"  # of the environment
WAITING = 100  # events, at most; the next ones are dropped
PAUSES = (0.0, 1.0, 4.0, 16.0, 64.0)  # seconds before each try
AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)  # beside faults of the server
SECONDS = 10.0  # for an answer


def check(url: str, secret: str) -> None:
    """Refuse what cannot be one; a SettingsError where the URL is none, or there is no secret."""
    if not _is_web(url):
        raise SettingsError(f"{url!r} is no URL of a webhook, such as https://example.org/hook")
    if not secret:
        raise SettingsError(f"a webhook is signed: {VARIABLE} of the environment must hold a secret")


def _is_web(url: str) -> bool:
    try:
        place = urlsplit(url)
        is_port = place.port != 0
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url  # a request could not be made of another
    return place.scheme in ("http", "https") and bool(place.hostname) and is_port and is_plain


class Webhook:
    """Takes events and returns at once; raises as `check`.

    Args:
        url: of http or https.
        secret: signs the bodies; it is shown to nobody.
        tell: is told of what could not be delivered.
    """

    def __init__(self, url: str, secret: str, tell: Callable[[str], None], pauses: tuple[float, ...] = PAUSES) -> None:
        check(url, secret)
        self._place, self._secret, self._tell, self._pauses = urlsplit(url), secret.encode(), tell, pauses
        self._queue: queue.Queue[bytes] = queue.Queue(WAITING)
        threading.Thread(target=self._run, name="webhook", daemon=True).start()

    def post(self, event: Mapping[str, Any]) -> None:
        told = {"id": uuid4().hex, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **event}
        try:
            self._queue.put_nowait(json.dumps(told).encode())
        except queue.Full:
            self._tell(f"the webhook is not told what happened: {WAITING} events wait")

    def flush(self) -> None:
        """Wait until all of it was delivered, or given up."""
        self._queue.join()

    def _run(self) -> None:
        while True:
            self._deliver(self._queue.get())
            self._queue.task_done()

    def _deliver(self, body: bytes) -> None:
        fault = ""
        for pause in self._pauses:
            time.sleep(pause)
            try:
                status = self._send(body)
            except (OSError, HTTPException, UnicodeError) as error:  # a name may have an empty part
                fault = in_one_line(error)
                continue
            if status < HTTPStatus.MULTIPLE_CHOICES:
                return
            fault = f"it answers {status}"
            if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in AGAIN:
                break
        self._tell(f"the webhook at {self._place.hostname} was not told what happened: {fault}")

    def _send(self, body: bytes) -> int:
        kind = HTTPSConnection if self._place.scheme == "https" else HTTPConnection
        connection = kind(str(self._place.hostname), self._place.port, timeout=SECONDS)
        signature = hmac.new(self._secret, body, "sha256").hexdigest()
        headers = {"content-type": "application/json", "x-stemma-signature": f"sha256={signature}"}
        try:
            query = f"?{self._place.query}" if self._place.query else ""
            connection.request("POST", (self._place.path or "/") + query, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()
