"""The Open Inference Protocol, version 2, over HTTP: health, metadata, infer; and the repository of models.

https://github.com/kserve/open-inference-protocol, with the extensions binary_tensor_data and model_repository.
Each input is a tensor of one value a row, of shape [N, 1] or [N]; null in JSON and NaN in binary are missing values.
The class that is predicted is told beside the probabilities, as the output `label`.
"""

import itertools
import math
import struct
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import stemma
from stemma.serve.models import Models, Refused, Version
from stemma.serve.routes import JSON, Answer, Call, Route, in_json, versions
from stemma.serve.scopes import Scope
from stemma.text import counted

TYPES = {"number": "FP32", "boolean": "BOOL", "date": "FP64", "string": "BYTES"}
BINARY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BYTES": "",
}  # fmt: skip
LABEL = "label"
LENGTH = b"inference-header-content-length"
OCTETS = "application/octet-stream"


def ready(call: Call) -> Answer:
    return in_json({"ready": call.models.ready}, 200 if call.models.ready else 503)


def model_ready(call: Call) -> Answer:
    version = call.models.find(call.named)
    return in_json({"name": version.model, "ready": True}, version=version)


def server(call: Call) -> Answer:
    return _about()


@cache  # the version is a digest of the toolkit
def _about() -> Answer:
    extensions = ["binary_tensor_data", "model_repository"]
    return in_json({"name": "stemma", "version": stemma.__version__, "extensions": extensions})


def metadata(call: Call) -> Answer:
    version = call.models.find(call.named)
    known = version.bundle.signature
    outputs = [{"name": known.output, "datatype": "FP32", "shape": [-1, known.width]}]
    outputs += [{"name": LABEL, "datatype": "BYTES", "shape": [-1, 1]}] if known.classes else []
    told = {
        "name": version.model,
        "versions": [str(number) for number in call.models.model(version.model).versions],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": each.name, "datatype": TYPES[each.type], "shape": [-1, 1]} for each in known.inputs],
        "outputs": outputs,
    }
    return in_json(told, version=version)


def infer(call: Call) -> Answer | Awaitable[Answer]:
    version = call.version()
    head, rest = _parts(call)
    if isinstance(head.get("id"), list | dict):
        raise Refused(400, 'the "id" is no text')
    columns: dict[str, list[Any]] = {}
    tensors = _objects(head.get("inputs"), "inputs")
    for tensor in tensors:
        name = _text(tensor, "name")
        if name in columns:
            raise Refused(400, f"the input {name!r} is there twice", field=name)
        columns[name], rest = _column(name, tensor, rest)
        call.check_rows(len(columns[name]), len(tensors))
    if rest:
        raise Refused(400, f"{counted(len(rest), 'byte follows', 'bytes follow')} the last input")
    return call.predicted(columns, partial(_answer, head, version))


def index(call: Call) -> Answer:
    wanted = call.json() if call.body else {}
    only_ready = isinstance(wanted, dict) and wanted.get("ready") is True
    return in_json([each for each in _index(call.models) if each["state"] == "READY" or not only_ready])


async def order(call: Call) -> Answer:
    """Load or unload a model."""
    name = call.models.model(call.named["model"]).name
    await call.order(call.path.rpartition("/")[2], name, status=400)
    return in_json({})


def _index(models: Models) -> Iterator[dict[str, str]]:
    for model in models.by_name.values():
        told = [(str(number), "READY", "") for number in model.versions]
        told += [(str(number), "UNAVAILABLE", why) for number, why in model.faults.items()]
        why = "unloaded" if model.off else "no version is there"
        for version, state, reason in told or [("", "UNAVAILABLE", why)]:
            yield {"name": model.name, "version": version, "state": state, "reason": reason}


# From tensors to columns.


def _parts(call: Call) -> tuple[dict[str, Any], memoryview]:
    """The JSON, and the bytes behind it."""
    told = call.header(LENGTH)
    if told and not (told.isascii() and told.isdigit() and len(told) < 19 and int(told) <= len(call.body)):
        raise Refused(400, f"{LENGTH.decode()} is {told[:20]!r}, and the body has {counted(len(call.body), 'byte')}")
    place = int(told) if told else len(call.body)
    head = call.json(call.body[:place])
    if not isinstance(head, dict):
        raise Refused(400, "the body is no object")
    return head, memoryview(call.body)[place:]


def _column(name: str, tensor: Mapping[str, Any], rest: memoryview) -> tuple[list[Any], memoryview]:
    """The values of an input, and the bytes behind it."""
    kind, count = _text(tensor, "datatype"), _count(name, tensor)
    if kind not in BINARY:
        raise Refused(400, f"the input {name!r} has the unknown datatype {kind!r}", field=name)
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        values = _flat(name, tensor.get("data"))
    elif type(size) is not int or not 0 <= size <= len(rest):
        raise Refused(400, f"the input {name!r} has no {str(size)[:20]} bytes", field=name)
    else:
        part, rest = rest[:size], rest[size:]
        values = unpacked(name, part) if kind == "BYTES" else _numbers(name, part, kind)
    if len(values) != count:
        raise Refused(400, f"the input {name!r} has {counted(len(values), 'value')}, and its shape {count}", field=name)
    return values, rest


def _count(name: str, tensor: Mapping[str, Any]) -> int:
    shape = tensor.get("shape")
    sizes = shape if isinstance(shape, list) and all(type(each) is int and each >= 0 for each in shape) else []
    if len(sizes) not in (1, 2) or sizes[1:] not in ([], [1]):
        raise Refused(400, f"the input {name!r} has the shape {str(shape)[:60]}", field=name, expected="[N, 1] or [N]")
    return math.prod(sizes)


def _flat(name: str, data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise Refused(400, f"the input {name!r} has no data", field=name, expected="a list of values")
    if data and isinstance(data[0], list):
        return list(itertools.chain.from_iterable(each if isinstance(each, list) else [each] for each in data))
    return data


def _numbers(name: str, part: memoryview, kind: str) -> list[Any]:
    dtype = np.dtype(BINARY[kind])
    if len(part) % dtype.itemsize:
        raise Refused(400, f"the input {name!r} has {counted(len(part), 'byte')}, which make no {kind}", field=name)
    return list(np.frombuffer(part, dtype).tolist())


def unpacked(name: str, part: memoryview) -> list[str]:
    """What `packed` packs."""
    texts, place = [], 0
    try:
        while place < len(part):
            (length,) = struct.unpack_from("<I", part, place)
            place += 4 + length
            if place > len(part):
                raise ValueError
            texts.append(str(part[place - length : place], "utf-8"))
    except (ValueError, struct.error):
        raise Refused(400, f"the input {name!r} holds no texts in UTF-8, each behind its length", field=name) from None
    return texts


def _objects(given: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise Refused(400, f'"{what}" is no list of objects')
    return given


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise Refused(400, f'an input or output has no "{name}"')
    return value[:200]


def _parameters(given: Mapping[str, Any]) -> Mapping[str, Any]:
    found = given.get("parameters", {})
    return found if isinstance(found, dict) else {}


# From predictions to tensors.


def _answer(head: Mapping[str, Any], version: Version, output: NDArray[np.float32]) -> Answer:
    outputs, binary = [], b""
    for name, in_binary in _wanted(head, version):
        texts = version.bundle.signature.labels(output) if name == LABEL else None
        kind, shape = ("FP32", output.shape) if texts is None else ("BYTES", (len(texts), 1))
        told: dict[str, Any] = {"name": name, "datatype": kind, "shape": shape}
        if in_binary:
            part = output.astype("<f4", copy=False).tobytes() if texts is None else packed(map(str.encode, texts))
            outputs.append(told | {"parameters": {"binary_data_size": len(part)}})
            binary += part
        else:
            outputs.append(told | {"data": output.ravel() if texts is None else texts})
    answer = {"model_name": version.model, "model_version": str(version.number), "outputs": outputs}
    made = in_json(answer | ({"id": head["id"]} if "id" in head else {}), version=version, rows=len(output))
    if not binary:
        return made
    length = ((LENGTH, str(len(made.body)).encode()),)
    return replace(made, body=made.body + binary, kind=OCTETS, headers=length)


def _wanted(head: Mapping[str, Any], version: Version) -> Iterator[tuple[str, bool]]:
    """The outputs that are asked for, all of them where none is; and whether in binary."""
    known = [version.bundle.signature.output, *([LABEL] if version.bundle.signature.classes else [])]
    given = _objects(head.get("outputs") or [{"name": name} for name in known], "outputs")
    all_binary = _parameters(head).get("binary_data_output") is True
    names = [_text(each, "name") for each in given]
    for name in names:
        if name not in known:
            raise Refused(400, f"no output is named {name!r}: there is {', '.join(known)}", field=name)
    if len(names) > len(set(names)):  # an answer would be far longer than what was asked
        raise Refused(400, "an output is asked for twice")
    for name, each in zip(names, given, strict=True):
        yield name, _parameters(each).get("binary_data", all_binary) is True


def packed(texts: Iterable[bytes]) -> bytes:
    """Each behind its length, four bytes."""
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


MODEL = "/v2/models/{model}"
ROUTES = (
    Route("GET", "/v2", server),
    Route("GET", "/v2/health/live", lambda call: in_json({"live": True}), scope=None),
    Route("GET", "/v2/health/ready", ready, scope=None),
    *(
        route
        for place in versions(MODEL)
        for route in (
            Route("POST", f"{place}/infer", infer, takes=(JSON, OCTETS)),
            Route("GET", f"{place}/ready", model_ready),
            Route("GET", place, metadata),
        )
    ),
    Route("POST", "/v2/repository/index", index),
    Route("POST", "/v2/repository/models/{model}/load", order, scope=Scope.ADMIN),
    Route("POST", "/v2/repository/models/{model}/unload", order, scope=Scope.ADMIN),
)
