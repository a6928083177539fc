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
from collections.abc import Mapping
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
LIMIT = 60.0  # seconds that it goes on for when the stage has ended
BINS, SAMPLE = 30, 10_000  # of a histogram; values of a tensor that are counted


@dataclass(frozen=True)
class Asked:
    """What is handed over.

    Args:
        folder: of the run; its name is the run's. name, path, extra: of the tracker.
        calls: methods of `Tracker`, with their arguments.
        fit: whether a fit is to be followed.
    """

    folder: str
    project: str
    name: str
    path: str
    extra: str | None
    calls: list[tuple[str, dict[str, Any]]]
    fit: bool

    def note(self, kind: str) -> Path:
        """A file of the run about the tracker."""
        return Path(self.folder) / f"{self.name}.{kind}"


class Ending(threading.Thread):
    """Waits for the end of the stage, and then, for a while, for that of the process."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(daemon=True)
        self.asked, self.status = asked, ""

    def run(self) -> None:
        self.status = sys.stdin.readline().strip() or "KILLED"
        time.sleep(LIMIT)
        _fail(self.asked, f"it did not take the run within {LIMIT:.0f} s")
        os._exit(1)


def main() -> None:
    asked = Asked(**json.loads(sys.stdin.readline()))
    ending = Ending(asked)
    ending.start()
    be_quiet()
    with suppress(AttributeError, OSError):  # Windows has none
        os.nice(19)
    try:
        with locks.held(asked.note("lock"), asked.name, LIMIT):  # the process of the stage before may be at work
            _hand_over(asked, ending)
    except Exception as error:  # a tracker may raise what it likes
        _fail(asked, str(error) if isinstance(error, StemmaError) else f"{type(error).__name__}: {in_one_line(error)}")
        raise SystemExit(1) from error


def _hand_over(asked: Asked, ending: Ending) -> None:
    folder = Path(asked.folder)
    tracker: Tracker = Entry(asked.path, extra=asked.extra).load(type)(asked.project, folder.name, folder.parent)
    for method, arguments in asked.calls:
        getattr(tracker, method)(**arguments)
    if asked.fit:
        fit = Fit(tracker)
        while not ending.status:
            time.sleep(PAUSE)
            fit.look()
        fit.look()
    tracker.close(ending.status if asked.fit else "FINISHED")


class Fit:
    """What a fit has written so far, and what of it the tracker has."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker, self.steps = tracker, 0
        self.seen: tuple[int, Mapping[str, NDArray[Any]]] = (0, {})

    def look(self) -> None:
        columns = {path.relative_to(layout.CURVES / "plots/metrics").with_suffix("").as_posix(): _column(path)
                   for path in (layout.CURVES / "plots/metrics").rglob("*.tsv")}  # fmt: skip
        whole = min(map(len, columns.values()), default=0)
        for step in range(self.steps, whole):
            self.tracker.figures({name: values[step] for name, values in columns.items()}, step + 1)
        self.steps = whole
        with suppress(FileNotFoundError):
            self._weights()

    def _weights(self) -> None:
        from safetensors import safe_open

        with safe_open(layout.CHECKPOINT, "numpy") as file:
            step, before = len(file.get_tensor("epochs")), self.seen
            if step == before[0]:
                return
            names = [name for name in file.keys() if name.startswith("state/network/")]  # noqa: SIM118 - it is no dict
            tensors = {name.removeprefix("state/network/"): file.get_tensor(name) for name in names}
        changes = {name: tensors[name] - old for name, old in before[1].items()}
        found = {f"weights/{name}": _counted(tensor) for name, tensor in tensors.items()}
        self.tracker.histograms(found | {f"updates/{name}": _counted(each) for name, each in changes.items()}, step)
        self.seen = step, tensors


def _column(path: Path) -> list[float]:
    """The values of a curve, but for a line that is being written."""
    lines = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()[1:]
    return [float(value) for _, value in csv.reader(lines, delimiter="\t")]


def _counted(tensor: NDArray[Any]) -> Counted:
    values = tensor.ravel()[:: max(1, tensor.size // SAMPLE)].astype(np.float64)
    counts, edges = np.histogram(values[np.isfinite(values)], BINS)
    return counts.tolist(), edges.tolist()


def _fail(asked: Asked, why: str) -> None:
    """Leave a note for the stage, or the next one, which tells it; once."""
    if not asked.note("told").exists():
        write_text(asked.note("failed"), without_password(why))


if __name__ == "__main__":
    main()
