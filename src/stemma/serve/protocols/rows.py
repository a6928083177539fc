"""`POST /predict`: rows as JSON objects, CSV, Parquet or Arrow in, predictions as JSON out.

curl -d '{"Month": "May", "PageValues": 0.5}' localhost:8501/predict
{"model": "shop", "version": "3", "predictions": [{"prediction": "TRUE", "probabilities": {...}}]}
"""

from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stemma.bundle.rows import ARROW, ARROW_STREAM, PARQUET, Rows, batches
from stemma.errors import RowError
from stemma.serve.batch import Output
from stemma.serve.models import Refused, Version
from stemma.serve.routes import JSON, Answer, Call, Route, in_json, versions
from stemma.serve.settings import MEGABYTE
from stemma.signature import Signature

FILES = {
    "text/csv": ".csv",
    "application/vnd.apache.parquet": PARQUET,
    "application/vnd.apache.arrow.stream": ARROW_STREAM,
    "application/vnd.apache.arrow.file": ARROW,
}
OF_CURL = "application/x-www-form-urlencoded"  # what `curl -d` says of any body


def predict(call: Call) -> Answer | Awaitable[Answer]:
    """Predict rows of raw, named columns."""
    version = call.version()
    kind = call.header(b"content-type").partition(";")[0].strip().lower()
    if kind in FILES:
        return _answer(version, _of_file(call, FILES[kind], version))
    if kind in ("", JSON, OF_CURL):
        given = call.json()
        rows = objects(call, given if isinstance(given, list) else [given], "row", 422)
        return call.predicted(columns(rows, version.bundle.signature), partial(_answer, version))
    known = ", ".join((JSON, *FILES))
    raise Refused(415, f"the content type {kind[:100]!r} is not read here: send {known}")


def columns(rows: Sequence[Mapping[str, Any]], known: Signature) -> dict[str, list[Any]]:
    """The columns that a network takes, of rows that may hold others; a RowError where a row lacks one."""
    try:
        values = zip(*map(known.of_row, rows), strict=True) if rows else ([] for _ in known.inputs)
        return {each.name: list(column) for each, column in zip(known.inputs, values, strict=True)}
    except KeyError:
        rows = [{name.strip(): value for name, value in row.items()} | dict(row) for row in rows]
    for number, row in enumerate(rows, start=1):
        for each in known.inputs:
            if each.name not in row:
                what = f"row {number} lacks the column {each.name!r}"
                raise RowError(what, each.name, number, known.wanted(each))
    return {each.name: [row[each.name] for row in rows] for each in known.inputs}


def told(output: Output, known: Signature) -> list[dict[str, Any]]:
    """Each row's prediction, and the probability of each class."""
    if not known.classes:
        return [{"prediction": value} for value in output[:, 0]]
    labels = known.labels(output)
    return [
        {"prediction": label, "probabilities": dict(zip(known.classes, row, strict=True))}
        for label, row in zip(labels, zip(*output.T, strict=True), strict=True)
    ]


def _answer(version: Version, output: Output) -> Answer:
    predictions = told(output, version.bundle.signature)
    return in_json({**version.facts, "predictions": predictions}, version=version, rows=len(output))


def objects(call: Call, rows: list[Any], what: str, status: int) -> list[dict[str, Any]]:
    """The rows, if they are objects, and no more of them, or of their columns, than are taken; else Refused."""
    call.check_rows(len(rows))
    for number, row in enumerate(rows, start=1):
        if type(row) is not dict:
            expected = "an object of columns and values"
            raise Refused(status, f"{what} {number} is no object", row=number, expected=expected)
    call.check_rows(len(rows), max(map(len, rows), default=0))
    return rows


def _of_file(call: Call, kind: str, version: Version) -> Output:
    most, outputs = call.limits, []
    rows = Rows(Path(f"request{kind}"), content=call.body, columns=most.columns, unpacked=most.unpacked * MEGABYTE)
    for first, arrays, _ in batches(rows, version.bundle.signature):
        outputs.append(call.run(arrays, first))
        call.check_rows(first - 1 + len(outputs[-1]))
    return np.concatenate(outputs)


ROUTES = tuple(
    Route("POST", path, predict, takes=(JSON, *FILES)) for path in ("/predict", *versions("/predict/{model}"))
)
