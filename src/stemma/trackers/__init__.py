"""Runs and versions in the trackers that people have; DVCLive's files are there whatever is asked for here.

    run.py       what the stages hand over: train begins a run, evaluate and package add to it
    process.py   what takes it, one process for each tracker
    fit.py       what such a process finds of a fit while it goes on
    base.py      what a tracker is: tensorboard.py, mlflow.py, wandb.py
    publish.py   a version in MLflow's registry: `stemma publish mlflow`

What goes wrong with a tracker stops no stage, and changes nothing that DVC keeps. To add one: a subclass of `Tracker`,
and a line in TRACKERS, or in the project's table of entries.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stemma.conf.pins import part
from stemma.entries import Entry, added
from stemma.errors import EntryError
from stemma.text import nearest

if TYPE_CHECKING:
    from stemma.settings import Chosen

TRACKERS = {
    "tensorboard": Entry("stemma.trackers.tensorboard:TensorBoard", extra="tensorboard"),
    "mlflow": Entry("stemma.trackers.mlflow:MLflow", extra="mlflow"),
    "wandb": Entry("stemma.trackers.wandb:WeightsAndBiases", extra="wandb"),
}


def lines(own: Mapping[str, Entry]) -> dict[str, Entry]:
    """The toolkit's, those of installed packages and the project's; raises as `added`."""
    return TRACKERS | added("trackers", own, TRACKERS)


def faults(own: Mapping[str, Entry], values: Mapping[str, Any], _: "Mapping[str, Chosen]") -> list[str]:
    """What is wrong with the names in train.trackers."""
    asked = part(values, "train").get("trackers")
    if not isinstance(asked, list):
        return []  # that it is no list, its type tells
    try:
        known = lines(own)
    except EntryError as error:
        return [f"train.trackers: {error}"]
    wrong = [name for name in asked if name not in known]
    return [f"train.trackers: {name!r} is none of {', '.join(known)}{nearest(name, known)}" for name in wrong]
