"""training.json, made, written and read: how a network came to be."""

import importlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemma import weights
from stemma.files import finite, read_json, write_json
from stemma.training.base import Fit, Network
from stemma.training.origin import Origin
from stemma.training.settings import TrainSettings

PACKAGES = {"torch": ("torch",), "tensorflow": ("tensorflow", "keras")}  # by framework, beside those of all


def make(network: Network, fit: Fit, settings: TrainSettings, origin: Origin, stored: Path) -> dict[str, Any]:
    """Settings, epochs, environment. A run that was resumed leaves no trace of it.

    Args:
        stored: the folder of the weights, whose index says which tensors are buffers.
    """
    buffers = {tensor.name for tensor in weights.index(stored).tensors if tensor.buffer}
    return {
        "model": network.settings.model_dump(mode="json"),
        "train": settings.deciding(),
        "init_from": origin.told,
        "teacher": origin.teacher,
        "cut_from": network.cut_from,
        "epochs_run": len(fit.epochs),
        "epoch_kept": fit.kept,
        "frozen": list(fit.frozen),
        "moved": finite({name: distance for name, distance in fit.moved.items() if name not in buffers}),
        "environment": _environment(network),
    }


def write(path: Path, made: Mapping[str, Any]) -> None:
    write_json(path, made)


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote."""
    found: dict[str, Any] = read_json(path)
    return found


def _environment(network: Network) -> dict[str, Any]:
    modules = ("numpy", "onnxruntime", *PACKAGES[network.framework])
    versions = {name: importlib.import_module(name).__version__ for name in modules}
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),  # its patches give the same bytes
        "platform": f"{platform.system()} {platform.machine()}",  # no host name: equal machines give equal bytes
        "device": str(network.device),
        "packages": {name: version.partition("+")[0] for name, version in versions.items()},  # not +cpu: see `device`
    }
