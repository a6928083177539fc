"""The format torch_export: a program of torch.export, encoded rows in, probabilities or a prediction out.

The file holds no pickle: no example inputs, and weights as plain bytes. It is loaded again only after a look that this
is so, for torch.export.load would unpickle what a file asks it to.
"""

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stemma import runtime
from stemma.entries import naming
from stemma.errors import ExportError
from stemma.task import HIGHEST
from stemma.training.base import Floats
from stemma.training.exported import ENCODED, Arrays, Exportable

TRACES = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")  # paths, lines, random names


class Whole(nn.Module):
    """Network and head: encoded rows (rows, inputs) -> probabilities (rows, classes), or values (rows, 1)."""

    def __init__(self, served: Exportable) -> None:
        super().__init__()
        self.network = copy.deepcopy(served.model.built).cpu()
        self.task, self.temperature = served.problem.task, served.temperature

    def forward(self, encoded: Any) -> Any:
        scores = self.network(encoded)
        if self.task.head == "rescale":
            mean, deviation = self.task.rescaling
            values = scores * deviation + mean
            return values if self.task.log is None else torch.exp(torch.clamp(values, max=HIGHEST))
        scores = scores / self.temperature
        if self.task.head == "sigmoid":
            scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
        return torch.softmax(scores, dim=1)


def write(served: Exportable, file: Path) -> None:
    """The program, for any number of rows; an ExportError where torch.export cannot trace the network."""
    whole = Whole(served).eval().requires_grad_(False)
    example = torch.zeros(2, served.problem.inputs)
    with naming("torch_export cannot be made of this network", ExportError):
        program = torch.export.export(whole, (example,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    for node in program.graph.nodes:
        for trace in TRACES:
            node.meta.pop(trace, None)
    program.example_inputs = None
    torch.export.save(program, file)


def load(file: Path) -> Callable[[Arrays], Floats]:
    """Encoded rows -> what the program gives for them; an ExportError where the file holds a pickle."""
    if pickles := pickled(file):
        raise ExportError(f"{file.name} is not loaded: it holds a pickle ({pickles[0]})")
    torch.set_num_threads(1)
    network = torch.export.load(file).module()

    def serve(arrays: Arrays) -> Floats:
        with torch.no_grad():
            return runtime.in_pieces(lambda piece: network(torch.from_numpy(piece[ENCODED])), arrays)

    return serve


def pickled(file: Path) -> list[str]:
    """The parts of a program that loading would unpickle."""
    found = []
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        for name in names:
            if name.endswith((".pt", ".pkl")) and archive.getinfo(name).file_size:
                found.append(name)
            if name.endswith("_config.json"):
                payloads = json.loads(archive.read(name))["config"]
                found += [payload["path_name"] for payload in payloads.values() if payload["use_pickle"]]
        if not any(name.endswith("/archive_format") or name == "archive_format" for name in names):
            found.append("an older format")  # which is unpickled as a whole
    return found
