"""Stage `package`: the exported graph and all that serving needs -> models/package/model.zip."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from purchase_intent.settings import Settings, load
from stemma import runtime
from stemma.bundle.archive import build
from stemma.bundle.card import card
from stemma.bundle.flavour import files as files_of_mlflow
from stemma.tables import encode, profile

PREPARED = Path("data/prepared")
EXPORT = Path("models/export")
INDEX = Path("models/weights/index.json")
TRAINING = Path("reports/training.json")
METRICS = Path("reports/metrics.json")
EVALUATION = Path("reports/evaluation.json")
DECISION = Path("reports/decision.json")
PACKAGE = Path("models/package/model.zip")
SAMPLE_ROWS = 3
INPUT_TYPES = {"numeric": "number", "boolean": "boolean", "date": "date", "categorical": "string"}


def main() -> None:
    settings = load()
    about = profile.read(PREPARED)
    graph = (EXPORT / "model.onnx").read_bytes()
    signature = describe_signature(about, _read(DECISION)["threshold"])
    request, response = sample(about, signature, graph)
    record = describe_version(settings, about)
    files = {"signature.json": signature, "version.json": record, "reference.json": reference(about)}
    files |= {"request.json": request, "response.json": response}
    content = {name: (json.dumps(value, indent=2, sort_keys=True) + "\n").encode() for name, value in files.items()}
    content |= {"model.onnx": graph, "requirements.txt": requirements().encode(), "README.md": card(record).encode()}
    if settings.package.mlflow:
        content |= files_of_mlflow(record["environment"]["python"])
    build(PACKAGE, content)


def describe_signature(about: profile.Profile, threshold: float | None) -> dict[str, Any]:
    """What goes in and what comes out; the first file a server reads."""
    inputs = [{"name": name, "type": INPUT_TYPES[role]} for name, role in about.features]
    task = about.task
    signature = {"format": 1, "task": task.kind, "target": about.target, "inputs": inputs, "output": task.output}
    if about.raw["missing"] is not None:  # the texts that stood for "no value" in the file
        signature["missing"] = about.raw["missing"]
    if task.classes:
        signature["classes"] = list(task.classes)
    if task.positive is not None:
        signature |= {"positive": task.positive, "threshold": threshold}
    return signature


def sample(about: profile.Profile, signature: dict[str, Any], graph: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request of a few test rows, and the graph's response to it."""
    rows = next(pq.ParquetFile(PREPARED / "test.parquet").iter_batches(SAMPLE_ROWS)).to_pandas()
    columns = {name: encode.plain(rows[name]) for name, _ in about.features}
    output = runtime.run(runtime.session(graph), encode.feeds(rows, about.features))
    return {"inputs": columns}, {signature["output"]: output.tolist()}


def describe_version(settings: Settings, about: profile.Profile) -> dict[str, Any]:
    """The record of this version: structure, data, process, figures, weights, environment, proof of the export."""
    index, process, evaluation = _read(INDEX), _read(TRAINING), _read(EVALUATION)
    environment = process.pop("environment")
    own = settings.package
    told = ("source", "task", "target", "classes", "features", "rows", "splits", "content")
    return {
        "format": 1,
        "name": own.name,
        "description": own.description,
        "intended_use": own.intended_use,
        "limits": list(own.limits),
        "licence": own.licence,
        "structure": {key: index[key] for key in ("framework", "architecture", "structure")},
        "data": {key: about.raw[key] for key in told},
        "settings": {name: getattr(settings, name).model_dump(mode="json") for name in ("data", "prepare")},
        "process": process,
        "metrics": _read(METRICS),
        "evaluation": evaluation,
        "weights": [{key: t[key] for key in ("name", "shape", "dtype", "sha256")} for t in index["tensors"]],
        "export": {"parity": _read(EXPORT / "parity.json")},
        "environment": environment,
    }


def reference(about: profile.Profile) -> dict[str, Any]:
    """Statistics of the features in the training rows, to compare what arrives in service with."""
    return {"columns": about.raw["training"]}


def requirements() -> str:
    """All that the bundle needs to run."""
    return "".join(f"{name}=={version(name)}\n" for name in ("numpy", "onnxruntime"))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
