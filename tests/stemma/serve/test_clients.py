"""Clients of others: tritonclient over HTTP and gRPC, tensorflow-serving-api over gRPC, curl.

The packages are in no environment of ours, for they pin old versions of what is: `pip install --no-deps --target FOLDER
tritonclient==2.73.0 tensorflow-serving-api==2.21.0 python-rapidjson geventhttpclient gevent greenlet zope.event
zope.interface brotli`, and FOLDER on PYTHONPATH, lets these tests run. The client of Triton asks Triton itself the same
where TRITON_PYTHON is the Python of an environment that has `nvidia-pytriton==0.7.0 onnxruntime==1.31.1 "numpy<2"`.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundles import ROWS
from ports import held
from serving import Server, served
from stemma.bundle import open_bundle
from timing import HANGS, until

pytestmark = pytest.mark.slow
TRITON = """
import sys
import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

graph, http, grpc = sys.argv[1:]
session = onnxruntime.InferenceSession(graph)

@batch
def infer(Month, PageValues, Weekend):
    months = np.array([[each.decode() for each in row] for row in Month], object)
    given = {"Month": months, "PageValues": PageValues, "Weekend": Weekend.astype(np.float32)}
    (found,) = session.run(None, given)
    return {"probabilities": found, "label": np.where(found[:, 1:] >= 0.5, b"TRUE", b"FALSE").astype(object)}

def tensor(name, dtype, width=1):
    return Tensor(name=name, dtype=dtype, shape=(width,))

inputs = [tensor("Month", np.bytes_), tensor("PageValues", np.float32), tensor("Weekend", np.bool_)]
outputs = [tensor("probabilities", np.float32, 2), tensor("label", np.bytes_)]
places = {"http_address": "127.0.0.1", "http_port": int(http), "grpc_address": "127.0.0.1", "grpc_port": int(grpc)}
with Triton(config=TritonConfig(**places, allow_metrics=False)) as triton:
    triton.bind("binary", infer, inputs, outputs, config=ModelConfig(max_batch_size=64))
    triton.serve()
"""
NUMBERS = [0.5, 3, np.nan, -10]
FLAGS = [True, False, True, True]


@pytest.fixture(scope="module")
def server(bundles: dict[str, Path]) -> Iterator[Server]:
    named = [f"{name}={bundles[name]}" for name in ("binary", "multiclass", "regression")]
    with served(*named, "--grpc-port", "0") as running:
        yield running


def expected(bundles: dict[str, Path], name: str) -> bytes:
    columns = ROWS | {"PageValues": [None if value != value else value for value in NUMBERS], "Weekend": FLAGS}
    return open_bundle(bundles[name]).predict(columns).tobytes()


@pytest.fixture(scope="module", params=["here", "triton"])
def places(request: pytest.FixtureRequest, bundles: dict[str, Path], tmp_path_factory: Any) -> Iterator[dict[str, str]]:
    """Where the same network is asked, of this server and of Triton."""
    if request.param == "here":
        running: Server = request.getfixturevalue("server")
        yield {"http": running.address.removeprefix("http://"), "grpc": running.grpc, "lacks a column": "422"}
        return
    if (python := os.environ.get("TRITON_PYTHON")) is None:
        pytest.skip("no TRITON_PYTHON is told")
    folder = tmp_path_factory.mktemp("triton")
    (folder / "model.onnx").write_bytes(open_bundle(bundles["binary"]).files["model.onnx"])
    with held() as http, held() as grpc, (folder / "log").open("w") as log:
        command, known = [python, "-c", TRITON, folder / "model.onnx", str(http), str(grpc)], {"HOME": str(folder)}
        with subprocess.Popen(
            command, stderr=log, stdout=log, env=os.environ | known, start_new_session=True
        ) as process:
            try:
                yield {"http": f"127.0.0.1:{http}", "grpc": f"127.0.0.1:{grpc}", "lacks a column": "400"}
            finally:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_a_client_of_triton_is_answered_as_by_triton(
    places: Mapping[str, str], bundles: dict[str, Path], kind: str
) -> None:
    module = pytest.importorskip(f"tritonclient.{kind}", reason="tritonclient is not installed")
    client = module.InferenceServerClient(places[kind])

    def is_ready() -> bool:
        try:
            return bool(client.is_server_ready() and client.is_model_ready("binary"))
        except (OSError, module.InferenceServerException):
            return False

    until(is_ready)

    def tensor(name: str, datatype: str, values: np.ndarray) -> Any:
        made = module.InferInput(name, [len(values), 1], datatype)
        made.set_data_from_numpy(values.reshape(-1, 1))
        return made

    inputs = [
        tensor("Month", "BYTES", np.array([each.encode() for each in ROWS["Month"]], object)),
        tensor("PageValues", "FP32", np.array(NUMBERS, np.float32)),
        tensor("Weekend", "BOOL", np.array(FLAGS)),
    ]
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("binary")
    assert not client.is_model_ready("nobody") and not client.is_model_ready("binary", "7")
    told = client.get_model_metadata("binary", **({"as_json": True} if kind == "grpc" else {}))
    assert (told["name"], told["versions"], len(told["inputs"])) == ("binary", ["1"], 3)
    reply = client.infer("binary", inputs, request_id="42", model_version="1")
    assert reply.as_numpy("probabilities").tobytes() == expected(bundles, "binary")
    assert reply.as_numpy("label").shape == (4, 1)
    alone = client.infer("binary", inputs, outputs=[module.InferRequestedOutput("label")])
    assert alone.as_numpy("probabilities") is None and alone.as_numpy("label").tolist()[0] == [b"TRUE"]
    codes = {"http": ("404", places["lacks a column"]), "grpc": ("StatusCode.NOT_FOUND", "StatusCode.INVALID_ARGUMENT")}
    for name, code in zip(("nobody", "binary"), codes[kind], strict=True):
        with pytest.raises(module.InferenceServerException) as caught:
            client.infer(name, inputs[:2])
        assert caught.value.status() == code


def test_a_client_of_tensorflow_serving_is_answered(server: Server, bundles: dict[str, Path]) -> None:
    apis = pytest.importorskip("tensorflow_serving.apis", reason="tensorflow-serving-api is not installed")
    assert apis is not None
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2, get_model_status_pb2, predict_pb2
    from tensorflow_serving.apis import model_service_pb2_grpc as status
    from tensorflow_serving.apis import prediction_service_pb2_grpc as prediction

    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = "binary"
    asked.inputs["Month"].CopyFrom(tf.make_tensor_proto(ROWS["Month"], shape=[4, 1]))
    asked.inputs["PageValues"].CopyFrom(tf.make_tensor_proto(NUMBERS, tf.float32))
    asked.inputs["Weekend"].CopyFrom(tf.make_tensor_proto([[flag] for flag in FLAGS]))
    with grpc.insecure_channel(server.grpc) as channel:
        service = prediction.PredictionServiceStub(channel)
        reply = service.Predict(asked)
        assert tf.make_ndarray(reply.outputs["probabilities"]).tobytes() == expected(bundles, "binary")
        assert reply.model_spec.version.value == 1
        example = tf.train.Example()
        example.features.feature["Month"].bytes_list.value.append(b"May")
        example.features.feature["PageValues"].float_list.value.append(1)
        example.features.feature["Weekend"].int64_list.value.append(1)
        asked = classification_pb2.ClassificationRequest()
        asked.model_spec.name = "multiclass"
        asked.input.example_list.examples.append(example)
        (row,) = service.Classify(asked).result.classifications
        assert [each.label for each in row.classes] == ["a", "b", "c"]
        asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        asked.model_spec.name = "binary"
        known = get_model_metadata_pb2.SignatureDefMap()
        assert service.GetModelMetadata(asked).metadata["signature_def"].Unpack(known)
        assert set(known.signature_def["serving_default"].inputs) == {"Month", "PageValues", "Weekend"}
        asked = get_model_status_pb2.GetModelStatusRequest()
        asked.model_spec.name = "binary"
        (version,) = status.ModelServiceStub(channel).GetModelStatus(asked).model_version_status
        assert (version.version, version.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_is_answered_as_the_documentation_has_it(server: Server, tmp_path: Path) -> None:
    def curl(*words: str) -> Any:
        done = subprocess.run(["curl", "-sS", *words], capture_output=True, text=True, timeout=HANGS, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    row = {"Month": "May", "PageValues": 1, "Weekend": True}
    (tmp_path / "request.json").write_text(json.dumps({"instances": [row]}))
    (tmp_path / "rows.csv").write_text("Month,PageValues,Weekend\nMay,1,yes\n")
    url = f"{server.address}/v1/models/regression:predict"
    assert curl("-d", "@request.json", url) == {"predictions": [[3.0]]}
    assert curl("-X", "POST", url, "-d", json.dumps({"inputs": {key: [value] for key, value in row.items()}})) == {
        "outputs": [[3.0]]}  # fmt: skip
    told = curl("-H", "Content-Type: text/csv", "--data-binary", "@rows.csv", f"{server.address}/predict/regression")
    assert told == {"model": "regression", "version": "1", "predictions": [{"prediction": 3.0}]}
    # From 1 MB on curl asks first whether the body is taken.
    (tmp_path / "large.json").write_text(json.dumps({"instances": [row] * 30_000}))
    assert len(curl("--data-binary", "@large.json", url)["predictions"]) == 30_000
