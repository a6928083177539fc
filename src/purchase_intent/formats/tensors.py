"""The format safetensors: all tensors in one file that holds nothing else; model.json tells how to build on them."""

import json
from pathlib import Path

from safetensors.numpy import load_file, save

import stemma.task
from purchase_intent import models
from purchase_intent.data.profile import Block
from purchase_intent.formats import ABOUT, ENCODED, Served
from purchase_intent.models.base import Floats, Problem
from stemma.export.replay import Arrays


def write(served: Served, file: Path) -> None:
    """The tensors by the names that the network gives them; no metadata, which would come in any order."""
    file.write_bytes(save(served.model.network_weights()))


def run(file: Path, arrays: Arrays) -> Floats:
    """Scores (rows, outputs) of the network that model.json beside the file describes."""
    about = json.loads((file.parent / ABOUT).read_text(encoding="utf-8"))
    told = about["problem"]
    task = stemma.task.of(told["task"], told["classes"], mean=told["mean"], deviation=told["deviation"])
    problem = Problem(task, told["inputs"], tuple(Block(**each) for each in told["blocks"]))
    settings = models.MODELS[about["model"]["name"]].settings.model_validate_json(json.dumps(about["model"]))
    model = models.create(settings, problem)
    model.set_network_weights(load_file(file))
    return model.scores(arrays[ENCODED])
