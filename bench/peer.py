"""A server that bench/peers.py compares `stemma serve` with, in an environment that has it and nothing of ours.

ENVIRONMENT/bin/python bench/peer.py NAME FOLDER PORT      FOLDER: model.onnx, signature.json

Each is given the shortest code that answers the same rows: arrays of named columns out of JSON, onnxruntime, JSON.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

TYPES = {"number": np.float32, "boolean": np.float32, "date": np.float64, "string": object}


class Network:
    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        inputs = json.loads((folder / "signature.json").read_text())["inputs"]
        self._types = {each["name"]: TYPES[each["type"]] for each in inputs}

    def of_rows(self, rows: list[dict[str, Any]]) -> list[Any]:
        return self.of_columns({name: [row[name] for row in rows] for name in self._types})

    def of_columns(self, columns: dict[str, Any]) -> list[Any]:
        arrays = {name: np.array(columns[name], kind).reshape(-1, 1) for name, kind in self._types.items()}
        return self._session.run(None, arrays)[0].tolist()


def kserve(folder: Path, port: int) -> None:
    from kserve import Model, ModelServer

    class Served(Model):
        def __init__(self) -> None:
            super().__init__("model")
            self.network, self.ready = Network(folder), True

        def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            return {"predictions": self.network.of_rows(payload["instances"])}

    ModelServer(http_port=port, enable_grpc=False, workers=1, access_log_format="").start([Served()])


def mlserver(folder: Path, port: int) -> None:
    settings = {
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": "model", "implementation": "mlserver_model.Served", "parameters": {"uri": str(folder)}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    (folder / "mlserver_model.py").write_text(MLSERVER)
    _become("mlserver", "start", str(folder))


MLSERVER = """
from pathlib import Path
from mlserver import MLModel
from mlserver.types import InferenceResponse, ResponseOutput
from peer import Network

class Served(MLModel):
    async def load(self):
        self.network = Network(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload):
        found = self.network.of_columns({each.name: each.data.root for each in payload.inputs})
        data = [value for row in found for value in row]
        output = ResponseOutput(name="output", shape=[len(found), len(found[0])], datatype="FP32", data=data)
        return InferenceResponse(model_name=self.name, outputs=[output])
"""


def bentoml(folder: Path, port: int) -> None:
    (folder / "bento_service.py").write_text(BENTOML)
    os.environ |= {"PEER_FOLDER": str(folder), "BENTOML_DO_NOT_TRACK": "1"}
    os.chdir(folder)
    _become("bentoml", "serve", "bento_service:Served", "--port", str(port))


BENTOML = """
import os
from pathlib import Path
import bentoml
from peer import Network

@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Served:
    def __init__(self):
        self.network = Network(Path(os.environ["PEER_FOLDER"]))

    @bentoml.api
    def predict(self, rows: list[dict]) -> list:
        return self.network.of_rows(rows)
"""


def mlflow(folder: Path, port: int) -> None:
    from mlflow import pyfunc

    class Served(pyfunc.PythonModel):  # type: ignore[misc]
        def load_context(self, context: Any) -> None:
            self.network = Network(Path(context.artifacts["folder"]))

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return self.network.of_columns({name: model_input[name].to_numpy() for name in model_input})

    made = folder / "mlflow"
    pyfunc.save_model(str(made), python_model=Served(), artifacts={"folder": str(folder)}, pip_requirements=[])
    _become("mlflow", "models", "serve", "-m", str(made), "-p", str(port), "--env-manager", "local", "-w", "1")


def _become(command: str, *arguments: str) -> None:
    os.execv(Path(sys.executable).parent / command, [command, *arguments])  # noqa: S606  # whoever ends us ends it


if __name__ == "__main__":
    name, folder, port = sys.argv[1:]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).resolve().parent), folder])
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    {"kserve": kserve, "mlserver": mlserver, "bentoml": bentoml, "mlflow": mlflow}[name](Path(folder), int(port))
