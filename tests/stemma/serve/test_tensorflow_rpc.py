"""TensorFlow Serving over gRPC, case by case: `PredictionService` and `ModelService`, over a socket."""

import base64
import dataclasses
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from bundles import ROWS
from serving import call, over_grpc, refusing
from stemma.serve.models import Model, Models
from stemma.serve.process import app_of
from stemma.serve.protocols.messages import tensorflow_pb2 as messages
from stemma.serve.settings import ServeSettings

PREDICTION, MODELS = "/tensorflow.serving.PredictionService", "/tensorflow.serving.ModelService"
COUNT = len(ROWS["Month"])
CODES = grpc.StatusCode
NUMBERS = np.array([0.5, 3, np.nan, -10], "<f4")


def tensor(dtype: int, *shape: int, **values: Any) -> messages.Tensor:
    dims = [messages.TensorShape.Dim(size=size) for size in shape]
    return messages.Tensor(dtype=dtype, tensor_shape=messages.TensorShape(dim=dims), **values)


INPUTS = {
    "Month": tensor(messages.DT_STRING, COUNT, 1, string_val=[each.encode() for each in ROWS["Month"]]),
    "PageValues": tensor(messages.DT_FLOAT, COUNT, tensor_content=NUMBERS.tobytes()),
    "Weekend": tensor(messages.DT_DOUBLE, COUNT, 1, double_val=[1, 0, np.nan, 1]),
}


def request(name: str = "binary", inputs: Any = INPUTS, outputs: Any = (), **spec: Any) -> messages.PredictRequest:
    return messages.PredictRequest(
        model_spec=messages.ModelSpec(name=name, **spec), inputs=inputs, output_filter=outputs
    )


def predict(channel: grpc.Channel, message: messages.PredictRequest) -> messages.PredictResponse:
    return call(channel, f"{PREDICTION}/Predict", message, messages.PredictResponse)


def expected(models: Models, name: str) -> bytes:
    return models.by_name[name].versions[1].bundle.predict(ROWS).tobytes()


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_tensors_give_what_the_graph_gives_bit_for_bit(channel: grpc.Channel, models: Models, name: str) -> None:
    reply = predict(channel, request(name))
    ((output, told),) = reply.outputs.items()
    known = models.by_name[name].versions[1].bundle.signature
    assert (output, told.dtype, told.tensor_content) == (known.output, messages.DT_FLOAT, expected(models, name))
    assert [each.size for each in told.tensor_shape.dim] == [COUNT, known.width]
    assert (reply.model_spec.name, reply.model_spec.version.value) == (name, 1)


def test_outputs_that_are_named_are_given_alone(channel: grpc.Channel) -> None:
    assert set(predict(channel, request(outputs=["probabilities"])).outputs) == {"probabilities"}
    ((name, told),) = predict(channel, request(outputs=["label"])).outputs.items()
    assert (name, told.dtype) == ("label", messages.DT_STRING)
    assert list(told.string_val) == [b"TRUE", b"TRUE", b"TRUE", b"FALSE"]


@pytest.mark.parametrize(
    ("dtype", "field", "one"),
    [(messages.DT_FLOAT, "float_val", 1), (messages.DT_DOUBLE, "double_val", 1), (messages.DT_INT8, "int_val", 1),
     (messages.DT_INT16, "int_val", 1), (messages.DT_INT32, "int_val", 1), (messages.DT_INT64, "int64_val", 1),
     (messages.DT_UINT8, "int_val", 1), (messages.DT_UINT16, "int_val", 1), (messages.DT_UINT32, "uint32_val", 1),
     (messages.DT_UINT64, "uint64_val", 1), (messages.DT_BOOL, "bool_val", 1), (messages.DT_HALF, "half_val", 0x3C00)],
)  # fmt: skip
def test_every_type_gives_its_value(channel: grpc.Channel, dtype: int, field: str, one: int) -> None:
    value = tensor(dtype, 1, 1, **{field: [one]})
    inputs = {"Month": tensor(messages.DT_STRING, 1, string_val=[b"May"]), "PageValues": value, "Weekend": value}
    (told,) = predict(channel, request("regression", inputs)).outputs.values()
    assert np.frombuffer(told.tensor_content, "<f4").tolist() == [3.0]


RECORDED = {  # of tensorflow-serving-api 2.21.0 and TensorFlow 2.21.0
    "Predict": "CgwKBmJpbmFyeRICCAESHwoFTW9udGgSFggHEggSAggCEgIIAUIDTWF5QgNOb3YSIAoKUGFnZVZhbHVlcxISCAESBBICCAIiCAAAAD8"
    "AAMB/EhsKB1dlZWtlbmQSEAgKEggSAggCEgIIAVoCAQA=",
    "Classify": "ChkKBmJpbmFyeRoPc2VydmluZ19kZWZhdWx0EkYSRAosCioKFgoKUGFnZVZhbHVlcxIIEgYKBAAAAD8KEAoHV2Vla2VuZBI"
    "FGgMKAQESFAoSChAKBU1vbnRoEgcKBQoDTWF5",
}


def test_the_bytes_of_its_own_client_are_read(channel: grpc.Channel, models: Models) -> None:
    read = models.by_name["binary"].versions[1].bundle.predict
    asked = messages.PredictRequest.FromString(base64.b64decode(RECORDED["Predict"]))
    rows = {"Month": ["May", "Nov"], "PageValues": [0.5, None], "Weekend": [True, False]}
    assert predict(channel, asked).outputs["probabilities"].tensor_content == read(rows).tobytes()
    asked = messages.ExamplesRequest.FromString(base64.b64decode(RECORDED["Classify"]))
    reply = call(channel, f"{PREDICTION}/Classify", asked, messages.ClassificationResponse)
    scores = [each.score for each in reply.result.classifications[0].classes]
    assert scores == read({name: values[:1] for name, values in rows.items()})[0].tolist()


@pytest.mark.parametrize(
    ("message", "code", "told"),
    [
        (request("nobody"), CODES.NOT_FOUND, "nobody"),
        (request(""), CODES.NOT_FOUND, ""),
        (request("binary/versions/1"), CODES.NOT_FOUND, "binary"),
        (request(version={"value": 7}), CODES.NOT_FOUND, "version 7"),
        (request(version={"value": -1}), CODES.NOT_FOUND, "version -1"),
        (request(version_label="stable"), CODES.NOT_FOUND, "stable"),
        (request(signature_name="other"), CODES.INVALID_ARGUMENT, "other"),
        (request(outputs=["other"]), CODES.INVALID_ARGUMENT, "other"),
        (request(inputs={}), CODES.INVALID_ARGUMENT, "Month"),
        (request(inputs=INPUTS | {"Weekend": messages.Tensor()}), CODES.INVALID_ARGUMENT, "Weekend"),
        (request(inputs=INPUTS | {"Weekend": tensor(8, COUNT)}), CODES.INVALID_ARGUMENT, "type 8"),
        (request(inputs=INPUTS | {"Weekend": tensor(messages.DT_FLOAT, 2, 2, float_val=[1] * 4)}),
         CODES.INVALID_ARGUMENT, "shape"),
        (request(inputs=INPUTS | {"Weekend": tensor(messages.DT_FLOAT, 3, float_val=[1] * 3)}),
         CODES.INVALID_ARGUMENT, "3 rows"),
        (request(inputs=INPUTS | {"Weekend": tensor(messages.DT_FLOAT, COUNT, tensor_content=b"123")}),
         CODES.INVALID_ARGUMENT, "3 bytes"),
        (request(inputs=INPUTS | {"Weekend": tensor(messages.DT_STRING, COUNT, string_val=[b"x"] * COUNT)}),
         CODES.INVALID_ARGUMENT, "row 1"),
        (request(inputs=INPUTS | {"Month": tensor(messages.DT_STRING, COUNT, string_val=[b"\xff"] * COUNT)}),
         CODES.INVALID_ARGUMENT, "UTF-8"),
        (request(inputs=INPUTS | {"PageValues": tensor(messages.DT_UINT8, COUNT, int_val=[-1] * COUNT)}),
         CODES.INVALID_ARGUMENT, "no UINT8"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_code(
    channel: grpc.Channel, message: messages.PredictRequest, code: grpc.StatusCode, told: str
) -> None:
    with refusing(code, told):
        predict(channel, message)


@pytest.mark.parametrize("method", ["Classify", "Regress"])
def test_examples_for_a_model_without_a_name_are_for_none(channel: grpc.Channel, method: str) -> None:
    with refusing(CODES.NOT_FOUND):
        call(channel, f"{PREDICTION}/{method}", messages.ExamplesRequest(), messages.ClassificationResponse)


def example(**features: list[Any]) -> messages.Example:
    fields = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
    told = {
        name: messages.Example.Feature(**({fields[type(values[0])]: {"value": values}} if values else {}))
        for name, values in features.items()
    }
    return messages.Example(features=messages.Example.Features(feature=told))


def asked(name: str, *examples: messages.Example, context: messages.Example | None = None) -> messages.ExamplesRequest:
    kind = "example_list" if context is None else "example_list_with_context"
    told = messages.Input(**{kind: messages.Input.Examples(examples=examples, context=context)})
    return messages.ExamplesRequest(model_spec=messages.ModelSpec(name=name), input=told)


MAY = example(Month=[b"May"], PageValues=[1.0], Weekend=[1])


def test_classify_gives_each_class_its_score_and_regress_a_value(channel: grpc.Channel, models: Models) -> None:
    missing = example(Month=[], PageValues=[float("nan")], Weekend=[])
    reply = call(channel, f"{PREDICTION}/Classify", asked("multiclass", MAY, missing), messages.ClassificationResponse)
    found = [[(each.label, each.score) for each in row.classes] for row in reply.result.classifications]
    rows = {"Month": ["May", None], "PageValues": [1, None], "Weekend": [1, None]}
    scores = models.by_name["multiclass"].versions[1].bundle.predict(rows).tolist()
    assert found == [list(zip("abc", row, strict=True)) for row in scores]
    assert (reply.model_spec.name, reply.model_spec.version.value) == ("multiclass", 1)
    reply = call(channel, f"{PREDICTION}/Regress", asked("regression", MAY), messages.RegressionResponse)
    assert [each.value for each in reply.result.regressions] == [3.0] and reply.model_spec.version.value == 1


def test_what_examples_share_may_stand_in_the_context_and_nowhere_else(channel: grpc.Channel) -> None:
    one = example(PageValues=[1.0], Weekend=[1])
    shared = asked("regression", one, one, context=example(Month=[b"May"]))
    reply = call(channel, f"{PREDICTION}/Regress", shared, messages.RegressionResponse)
    assert [each.value for each in reply.result.regressions] == [3.0, 3.0]
    with pytest.raises(grpc.RpcError, match="context"):
        twice = asked("regression", MAY, context=example(Month=[b"Nov"]))
        call(channel, f"{PREDICTION}/Regress", twice, messages.RegressionResponse)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("Regress", asked("binary", MAY)),
        ("Classify", asked("regression", MAY)),
        ("Classify", messages.ExamplesRequest(model_spec=messages.ModelSpec(name="binary"))),
        ("Classify", asked("binary", example(Month=[b"May"]))),
        ("Classify", asked("binary", example(Month=[b"\xff"], PageValues=[1.0], Weekend=[1]))),
        ("Classify", asked("binary", example(Month=[b"May"], PageValues=[float("inf")], Weekend=[1]))),
        ("Classify", asked("binary", example(Month=[b"May"], PageValues=[1.0, 2.0], Weekend=[1]))),
        ("GetModelMetadata", messages.GetModelMetadataRequest(model_spec=messages.ModelSpec(name="binary"))),
    ],
)
def test_what_is_wrong_with_examples_is_an_invalid_argument(channel: grpc.Channel, method: str, message: Any) -> None:
    with refusing(CODES.INVALID_ARGUMENT):
        call(channel, f"{PREDICTION}/{method}", message, messages.RegressionResponse)


def test_the_metadata_is_a_map_of_signatures(channel: grpc.Channel) -> None:
    message = messages.GetModelMetadataRequest(
        model_spec=messages.ModelSpec(name="binary"), metadata_field=["signature_def"]
    )
    reply = call(channel, f"{PREDICTION}/GetModelMetadata", message, messages.GetModelMetadataResponse)
    assert (reply.model_spec.name, reply.model_spec.version.value) == ("binary", 1)
    told = reply.metadata["signature_def"]
    assert told.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    known = messages.SignatureDefMap.FromString(told.value).signature_def["serving_default"]
    assert {name: each.dtype for name, each in known.inputs.items()} == {
        "Month": messages.DT_STRING, "PageValues": messages.DT_FLOAT, "Weekend": messages.DT_BOOL}  # fmt: skip
    assert [each.size for each in known.outputs["probabilities"].tensor_shape.dim] == [-1, 2]
    assert known.method_name == "tensorflow/serving/predict"


@pytest.fixture(scope="module")
def labelled(models: Models) -> Iterator[grpc.Channel]:
    """To versions 1, which is stable, and 3; version 4 is damaged."""
    one = models.by_name["binary"].versions[1]
    model = Model("binary", {1: one, 3: dataclasses.replace(one, number=3)}, {"stable": 1}, {4: "it is damaged"})
    with over_grpc(app_of(ServeSettings.of(), lambda: Models({"binary": model})), ServeSettings.of()) as channel:
        yield channel


@pytest.mark.parametrize(
    ("spec", "version"), [({}, 3), ({"version": {"value": 1}}, 1), ({"version_label": "stable"}, 1)]
)
def test_a_version_is_named_by_its_number_or_its_label(
    labelled: grpc.Channel, spec: dict[str, Any], version: int
) -> None:
    assert predict(labelled, request(**spec)).model_spec.version.value == version


def test_the_status_is_that_of_every_version_or_of_one(labelled: grpc.Channel) -> None:
    def states(**spec: Any) -> list[tuple[int, int, int]]:
        message = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name="binary", **spec))
        reply = call(labelled, f"{MODELS}/GetModelStatus", message, messages.GetModelStatusResponse)
        return [(each.version, each.state, each.status.error_code) for each in reply.model_version_status]

    kinds = messages.GetModelStatusResponse
    failed, good = (kinds.END, kinds.FAILED_PRECONDITION), (kinds.AVAILABLE, kinds.OK)
    assert states() == [(4, *failed), (3, *good), (1, *good)]
    assert states(version={"value": 1}) == states(version_label="stable") == [(1, *good)]
    with refusing(CODES.NOT_FOUND):
        states(version={"value": 2})
