"""The log: a line of JSON on standard error for what happens."""

import asyncio
import os
import select
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from stemma.serve.routes import Answer, Header

STDERR = 2
ATONCE = 4096  # bytes that a pipe which takes some takes whole
TOGETHER = 0.01  # seconds of requests that are written, and counted, at once: most of what that costs is each time's


class Told(NamedTuple):
    """A request and its answer. Not the scope, which holds the body."""

    moment: float
    method: str
    path: str
    id: str
    headers: Sequence[Header]
    answer: Answer
    seconds: float


def note(event: str, **facts: Any) -> None:
    """Tell what happened; a log that takes nothing stops no answer."""
    _write([_line({"time": datetime.now(UTC), "event": event, **facts})])


class Requests:
    """Requests and their answers, those of TOGETHER at once."""

    def __init__(self) -> None:
        self._told: list[Told] = []

    def tell(self, scope: Mapping[str, Any], answer: Answer, seconds: float) -> None:
        if not self._told:
            asyncio.get_running_loop().call_later(TOGETHER, self.write)
        named = scope["method"], scope["path"], scope["id"], scope["headers"]
        self._told.append(Told(time.time(), *named, answer, seconds))

    def write(self) -> None:
        """What was told."""
        told, self._told = self._told, []
        _write(map(_request, told))


def _request(each: Told) -> bytes:
    when = {"time": datetime.fromtimestamp(each.moment, UTC), "event": "request"}
    told, answer = _names(each.method, each.path, each.id, each.headers, when), each.answer
    told["status"], told["seconds"] = answer.status, int(each.seconds * 1e6) / 1e6  # `round` to places is slow
    if answer.version is not None:
        told |= answer.version.facts
        told["rows"] = answer.rows
    return _line(told)


def _line(told: Mapping[str, Any]) -> bytes:
    return orjson.dumps(told, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _write(lines: Iterable[bytes]) -> None:
    try:
        for part in _parts(lines):
            if not _takes():  # whoever reads a pipe has stopped, and would be waited for
                return
            os.write(STDERR, part)
    except OSError:  # a full disk, or a reader that is gone
        return


def _parts(lines: Iterable[bytes]) -> Iterator[bytes]:
    """What can be written at once: some lines, or a part of one that is longer."""
    held, length = list[bytes](), 0
    for line in (*lines, b""):
        length += len(line)
        if held and (not line or length > ATONCE):
            part = b"".join(held)
            yield from (part[start : start + ATONCE] for start in range(0, len(part), ATONCE))
            held, length = [], len(line)
        held.append(line)


def _takes() -> bool:
    """Whether so many bytes can be written without waiting."""
    if not hasattr(select, "poll"):  # Windows
        return True
    asked = select.poll()
    asked.register(STDERR, select.POLLOUT)
    return bool(asked.poll(0))


def names(scope: Mapping[str, Any]) -> dict[str, Any]:
    """What a request is known by: its id, and its trace, where it brings one."""
    return _names(scope["method"], scope["path"], scope["id"], scope["headers"], {})


def _names(method: str, path: str, id: str, headers: Sequence[Header], told: dict[str, Any]) -> dict[str, Any]:
    told["method"], told["path"], told["request_id"] = method, path[:200], id
    for name, value in headers:
        if name == b"traceparent":
            told["traceparent"] = value[:128].decode("latin-1")
    return told
