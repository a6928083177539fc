"""TensorFlow Serving's REST API, version 1: predict, classify, regress, status, metadata.

https://www.tensorflow.org/tfx/serving/api_rest. An input has one value a row, told as it is or in a list of one; null
is a missing value, which TensorFlow has not. Texts in Base64 are `{"b64": "..."}`.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from stemma.serve.batch import Output
from stemma.serve.models import Model, Refused, Version
from stemma.serve.protocols.rows import columns, objects
from stemma.serve.routes import Answer, Call, Route, in_json, versions

DEFAULT = "serving_default"
TYPES = {"number": "DT_FLOAT", "boolean": "DT_BOOL", "date": "DT_DOUBLE", "string": "DT_STRING"}


def predict(call: Call) -> Answer | Awaitable[Answer]:
    version = call.version()
    name, found = asked(call, read(call), version)
    return call.predicted(found, lambda output: in_json({name: output}, version=version, rows=len(output)))


def asked(call: Call, body: Mapping[str, Any], version: Version) -> tuple[str, dict[str, list[Any]]]:
    """What predictions are called in the answer, and the columns to predict; Refused where it has none, or too many."""
    if ("instances" in body) == ("inputs" in body):
        raise Refused(400, 'the body needs one of "instances" and "inputs"')
    found: Mapping[str, list[Any]]
    if "instances" in body:
        name, found = "predictions", columns(_instances(call, body["instances"], version), version.bundle.signature)
    else:
        name, found = "outputs", _inputs(call, body["inputs"], version)
    return name, {name: _values(values) for name, values in found.items()}


def classify(call: Call) -> Answer | Awaitable[Answer]:
    if not (names := call.version().bundle.signature.classes):
        raise Refused(400, f"{call.version().model} predicts a value: ask :regress")
    return _results(call, lambda output: [list(zip(names, row, strict=True)) for row in output])


def regress(call: Call) -> Answer | Awaitable[Answer]:
    if call.version().bundle.signature.classes:
        raise Refused(400, f"{call.version().model} predicts classes: ask :classify")
    return _results(call, lambda output: output[:, 0])


def _results(call: Call, of: Callable[[Output], Any]) -> Answer | Awaitable[Answer]:
    version = call.version()
    return call.predicted(
        _examples(call, version), lambda output: in_json({"results": of(output)}, version=version, rows=len(output))
    )


def status(call: Call) -> Answer:
    """Of every version, or of one."""
    model = call.models.model(call.named["model"])
    if len(call.named) > 1:
        numbers = [model.find(call.named.get("version"), call.named.get("label")).number]
    else:
        numbers = sorted({*model.versions, *model.faults}, reverse=True)
    return in_json({"model_version_status": [_status(model, number) for number in numbers]})


def metadata(call: Call) -> Answer:
    version = call.models.find(call.named)
    known = version.bundle.signature
    signature = {
        "inputs": {each.name: _tensor(each.name, TYPES[each.type], 1) for each in known.inputs},
        "outputs": {known.output: _tensor(known.output, "DT_FLOAT", known.width)},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    kind = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    told = {"signature_def": {"@type": kind, "signature_def": {DEFAULT: signature}}}
    spec = {"name": version.model, "signature_name": "", "version": str(version.number)}
    return in_json({"model_spec": spec, "metadata": told}, version=version)


def read(call: Call) -> dict[str, Any]:
    """The body; Refused where it is no object, or for a signature that is none."""
    body = call.json()
    if not isinstance(body, dict):
        raise Refused(400, "the body is no object")
    check_signature(body.get("signature_name"))
    return body


def check_signature(name: Any) -> None:
    """Refuse (Refused) a signature other than the default, where there is no other."""
    if name not in (None, "", DEFAULT):
        raise Refused(400, f"no signature is named {str(name)[:100]!r}: there is {DEFAULT}")


def _instances(call: Call, given: Any, version: Version) -> list[dict[str, Any]]:
    """Rows as objects; where there is one input, its values alone will do."""
    inputs = version.bundle.signature.inputs
    if not isinstance(given, list):
        raise Refused(400, '"instances" is no list')
    if len(inputs) == 1 and not any(isinstance(each, dict) and "b64" not in each for each in given):
        given = [{inputs[0].name: each} for each in given]
    return objects(call, given, "instance", 400)


def _inputs(call: Call, given: Any, version: Version) -> Mapping[str, list[Any]]:
    """Columns by name; where there is one input, its column alone will do."""
    inputs = version.bundle.signature.inputs
    found = given if isinstance(given, dict) else {inputs[0].name: given}
    if found is not given and len(inputs) > 1:
        raise Refused(400, '"inputs" is no object of columns')
    for name, values in found.items():
        if not isinstance(values, list):
            raise Refused(400, f"the input {name[:100]!r} is no list", field=name, expected="a list of values")
        call.check_rows(len(values), len(found))
    return found


def _examples(call: Call, version: Version) -> dict[str, list[Any]]:
    body = read(call)
    given, shared = body.get("examples"), body.get("context", {})
    if not isinstance(given, list) or not isinstance(shared, dict):
        raise Refused(400, 'the body needs a list of "examples", and a "context" is an object')
    rows = objects(call, given, "example", 400)
    for number, row in enumerate(rows, start=1):
        if twice := row.keys() & shared.keys():
            name = sorted(twice)[0]
            raise Refused(400, f"{name[:100]!r} is in the context and in example {number}", field=name, row=number)
    found = columns([{**shared, **row} for row in rows], version.bundle.signature)
    return {name: _values(values) for name, values in found.items()}


def _values(given: Sequence[Any]) -> list[Any]:
    """One for each row: out of its list of one, and out of Base64."""
    return [_value(each) if isinstance(each, list | dict) else each for each in given]


def _value(given: Any) -> Any:
    given = given[0] if isinstance(given, list) and len(given) == 1 else given
    if isinstance(given, dict) and given.keys() == {"b64"}:
        try:
            return base64.b64decode(given["b64"], validate=True).decode()
        except (TypeError, ValueError, binascii.Error):
            raise Refused(400, "a value of b64 is no text in Base64 and UTF-8") from None
    return given


def _status(model: Model, number: int) -> dict[str, Any]:
    state, code, why = "AVAILABLE", "OK", ""
    if number not in model.versions:
        state, code, why = "END", "FAILED_PRECONDITION", model.faults[number]
    return {"version": str(number), "state": state, "status": {"error_code": code, "error_message": why}}


def _tensor(name: str, kind: str, width: int) -> dict[str, Any]:
    size = [{"size": str(each), "name": ""} for each in (-1, width)]
    return {"dtype": kind, "tensor_shape": {"dim": size, "unknown_rank": False}, "name": name}


MODEL = "/v1/models/{model}"
ROUTES = tuple(
    route
    for place in versions(MODEL)
    for route in (
        Route("POST", f"{place}:predict", predict),
        Route("POST", f"{place}:classify", classify),
        Route("POST", f"{place}:regress", regress),
        Route("GET", f"{place}/metadata", metadata),
        Route("GET", place, status),
    )
)
