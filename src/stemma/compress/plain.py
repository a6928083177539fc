"""The graph of a network as its framework exports it, made plain: folded, numbered, without paths, and proved."""

from dataclasses import asdict, dataclass
from typing import Any

from stemma.formats.onnx import settled
from stemma.formats.optimise import optimise
from stemma.formats.parity import compare
from stemma.formats.settings import ExportSettings
from stemma.training.base import Floats, Network, Problem
from stemma.training.exported import ENCODED, SCORES, scorer


@dataclass(frozen=True)
class Plain:
    """A graph in float32, and what methods need beside it."""

    graph: Any  # a ModelProto, from `encoded` (rows, inputs) to `scores` (rows, outputs)
    problem: Problem
    rows: Floats  # encoded validation rows (rows, inputs), to calibrate on
    answers: Floats  # predictions of the test rows


def plain(network: Network, settings: ExportSettings, test: Floats, rows: Floats) -> tuple[Plain, dict[str, Any]]:
    """The graph of a network, and how far its answers are from those of the framework.

    Args:
        settings: where to fold constants, of which opset.
        test: encoded rows, of which each is compared.
        rows: as of `Plain`.

    Raises:
        ExportError: the framework or onnxruntime cannot read it, or a row differs by more than `export.tolerance`.
    """
    graph = network.onnx(settings.opset)
    graph = settled(optimise(graph) if settings.optimise else graph, settings.opset, ENCODED, SCORES)
    task = network.problem.task
    answers, name = task.predictions(scorer(graph.SerializeToString())(test)), "the graph of the network"
    found = compare(answers, network.predict(test), settings.tolerance, task.deviation, name, origin="framework")
    return Plain(graph, network.problem, rows, answers), asdict(found)
