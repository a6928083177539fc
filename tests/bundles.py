"""Small bundles made without training, and archives as an enemy would make them."""

import hashlib
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnx import TensorProto, helper

SIGNATURE = {
    "format": 1,
    "task": "binary",
    "target": "Revenue",
    "inputs": [
        {"name": "Month", "type": "string"},
        {"name": "PageValues", "type": "number"},
        {"name": "Weekend", "type": "boolean"},
    ],
    "output": "probabilities",
    "classes": ["FALSE", "TRUE"],
    "positive": "TRUE",
    "threshold": 0.5,
}
MULTICLASS = {**SIGNATURE, "task": "multiclass", "classes": ["a", "b", "c"], "positive": None, "threshold": None}
REGRESSION = {
    **{key: SIGNATURE[key] for key in ("format", "target", "inputs")},
    "task": "regression",
    "output": "prediction",
}
ROWS = {
    "Month": ["May", "Nov", "", "Xyz"],
    "PageValues": ["0.5", " 3 ", "NA", "-1e1"],
    "Weekend": ["yes", "F", "?", "1"],
}


def graph(output: str = "probabilities", width: int = 2) -> bytes:
    """score = number (NaN: 0.25) + month (May 1, Nov 2, "" 3, else 0) + flag (NaN: 0.5); softmax over 0, score, ..."""
    info, node = helper.make_tensor_value_info, helper.make_node
    constant = lambda name, value: helper.make_tensor(name, TensorProto.FLOAT, [1], [value])  # noqa: E731
    nodes = [
        node("LabelEncoder", ["Month"], ["month"], domain="ai.onnx.ml", keys_strings=["May", "Nov", ""],
             values_floats=[1.0, 2.0, 3.0], default_float=0.0),
        node("IsNaN", ["PageValues"], ["number_missing"]),
        node("Where", ["number_missing", "quarter", "PageValues"], ["number"]),
        node("IsNaN", ["Weekend"], ["flag_missing"]),
        node("Where", ["flag_missing", "half", "Weekend"], ["flag"]),
        node("Sum", ["month", "number", "flag"], ["prediction" if output == "prediction" else "score"]),
    ]  # fmt: skip
    if output == "probabilities":
        nodes.append(node("Sub", ["score", "score"], ["zero"]))
        nodes.append(node("Concat", ["zero", *["score"] * (width - 1)], ["scores"], axis=1))
        nodes.append(node("Softmax", ["scores"], ["probabilities"], axis=1))
    inputs = [
        info("Month", TensorProto.STRING, ["rows", 1]),
        info("PageValues", TensorProto.FLOAT, ["rows", 1]),
        info("Weekend", TensorProto.FLOAT, ["rows", 1]),
    ]
    whole = helper.make_graph(
        nodes, "test", inputs, [info(output, TensorProto.FLOAT, ["rows", width])],
        [constant("quarter", 0.25), constant("half", 0.5)],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=10).SerializeToString(deterministic=True)


def days() -> bytes:
    """The days since 1970 of a date, -1 for none."""
    info, node = helper.make_tensor_value_info, helper.make_node
    nodes = [
        node("Div", ["Day", "day"], ["days"]),
        node("IsNaN", ["Day"], ["missing"]),
        node("Where", ["missing", "none", "days"], ["number"]),
        node("Cast", ["number"], ["prediction"], to=TensorProto.FLOAT),
    ]
    constants = [
        helper.make_tensor(name, TensorProto.DOUBLE, [1], [value]) for name, value in (("day", 86400.0), ("none", -1.0))
    ]
    whole = helper.make_graph(
        nodes, "test", [info("Day", TensorProto.DOUBLE, ["rows", 1])],
        [info("prediction", TensorProto.FLOAT, ["rows", 1])], constants,
    )  # fmt: skip
    content = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return content.SerializeToString(deterministic=True)


def contents(signature: Mapping[str, Any] = SIGNATURE, **graph_of: Any) -> dict[str, bytes]:
    return {
        "model.onnx": graph(**graph_of),
        "signature.json": json.dumps(signature).encode(),
        "README.md": b"# A network\n",
        "request.json": b"{}\n",
    }


def sealed(path: Path, entries: list[tuple[Any, bytes]], manifest: Mapping[str, bytes] | bytes | None = None) -> Path:
    """An archive made by hand, as an enemy would: the seal and, but where given, the manifest are right."""
    if not isinstance(manifest, bytes):
        listed = dict(entries) if manifest is None else manifest
        values = {
            getattr(name, "filename", name): {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in listed.items()
        }
        manifest = json.dumps({"format": 1, "files": values}).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*entries, ("manifest.json", manifest)]:
            entry = name if isinstance(name, zipfile.ZipInfo) else plain(name)
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
        archive.comment = bytes(64)
    seal(path)
    return path


def plain(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def seal(path: Path) -> None:
    content = path.read_bytes()[:-64]
    path.write_bytes(content + hashlib.sha256(content).hexdigest().encode())


DATED = {**REGRESSION, "inputs": [{"name": "Day", "type": "date"}]}
