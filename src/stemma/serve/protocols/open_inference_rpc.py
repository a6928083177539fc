"""The Open Inference Protocol, version 2, over gRPC: `inference.GRPCInferenceService`, as its requests over HTTP.

Tensors are told in binary there, whether they come as `raw_input_contents` or as `contents`; the answer has the form of
what was asked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from stemma.serve.models import Refused
from stemma.serve.protocols.messages import open_inference_pb2 as messages
from stemma.serve.protocols.open_inference import BINARY, LENGTH, packed, unpacked
from stemma.serve.rpc import Body, Reply, Rpc, part

CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """An input or an output, its values in binary."""

    name: str
    datatype: str
    shape: Sequence[int]
    content: bytes


def told_by(kind: type[Message]) -> Callable[[Any, Reply], Message]:
    """The message that tells an object of JSON, field by field."""
    return lambda _, reply: ParseDict(reply.json, kind(), ignore_unknown_fields=True)


def content(name: str, datatype: str, values: Iterable[Any]) -> bytes:
    """Values in binary; Refused where they are none of this datatype."""
    if datatype == "BYTES":
        return packed(values)
    try:
        return np.array(list(values), BINARY[datatype]).tobytes()
    except OverflowError:
        raise Refused(400, f"the input {name[:200]!r} has values that are no {datatype}") from None


def asked(inputs: Iterable[Tensor], outputs: Iterable[str], **more: Any) -> Body:
    """The request that infers, in binary tensors."""
    tensors = list(inputs)
    told = [
        {"name": each.name, "datatype": each.datatype, "shape": list(each.shape),
         "parameters": {"binary_data_size": len(each.content)}}
        for each in tensors
    ]  # fmt: skip
    named = {"outputs": [{"name": name} for name in outputs], "parameters": {"binary_data_output": True}}
    head = orjson.dumps({"inputs": told, **named, **more})
    return ((LENGTH, str(len(head)).encode()),), head + b"".join(each.content for each in tensors)


def answered(reply: Reply) -> tuple[Mapping[str, Any], list[Tensor]]:
    """What is said beside the outputs, and these."""
    place = int(reply.headers.get(LENGTH, len(reply.body)))  # without rows nothing is in binary
    head, tensors = orjson.loads(reply.body[:place]), []
    for each in head["outputs"]:
        end = place + each["parameters"]["binary_data_size"]
        tensors.append(Tensor(each["name"], each["datatype"], each["shape"], reply.body[place:end]))
        place = end
    return head, tensors


def _infer(message: messages.ModelInferRequest) -> Body:
    outputs = [each.name for each in message.outputs]
    return asked(_inputs(message), outputs, **({"id": message.id} if message.id else {}))


def _inputs(message: messages.ModelInferRequest) -> list[Tensor]:
    raw = message.raw_input_contents
    if raw and (len(raw) != len(message.inputs) or any(each.HasField("contents") for each in message.inputs)):
        raise Refused(400, "raw_input_contents has not just one content for each input, or an input has another")
    contents = raw or [_content(each) for each in message.inputs]
    return [
        Tensor(each.name, each.datatype, each.shape, content)
        for each, content in zip(message.inputs, contents, strict=True)
    ]


def _content(given: messages.ModelInferRequest.Input) -> bytes:
    field = CONTENTS.get(given.datatype)
    return b"" if field is None else content(given.name, given.datatype, getattr(given.contents, field))


def _inferred(message: messages.ModelInferRequest, reply: Reply) -> Message:
    head, tensors = answered(reply)
    told = messages.ModelInferResponse(
        model_name=head["model_name"], model_version=head["model_version"], id=head.get("id", "")
    )
    for each in tensors:
        output = told.outputs.add(name=each.name, datatype=each.datatype, shape=each.shape)
        if message.raw_input_contents:
            told.raw_output_contents.append(each.content)
        elif each.datatype == "BYTES":
            output.contents.bytes_contents.extend(texts(each))
        else:
            output.contents.fp32_contents.extend(np.frombuffer(each.content, BINARY[each.datatype]).tolist())
    return told


def texts(output: Tensor) -> list[bytes]:
    return [each.encode() for each in unpacked(output.name, memoryview(output.content))]


def _model(name: str, version: str) -> str:
    return f"/v2/models/{part(name)}" + (f"/versions/{part(version)}" if version else "")


def _ready(message: Any, reply: Reply) -> Message:
    return messages.ReadyResponse(ready=reply.status == 200)


def _order(action: str) -> Callable[[Any], str]:
    return lambda message: f"POST /v2/repository/models/{part(message.model_name)}/{action}"


SERVICE = "/inference.GRPCInferenceService"
RPCS = (
    Rpc(f"{SERVICE}/ServerLive", messages.Nothing, lambda _: "GET /v2/health/live",
        told_by(messages.ServerLiveResponse)),
    Rpc(f"{SERVICE}/ServerReady", messages.Nothing, lambda _: "GET /v2/health/ready", _ready, also=(503,)),
    Rpc(f"{SERVICE}/ServerMetadata", messages.Nothing, lambda _: "GET /v2", told_by(messages.ServerMetadataResponse)),
    Rpc(f"{SERVICE}/ModelReady", messages.ModelRequest, lambda it: f"GET {_model(it.name, it.version)}/ready", _ready,
        also=(404, 503)),
    Rpc(f"{SERVICE}/ModelMetadata", messages.ModelRequest, lambda it: f"GET {_model(it.name, it.version)}",
        told_by(messages.ModelMetadataResponse)),
    Rpc(f"{SERVICE}/ModelInfer", messages.ModelInferRequest,
        lambda it: f"POST {_model(it.model_name, it.model_version)}/infer", _inferred, _infer),
    Rpc(f"{SERVICE}/RepositoryIndex", messages.RepositoryIndexRequest, lambda _: "POST /v2/repository/index",
        lambda _, reply: messages.RepositoryIndexResponse(models=reply.json),
        lambda it: ((), orjson.dumps({"ready": it.ready}))),
    *(
        Rpc(f"{SERVICE}/RepositoryModel{action.title()}", messages.RepositoryModelRequest,
            _order(action), told_by(messages.Nothing))
        for action in ("load", "unload")
    ),
)  # fmt: skip
