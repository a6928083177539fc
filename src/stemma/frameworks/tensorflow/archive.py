"""The formats h5 and keras: the network as Keras saves it, encoded rows in, scores out. It can be trained on.

A layer of one's own is read back once its module is imported; nothing else of Python is in the file, and safe mode
refuses a Lambda. `.keras` is rewritten without the date, and with numbers in place of what Python calls its objects.
"""

import importlib
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras

from stemma import runtime
from stemma.entries import naming
from stemma.errors import ExportError
from stemma.frameworks.tensorflow.head import silent
from stemma.training.base import Floats
from stemma.training.exported import ENCODED, Arrays, Exportable

DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold


def write(served: Exportable, file: Path) -> None:
    """The network without its optimizer; an ExportError where Keras cannot write a layer."""
    with naming(f"{file.suffix[1:]} cannot be made of this network", ExportError), silent():
        served.model.built.save(file, include_optimizer=False)
    if file.suffix == ".keras":
        _settle(file)


def load(file: Path, network: str, settings: str) -> Callable[[Arrays], Floats]:
    """Encoded rows -> scores (rows, outputs)."""
    importlib.import_module(network.split(":")[0])  # where its layers are
    loaded = keras.models.load_model(file, compile=False, safe_mode=True)
    return partial(runtime.in_pieces, lambda piece: loaded(piece[ENCODED], training=False))


def _settle(file: Path) -> None:
    """Write a .keras file again with the same bytes for the same network."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(content["metadata.json"]) | {"date_saved": "1980-01-01@00:00:00"}
    content["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
    content["config.json"] = json.dumps(_numbered(json.loads(content["config.json"]), {})).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in content.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), part)


def _numbered(value: Any, seen: dict[int, int]) -> Any:
    """The same settings; objects that are shared, which Keras names by their place in memory, are counted from 1."""
    if isinstance(value, list):
        return [_numbered(each, seen) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: seen.setdefault(each, len(seen) + 1) if key == "shared_object_id" and each else _numbered(each, seen)
        for key, each in value.items()
    }
