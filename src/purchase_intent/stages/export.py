"""Stage `export`: encoder and weights -> one ONNX graph in models/export/, proved equal on the whole test split."""

import json
from dataclasses import asdict
from pathlib import Path

import onnx

from purchase_intent import config, models
from purchase_intent.data import arrays, encode, profile
from purchase_intent.models.base import Problem
from stemma import runtime
from stemma.export import parity
from stemma.export.onnx import join
from stemma.files import swapped_folder, write_text

PREPARED = Path("data/prepared")
WEIGHTS = Path("models/weights")
EXPORT = Path("models/export")


def main() -> None:
    settings = config.load()
    about = profile.read(PREPARED)
    problem = Problem.of(about)
    model = models.create(settings.model, problem)
    model.load(WEIGHTS)
    graph = join(
        onnx.load(PREPARED / "encoder.onnx"),
        model.onnx(settings.export.opset),
        problem.task,
        settings.export.opset,
        problem.mean,
        problem.deviation,
    )
    content = graph.SerializeToString(deterministic=True)
    test = arrays.read(PREPARED, "test")
    exported = runtime.run(runtime.session(content), encode.feeds(test.frame, about.features))
    proof = parity.compare(exported, model.predict(test.x), settings.export.tolerance, problem.deviation)
    with swapped_folder(EXPORT) as folder:
        (folder / "model.onnx").write_bytes(content)
        write_text(folder / "parity.json", json.dumps(asdict(proof), indent=2, sort_keys=True) + "\n")
