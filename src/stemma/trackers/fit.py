"""A fit as its files tell it, read while they are written, so that to be followed costs a fit nothing."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma import layout
from stemma.trackers.base import Call, Counted

BINS, SAMPLE = 30, 10_000  # of a histogram; values of a tensor that are counted
FOLDER = layout.CURVES / "plots/metrics"
# Of tensors in the checkpoint, as `training.base.Session.state` names them, which takes long to import.
STATE, SLOTS, MEAN = "state/network/", "state/optimizer/", "/exp_avg"


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
            names = list(file.keys())
            some = {name.removeprefix(STATE): _some(file.get_tensor(name)) for name in names if name.startswith(STATE)}
            means = [name for name in names if name.startswith(SLOTS) and name.endswith(MEAN)]
            found = {f"gradients/{name[len(SLOTS) : -len(MEAN)]}": _some(file.get_tensor(name)) for name in means}
        found |= {f"weights/{name}": values for name, values in some.items()}
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
