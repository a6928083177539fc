"""Bodies as an enemy would make them, to every path that takes one: answered, or refused in JSON, and no fault."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import ask, served
from stemma.serve.app import App

from .test_rows import BODIES

SCHEMATHESIS = shutil.which("schemathesis")
DEEP = 100_000
ROW = '{"Month": "May", "PageValues": 1, "Weekend": true}'

# What orjson and a reader of rows may stumble over, as it stands in JSON.
VALUES = st.one_of(
    st.sampled_from([
        "NaN", "-Infinity", "1e400", "-0", "1e-400", "9" * 400, "0.1e", "null", "true", '"\\ud800"', '"\\u0000"',
        "[]", "{}", "[[1]]", '{"b64": "TWF5"}', '{"b64": 1}', '{"b64": "/w=="}', '"' + "x" * 5000 + '"', '"2020-13-45"',
        "1_0",
    ]),
    st.floats().map(json.dumps), st.integers().map(json.dumps), st.text(max_size=9).map(json.dumps),
)  # fmt: skip
COLUMNS = st.sampled_from(["Month", "PageValues", "Weekend", " Month ", "", "\\u0000", "PageValues\\u0000", "x"])
OBJECTS = st.lists(st.tuples(COLUMNS, VALUES), max_size=5).map(  # a name may be there twice
    lambda pairs: "{" + ", ".join(f'"{name}": {value}' for name, value in pairs) + "}"
)
LISTS = st.lists(OBJECTS | VALUES | st.just(ROW), max_size=3).map(lambda parts: "[" + ", ".join(parts) + "]")
ANY = st.one_of(OBJECTS, LISTS, VALUES)
SHAPES = st.sampled_from(
    ["[1]", "[1, 1]", "[2]", "[0]", "[-1]", "[1e3]", "[]", "[9223372036854775807, 0]", "null", "[true]"]
)
KINDS = st.sampled_from(["FP32", "BYTES", "BOOL", "INT64", "UINT64", "FP16", "FP65", ""]) | st.text(max_size=3)


@st.composite
def tensors(draw: st.DrawFn) -> str:
    parts = []
    for name in draw(st.lists(COLUMNS, max_size=4)):
        kind, shape = json.dumps(draw(KINDS)), draw(SHAPES)
        data = draw(LISTS.map(lambda found: f'"data": {found}') | st.sampled_from([
            '"parameters": {"binary_data_size": 4}', '"parameters": {"binary_data_size": -1}', '"parameters": 1',
        ]))  # fmt: skip
        parts.append(f'{{"name": "{name}", "datatype": {kind}, "shape": {shape}, {data}}}')
    outputs = draw(st.sampled_from(["", ', "outputs": [{"name": "label"}]', ', "outputs": [1]', ', "id": [[]]']))
    return f'{{"inputs": [{", ".join(parts)}]{outputs}}}'


KEYS = st.sampled_from(["instances", "inputs", "examples", "context", "signature_name", "ready"])
CALLS = st.lists(st.tuples(KEYS, ANY), max_size=3).map(
    lambda pairs: "{" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}"
)
TEXTS = st.one_of(ANY, CALLS, tensors(), st.sampled_from([
    "[" * DEEP, "[" * DEEP + "]" * DEEP, '{"instances": ' * DEEP, '{"inputs": [{"data":' * 1000,
]))  # fmt: skip
CONTENT = TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60)
PATHS = st.sampled_from([
    *(f"/predict/{model}" for model in ("binary", "multiclass", "regression", "dated")),
    *(f"/v1/models/binary:{verb}" for verb in ("predict", "classify")),
    *(f"/v1/models/regression:{verb}" for verb in ("predict", "regress")),
    "/v2/models/binary/infer", "/v2/models/dated/infer", "/v2/repository/index", "/v2/repository/models/binary/load",
])  # fmt: skip


def check(app: App, path: str, body: bytes, **headers: str) -> None:
    reply = ask(app, "POST", path, body, **headers)
    assert reply.status < 500, reply.body
    assert reply.headers["content-type"] in ("application/json", "application/octet-stream")
    assert reply.status < 400 or (reply.json["error"] and "Traceback" not in reply.json["error"])


@given(PATHS, CONTENT, st.sampled_from(["", "0", "40", "9" * 30, "-1", "\u00b2"]))
def test_json_that_is_wrong_in_any_way_is_no_fault(app: App, path: str, body: bytes, length: str) -> None:
    headers = {"inference-header-content-length": length} if length else {}
    check(app, path, body, **headers)


@given(st.sampled_from(sorted(BODIES)), st.lists(st.tuples(st.integers(0, 9999), st.binary(max_size=5)), max_size=4))
def test_rows_in_a_file_that_was_changed_are_no_fault(app: App, kind: str, changes: list[tuple[int, bytes]]) -> None:
    body = bytearray(BODIES[kind])
    for place, new in changes:
        start = place % len(body)
        body[start : start + len(new)] = new
    check(app, "/predict/multiclass", bytes(body), content_type=kind)
    check(app, "/predict/dated", bytes(body), content_type=kind)


@pytest.mark.slow
@pytest.mark.skipif(SCHEMATHESIS is None, reason="schemathesis is not installed")
def test_schemathesis_finds_no_fault_by_the_openapi_document(bundles: dict[str, Path], tmp_path: Path) -> None:
    with served(f"shop={bundles['binary']}", bundles["regression"]) as server:
        words = ["run", f"{server.address}/openapi.json", "--max-examples=5", "--phases=examples,coverage,fuzzing"]
        checks = (
            "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
        )
        done = subprocess.run([str(SCHEMATHESIS), *words, checks], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
