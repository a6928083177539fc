"""The format safetensors: all tensors in one file that holds nothing else; model.json tells how to build on them."""

import json
from collections.abc import Callable
from pathlib import Path

from safetensors.numpy import load_file, save

import stemma.task
from stemma.entries import Entry
from stemma.formats import ABOUT, ENCODED, Served
from stemma.formats.replay import Arrays
from stemma.tables.profile import Block
from stemma.training.base import Floats, Problem
from stemma.training.settings import ModelSettings


def write(served: Served, file: Path) -> None:
    """The tensors by the names that the network gives them; no metadata, which would come in any order."""
    file.write_bytes(save(served.model.tensors()))


def load(file: Path, network: str, settings: str) -> Callable[[Arrays], Floats]:
    """Encoded rows -> scores (rows, outputs) of the network of this entry, as model.json beside the file has it."""
    about = json.loads((file.parent / ABOUT).read_text(encoding="utf-8"))
    told = about["problem"]
    of_values = {name: told.get(name) for name in ("mean", "deviation", "log")}
    task = stemma.task.of(told["task"], told["classes"], **of_values)
    problem = Problem(task, told["inputs"], tuple(Block(**each) for each in told["blocks"]))
    entry = Entry.of_words(network, settings)
    chosen = (entry.settings or ModelSettings).model_validate_json(json.dumps(about["model"]))
    model = entry.load()(chosen, problem)
    model.set_tensors(load_file(file))
    return lambda arrays: model.scores(arrays[ENCODED])
