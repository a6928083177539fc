"""The files of a bundle, from what the stages before it wrote."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

from stemma import layout, runtime, signature, weights
from stemma.bundle.archive import GRAPH, SIGNATURE
from stemma.bundle.card import CARD, card
from stemma.bundle.flavour import files as files_of_mlflow
from stemma.bundle.model import BACKGROUND, RECORD, REFERENCE, REQUEST, RESPONSE
from stemma.bundle.model import FORMAT as OF_FACTS
from stemma.bundle.settings import PackageSettings
from stemma.files import read_json
from stemma.settings import Section
from stemma.tables.profile import Profile
from stemma.values import BY_COLUMN, Text
from stemma.weights import Index

Facts = dict[str, Any]
SAMPLE = 3  # rows
CHOSEN = {"keep", "left_out", "merge", "target_log"}  # of the profile, where settings say so


@dataclass(frozen=True)
class Results:
    """What the stages found: the index of the weights, how they were trained and judged, the graph and its proof."""

    index: Index
    training: Facts
    compression: Facts
    metrics: Facts
    evaluation: Facts
    decision: Facts
    parity: Facts
    graph: bytes

    @classmethod
    def read(cls, stored: Path, export: Path, reports: Path) -> "Results":
        """The record of a version carries the reports as they are."""
        parts = (layout.TRAINING, layout.COMPRESSION, layout.METRICS, layout.EVALUATION, layout.DECISION)
        told = {file.stem: read_json(reports / file.name) for file in parts}
        told["parity"] = read_json(export / layout.PARITY.name)
        return cls(index=weights.index(stored), graph=(export / layout.GRAPH.name).read_bytes(), **told)


def files(
    about: Profile, results: Results, settings: PackageSettings, record: Facts, prepared: Path
) -> dict[str, bytes]:
    """Every file but the manifest, by name.

    Args:
        record: that `version` makes.
        prepared: the folder whose first test rows are the sample, and whose training rows the background is drawn from.
    """
    contract = describe(about, results.decision["threshold"]) | dialect(record["settings"]["data"])
    request, response = sample(about, contract, results.graph, prepared / "test.parquet")
    told = {SIGNATURE: contract, RECORD: record, REQUEST: request, RESPONSE: response}
    told[REFERENCE] = {"columns": about.raw["training"]}  # to compare what arrives in service with
    if settings.background:
        told[BACKGROUND] = background(about, contract, prepared / "train.parquet", settings.background)
    made = {name: _bytes(value) for name, value in told.items()}
    made |= {GRAPH: results.graph, "requirements.txt": requirements().encode(), CARD: card(record).encode()}
    if settings.mlflow:
        made |= files_of_mlflow(record["environment"]["python"], signature.parse(made[SIGNATURE]))
    return made


def describe(about: Profile, threshold: float | None) -> Facts:
    """What goes in and what comes out; the first file a server reads."""
    inputs = [{"name": name, "type": signature.TYPES[role]} for name, role in about.inputs]
    task = about.task
    told = {"format": 1, "task": task.kind, "target": about.target, "inputs": inputs, "output": task.output}
    told["levels"] = signature.LEVELS
    if about.raw["missing"] is not None:  # the texts that stood for "no value" in the file
        told["missing"] = about.raw["missing"]
    told |= {name: about.raw[name] for name in (*BY_COLUMN, "keep", "merge") if about.raw.get(name)}
    if task.rare:  # whoever reads outcomes leads with the figure that evaluate led with
        told["rare"] = True
    if task.classes:
        told["classes"] = list(task.classes)
    if task.positive is not None:
        told |= {"positive": task.positive, "threshold": threshold}
    return told


def dialect(data: Mapping[str, Any]) -> Facts:
    """How the file of the table is written, where that is not as usual."""
    usual = asdict(Text())
    told = {name: data.get(name, value) for name, value in usual.items()}
    return {} if told == usual else {"file": told}


def sample(about: Profile, contract: Facts, graph: bytes, rows: Path) -> tuple[Facts, Facts]:
    """A request of a few rows, and the response of the graph to it, as it is served."""
    import pyarrow.parquet as pq

    columns = _columns(about, contract, next(pq.ParquetFile(rows).iter_batches(SAMPLE)))
    arrays = signature.parse(_bytes(contract)).arrays(columns)
    return {"inputs": columns}, {contract["output"]: runtime.run(runtime.session(graph), arrays).tolist()}


def background(about: Profile, contract: Facts, rows: Path, count: int) -> Facts:
    """Rows drawn by chance, the same ones of the same table, in its order; no target, and no numbers of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    taken, start = [], 0
    with pq.ParquetFile(rows, pre_buffer=False) as file:
        there = file.metadata.num_rows
        drawn = np.sort(np.random.default_rng(0).choice(there, min(count, there), replace=False))
        for batch in file.iter_batches(columns=[name for name, _ in about.inputs]):
            end = start + batch.num_rows
            here = drawn[(start <= drawn) & (drawn < end)] - start  # of which `pa.array` would import pandas
            taken.append(batch.take(pa.Array.from_buffers(pa.int64(), len(here), [None, pa.py_buffer(here)])))
            start = end
    return {"format": OF_FACTS, "inputs": _columns(about, contract, pa.Table.from_batches(taken))}


def _columns(about: Profile, contract: Facts, table: Any) -> Facts:
    """The inputs of an Arrow table as JSON has them."""
    formats = signature.parse(_bytes(contract)).date_format
    return {name: _plain(table.column(name).to_pylist(), role, formats.get(name)) for name, role in about.inputs}


def _plain(values: Sequence[Any], role: str, format_: str | None) -> list[float | str | None]:
    """Values as JSON has them: numbers, null for a missing one, texts and dates (ISO 8601 without a format)."""
    missing = "" if role == "categorical" else None
    if role == "date":
        return [value and (value.strftime(format_) if format_ else value.isoformat()) for value in values]
    return [missing if value is None or value != value else value for value in values]


def version(about: Profile, results: Results, own: PackageSettings, sections: Mapping[str, Section]) -> Facts:
    """The record of this version: structure, data, process, figures, weights, environment, proof of the export.

    Args:
        sections: of the settings, that made the data.
    """
    process = {name: value for name, value in results.training.items() if name != "environment"}
    told = ("source", "task", "target", "classes", "features", "rows", "splits", "content")
    settings = {name: section.model_dump(mode="json") for name, section in sections.items()}
    texts: dict[str, str] = settings.get("data", {}).get("package", {})
    return {
        "format": 1,
        "name": own.name,
        "description": own.description,
        "intended_use": own.intended_use,
        "limits": list(own.limits),
        "licence": own.licence,
        "structure": {
            "framework": results.index.framework,
            "architecture": [asdict(layer) for layer in results.index.layers],
            "structure": results.index.structure,
        },
        "data": {key: about.raw[key] for key in (*told, *(CHOSEN & about.raw.keys()))},
        "settings": settings,
        "process": process,
        "compression": results.compression,
        "metrics": results.metrics,
        "evaluation": results.evaluation,
        "weights": [
            {"name": each.name, "shape": each.shape, "dtype": each.dtype, "sha256": each.sha256}
            for each in results.index.tensors
        ],
        "export": {"parity": results.parity},
        "background": min(own.background, about.raw["splits"]["train"]["rows"]),
        "environment": results.training["environment"],
    } | texts


def requirements() -> str:
    """All that the bundle needs to run."""
    return "".join(f"{name}=={installed(name)}\n" for name in ("numpy", "onnxruntime"))


def _bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
