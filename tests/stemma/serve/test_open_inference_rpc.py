"""The Open Inference Protocol over gRPC, case by case: `inference.GRPCInferenceService`, over a socket."""

import base64
from collections.abc import Iterable
from typing import Any

import grpc
import numpy as np
import pytest

from bundles import ROWS
from serving import call, over_grpc, refusing
from stemma.serve.models import Model, Models
from stemma.serve.process import app_of
from stemma.serve.protocols.messages import open_inference_pb2 as messages
from stemma.serve.protocols.open_inference import packed
from stemma.serve.settings import ServeSettings

SERVICE = "/inference.GRPCInferenceService"
COUNT = len(ROWS["Month"])
CODES = grpc.StatusCode
Input, Contents = messages.ModelInferRequest.Input, messages.Contents


def request(inputs: Iterable[Input], name: str = "binary", **more: Any) -> messages.ModelInferRequest:
    return messages.ModelInferRequest(model_name=name, inputs=inputs, **more)


def tensor(name: str, datatype: str, count: int = COUNT, **contents: Any) -> Input:
    told = {"contents": Contents(**contents)} if contents else {}
    return Input(name=name, datatype=datatype, shape=[count, 1], **told)


INPUTS = [
    tensor("Month", "BYTES", bytes_contents=[each.encode() for each in ROWS["Month"]]),
    tensor("PageValues", "FP32", fp32_contents=[0.5, 3, float("nan"), -10]),
    tensor("Weekend", "FP64", fp64_contents=[1, 0, float("nan"), 1]),
]
RAW = {
    "inputs": [tensor("Month", "BYTES"), tensor("PageValues", "FP32"), tensor("Weekend", "FP16")],
    "raw_input_contents": [
        packed(each.encode() for each in ROWS["Month"]),
        np.array([0.5, 3, np.nan, -10], "<f4").tobytes(),
        np.array([1, 0, np.nan, 1], "<f2").tobytes(),
    ],
}


def infer(channel: grpc.Channel, message: messages.ModelInferRequest) -> messages.ModelInferResponse:
    return call(channel, f"{SERVICE}/ModelInfer", message, messages.ModelInferResponse)


def expected(models: Models, name: str) -> bytes:
    return models.by_name[name].versions[1].bundle.predict(ROWS).tobytes()


def test_contents_give_what_the_graph_gives_bit_for_bit_in_contents(channel: grpc.Channel, models: Models) -> None:
    reply = infer(channel, request(INPUTS, id="42"))
    assert (reply.model_name, reply.model_version, reply.id) == ("binary", "1", "42")
    probabilities, label = reply.outputs
    assert (probabilities.name, probabilities.datatype, list(probabilities.shape)) == ("probabilities", "FP32", [4, 2])
    assert np.array(probabilities.contents.fp32_contents, np.float32).tobytes() == expected(models, "binary")
    assert list(label.contents.bytes_contents) == [b"TRUE", b"TRUE", b"TRUE", b"FALSE"]
    assert not reply.raw_output_contents


def test_raw_contents_give_the_same_in_raw_contents(channel: grpc.Channel, models: Models) -> None:
    reply = infer(channel, request(RAW["inputs"], raw_input_contents=RAW["raw_input_contents"]))
    assert not any(each.HasField("contents") for each in reply.outputs)
    values, label = reply.raw_output_contents
    assert values == expected(models, "binary") and label == packed([b"TRUE", b"TRUE", b"TRUE", b"FALSE"])


def test_the_bytes_of_a_client_of_triton_are_read(channel: grpc.Channel, models: Models) -> None:
    """Of tritonclient 2.73.0; it has parameters that say nothing here."""
    recorded = (
        "CgZiaW5hcnkSATEaAjQyIg0KB3RpbWVvdXQSAhAHKhIKBU1vbnRoEgVCWVRFUxoCAgEqFgoKUGFnZVZhbHVlcxIERlAzMhoCAgEq"
        "EwoHV2Vla2VuZBIEQk9PTBoCAgEyDwoNcHJvYmFiaWxpdGllczoOAwAAAE1heQMAAABOb3Y6CAAAAD8AAMB/OgIBAA=="
    )
    reply = infer(channel, messages.ModelInferRequest.FromString(base64.b64decode(recorded)))
    rows = {"Month": ["May", "Nov"], "PageValues": [0.5, None], "Weekend": [True, False]}
    assert list(reply.raw_output_contents) == [models.by_name["binary"].versions[1].bundle.predict(rows).tobytes()]
    assert (reply.id, reply.model_version, [each.name for each in reply.outputs]) == ("42", "1", ["probabilities"])


@pytest.mark.parametrize(
    ("kind", "field"),
    [("BOOL", "bool"), ("INT8", "int"), ("INT16", "int"), ("INT32", "int"), ("INT64", "int64"), ("UINT8", "uint"),
     ("UINT16", "uint"), ("UINT32", "uint"), ("UINT64", "uint64"), ("FP32", "fp32"), ("FP64", "fp64")],
)  # fmt: skip
def test_every_datatype_gives_its_value(channel: grpc.Channel, kind: str, field: str) -> None:
    one = {f"{field}_contents": [1]}
    inputs = [tensor("Month", "BYTES", 1, bytes_contents=[b"May"]), tensor("PageValues", kind, 1, **one),
              tensor("Weekend", kind, 1, **one)]  # fmt: skip
    (output,) = infer(channel, request(inputs, "regression", model_version="1")).outputs
    assert list(output.contents.fp32_contents) == [3.0]


def test_outputs_that_are_named_are_given_alone_and_in_their_order(channel: grpc.Channel) -> None:
    outputs = [messages.ModelInferRequest.Output(name=name) for name in ("label", "probabilities")]
    for count in (1, 2):
        reply = infer(channel, request(INPUTS, outputs=outputs[:count]))
        assert [each.name for each in reply.outputs] == ["label", "probabilities"][:count]


def test_no_rows_give_no_values(channel: grpc.Channel) -> None:
    inputs = [tensor("Month", "BYTES", 0), tensor("PageValues", "FP32", 0), tensor("Weekend", "BOOL", 0)]
    for raw in ([], [b""] * 3):
        reply = infer(channel, request(inputs, raw_input_contents=raw))
        assert [list(each.shape) for each in reply.outputs] == [[0, 2], [0, 1]] and not any(reply.raw_output_contents)


@pytest.mark.parametrize(
    ("message", "code", "told"),
    [
        (request(INPUTS, "nobody"), CODES.NOT_FOUND, "nobody"),
        (request(INPUTS, "binary/versions/1"), CODES.NOT_FOUND, "binary"),
        (request(INPUTS, ""), CODES.NOT_FOUND, ""),
        (request(INPUTS, model_version="7"), CODES.NOT_FOUND, "version 7"),
        (request(INPUTS, model_version="\u00b2"), CODES.NOT_FOUND, "version"),
        (request([]), CODES.INVALID_ARGUMENT, "Month"),
        (request(INPUTS[:2]), CODES.INVALID_ARGUMENT, "Weekend"),
        (request([*INPUTS, INPUTS[0]]), CODES.INVALID_ARGUMENT, "twice"),
        (request([INPUTS[0], INPUTS[1], tensor("Weekend", "FP32", fp32_contents=[2] * COUNT)]),
         CODES.INVALID_ARGUMENT, "row 1"),
        (request([INPUTS[0], tensor("PageValues", "FP32", fp32_contents=[0, float("inf"), 0, 0]), INPUTS[2]]),
         CODES.INVALID_ARGUMENT, "row 2"),
        (request([INPUTS[0], tensor("PageValues", "INT8", int_contents=[300] * COUNT), INPUTS[2]]),
         CODES.INVALID_ARGUMENT, "no INT8"),
        (request([tensor("Month", "BYTES", bytes_contents=[b"\xff"] * COUNT), *INPUTS[1:]]),
         CODES.INVALID_ARGUMENT, "UTF-8"),
        (request([tensor("Month", "STRING", bytes_contents=[b"May"] * COUNT), *INPUTS[1:]]),
         CODES.INVALID_ARGUMENT, "STRING"),
        (request([tensor("Month", "BYTES", 3, bytes_contents=[b"May"] * COUNT), *INPUTS[1:]]),
         CODES.INVALID_ARGUMENT, "4 values"),
        (request([Input(name="Month", datatype="BYTES", shape=[-4, -1])]), CODES.INVALID_ARGUMENT, "shape"),
        (request([Input(name="Month", datatype="BYTES", shape=[2**62, 1])]), CODES.INVALID_ARGUMENT, "shape"),
        (request(INPUTS, raw_input_contents=RAW["raw_input_contents"]), CODES.INVALID_ARGUMENT, "raw_input_contents"),
        (request(RAW["inputs"], raw_input_contents=RAW["raw_input_contents"][:2]),
         CODES.INVALID_ARGUMENT, "raw_input_contents"),
        (request(INPUTS, outputs=[messages.ModelInferRequest.Output(name="other")]), CODES.INVALID_ARGUMENT, "other"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_code(
    channel: grpc.Channel, message: messages.ModelInferRequest, code: grpc.StatusCode, told: str
) -> None:
    with refusing(code, told):
        infer(channel, message)


def test_health_and_metadata(channel: grpc.Channel) -> None:
    nothing, ready = messages.Nothing(), messages.ReadyResponse
    assert call(channel, f"{SERVICE}/ServerLive", nothing, messages.ServerLiveResponse).live
    assert call(channel, f"{SERVICE}/ServerReady", nothing, ready).ready
    assert call(channel, f"{SERVICE}/ServerMetadata", nothing, messages.ServerMetadataResponse).name == "stemma"
    for name, version, state in (("binary", "", True), ("binary", "1", True), ("binary", "7", False), ("x", "", False)):
        asked = messages.ModelRequest(name=name, version=version)
        assert call(channel, f"{SERVICE}/ModelReady", asked, ready).ready is state
    asked = messages.ModelRequest(name="binary")
    told = call(channel, f"{SERVICE}/ModelMetadata", asked, messages.ModelMetadataResponse)
    assert (told.name, list(told.versions), told.platform) == ("binary", ["1"], "onnxruntime_onnx")
    assert [(each.name, each.datatype) for each in told.inputs] == [
        ("Month", "BYTES"), ("PageValues", "FP32"), ("Weekend", "BOOL")]  # fmt: skip
    assert [(each.name, list(each.shape)) for each in told.outputs] == [("probabilities", [-1, 2]), ("label", [-1, 1])]


def test_a_model_without_a_version_is_not_ready_and_says_when_to_ask_again() -> None:
    known = Models({"shop": Model("shop")})
    with over_grpc(app_of(ServeSettings.of(), lambda: known), ServeSettings.of()) as channel:
        assert not call(channel, f"{SERVICE}/ServerReady", messages.Nothing(), messages.ReadyResponse).ready
        with pytest.raises(grpc.RpcError) as caught:
            infer(channel, request(INPUTS, "shop"))
        assert caught.value.code() == CODES.UNAVAILABLE and ("retry-after", "1") in caught.value.trailing_metadata()


def test_the_repository_is_listed_and_takes_orders_where_that_is_asked_for(models: Models) -> None:
    orders = []

    async def control(action: str, name: str) -> str | None:
        orders.append((action, name))
        return "it is damaged" if name == "regression" else None

    one = models.by_name["binary"].versions[1]
    known = Models({**models.by_name, "binary": Model("binary", {1: one}, {}, {2: "it is damaged"})})
    settings = ServeSettings.of(admin=True)
    with over_grpc(app_of(settings, lambda: known, control), settings) as channel:
        told = [call(channel, f"{SERVICE}/RepositoryIndex", messages.RepositoryIndexRequest(ready=ready),
                     messages.RepositoryIndexResponse).models for ready in (False, True)]  # fmt: skip
        assert (told[0][1].version, told[0][1].state, told[0][1].reason) == ("2", "UNAVAILABLE", "it is damaged")
        assert {each.state for each in told[1]} == {"READY"}
        for action in ("Load", "Unload"):
            asked = messages.RepositoryModelRequest(model_name="binary")
            call(channel, f"{SERVICE}/RepositoryModel{action}", asked, messages.Nothing)
        with pytest.raises(grpc.RpcError, match="it is damaged"):
            asked = messages.RepositoryModelRequest(model_name="regression")
            call(channel, f"{SERVICE}/RepositoryModelLoad", asked, messages.Nothing)
    assert orders == [("load", "binary"), ("unload", "binary"), ("load", "regression")]


def test_orders_are_not_taken_where_that_is_not_asked_for(channel: grpc.Channel) -> None:
    with refusing(CODES.PERMISSION_DENIED):
        asked = messages.RepositoryModelRequest(model_name="binary")
        call(channel, f"{SERVICE}/RepositoryModelUnload", asked, messages.Nothing)
