"""The format onnx: columns in, probabilities or a prediction out. It is the canonical one, which the package holds."""

from pathlib import Path

import onnx

from stemma.formats import Served
from stemma.formats.onnx import join


def write(served: Served, file: Path) -> None:
    """Encoder, network and head in one graph; an ExportError where the parts do not join."""
    encoder, network = (onnx.load_model_from_string(part) for part in (served.encoder, served.graph))
    graph = join(encoder, network, served.problem.task, served.settings.opset, served.temperature)
    file.write_bytes(graph.SerializeToString(deterministic=True))
