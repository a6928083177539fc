"""Stage `package`: the exported graph and all that serving needs -> models/package/model.zip."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from purchase_intent import config
from purchase_intent.data import encode, profile
from stemma import bundle, runtime

PREPARED = Path("data/prepared")
EXPORT = Path("models/export")
INDEX = Path("models/weights/index.json")
TRAINING = Path("reports/training.json")
METRICS = Path("reports/metrics.json")
DECISION = Path("reports/decision.json")
PACKAGE = Path("models/package/model.zip")
SAMPLE_ROWS = 3
INPUT_TYPES = {"numeric": "number", "boolean": "boolean", "date": "date", "categorical": "string"}


def main() -> None:
    settings = config.load().package
    about = profile.read(PREPARED)
    graph = (EXPORT / "model.onnx").read_bytes()
    metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    decision = json.loads(DECISION.read_text(encoding="utf-8"))
    signature = describe_signature(about, decision["threshold"])
    request, response = sample(about, signature, graph)
    record = describe_version(settings, about, metrics)
    files = {"signature.json": signature, "version.json": record, "reference.json": reference(about)}
    files |= {"request.json": request, "response.json": response}
    content = {name: (json.dumps(value, indent=2, sort_keys=True) + "\n").encode() for name, value in files.items()}
    content |= {"model.onnx": graph, "requirements.txt": requirements().encode(), "README.md": card(record).encode()}
    bundle.build(PACKAGE, content)


def describe_signature(about: profile.Profile, threshold: float | None) -> dict[str, Any]:
    """What goes in and what comes out; the first file a server reads."""
    inputs = [{"name": name, "type": INPUT_TYPES[role]} for name, role in about.features]
    signature = {"format": 1, "task": about.task, "target": about.target, "inputs": inputs}
    if about.raw["missing"] is not None:  # the texts that stood for "no value" in the file
        signature["missing"] = about.raw["missing"]
    if about.task == "regression":
        return signature | {"output": "prediction"}
    signature |= {"output": "probabilities", "classes": list(about.classes)}
    return signature | {"positive": about.positive, "threshold": threshold} if about.task == "binary" else signature


def sample(about: profile.Profile, signature: dict[str, Any], graph: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request of a few test rows, and the graph's response to it."""
    rows = next(pq.ParquetFile(PREPARED / "test.parquet").iter_batches(SAMPLE_ROWS)).to_pandas()
    columns = {name: encode.plain(rows[name]) for name, _ in about.features}
    output = runtime.run(runtime.session(graph), encode.feeds(rows, about.features))
    return {"inputs": columns}, {signature["output"]: output.tolist()}


def describe_version(
    settings: config.PackageSettings, about: profile.Profile, metrics: dict[str, Any]
) -> dict[str, Any]:
    """The record of this version: structure, data, process, metrics, weights, environment."""
    index = json.loads(INDEX.read_text(encoding="utf-8"))
    parity = json.loads((EXPORT / "parity.json").read_text(encoding="utf-8"))
    process = json.loads(TRAINING.read_text(encoding="utf-8"))
    environment = process.pop("environment")
    told = ("source", "task", "target", "classes", "features", "rows", "splits", "content")
    return {
        "format": 1,
        "name": settings.name,
        "description": settings.description,
        "structure": {key: index[key] for key in ("framework", "architecture", "structure")},
        "data": {key: about.raw[key] for key in told},
        "process": process,
        "metrics": metrics,
        "weights": [{key: t[key] for key in ("name", "shape", "dtype", "sha256")} for t in index["tensors"]],
        "export": {"parity": parity},
        "environment": environment,
    }


def reference(about: profile.Profile) -> dict[str, Any]:
    """Statistics of the features in the training rows, to compare what arrives in service with."""
    return {"columns": about.raw["training"]}


def requirements() -> str:
    """All that the bundle needs to run."""
    return "".join(f"{name}=={version(name)}\n" for name in ("numpy", "onnxruntime"))


def card(record: dict[str, Any]) -> str:
    """The model card: what this is, what it was made from, how good it is, how it is run."""
    data, process, splits = record["data"], record["process"], record["data"]["splits"]
    test = record["metrics"]["test"]
    figures = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(test.items()))
    return f"""# {record["name"]}

{record["description"]}

Predicts `{data["target"]}` ({data["task"]}) from {len(data["features"])} columns of a table.

**Data.** {data["rows"]} rows of `{data["source"]}`: {splits["train"]["rows"]} to train, \
{splits["validation"]["rows"]} to choose, {splits["test"]["rows"]} to judge.

**Network.** {process["model"]["name"]}, {process["epochs_run"]} epochs, weights of epoch {process["epoch_kept"]}.

**On the test rows**

| metric | value |
|---|---|
{figures}

**Limits.** Judged on rows like those above; on other rows these figures promise nothing.

**Run it.** `pip install -r requirements.txt`, then give `model.onnx` one tensor (rows, 1) per input that \
`signature.json` names. `request.json` and `response.json` are a sample.
"""
