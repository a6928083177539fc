"""Settings of what a fit brings down that cannot be together, refused by name before anything runs.

What they do is told where it is done: `rows` (targets and rows), `shrink` (weights), `narrow` (units); a framework's
own `objective` joins them in a step.
"""

import math
from collections.abc import Mapping
from typing import Any

from stemma.conf.pins import part
from stemma.settings import Chosen
from stemma.text import counted

OFF = (None, 0, False)  # Python takes 0.0 for 0
SOFT = ("teacher", "label_smoothing", "mixup")  # these give a class a share of a row
WHOLE = ("prune", "quantisation_aware", "l1", "l2")  # these compute with all weights of a layer
ALONE = {"workers": 1, "shard": False, "accumulate": 1}


def faults(values: Mapping[str, Any], _: Mapping[str, Chosen]) -> list[str]:
    """What is wrong with the section `train` beside that of `model`."""
    train, model = part(values, "train"), part(values, "model")
    asked = {name for name, value in train.items() if value not in OFF}
    told = [
        f"train.{name}: it shares a row among classes, which train.loss, a loss of your own, knows nothing of: "
        "set one of the two to null or 0"
        for name in SOFT
        if {name, "loss"} <= asked
    ]
    if "prune_structured" in asked and "init_from" not in asked:
        told.append("train.prune_structured: units are chosen in a fitted network: name its commit in train.init_from")
    if "prune_structured" in asked and not model.get("hidden"):
        told.append(f"train.prune_structured: {model.get('name')} has no hidden layers to take units from")
    return told + _cut(train, model)


def _cut(train: Mapping[str, Any], model: Mapping[str, Any]) -> list[str]:
    """What is wrong with batches that are cut, and with parameters that are shared."""
    cut = [name for name, alone in ALONE.items() if train.get(name, alone) != alone]
    if model.get("framework") == "tensorflow":
        return [f"train.{name}: it is PyTorch's: TensorFlow runs an epoch as one graph of one process" for name in cut]
    told = without_rows(train)
    if "workers" in cut and train.get("device") == "mps":
        told.append("train.workers: those of mps cannot sum gradients: set train.device to cpu")
    if cut and train.get("stepper") == "recorded":
        told.append(f"train.stepper: a batch that train.{cut[0]} cuts takes ordinary steps: set it to auto")
    if "shard" in cut:
        told += [
            f"train.shard: train.{name} computes with whole weights, and a worker has a part: switch one of the two off"
            for name in WHOLE
            if train.get(name) not in OFF
        ]
        told += [] if "workers" in cut else ["train.shard: parameters are shared among several: set train.workers"]
    return told


def without_rows(train: Mapping[str, Any]) -> list[str]:
    """What is wrong with batches that are cut into more pieces than they have rows."""
    given: list[Any] = [train.get(name) for name in ("batch_size", "workers", "accumulate")]
    size, *cut = given
    if not all(isinstance(number, int) for number in given) or math.prod(cut) <= size:
        return []
    name = "workers" if cut[0] > 1 else "accumulate"
    batch = f"a batch of {counted(size, 'row')}"
    return [f"train.{name}: {batch} cannot be cut into {math.prod(cut)} pieces: ask for fewer"]
