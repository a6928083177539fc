"""What the weights say: values that are not finite, norms that exploded, layers that did not move, dead units."""

import math
from collections.abc import Iterator
from typing import Any

from stemma import layout
from stemma.evaluation.results import told
from stemma.repo.repository import INDEX, PACKAGE, TRAINING, Version
from stemma.text import by_number, counted
from stemma.versions.doctor.finding import Finding, Skipped, there, ways

LARGE_RMS, HUGE_RMS = 30.0, 1000.0  # initial weights lie below 1, as do those of networks that train well
UNMOVED = 1e-6  # relative change of a layer; a single step of Adam at a rate of 0.0001 changes more
ROWS = 2000  # of validation, enough to see whether a unit is ever active
VALIDATION = layout.rows("validation").as_posix()


def weights_are_finite(version: Version) -> Iterator[Finding]:
    """The store notes no norm for a tensor with an entry that is NaN or infinite."""
    for tensor in there(version.index, INDEX).tensors:
        if tensor.norm is None:
            yield Finding(
                "error", "finite", f"tensor {tensor.name} holds NaN or infinite values", f"shape {list(tensor.shape)}",
                "train again with a smaller train.learning_rate, or with train.clip_norm=1",
            )  # fmt: skip


def norms_are_ordinary(version: Version) -> Iterator[Finding]:
    """The root mean square of a tensor's entries."""
    for tensor in there(version.index, INDEX).tensors:
        if tensor.norm is None or tensor.buffer:
            continue
        rms = tensor.norm / math.sqrt(max(math.prod(tensor.shape), 1))
        if rms > LARGE_RMS:
            yield Finding(
                "error" if rms > HUGE_RMS else "warning", "norms",
                f"the weights of {tensor.name} have exploded", f"root mean square {rms:.3g}",
                "train with train.clip_norm=1, a smaller train.learning_rate or more train.weight_decay",
            )  # fmt: skip


def layers_have_moved(version: Version) -> Iterator[Finding]:
    """Relative L2 distance of each tensor from its start, as train noted it; frozen layers are meant to stay."""
    moved = there(told(version.training, "moved"), f"`moved` of {TRAINING}")
    frozen = set(told(version.training, "frozen") or ())
    layers: dict[str, list[float]] = {}
    for name, distance in moved.items():
        if name not in frozen and distance is not None:  # else its weights are not finite
            layers.setdefault(name.rpartition(".")[0] or name, []).append(float(distance))
    for layer, distances in layers.items():
        if max(distances) < UNMOVED:
            yield Finding(
                "warning", "moved", f"layer {layer} did not move since its initialisation",
                f"relative change {max(distances):.2g}",
                "see whether a gradient reaches it; raise train.learning_rate or train.epochs",
            )  # fmt: skip


def units_are_alive(version: Version) -> Iterator[Finding]:
    """Units behind a ReLU that are zero on every row of validation, by running the packaged graph."""
    for layer, units, dead, rows in _dead_units(version):
        if dead:
            yield Finding(
                "error" if dead == units else "warning", "dead-units",
                f"{dead} of {counted(units, 'unit')} of {layer} {by_number(dead, 'is', 'are')} never active",
                f"zero on all of {counted(rows, 'row')} of validation",
                ways(version.settings, "model.activation=gelu", "a smaller train.learning_rate", "fewer units"),
            )  # fmt: skip


def _dead_units(version: Version) -> Iterator[tuple[str, int, int, int]]:
    """(layer with a ReLU, units, dead ones, rows looked at) of the packaged graph."""
    import io

    import numpy as np
    import onnx

    from stemma import parquet, runtime
    from stemma.bundle import look
    from stemma.bundle.archive import GRAPH
    from stemma.bundle.limits import answer
    from stemma.versions.predictions import bundle_of

    for path in (PACKAGE, VALIDATION):
        if not version.has(path):
            raise Skipped(f"{path} is not in the version")
    bundle = bundle_of(version)
    graph = onnx.load_from_string(bundle.files[GRAPH])
    watched = [node.output[0] for node in graph.graph.node if node.op_type == "Relu"]
    if not watched:
        raise Skipped("the network has no ReLU")
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in watched)
    names = [each.name for each in bundle.signature.inputs]
    rows = parquet.read(io.BytesIO(version.bytes(VALIDATION)), names).slice(0, ROWS)
    feeds = bundle.signature.arrays({name: _plain(rows.column(name)) for name in names})

    def silent() -> list[tuple[int, int]]:
        outputs: list[Any] = runtime.session(graph.SerializeToString()).run(watched, feeds)
        # The rows come first, or second where members do.
        zeros = [np.all(output == 0, axis=output.shape.index(len(rows))) for output in outputs]
        return [(each.size, int(each.sum())) for each in zeros]

    look(bundle.files[GRAPH])
    for name, (units, dead) in zip(_relus(version, watched), answer(silent), strict=True):
        yield name, units, dead, len(rows)


def _relus(version: Version, watched: list[str]) -> list[str]:
    """The names of the layers that these outputs of the graph are of; the outputs' own where that is not certain."""
    layers = version.index.layers if version.index is not None else ()
    names = [layer.name for layer in layers if "relu" in (layer.kind, layer.settings.get("activation"))]
    return names if len(names) == len(watched) else watched


def _plain(column: Any) -> list[Any]:
    """A column of the prepared table as values that a signature takes: numbers, texts, ISO dates, None."""
    return [value.isoformat() if hasattr(value, "isoformat") else value for value in column.to_pylist()]
