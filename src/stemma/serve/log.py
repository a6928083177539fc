"""The log: a line of JSON on standard error for what happens."""

import os
import select
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from stemma.serve.routes import Answer

STDERR = 2
ATONCE = 4096  # bytes that a pipe which takes some takes whole


def note(event: str, **facts: Any) -> None:
    """Tell what happened; a log that takes nothing stops no answer."""
    told = {"time": datetime.now(UTC), "event": event, **facts}
    line = orjson.dumps(told, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    try:
        for start in range(0, len(line), ATONCE):
            if not _takes():  # whoever reads a pipe has stopped, and would be waited for
                return
            os.write(STDERR, line[start : start + ATONCE])
    except OSError:  # a full disk, or a reader that is gone
        return


def _takes() -> bool:
    """Whether so many bytes can be written without waiting."""
    if not hasattr(select, "poll"):  # Windows
        return True
    asked = select.poll()
    asked.register(STDERR, select.POLLOUT)
    return bool(asked.poll(0))


def request(scope: Mapping[str, Any], answer: Answer, seconds: float) -> None:
    """Tell of a request and its answer."""
    version = answer.version
    of = {} if version is None else {"model": version.model, "version": str(version.number), "rows": answer.rows}
    note("request", **names(scope), status=answer.status, seconds=round(seconds, 6), **of)


def names(scope: Mapping[str, Any]) -> dict[str, str]:
    """What a request is known by: its id, and its trace, where it brings one."""
    told = {"method": scope["method"], "path": scope["path"][:200], "request_id": scope["id"]}
    trace = dict(scope["headers"]).get(b"traceparent")
    return told if trace is None else told | {"traceparent": trace[:128].decode("latin-1")}
