"""TensorBoard: event files in runs/tensorboard/. `tensorboard --logdir runs/tensorboard` shows them.

They are written record by record: TensorBoard's own writer, and PyTorch's, import TensorFlow where that is installed.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, graph_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from stemma.trackers.base import Counted, Tracker

PERMILLE = 1000  # a curve is a scalar, whose step is x in thousandths


class TensorBoard(Tracker):
    """A file of events; those of later stages lie beside it."""

    def __init__(self, project: str, run: str, home: Path) -> None:
        self.name, folder = run, home / "tensorboard" / run
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / f"events.out.tfevents.{time.time():.0f}.{os.getpid()}").open("wb")
        self.records = RecordWriter(self.file)
        self._write(file_version="brain.Event:2")

    def settings(self, values: Mapping[str, str | float | bool]) -> None:
        self._write(summary=hparams_pb(dict(values), trial_id=self.name))

    def tags(self, values: Mapping[str, str]) -> None:
        lines = "\n".join(f"- {name}: `{value}`" for name, value in values.items())
        text = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[lines.encode()])
        about = summary_pb2.SummaryMetadata(plugin_data={"plugin_name": "text"})
        self._summary([{"tag": f"about/{'_'.join(values)}", "tensor": text, "metadata": about}], 0)

    def figures(self, values: Mapping[str, float], step: int | None = None) -> None:
        self._summary([{"tag": name, "simple_value": value} for name, value in values.items()], step or 0)

    def histograms(self, tensors: Mapping[str, Counted], step: int) -> None:
        self._summary([{"tag": name, "histo": _histogram(*each)} for name, each in tensors.items()], step)

    def curves(self, points: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        for name, curve in points.items():
            for x, y in curve:
                self.figures({f"curves/{name}": y}, round(PERMILLE * x))

    def graph(self, nodes: Sequence[tuple[str, str, Sequence[str]]]) -> None:
        graph = graph_pb2.GraphDef()
        for name, operator, inputs in nodes:
            graph.node.add(name=name, op=operator, input=inputs)
        self._write(graph_def=graph.SerializeToString())

    def close(self, status: str) -> None:
        self.file.close()

    def _summary(self, values: list[dict[str, Any]], step: int) -> None:
        self._write(step=step, summary={"value": values})

    def _write(self, **event: Any) -> None:
        self.records.write(event_pb2.Event(wall_time=time.time(), **event).SerializeToString())
        self.file.flush()


def _histogram(counts: Sequence[int], edges: Sequence[float]) -> Any:
    return summary_pb2.HistogramProto(
        min=edges[0], max=edges[-1], num=sum(counts), bucket_limit=edges[1:], bucket=counts
    )
