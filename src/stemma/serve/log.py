"""The log: a line of JSON on standard error for what happens."""

import sys
from datetime import UTC, datetime
from typing import Any

import orjson


def note(event: str, **facts: Any) -> None:
    """Tell what happened; a log that takes nothing stops no answer."""
    told = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
    line = orjson.dumps(told, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    try:
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
    except OSError:  # a full disk, or a reader that is gone
        return
