"""The Open Inference Protocol, version 2, case by case."""

import dataclasses
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bundles import ROWS
from serving import Reply, ask
from stemma.serve.app import App
from stemma.serve.models import Model, Models
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings

COUNT = len(ROWS["Month"])
NUMBERS = [0.5, 3.0, None, -10.0]
FLAGS = [True, False, None, True]
INPUTS = [
    {"name": "Month", "shape": [COUNT, 1], "datatype": "BYTES", "data": ROWS["Month"]},
    {"name": "PageValues", "shape": [COUNT, 1], "datatype": "FP32", "data": NUMBERS},
    {"name": "Weekend", "shape": [COUNT], "datatype": "BOOL", "data": FLAGS},
]


def infer(app: App, name: str = "binary", path: str = "", **body: Any) -> Reply:
    return ask(app, "POST", f"/v2/models/{name}{path}/infer", {"inputs": INPUTS} | body)


def expected(models: Models, name: str) -> bytes:
    return models.by_name[name].versions[1].bundle.predict(ROWS).tobytes()


def packed(texts: Sequence[str]) -> bytes:
    return b"".join(struct.pack("<I", len(each.encode())) + each.encode() for each in texts)


def in_binary(app: App, inputs: list[tuple[dict[str, Any], bytes]], name: str = "binary", **body: Any) -> Reply:
    told = [tensor | {"parameters": {"binary_data_size": len(part)}} for tensor, part in inputs]
    head = json.dumps({"inputs": told} | body).encode()
    whole = head + b"".join(part for _, part in inputs)
    return ask(app, "POST", f"/v2/models/{name}/infer", whole, inference_header_content_length=str(len(head)))


def tensor(name: str, kind: str, count: int = COUNT) -> dict[str, Any]:
    return {"name": name, "shape": [count, 1], "datatype": kind}


BINARY = [
    (tensor("Month", "BYTES"), packed(ROWS["Month"])),
    (tensor("PageValues", "FP32"), np.array([0.5, 3, np.nan, -10], "<f4").tobytes()),
    (tensor("Weekend", "FP16"), np.array([1, 0, np.nan, 1], "<f2").tobytes()),
]


def test_tensors_in_json_give_what_the_graph_gives_bit_for_bit(app: App, models: Models) -> None:
    reply = infer(app, id="42")
    assert (reply.json["model_name"], reply.json["model_version"], reply.json["id"]) == ("binary", "1", "42")
    probabilities, label = reply.json["outputs"]
    told = [probabilities[key] for key in ("name", "datatype", "shape")]
    assert told == ["probabilities", "FP32", [4, 2]]
    assert np.array(probabilities["data"], np.float32).tobytes() == expected(models, "binary")
    assert label == {"name": "label", "datatype": "BYTES", "shape": [4, 1], "data": ["TRUE", "TRUE", "TRUE", "FALSE"]}
    (prediction,) = infer(app, "regression", "/versions/1").json["outputs"]
    assert (prediction["shape"], prediction["data"]) == ([4, 1], [2.5, 5.0, 3.75, -9.0])
    assert "id" not in infer(app).json


def test_data_may_be_nested_as_the_shape_is(app: App) -> None:
    nested = [each | {"data": [[value] for value in each["data"]]} for each in INPUTS]
    assert infer(app, inputs=nested).body == infer(app).body


def test_tensors_in_binary_are_read_and_given(app: App, models: Models) -> None:
    plain = in_binary(app, BINARY)
    assert plain.status == 200, plain.body
    assert plain.json == infer(app).json
    wanted = [{"name": "label", "parameters": {"binary_data": True}},
              {"name": "probabilities", "parameters": {"binary_data": True}}]  # fmt: skip
    for body in ({"outputs": wanted}, {"outputs": wanted[::-1]}, {"parameters": {"binary_data_output": True}}):
        reply = in_binary(app, BINARY, **body)
        assert reply.headers["content-type"] == "application/octet-stream"
        length = int(reply.headers["inference-header-content-length"])
        outputs, rest, parts = json.loads(reply.body[:length])["outputs"], reply.body[length:], {}
        for each in outputs:
            size = each["parameters"]["binary_data_size"]
            parts[each["name"]], rest = rest[:size], rest[size:]
        assert rest == b"" and parts["probabilities"] == expected(models, "binary")
        assert parts["label"] == packed(["TRUE", "TRUE", "TRUE", "FALSE"])


@pytest.mark.parametrize(
    "kind", ["UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BOOL"]
)
def test_every_datatype_gives_its_value(app: App, kind: str) -> None:
    dtype = {"BOOL": "?", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}.get(kind) or kind.lower()
    one = np.ones(1, dtype).tobytes()
    inputs = [(tensor("Month", "BYTES", 1), packed(["May"])), (tensor("PageValues", kind, 1), one),
              (tensor("Weekend", kind, 1), one)]  # fmt: skip
    assert in_binary(app, inputs, "regression").json["outputs"][0]["data"] == [3.0]


def test_outputs_that_are_named_are_given_alone_and_in_their_order(app: App) -> None:
    reply = infer(app, outputs=[{"name": "label"}])
    assert [each["name"] for each in reply.json["outputs"]] == ["label"]
    reply = infer(app, outputs=[{"name": "other"}])
    assert reply.status == 400 and "probabilities, label" in reply.json["error"]


def test_an_answer_is_not_longer_than_its_outputs_and_its_id_is_no_tree(app: App) -> None:
    assert infer(app, outputs=[{"name": "label"}] * 2).status == 400
    assert infer(app, id=json.loads("[" * 300 + "]" * 300)).status == 400
    assert infer(app, id=7).json["id"] == 7


def changed(place: str, **values: Any) -> list[dict[str, Any]]:
    return [each | values if each["name"] == place else each for each in INPUTS]


@pytest.mark.parametrize(
    ("inputs", "status"),
    [
        (None, 400),
        ([1], 400),
        ([], 422),
        (INPUTS[:2], 422),
        ([*INPUTS, INPUTS[0]], 400),
        ([{}], 400),
        (changed("Month", name=1), 400),
        (changed("Month", datatype="STRING"), 400),
        (changed("Month", datatype=None), 400),
        (changed("Month", shape=[3, 1]), 400),
        (changed("Month", shape=[1, 4]), 400),
        (changed("Month", shape=[-4, -1]), 400),
        (changed("Month", shape=[True]), 400),
        (changed("Month", shape=None), 400),
        (changed("Month", shape=[2**62, 1]), 400),
        (changed("Month", data=None), 400),
        (changed("Month", data="text"), 400),
        (changed("PageValues", data=["a"] * 4), 422),
        (changed("PageValues", shape=[3], data=[1.0] * 3), 422),
        (changed("Month", parameters={"binary_data_size": 4}), 400),
        (changed("Month", parameters={"binary_data_size": -1}), 400),
        (changed("Month", parameters={"binary_data_size": "4"}), 400),
        (changed("Month", parameters=[]), 200),
    ],
)
def test_what_is_wrong_with_tensors_is_told_under_error(app: App, inputs: Any, status: int) -> None:
    reply = infer(app, inputs=inputs)
    assert reply.status == status, reply.body
    assert status == 200 or isinstance(reply.json["error"], str)


@pytest.mark.parametrize("length", ["", "-1", "x", "999999", "\u00b2", "9" * 5000])
def test_a_length_of_the_json_that_is_none_is_refused(app: App, length: str) -> None:
    head = json.dumps({"inputs": INPUTS}).encode()
    reply = ask(app, "POST", "/v2/models/binary/infer", head, inference_header_content_length=length)
    assert reply.status == (200 if length == "" else 400)


def test_bytes_that_are_no_tensor_or_follow_the_last_are_refused(app: App) -> None:
    for part in (b"\x01\x00", struct.pack("<I", 2**31), struct.pack("<I", 2) + b"\xff\xff"):
        assert in_binary(app, [(tensor("Month", "BYTES"), part), *BINARY[1:]]).status == 400
    assert in_binary(app, [BINARY[0], (tensor("PageValues", "FP32"), b"123"), BINARY[2]]).status == 400
    head = json.dumps({"inputs": INPUTS}).encode()
    reply = ask(app, "POST", "/v2/models/binary/infer", head + b"more", inference_header_content_length=str(len(head)))
    assert reply.status == 400 and "4 bytes follow" in reply.json["error"]


def test_health_and_metadata(app: App) -> None:
    assert ask(app, "GET", "/v2/health/live").status == ask(app, "GET", "/v2/health/ready").status == 200
    assert set(ask(app, "GET", "/v2").json) == {"name", "version", "extensions"}
    for path in ("/v2/models/binary/ready", "/v2/models/binary/versions/1/ready"):
        assert ask(app, "GET", path).status == 200
    assert ask(app, "GET", "/v2/models/binary/versions/7/ready").status == 404
    assert ask(app, "GET", "/v2/models/nobody").status == 404
    told = ask(app, "GET", "/v2/models/binary").json
    assert (told["name"], told["versions"], told["platform"]) == ("binary", ["1"], "onnxruntime_onnx")
    assert told["inputs"][1] == {"name": "PageValues", "datatype": "FP32", "shape": [-1, 1]}
    assert [each["name"] for each in told["outputs"]] == ["probabilities", "label"]
    empty = app_of(ServeSettings.of(), lambda: Models({"shop": Model("shop")}))
    assert ask(empty, "GET", "/v2/health/live").status == 200
    assert [ask(empty, "GET", path).status for path in ("/v2/health/ready", "/v2/models/shop/ready")] == [503, 503]


def test_a_version_is_named_by_its_number_or_its_label(models: Models) -> None:
    one = models.by_name["binary"].versions[1]
    model = Model("binary", {1: one, 3: dataclasses.replace(one, number=3)}, {"stable": 1})
    app = app_of(ServeSettings.of(), lambda: Models({"binary": model}))
    for path, version in (("", "3"), ("/versions/1", "1"), ("/labels/stable", "1")):
        assert infer(app, path=path).json["model_version"] == version
        assert ask(app, "GET", f"/v2/models/binary{path}").headers["x-model-version"] == version
        assert ask(app, "GET", f"/v2/models/binary{path}").json["versions"] == ["1", "3"]
    for path in ("/labels/canary", "/versions/2", "/versions/latest"):
        assert infer(app, path=path).status == ask(app, "GET", f"/v2/models/binary{path}/ready").status == 404


def test_parameters_that_say_nothing_here_change_no_answer(app: App) -> None:
    plain = infer(app).json["outputs"]
    told = {"sequence_id": 7, "priority": 1, "timeout": 0, "x": {"y": [None]}}
    inputs = [each | {"parameters": {"hint": "x"}} for each in INPUTS]
    assert infer(app, inputs=inputs, parameters=told, more=1).json["outputs"] == plain
    assert infer(app, outputs=[{"name": "probabilities", "parameters": told}]).json["outputs"] == plain[:1]
    assert infer(app, outputs=[]).json["outputs"] == plain


def test_the_repository_lists_every_version_and_why_one_is_not_ready(models: Models) -> None:
    one = models.by_name["binary"].versions[1]
    known = Models({"binary": Model("binary", {1: one}, {}, {2: "it is damaged"}), "shop": Model("shop", off=True)})
    app = app_of(ServeSettings.of(), lambda: known)
    told = ask(app, "POST", "/v2/repository/index").json
    assert [(each["name"], each["version"], each["state"], each["reason"]) for each in told] == [
        ("binary", "1", "READY", ""),
        ("binary", "2", "UNAVAILABLE", "it is damaged"),
        ("shop", "", "UNAVAILABLE", "unloaded"),
    ]
    assert len(ask(app, "POST", "/v2/repository/index", {"ready": True}).json) == 1


def test_orders_to_load_and_unload_reach_who_keeps_the_models_where_that_is_asked_for(models: Models) -> None:
    orders = []

    async def control(action: str, name: str) -> str | None:
        orders.append((action, name))
        return "it is damaged" if name == "regression" else None

    asked = app_of(ServeSettings.of(admin=True), lambda: models, control)
    assert ask(asked, "POST", "/v2/repository/models/binary/load").json == {}
    assert ask(asked, "POST", "/v2/repository/models/binary/unload", b"{}").json == {}
    refused = ask(asked, "POST", "/v2/repository/models/regression/load")
    assert (refused.status, refused.json["error"]) == (400, "it is damaged")
    assert ask(asked, "POST", "/v2/repository/models/nobody/load").status == 404
    assert orders == [("load", "binary"), ("unload", "binary"), ("load", "regression")]
    closed = app_of(ServeSettings.of(), lambda: models, control)
    assert ask(closed, "POST", "/v2/repository/models/binary/load").status == 403 and len(orders) == 3
