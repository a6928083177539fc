"""Versions with predictions and bundles made by NumPy and onnx.helper: nothing is trained."""

import hashlib
import io
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto, helper

from stemma import bundle
from stemma.errors import VersionError
from stemma.repo.lockfile import Entry

ROWS = 600
TASKS: Mapping[str, tuple[str, ...]] = {"binary": ("FALSE", "TRUE"), "multiclass": ("a", "b", "c"), "regression": ()}


def profile(task: str, content: str = "c0", classes: Sequence[str] | None = None) -> dict[str, Any]:
    """As much of profile.json as a comparison reads."""
    classes = list(TASKS[task] if classes is None else classes)
    positive = classes[-1] if task == "binary" else None
    return {
        "format": 1, "task": task, "target": "Revenue", "classes": classes, "positive": positive, "row": "row",
        "rows": ROWS * 5, "content": {"sha256": content},
    }  # fmt: skip


def truth(task: str, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) signal, and class numbers or values that follow it."""
    generator = np.random.default_rng(7)
    signal = generator.normal(size=rows)
    if task == "regression":
        return signal, signal * 10
    classes = len(TASKS[task])
    noisy = signal + 0.5 * generator.normal(size=rows)
    return signal, np.searchsorted(np.quantile(noisy, np.arange(1, classes) / classes), noisy)


def predictions(
    task: str, noise: float, seed: int = 0, rows: int = ROWS, classes: Sequence[str] | None = None
) -> pd.DataFrame:
    """predictions.parquet of a version: the more noise, the worse it is. Rows are numbered 3, 8, 13, ..."""
    signal, actual = truth(task, rows)
    seen = signal + noise * np.random.default_rng(seed).normal(size=rows)
    columns: dict[str, Any] = {"row": np.arange(rows) * 5 + 3}
    if task == "regression":
        return pd.DataFrame(columns | {"actual": actual, "predicted": (seen * 10).astype(np.float32)})
    names = np.array(TASKS[task], dtype=object)
    centres = np.linspace(-1, 1, len(names))
    scores = np.exp(-2 * (seen[:, None] - centres) ** 2)
    p = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    columns |= {"actual": names[actual], "predicted": names[p.argmax(axis=1)]}
    order = classes or TASKS[task]
    return pd.DataFrame(columns | {f"probability_{name}": p[:, TASKS[task].index(name)] for name in order})


def parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


def prepared(task: str, rows: int = ROWS) -> pd.DataFrame:
    """data/prepared/test.parquet: a number, a category with missing values, the target."""
    signal, actual = truth(task, rows)
    generator = np.random.default_rng(1)
    month = generator.choice(["May", "Nov", "Dec", ""], size=rows, p=[0.5, 0.3, 0.15, 0.05])
    labels = np.array(TASKS[task], dtype=object)[actual] if TASKS[task] else actual
    return pd.DataFrame({"row": np.arange(rows) * 5 + 3, "x": signal, "Month": month, "Revenue": labels})


def packaged(
    path: Path,
    task: str,
    weight: float | Sequence[float],
    threshold: float = 0.5,
    inputs: Sequence[str] = ("x",),
    background: Mapping[str, Sequence[float]] | None = None,
    **signed: Any,
) -> bytes:
    """A bundle: softmax over (k * weight * the sum of its inputs) for classes 0, 1, ...; a regression's value is it."""
    classes = TASKS[task]
    width = max(len(classes), 1)
    output = "probabilities" if classes else "prediction"
    steps = np.arange(width, dtype=np.float32) - (width - 1) / 2 if classes else np.ones(1, np.float32)
    kernel = np.outer(np.broadcast_to(weight, len(inputs)), steps).astype(np.float32)
    joined = "joined" if len(inputs) > 1 else inputs[0]
    nodes = [helper.make_node("MatMul", [joined, "kernel"], ["scores" if classes else output])]
    if len(inputs) > 1:
        nodes.insert(0, helper.make_node("Concat", list(inputs), ["joined"], axis=1))
    if classes:
        nodes.append(helper.make_node("Softmax", ["scores"], [output], axis=1))
    graph = helper.make_graph(
        nodes, "judged",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1]) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor("kernel", TensorProto.FLOAT, kernel.shape, kernel.ravel())],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    signature: dict[str, Any] = {
        "format": 1, "task": task, "target": "Revenue", "inputs": [{"name": name, "type": "number"} for name in inputs],
        "output": output, "classes": list(classes), **signed,
    }  # fmt: skip
    if task == "binary":
        signature |= {"positive": classes[-1], "threshold": threshold}
    request = {"inputs": {name: [0.5, -1.0, 2.0] for name in inputs}}
    carried = {} if background is None else {"background.json": {"format": 1, "inputs": background}}
    bundle.build(path, {name: json.dumps(told).encode() for name, told in carried.items()} | {
        "model.onnx": model.SerializeToString(),
        "signature.json": json.dumps(signature).encode(),
        "request.json": json.dumps(request).encode(),
    })  # fmt: skip
    return path.read_bytes()


@dataclass(frozen=True)
class FakeVersion:
    """What a comparison reads of a version, without Git and DVC."""

    name: str
    profile: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    index: Any = None  # no weights
    metrics: Any = None
    evaluation: Any = None
    settings: Any = None
    commit: str | None = None

    def output(self, path: str) -> Entry | None:
        size = len(self.files[path]) if path in self.files else None
        return None if size is None else Entry(path, None, size, None)

    def has(self, path: str) -> bool:
        return path in self.files

    def bytes(self, path: str) -> bytes:
        if path not in self.files:
            raise VersionError(f"{path} is not in {self.name}")
        return self.files[path]


def version(
    name: str,
    folder: Path,
    task: str = "binary",
    noise: float = 0.5,
    seed: int = 0,
    weight: float = 2.0,
    **profiled: Any,
) -> FakeVersion:
    """A version with predictions, test rows and a bundle."""
    files = {
        "reports/predictions.parquet": parquet(predictions(task, noise, seed)),
        "data/prepared/test.parquet": parquet(prepared(task)),
        "models/package/model.zip": packaged(folder / f"{name}.zip", task, weight),
    }
    return FakeVersion(name, profile(task, **profiled), files)


def three_commits(root: Path) -> Path:
    """Commits tagged worse, better, and elsewhere, which was judged on other rows.

    Files lie in Git, so that no cache is needed; dvc.lock names weights that are nowhere. `better` holds model#prod.
    """
    for name, noise, content in (("worse", 1.5, "c0"), ("better", 0.2, "c0"), ("elsewhere", 0.2, "c1")):
        roc_auc = {"worse": 0.74, "better": 0.92, "elsewhere": 0.91}[name]
        md5 = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        weights = (
            f"    - path: models/weights\n      hash: md5\n      md5: {md5}.dir\n      size: 10\n      nfiles: 1\n"
        )
        files = {
            ".dvc/config": b"",
            "dvc.lock": f"schema: '2.0'\nstages:\n  train:\n    cmd: train\n    outs:\n{weights}".encode(),
            "data/prepared/profile.json": json.dumps(profile("binary", content)).encode(),
            "data/prepared/test.parquet": parquet(prepared("binary")),
            "reports/metrics.json": json.dumps({"test": {"roc_auc": roc_auc}}).encode(),
            "reports/predictions.parquet": parquet(predictions("binary", noise)),
        }
        for path, held in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(held)
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", name], ["tag", name]):
            subprocess.run(["git", *command], cwd=root, check=True)
    subprocess.run(["git", "checkout", "-q", "--detach", "worse"], cwd=root, check=True)  # so that HEAD is no new name
    subprocess.run(["git", "tag", "-a", "model#prod#1", "-m", "prod", "better"], cwd=root, check=True)
    return root
