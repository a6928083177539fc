"""The graph of a network, compressed as settings ask for it, and what is told of it."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from stemma import metrics
from stemma.compress import half, integers, layers
from stemma.compress.plain import Plain, plain
from stemma.compress.record import Record
from stemma.compress.settings import CompressSettings
from stemma.files import finite
from stemma.formats.onnx import clean
from stemma.formats.parity import compare
from stemma.formats.settings import ExportSettings
from stemma.tables.arrays import Arrays
from stemma.task import Task
from stemma.thin import evenly
from stemma.training.base import Floats, Network
from stemma.training.exported import scorer

Scorer = Callable[[Floats], Floats]
METHODS: dict[str, Callable[[Plain], Any]] = {
    "none": lambda given: given.graph,
    "float16": half.halved,
    "int8_dynamic": integers.by_row,
    "int8_static": integers.calibrated,
}


@dataclass(frozen=True)
class Compressed:
    """A graph as bytes, and its record."""

    graph: bytes
    record: Record


def compress(
    network: Network, settings: CompressSettings, export: ExportSettings, validation: Arrays, test: Arrays
) -> Compressed:
    """The graph of a fitted network as settings ask for it: calibrated on validation rows, proved on test rows.

    Raises:
        ExportError: the network gives no graph that is equal to it, the method cannot be used on it, or what it makes
            gives what is no number.
    """
    folded = export.model_copy(update={"optimise": export.optimise or settings.method != "none"})
    given, parity = plain(network, folded, test.x, validation.x[evenly(len(validation.x), settings.rows)])
    made = METHODS[settings.method](given)
    clean(made)
    graphs = [each.SerializeToString(deterministic=True) for each in (given.graph, made)]
    task, score = given.problem.task, {graph: scorer(graph) for graph in graphs}  # one, where nothing is compressed
    figures = {graph: _figure(task, validation, score[graph]) for graph in score}
    answers = task.predictions(score[graphs[1]](test.x)) if len(score) > 1 else given.answers
    told = Record(
        format=1,
        method=settings.method,
        rows=len(given.rows) if settings.method == "int8_static" else None,
        bytes=(len(graphs[0]), len(graphs[1])),
        metric=task.main,
        validation=(figures[graphs[0]], figures[graphs[1]]),
        layers=tuple(layers.kept(given.graph.graph, made.graph, network.tensors())),
        parity=parity,
        apart=asdict(compare(answers, given.answers, math.inf, task.deviation, "the compressed graph")),
    )
    return Compressed(graphs[1], told)


def _figure(task: Task, rows: Arrays, score: Scorer) -> float | None:
    """The main figure; None where it is not defined."""
    main = metrics.METRICS[task.main]
    predictions = task.predictions(score(rows.x))
    decided = None if task.positive is not None else task.decide(predictions)  # there is no threshold yet
    found = metrics.figures(metrics.Rows.of(task, rows.y, predictions, decided), of=[main])
    value: float | None = finite(found[main.name])
    return value
