"""The packaged network: one zip file that says what it is, proves that nobody changed it, and runs anywhere.

    archive.py     the file: the same files give the same bytes; what is damaged or dangerous is refused
    model.py       an opened bundle: its files, its record, its predictions
    graph.py       what a graph asks for, refused before anything runs it (`look`)
    limits.py      a process with limits of time and memory, in which strangers' graphs run
    rows.py        CSV, Parquet and Arrow as arrays, some rows at a time (arrow.py: columns of the last two)
    packed.py      what Parquet and Arrow unpack to, refused before it is unpacked
    predict.py     rows in, predictions out, as CSV or Parquet
    many.py        the same for each table of a folder or a bucket, several at a time
    explain.py     why it answers as it does, by the methods of stemma.explain
    check.py       hashes, signature, graph, and the sample played again
    sign.py        OpenSSF model-signing with a key pair of one's own
    unpack.py      its files in a folder, and back
    difference.py  two bundles side by side
    contents.py    what is put into it, from what the stages wrote
    card.py        the model card, made from the record
    flavour.py     the files by which MLflow opens an unpacked bundle

In it are:

    model.onnx        columns in, probabilities or a prediction out
    signature.json    what goes in and what comes out, see stemma.signature
    manifest.json     the SHA-256 and the length of every other file
    and what else was given: the version's record, a sample, statistics, the model card, a signature

Predicting needs NumPy and onnxruntime (Parquet: pyarrow), and nothing is unpickled.

    python -m stemma.bundle predict models/package/model.zip rows.csv
    python -m stemma.bundle verify models/package/model.zip
"""

from importlib import import_module
from typing import Any

_WORDS = {
    "BATCH": "rows", "Bundle": "model", "Rows": "rows", "build": "archive", "look": "graph", "main": "command",
    "open_bundle": "model", "open_unpacked": "unpack", "verify": "model",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imported when it is first asked for: an interrupt meanwhile is a line of `main`."""
    if name not in _WORDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"stemma.bundle.{_WORDS[name]}"), name)
