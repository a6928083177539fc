"""Stage `export`: encoder, weights, temperature -> one ONNX graph in models/export/, proved equal on all test rows."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
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
DECISION = Path("reports/decision.json")
EXPORT = Path("models/export")


def main() -> None:
    settings = config.load()
    about = profile.read(PREPARED)
    problem = Problem.of(about)
    model = models.create(settings.model, problem)
    model.load(WEIGHTS)
    temperature = json.loads(DECISION.read_text(encoding="utf-8"))["temperature"]
    graph = join(
        onnx.load(PREPARED / "encoder.onnx"),
        model.onnx(settings.export.opset),
        problem.task,
        settings.export.opset,
        problem.mean,
        problem.deviation,
        temperature,
    )
    content = graph.SerializeToString(deterministic=True)
    test = arrays.read(PREPARED, "test")
    exported = runtime.run(runtime.session(content), encode.feeds(test.frame, about.features))
    expected = problem.predictions(model.scores(test.x) / np.float32(temperature))
    proof = parity.compare(exported, expected, settings.export.tolerance, problem.deviation)
    with swapped_folder(EXPORT) as folder:
        (folder / "model.onnx").write_bytes(content)
        write_text(folder / "parity.json", json.dumps(asdict(proof), indent=2, sort_keys=True) + "\n")
