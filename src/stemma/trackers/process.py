"""The process that hands a run over to one tracker: `python -m stemma.trackers.process`.

Standard input has a line of JSON, which is `Asked`, and a second one when the stage has ended: its status.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemma.entries import Entry
from stemma.errors import StemmaError
from stemma.files import write_text
from stemma.repo import locks
from stemma.text import in_one_line, without_password
from stemma.trackers.base import Call, Tracker, be_quiet, silence
from stemma.trackers.fit import Fit

PAUSE = 0.25
QUIET = 60.0  # seconds of a fit in which its processors are left to it: a tracker's package takes seconds to import
PATIENCE = 8  # seconds for an answer of a server, twice: the last stage waits somewhat longer, and tells what failed
LIMIT = 600.0  # seconds that it goes on for when the stage has ended: others may need the processors


@dataclass(frozen=True)
class Asked:
    """What is handed over."""

    folder: str  # of the run; its name is the run's
    project: str
    name: str  # of the tracker, as the two below
    path: str
    extra: str | None
    calls: Sequence[Call]  # methods of `Tracker`, with their arguments
    fit: bool  # whether a fit is to be followed after them

    def note(self, kind: str) -> Path:
        """A file of the run about the tracker."""
        return Path(self.folder) / f"{self.name}.{kind}"

    def fail(self, why: str) -> None:
        """Leave a note for the stage, or the next one, which tells it; once."""
        if not self.note("told").exists():
            write_text(self.note("failed"), without_password(why))


class Ending(threading.Thread):
    """Waits for the end of the stage, and then, for a while, for that of the process."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(daemon=True)
        self.asked, self.status = asked, ""

    def run(self) -> None:
        self.status = sys.stdin.readline().strip() or "KILLED"
        time.sleep(LIMIT)
        self.asked.fail(f"it did not take the run within {LIMIT:.0f} s")
        os._exit(1)


def main() -> None:
    asked = Asked(**json.loads(sys.stdin.readline()))
    ending = Ending(asked)
    ending.start()
    be_quiet(PATIENCE)
    try:
        with locks.held(asked.note("lock"), asked.name, LIMIT):  # the process of the stage before may be at work
            _hand_over(asked, ending)
    except Exception as error:  # a tracker may raise what it likes
        silent = silence(error)
        own = str(error) if isinstance(error, StemmaError) else f"{type(error).__name__}: {in_one_line(error)}"
        asked.fail(f"its server does not answer: {silent}" if silent else own)
        raise SystemExit(1) from error


def _hand_over(asked: Asked, ending: Ending) -> None:
    calls, fit, start, folder = [*asked.calls], Fit(), time.monotonic(), Path(asked.folder)
    is_open = asked.fit
    while is_open and not ending.status and time.monotonic() < start + QUIET:
        time.sleep(PAUSE)
        calls += fit.look()
    tracker: Tracker = Entry(asked.path, extra=asked.extra).load(type)(asked.project, folder.name, folder.parent)
    while calls or is_open:
        for method, arguments in calls:
            getattr(tracker, method)(**arguments)
        time.sleep(PAUSE if is_open else 0)
        is_open = is_open and not ending.status
        calls = fit.look() if asked.fit else []
    tracker.close(ending.status if asked.fit else "FINISHED")


if __name__ == "__main__":
    main()
