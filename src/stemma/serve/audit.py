"""The log of what admins did: a line of JSON each, with the SHA-256 of the line before it.

    {"action": "switch", "before": "3b0c...", "model": "shop", "time": "2026-11-26T17:30:00.000+00:00", "who": "anne"}

A line that is changed, left out or put between does not fit its neighbours. Whoever keeps the hash of the last line
elsewhere, which `check` says, can tell later that lines were cut off at the end.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stemma.errors import StemmaError
from stemma.files import held, open_plain

FIRST = "0" * 64
LONGEST = 65_536  # bytes of a line
WAIT = 5.0


@dataclass(frozen=True)
class Audited:
    """A log of which every line fits the one before."""

    lines: int
    last: str  # the SHA-256 of the last line


def append(file: Path, **facts: Any) -> None:
    """Write down, on the disk, what is about to be done; after an OSError or StemmaError it is not to be done."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with held(Path(f"{file}.lock"), WAIT) as is_ours, file.open("a+b") as log:  # one writer at a time, of all processes
        if not is_ours:
            raise StemmaError(f"{file} is in use by another process")
        last = _last(log)
        told = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "before": _hash(last), **facts}
        log.write(json.dumps(told, sort_keys=True).encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())


def check(file: Path, holds: str | None = None) -> Audited:
    """Check each line against the one before; a StemmaError names the first that does not fit.

    Args:
        holds: the hash of a line that must be among them.
    """
    before, seen = FIRST, set()
    number = 0
    try:
        with open_plain(file) as lines:
            for number, line in enumerate(lines, start=1):
                if _said(line) != before:
                    raise StemmaError(f"{file}: line {number} is not what followed the line before it")
                before = _hash(line)
                seen.add(before)
    except OSError as error:
        raise StemmaError(f"{file} cannot be read ({error.strerror or error})") from None
    if holds is not None and holds not in seen:
        raise StemmaError(f"{file}: no line has the hash {holds}: lines were cut off, or it is another log")
    return Audited(number, before)


def _said(line: bytes) -> str | None:
    """The hash of the line before, as a line says it."""
    try:
        return str(json.loads(line)["before"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _last(log: Any) -> bytes:
    """The last line; one that a kill cut short is ended here, and does not fit."""
    start = max(0, log.seek(0, os.SEEK_END) - LONGEST)
    log.seek(start)
    lines = log.read().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        log.write(b"\n")
    return lines[-1] if lines else b""


def _hash(line: bytes) -> str:
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest() if line else FIRST
