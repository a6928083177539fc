"""What a fitted network can be exported to: the table FORMATS, one module per format and framework.

    graph.py       onnx: encoder and network in one graph, by onnx.py; optimise.py folds constants
    tensors.py     safetensors
    replay.py      a written file, run in a process of its own
    parity.py      the difference between what it gives and what the network gives
    proof.py       formats written, and proved by both

What knows a framework is in its folder of `stemma.frameworks`:

    torch/program.py         torch_export
    tensorflow/archive.py    h5, keras
    tensorflow/lite.py       tflite
    tensorflow/saved.py      saved_model; the encoder and a PyTorch network come to it by translate.py

To add one: a module with `write(served, file)` and `run(file, arrays)`, and a line in FORMATS, or in the project's own
table of entries, each of which names a `Format`. `run` is called in a process of its own, which knows nothing but the
file: what it gives is compared with the network on every test row, in one batch and in others. Where a file takes long
to load, `load(file)` instead of `run` gives a function of the arrays.
docs/formats.md has the same table for people.
"""

import importlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemma import layout
from stemma.entries import Entry, added
from stemma.errors import EntryError, ExportError
from stemma.settings import Chosen
from stemma.text import nearest
from stemma.training.exported import ENCODED as ENCODED

if TYPE_CHECKING:  # whoever loads settings, or runs a file in a process of its own, needs none of these
    from stemma.formats.settings import ExportSettings
    from stemma.training.base import Floats, Network, Problem

ABOUT, ENCODER = "model.json", layout.ENCODER.name  # beside a file that takes encoded rows


@dataclass(frozen=True)
class Format:
    """One format."""

    file: str  # its name in the folder of the export
    modules: Mapping[str, str]  # what writes and runs it, by the framework that it is made from
    # whether it takes encoded rows (rows, inputs) float32 as `encoded`, not the table's columns (rows, 1)
    encoded: bool = False
    scores: bool = False  # whether it gives scores, not probabilities or predictions
    # whether the same network gives the same bytes, so that DVC may keep it; else it is made on demand
    kept: bool = True
    # whether the network's own class builds it again: `run` and `load` also take its entry, as two texts
    code: bool = False
    # whether it is made of the network's graph, which may be compressed, not of the framework's network
    graph: bool = False
    load: str = ""  # what stands for `load` ("module:load_..."), where that needs less than the module that writes it


NONE = "none"  # the method of a network that is not compressed
GRAPH, TENSORS, REPLAY = "stemma.formats.graph", "stemma.formats.tensors", "stemma.formats.replay"
KERAS, TORCH = "stemma.frameworks.tensorflow", "stemma.frameworks.torch"
FORMATS = {
    "onnx": Format(layout.GRAPH.name, {"torch": GRAPH, "tensorflow": GRAPH}, graph=True, load=f"{REPLAY}:load_onnx"),
    "saved_model": Format("saved_model", {"torch": f"{KERAS}.saved", "tensorflow": f"{KERAS}.saved"}, kept=False),
    "tflite": Format("model.tflite", {"tensorflow": f"{KERAS}.lite"}, encoded=True, load=f"{REPLAY}:load_tflite"),
    "h5": Format("model.h5", {"tensorflow": f"{KERAS}.archive"}, encoded=True, scores=True, code=True),
    "keras": Format("model.keras", {"tensorflow": f"{KERAS}.archive"}, encoded=True, scores=True, code=True),
    "torch_export": Format("model.pt2", {"torch": f"{TORCH}.program"}, encoded=True),
    "safetensors": Format(
        "model.safetensors", {"torch": TENSORS, "tensorflow": TENSORS}, encoded=True, scores=True, code=True
    ),
}


@dataclass(frozen=True)
class Served:
    """A fitted network with what stands before and behind it."""

    fitted: "Callable[[], Network]"  # gives the framework's network, which a format of the graph needs no framework for
    framework: str  # of the network
    problem: "Problem"
    graph: bytes  # of the network, as it was judged
    entry: Entry  # of the network, in the project's table
    encoder: bytes  # the graph of ONNX that encodes rows
    features: tuple[tuple[str, str], ...]  # (name, role) of the columns that it takes
    temperature: float  # divides the scores of classes
    settings: "ExportSettings"  # the section `export`
    allowed: tuple[float, str]  # greatest difference from the graph, and the setting that says so
    name: str  # of the package

    @cached_property
    def model(self) -> "Network":
        """The framework's network; a MissingExtra where its framework is not installed."""
        return self.fitted()

    def predictions(self, scores: "Floats") -> "Floats":
        """Probabilities (rows, classes), or values (rows, 1)."""
        return self.problem.task.predictions(scores / np.float32(self.temperature))

    def about(self) -> str:
        """What a file of the network alone does not say: how it is built, what it takes, what its scores mean."""
        task = self.problem.task
        told = {
            "format": 1,
            "framework": self.framework,
            "model": self.model.settings.model_dump(mode="json"),
            "problem": {"task": task.kind, "classes": task.classes, "mean": task.mean, "deviation": task.deviation}
            | ({"log": task.log} if task.log else {})
            | {"inputs": self.problem.inputs, "blocks": [asdict(block) for block in self.problem.blocks]},
            "temperature": self.temperature,
            "features": [{"name": name, "role": role} for name, role in self.features],
            "output": task.output,
        }
        return json.dumps(told, indent=2, sort_keys=True) + "\n"


def known(own: Mapping[str, Entry], names: Collection[str] | str = "all") -> dict[str, Format]:
    """The table FORMATS with the formats that a project and installed packages add.

    Args:
        own: the project's lines.
        names: those that are looked for; the others are not imported.

    Raises:
        EntryError: one cannot be loaded, or is no Format.
    """
    lines = added("formats", own, FORMATS)
    return FORMATS | {name: entry.load(Format) for name, entry in lines.items() if names == "all" or name in names}


def chosen(
    names: Sequence[str] | str, framework: str, method: str = NONE, table: Mapping[str, Format] = FORMATS
) -> tuple[str, ...]:
    """The formats that the setting `formats` asks for, in the order of the table.

    Args:
        names: of formats, onnx among them; or "all": every one that DVC can keep of this network.
        method: that the network is compressed by.

    Raises:
        ExportError: one is unknown, cannot be made from this network, or is made on demand alone.
    """
    if names == "all":
        return tuple(name for name, each in table.items() if each.kept and not refusal(name, framework, method, table))
    for name in names:
        if fault := refusal(name, framework, method, table):
            raise ExportError(fault)
        if not table[name].kept:
            told = f"{name} is not kept by DVC, for its bytes change at every export: make it by"
            raise ExportError(f"{told} `stemma export REV --format {name}`")
    if "onnx" not in names:
        raise ExportError("onnx is missing: the pipeline packages it, so it is always made")
    return tuple(name for name in table if name in names)


def asked(
    name: str | None,
    folder: Path,
    names: Sequence[str] | str,
    network: tuple[str, str],
    own: Mapping[str, Entry],
) -> dict[str, Format]:
    """The format that was asked for on demand, in a new folder; where none was, those of the setting `formats`.

    Args:
        network: its framework, and the method that it is compressed by.
        own: the project's lines.

    Raises:
        EntryError: as `known`.
        ExportError: as `chosen`, or the folder is there already.
    """
    table = known(own)
    if name is None:
        return {each: table[each] for each in chosen(names, *network, table)}
    if fault := refusal(name, *network, table):
        raise ExportError(fault)
    if folder.exists():
        raise ExportError(f"{folder} is already there: name another folder")
    return {name: table[name]}


def faults(own: Mapping[str, Entry], values: Mapping[str, Any], _: Mapping[str, Chosen]) -> list[str]:
    """What is wrong with the formats that the section `export` names: said before anything is trained.

    Args:
        own: the project's lines.
    """
    given = (values.get(name) for name in ("model", "export", "compress"))
    model, export, compress = (section if isinstance(section, dict) else {} for section in given)
    framework, named = model.get("framework"), export.get("formats")
    if framework not in ("torch", "tensorflow") or not isinstance(named, list):
        return []
    if not all(isinstance(name, str) for name in named):
        return []
    try:
        chosen(named, framework, str(compress.get("method", NONE)), known(own, named))
    except (EntryError, ExportError) as error:
        return [f"export.formats: {error}"]
    return []


def refusal(name: str, framework: str, method: str = NONE, table: Mapping[str, Format] = FORMATS) -> str | None:
    """Why a network of this framework, compressed so, cannot be exported to this format; None where it can."""
    if name not in table:
        return f"{name!r} is none of {', '.join(table)}{nearest(name, table)}"
    if framework not in table[name].modules:
        there = [other for other, each in table.items() if framework in each.modules]
        return (
            f"{name} is made from {' or '.join(table[name].modules)}, and this network is of {framework}: "
            f"of that there are {', '.join(there)}"
        )
    if method != NONE and not table[name].graph:
        return (
            f"{name} is made of the framework's network, and compress.method is {method}, which is judged and served: "
            "choose onnx alone, or `dvc exp run -S compress.method=none`"
        )
    return None


def ways(format: Format, framework: str) -> tuple[Callable[[Served, Path], None], Callable[..., Any]]:
    """What writes a format of a framework's network, and what loads the file, or runs it: `load` or `run`.

    Raises:
        MissingExtra: a package that it needs is not installed.
    """
    module = importlib.import_module(format.modules[framework])
    home, _, load = format.load.rpartition(":")
    if load:
        return module.write, getattr(importlib.import_module(home), load)
    return module.write, getattr(module, "load", None) or module.run
