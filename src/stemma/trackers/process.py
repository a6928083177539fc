"""The process that hands a run over to one tracker: `python -m stemma.trackers.process`.

Standard input has a line of JSON, which is `Asked`, and a second one when the stage has ended: its status. While a fit
lasts the process reads the curves and the checkpoint as they are written, so that to be followed costs a fit nothing.
"""

import csv
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma import layout
from stemma.entries import Entry
from stemma.errors import StemmaError
from stemma.files import write_text
from stemma.repo import locks
from stemma.text import in_one_line, without_password
from stemma.trackers.base import Counted, Tracker, be_quiet

PAUSE = 0.25
QUIET = 60.0  # seconds of a fit in which its processors are left to it: a tracker's package takes seconds to import
LIMIT = 600.0  # seconds that it goes on for when the stage has ended: others may need the processors
BINS, SAMPLE = 30, 10_000  # of a histogram; values of a tensor that are counted
FOLDER, STATE = layout.CURVES / "plots/metrics", "state/network/"  # of the curves; of tensors in the checkpoint
Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """What is handed over.

    Args:
        folder: of the run; its name is the run's. name, path, extra: of the tracker.
        calls: methods of `Tracker`, with their arguments; fit: whether a fit is to be followed after them.
    """

    folder: str
    project: str
    name: str
    path: str
    extra: str | None
    calls: Sequence[Call]
    fit: bool

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
    be_quiet()
    try:
        with locks.held(asked.note("lock"), asked.name, LIMIT):  # the process of the stage before may be at work
            _hand_over(asked, ending)
    except Exception as error:  # a tracker may raise what it likes
        asked.fail(str(error) if isinstance(error, StemmaError) else f"{type(error).__name__}: {in_one_line(error)}")
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


class Fit:
    """What a fit has written so far, and what of it was seen."""

    def __init__(self) -> None:
        self.steps, self.counted_at = 0, 0
        self.before: dict[str, NDArray[np.float64]] = {}

    def look(self) -> list[Call]:
        """What is new, as calls of a tracker."""
        curves = {file.relative_to(FOLDER).with_suffix("").as_posix(): _values(file) for file in FOLDER.rglob("*.tsv")}
        steps = range(self.steps, min(map(len, curves.values()), default=0))
        self.steps = max(self.steps, steps.stop)
        seen = [("figures", {"values": {name: curves[name][at] for name in curves}, "step": at + 1}) for at in steps]
        with suppress(FileNotFoundError):  # it goes when the weights are written
            return seen + (self._weights() if self.steps else [])  # before, it may be that of another fit
        return seen

    def _weights(self) -> list[Call]:
        from safetensors import safe_open

        with safe_open(layout.CHECKPOINT, "numpy") as file:
            step = len(file.get_tensor("epochs"))
            if step == self.counted_at:
                return []
            names = [name for name in file.keys() if name.startswith(STATE)]  # noqa: SIM118 - it is no dict
            some = {name.removeprefix(STATE): _some(file.get_tensor(name)) for name in names}
        found = {f"weights/{name}": values for name, values in some.items()}
        found |= {f"updates/{name}": some[name] - values for name, values in self.before.items()}
        self.counted_at, self.before = step, some
        return [("histograms", {"tensors": {name: _counted(each) for name, each in found.items()}, "step": step})]


def _values(curve: Path) -> list[float]:
    """But for a line that is being written."""
    lines = curve.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()[1:]
    return [float(value) for _, value in csv.reader(lines, delimiter="\t")]


def _some(tensor: NDArray[Any]) -> NDArray[np.float64]:
    return tensor.ravel()[:: max(1, tensor.size // SAMPLE)].astype(np.float64)


def _counted(values: NDArray[np.float64]) -> Counted:
    counts, edges = np.histogram(values[np.isfinite(values)], BINS)
    return counts.tolist(), edges.tolist()


if __name__ == "__main__":
    main()
