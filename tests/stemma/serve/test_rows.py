"""`POST /predict`."""

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from bundles import ROWS
from serving import ask
from stemma.serve.app import App
from stemma.serve.models import Models

COUNT = len(ROWS["Month"])
OBJECTS = [{name: values[row] for name, values in ROWS.items()} for row in range(COUNT)]
TABLE = pa.table({name: pa.array(values, pa.string()) for name, values in ROWS.items()})


def ipc(table: pa.Table, *, stream: bool) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def in_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def in_csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    csv.write_csv(table, sink)
    return sink.getvalue()


BODIES = {
    "application/json": json.dumps(OBJECTS).encode(),
    "text/csv; charset=utf-8": in_csv(TABLE),
    "application/vnd.apache.parquet": in_parquet(TABLE),
    "application/vnd.apache.arrow.stream": ipc(TABLE, stream=True),
    "application/vnd.apache.arrow.file": ipc(TABLE, stream=False),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_rows_of_every_kind_get_the_predictions_of_the_bundle_bit_for_bit(
    app: App, models: Models, kind: str, name: str
) -> None:
    reply = ask(app, "POST", f"/predict/{name}", BODIES[kind], content_type=kind)
    assert reply.status == 200, reply.body
    known = models.by_name[name].versions[1].bundle
    expected = known.predict(ROWS)
    if known.signature.classes:
        rows = [
            [each["probabilities"][label] for label in known.signature.classes] for each in reply.json["predictions"]
        ]
        assert [each["prediction"] for each in reply.json["predictions"]] == known.signature.labels(expected)
    else:
        rows = [[each["prediction"]] for each in reply.json["predictions"]]
    assert np.array(rows, np.float32).tobytes() == expected.tobytes()


def test_an_answer_names_its_model_and_version(app: App) -> None:
    reply = ask(app, "POST", "/predict", OBJECTS[0])
    assert (reply.json["model"], reply.json["version"]) == ("binary", "1")
    assert (reply.headers["x-model"], reply.headers["x-model-version"]) == ("binary", "1")
    assert ask(app, "POST", "/predict/regression/versions/1", OBJECTS[0]).headers["x-model"] == "regression"


def test_one_object_is_a_row_and_other_columns_and_the_order_do_not_count(app: App) -> None:
    plain = ask(app, "POST", "/predict", OBJECTS[0]).json["predictions"]
    more = {"Extra": [{"deep": 1}], **dict(reversed(OBJECTS[0].items()))}
    assert len(plain) == 1 and ask(app, "POST", "/predict", more).json["predictions"] == plain
    spaced = {f" {name} ": value for name, value in OBJECTS[0].items()}
    assert ask(app, "POST", "/predict", spaced).json["predictions"] == plain
    assert ask(app, "POST", "/predict", []).json["predictions"] == []


def test_a_column_that_stands_twice_is_told_in_a_file_and_in_json_counts_as_it_stands_last(app: App) -> None:
    last = json.dumps(OBJECTS[0]).encode()
    twice = b'{"Month": "Nov", "PageValues": 7, ' + last[1:]
    assert ask(app, "POST", "/predict", twice).json == ask(app, "POST", "/predict", last).json
    table = b"Month,Month,PageValues,Weekend\nMay,Nov,1,yes\n"
    assert "two columns named 'Month'" in ask(app, "POST", "/predict", table, content_type="text/csv").json["error"]


def test_a_missing_value_and_an_unknown_category_are_what_they_are_in_training(app: App, models: Models) -> None:
    rows = [{"Month": None, "PageValues": None, "Weekend": None}, {"Month": "Never", "PageValues": 1, "Weekend": True}]
    columns = {"Month": ["", "Xyz"], "PageValues": ["NA", "1.0"], "Weekend": ["?", "yes"]}
    told = [each["prediction"] for each in ask(app, "POST", "/predict/regression", rows).json["predictions"]]
    assert told == models.by_name["regression"].versions[1].bundle.predict(columns)[:, 0].tolist()


@pytest.mark.parametrize(
    ("row", "field", "expected"),
    [
        ({"PageValues": "many"}, "PageValues", "a finite number"),
        ({"PageValues": [1]}, "PageValues", "a finite number"),
        ({"PageValues": {"a": 1}}, "PageValues", "a finite number"),
        ({"PageValues": "Infinity"}, "PageValues", "a finite number"),
        ({"PageValues": 1e39}, "PageValues", "a finite number"),
        ({"Weekend": 2}, "Weekend", "true or false"),
        ({"Month": ["May"]}, "Month", "a text"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_field_row_and_what_was_expected(
    app: App, row: dict[str, Any], field: str, expected: str
) -> None:
    reply = ask(app, "POST", "/predict", [OBJECTS[0], OBJECTS[1] | row])
    assert reply.status == 422
    assert (reply.json["field"], reply.json["row"], reply.json["expected"]) == (field, 2, expected)
    assert "Traceback" not in reply.body.decode()


def test_a_column_that_is_not_there_is_told(app: App) -> None:
    lacking = {name: value for name, value in OBJECTS[0].items() if name != "Month"}
    reply = ask(app, "POST", "/predict", [OBJECTS[0], lacking])
    assert (reply.status, reply.json["field"], reply.json["row"]) == (422, "Month", 2)
    for kind, body in (("text/csv", b"Month,PageValues\nMay,1\n"), ("application/vnd.apache.arrow.stream",
                       ipc(TABLE.select(["Month", "PageValues"]), stream=True))):  # fmt: skip
        reply = ask(app, "POST", "/predict", body, content_type=kind)
        assert (reply.status, reply.json["field"], reply.json.get("row")) == (422, "Weekend", None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[NaN]", 400),
        (b'{"PageValues": Infinity}', 400),
        (b'{"PageValues": 1e400}', 400),
        (b'"\xff"', 400),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b"[1]", 422),
        (b"null", 422),
        (b'"rows"', 422),
        (b"[[]]", 422),
        (b'{"Month": "\\ud800", "PageValues": 1, "Weekend": 1}', 400),
    ],
)
def test_a_body_that_is_no_rows_is_refused(app: App, body: bytes, status: int) -> None:
    reply = ask(app, "POST", "/predict", body)
    assert reply.status == status, reply.body
    assert reply.json["error"] and "Traceback" not in reply.body.decode()


@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind != "application/json"])
@pytest.mark.parametrize("cut", [0, 1, 9, 60, -1, -40])
def test_a_file_that_is_cut_short_is_refused(app: App, kind: str, cut: int) -> None:
    body = BODIES[kind][:cut]
    reply = ask(app, "POST", "/predict", body, content_type=kind)
    assert reply.status in (200, 422), reply.body  # a CSV without its last letter has a shorter last value
    assert reply.status == 422 or kind.startswith("text/csv") or "stream" in kind


@pytest.mark.parametrize("kind", [kind for kind in BODIES if "apache" in kind])
def test_names_and_texts_of_a_file_that_are_no_utf_8_are_refused(app: App, kind: str) -> None:
    for text in (b"Month", b"May"):
        reply = ask(app, "POST", "/predict", BODIES[kind].replace(text, b"\xff" * len(text)), content_type=kind)
        assert reply.status == 422, reply.body


def test_offsets_that_lead_out_of_an_arrow_buffer_are_refused(app: App) -> None:
    texts = pa.array(["May"] * 4)
    wild = pa.StringArray.from_buffers(4, pa.py_buffer(np.array([0, 3, 6, 2**30, 12], np.int32)), texts.buffers()[2])
    table = pa.table({"Month": wild, "PageValues": [1.0] * 4, "Weekend": [True] * 4})
    for stream, kind in ((True, "stream"), (False, "file")):
        named = f"application/vnd.apache.arrow.{kind}"
        reply = ask(app, "POST", "/predict", ipc(table, stream=stream), content_type=named)
        assert reply.status == 422, reply.body


def test_a_content_type_that_is_not_read_is_told_with_those_that_are(app: App) -> None:
    reply = ask(app, "POST", "/predict", OBJECTS[0], content_type="application/xml")
    assert reply.status == 415 and "text/csv" in reply.json["error"]
    assert ask(app, "POST", "/predict", OBJECTS[0], content_type="application/x-www-form-urlencoded").status == 200


def test_more_rows_than_are_taken_at_once_are_refused(app: App) -> None:
    many = pa.table({"Month": ["May"] * 100_001, "PageValues": [1] * 100_001, "Weekend": [True] * 100_001})
    reply = ask(app, "POST", "/predict", in_parquet(many), content_type="application/vnd.apache.parquet")
    assert reply.status == 422 and "100,000 rows" in reply.json["error"]
    assert ask(app, "POST", "/predict", [{}] * 100_001).status == 422
