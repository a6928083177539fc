"""The log: a line of JSON on standard error for what happens."""

import asyncio
import os
import select
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from stemma.serve.routes import Answer

STDERR = 2
ATONCE = 4096  # bytes that a pipe which takes some takes whole
TOGETHER = 0.01  # seconds of requests that are written, and counted, at once: most of what that costs is each time's


def note(event: str, **facts: Any) -> None:
    """Tell what happened; a log that takes nothing stops no answer."""
    _write([_line({"time": datetime.now(UTC), "event": event, **facts})])


class Requests:
    """Requests and their answers, those of TOGETHER at once."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def tell(self, scope: Mapping[str, Any], answer: Answer, seconds: float) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(TOGETHER, self.write)
        told = {"time": datetime.now(UTC), "event": "request", **names(scope), "status": answer.status}
        told["seconds"] = round(seconds, 6)
        if (version := answer.version) is not None:
            told["model"], told["version"], told["rows"] = version.model, str(version.number), answer.rows
        self._lines.append(_line(told))

    def write(self) -> None:
        """What was told."""
        lines, self._lines = self._lines, []
        _write(lines)


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
    held = b""
    for line in (*lines, b""):
        if held and (not line or len(held) + len(line) > ATONCE):
            yield from (held[start : start + ATONCE] for start in range(0, len(held), ATONCE))
            held = b""
        held += line


def _takes() -> bool:
    """Whether so many bytes can be written without waiting."""
    if not hasattr(select, "poll"):  # Windows
        return True
    asked = select.poll()
    asked.register(STDERR, select.POLLOUT)
    return bool(asked.poll(0))


def names(scope: Mapping[str, Any]) -> dict[str, str]:
    """What a request is known by: its id, and its trace, where it brings one."""
    told = {"method": scope["method"], "path": scope["path"][:200], "request_id": scope["id"]}
    trace = dict(scope["headers"]).get(b"traceparent")
    return told if trace is None else told | {"traceparent": trace[:128].decode("latin-1")}
