"""TensorFlow Serving over gRPC: `PredictionService` and `ModelService`, as requests over HTTP.

Examples are told as over REST; the tensors of `Predict` in binary, as the Open Inference Protocol has them. The class
that is predicted is a further output, `label`, for those who name it in `output_filter`.
"""

import math
from collections.abc import Callable
from typing import Any

import orjson
from google.protobuf import any_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from stemma.serve.models import Refused
from stemma.serve.protocols.messages import tensorflow_pb2 as messages
from stemma.serve.protocols.open_inference import LABEL
from stemma.serve.protocols.open_inference_rpc import Tensor, answered, asked, content, texts, told_by
from stemma.serve.protocols.tensorflow import check_signature
from stemma.serve.rpc import Body, Reply, Rpc, part

# -> datatype of the Open Inference Protocol, and the field of its values where they do not lie in tensor_content
DATATYPES = {
    messages.DT_FLOAT: ("FP32", "float_val"), messages.DT_DOUBLE: ("FP64", "double_val"),
    messages.DT_INT8: ("INT8", "int_val"), messages.DT_INT16: ("INT16", "int_val"),
    messages.DT_INT32: ("INT32", "int_val"), messages.DT_INT64: ("INT64", "int64_val"),
    messages.DT_UINT8: ("UINT8", "int_val"), messages.DT_UINT16: ("UINT16", "int_val"),
    messages.DT_UINT32: ("UINT32", "uint32_val"), messages.DT_UINT64: ("UINT64", "uint64_val"),
    messages.DT_BOOL: ("BOOL", "bool_val"), messages.DT_STRING: ("BYTES", "string_val"),
    messages.DT_HALF: ("FP16", "half_val"),
}  # fmt: skip
SIGNATURES = "signature_def"
MAP = "type.googleapis.com/tensorflow.serving.SignatureDefMap"


def _model(protocol: str, spec: messages.ModelSpec) -> str:
    place = f"/{protocol}/models/{part(spec.name)}"
    chosen = spec.WhichOneof("version_choice")
    if chosen == "version":
        return f"{place}/versions/{spec.version.value}"
    return place if chosen is None else f"{place}/labels/{part(spec.version_label)}"


def _target(method: str, protocol: str, action: str) -> Callable[[Any], str]:
    return lambda message: f"{method} {_model(protocol, message.model_spec)}{action}"


def _spec(reply: Reply) -> messages.ModelSpec:
    """The model and the version that answered."""
    number = int(reply.headers[b"x-model-version"])
    return messages.ModelSpec(name=reply.headers[b"x-model"].decode(), version={"value": number})


def _predict(message: messages.PredictRequest) -> Body:
    check_signature(message.model_spec.signature_name)
    return asked([_tensor(name[:200], message.inputs[name]) for name in message.inputs], message.output_filter)


def _tensor(name: str, given: messages.Tensor) -> Tensor:
    if given.dtype not in DATATYPES:
        raise Refused(400, f"the input {name!r} has the unknown type {given.dtype}", field=name)
    datatype, field = DATATYPES[given.dtype]
    values = getattr(given, field)
    # Half floats are told as whole numbers of the same bits.
    told = given.tensor_content or content(name, "UINT16" if datatype == "FP16" else datatype, values)
    return Tensor(name, datatype, [each.size for each in given.tensor_shape.dim], told)


def _predicted(message: messages.PredictRequest, reply: Reply) -> Message:
    told = messages.PredictResponse(model_spec=_spec(reply))
    for each in answered(reply)[1]:
        if each.name == LABEL and LABEL not in message.output_filter:
            continue
        output = told.outputs[each.name]
        for size in each.shape:
            output.tensor_shape.dim.add(size=size)
        if each.datatype == "BYTES":
            output.dtype = messages.DT_STRING
            output.string_val.extend(texts(each))
        else:
            output.dtype, output.tensor_content = messages.DT_FLOAT, each.content
    return told


def _examples(message: messages.ExamplesRequest) -> Body:
    kind = message.input.WhichOneof("kind")
    if kind is None:
        raise Refused(400, "the input has no examples")
    given = getattr(message.input, kind)
    told = {
        "signature_name": message.model_spec.signature_name,
        "examples": [_features(each) for each in given.examples],
        "context": _features(given.context),
    }
    return (), orjson.dumps(told)


def _features(example: messages.Example) -> dict[str, Any]:
    return {name: _values(name[:200], feature) for name, feature in example.features.feature.items()}


def _values(name: str, feature: messages.Example.Feature) -> list[Any] | None:
    """A feature without values is a missing value, as NaN is."""
    kind = feature.WhichOneof("kind")
    try:
        values = [_value(each) for each in getattr(feature, kind).value] if kind else []
    except ValueError:
        raise Refused(400, f"the feature {name!r} is no text in UTF-8, or not finite", field=name) from None
    return values or None


def _value(given: Any) -> Any:
    if isinstance(given, bytes):
        return given.decode()
    if isinstance(given, float) and math.isinf(given):
        raise ValueError
    return None if given != given else given


def _classified(message: Any, reply: Reply) -> Message:
    rows = [{"classes": [{"label": label, "score": score} for label, score in row]} for row in reply.json["results"]]
    return messages.ClassificationResponse(model_spec=_spec(reply), result={"classifications": rows})


def _regressed(message: Any, reply: Reply) -> Message:
    values = [{"value": value} for value in reply.json["results"]]
    return messages.RegressionResponse(model_spec=_spec(reply), result={"regressions": values})


def _metadata(message: messages.GetModelMetadataRequest) -> Body:
    if list(message.metadata_field) != [SIGNATURES]:
        raise Refused(400, f"metadata_field has to be {SIGNATURES} alone")
    return (), b""


def _described(message: Any, reply: Reply) -> Message:
    told = messages.GetModelMetadataResponse(model_spec=_spec(reply))
    signatures = ParseDict(
        reply.json["metadata"][SIGNATURES], messages.SignatureDefMap(), ignore_unknown_fields=True
    ).SerializeToString()
    told.metadata[SIGNATURES].MergeFrom(any_pb2.Any(type_url=MAP, value=signatures))
    return told


PREDICTION, MODELS = "/tensorflow.serving.PredictionService", "/tensorflow.serving.ModelService"
RPCS = (
    Rpc(f"{PREDICTION}/Predict", messages.PredictRequest, _target("POST", "v2", "/infer"), _predicted, _predict),
    Rpc(f"{PREDICTION}/Classify", messages.ExamplesRequest, _target("POST", "v1", ":classify"), _classified, _examples),
    Rpc(f"{PREDICTION}/Regress", messages.ExamplesRequest, _target("POST", "v1", ":regress"), _regressed, _examples),
    Rpc(f"{PREDICTION}/GetModelMetadata", messages.GetModelMetadataRequest, _target("GET", "v1", "/metadata"),
        _described, _metadata),
    Rpc(f"{MODELS}/GetModelStatus", messages.GetModelStatusRequest, _target("GET", "v1", ""),
        told_by(messages.GetModelStatusResponse)),
)  # fmt: skip
