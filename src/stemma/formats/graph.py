"""The format onnx: columns in, probabilities or a prediction out. It is the canonical one, which the package holds."""

from pathlib import Path
from typing import Any

import onnx

from stemma import runtime
from stemma.errors import ExportError
from stemma.formats import Served, parity
from stemma.formats.onnx import join
from stemma.formats.optimise import EXACT, halve, optimise
from stemma.formats.replay import load_onnx as load
from stemma.training import inputs
from stemma.training.base import Floats

__all__ = ["load", "write"]


def write(served: Served, file: Path) -> None:
    """Encoder, network and head in one graph; the network optimised and in half precision where settings ask for it.

    Raises:
        ExportError: the parts do not join, the optimised network gives something else, or float16 cannot hold it.
    """
    settings = served.settings
    network = served.model.onnx(settings.opset)
    if settings.optimise:
        optimised = optimise(network)
        plain = _scores(network, served.x)
        parity.compare(_scores(optimised, served.x), plain, settings.tolerance, name="the optimised onnx")
        network = optimised
    if settings.precision == "float16":
        for block in inputs.codes(served.problem):
            if block.size > EXACT:
                raise ExportError(
                    f"export.precision: float16 tells no numbers above {EXACT:,} apart, and column {block.name!r} has "
                    f"{block.size:,} codes",
                    run="dvc exp run -S export.precision=float32",
                )
        network = halve(network)
    encoder = onnx.load_model_from_string(served.encoder)
    graph = join(encoder, network, served.problem.task, settings.opset, served.temperature)
    file.write_bytes(graph.SerializeToString(deterministic=True))


def _scores(network: Any, x: Floats) -> Floats:
    return runtime.run(runtime.session(network.SerializeToString()), {network.graph.input[0].name: x})
