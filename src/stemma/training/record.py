"""How a network came to be, as plain data: what training.json holds."""

import importlib
import platform
from pathlib import Path
from typing import Any

from stemma import weights
from stemma.training.base import Fit, Model
from stemma.training.origin import Origin
from stemma.training.settings import TrainSettings

PACKAGES = {"torch": ("torch",), "tensorflow": ("tensorflow", "keras")}  # by framework, beside those of all


def make(model: Model, fit: Fit, settings: TrainSettings, origin: Origin, stored: Path) -> dict[str, Any]:
    """Settings, epochs, environment. A run that was resumed leaves no trace of it.

    Args:
        stored: the folder of the weights, whose index says which tensors are buffers.
    """
    buffers = {tensor.name for tensor in weights.index(stored).tensors if tensor.buffer}
    return {
        "model": model.settings.model_dump(mode="json"),
        "train": settings.model_dump(mode="json", exclude={"resume"}),
        "init_from": origin.told,
        "epochs_run": len(fit.epochs),
        "epoch_kept": fit.kept,
        "frozen": list(fit.frozen),
        "moved": {name: distance for name, distance in fit.moved.items() if name not in buffers},
        "environment": _environment(model),
    }


def _environment(model: Model) -> dict[str, Any]:
    modules = ("numpy", "onnxruntime", *PACKAGES[model.framework])
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",  # no host name: equal machines give equal bytes
        "device": str(model.device),
        "packages": {name: importlib.import_module(name).__version__ for name in modules},
    }
