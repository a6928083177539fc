"""The packaged network: what its files say, and that it opens in environments of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forks import OTHER
from stemma import bundle
from stemma.bundle.check import check
from stemma.bundle.unpack import unpack
from timing import HANGS
from worlds import Project

MLFLOW = ["mlflow-skinny==3.17.2", "pandas==3.1.1"]
PLAIN = """
import json, sys
from pathlib import Path
import numpy as np, onnxruntime
folder = Path(sys.argv[1])
read = lambda name: json.loads((folder / name).read_text(encoding="utf-8"))
signature, inputs = read("signature.json"), read("request.json")["inputs"]
kinds = {"number": np.float32, "boolean": np.float32, "date": np.float64, "string": object}
feeds = {}
for each in signature["inputs"]:
    values = ["" if value is None and each["type"] == "string" else value for value in inputs[each["name"]]]
    feeds[each["name"]] = np.array(values, dtype=kinds[each["type"]]).reshape(-1, 1)
given = onnxruntime.InferenceSession(folder / "model.onnx").run(None, feeds)[0]
assert np.abs(given - np.array(read("response.json")[signature["output"]])).max() <= 1e-5
assert not {"torch", "tensorflow", "stemma", "pandas"} & set(sys.modules)
print(given.shape)
"""
OPENED = """
import json, sys
import mlflow.pyfunc, numpy as np, pandas as pd
folder, other = sys.argv[1:]
model = mlflow.pyfunc.load_model(folder)
request, response = (json.load(open(f"{folder}/{name}.json")) for name in ("request", "response"))
found = model.predict(pd.DataFrame(request["inputs"]))
assert list(found) == ["probability_FALSE", "probability_TRUE", "prediction"]
assert np.abs(found.iloc[:, :2].to_numpy() - np.array(response["probabilities"])).max() <= 1e-5
table = pd.DataFrame(request["inputs"])
table["Month"] = [None] * len(table)
table["PageValues"] = pd.array([None] * len(table), dtype="Float64")
assert len(model.predict(table)) == len(table)
try:
    model.predict(table.drop(columns="Month"))
except Exception as error:
    assert "missing inputs ['Month']" in str(error)
try:
    mlflow.pyfunc.load_model(other)
except Exception as error:
    print(error)
assert "stemma" not in sys.modules
"""

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="session")
def packaged(torch_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small trained network, judged by slices, packaged for MLflow too, with a licence and limits."""
    project = torch_project.copy(tmp_path_factory.mktemp("packaged") / "p")
    settings = ["package.mlflow=true", "package.licence=MIT", "package.limits=[It does not know returning visitors.]"]
    project.ok("stemma", "conf", "sync", *settings, "evaluate.slices=[VisitorType]", "evaluate.bootstrap=20")
    for stage in ("evaluate", "package"):
        project.ok("python", "src/stage.py", stage)
    return project


@pytest.fixture(scope="session")
def unpacked(packaged: Project) -> Path:
    folder = packaged.folder / "unpacked"
    unpack(opened(packaged), folder)
    return folder


def opened(project: Project) -> bundle.Bundle:
    return bundle.open_bundle(project.folder / "models/package/model.zip")


@pytest.fixture(scope="session")
def required(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A virtual environment with just what the bundle requires: its Python, and its bytes when it was made."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install(python, "-r", str(unpacked / "requirements.txt"))
    return python, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def install(python: Path, *packages: str) -> None:
    options = ["--python", python, "--disable-pip-version-check", "install", "--quiet", "--no-compile"]
    subprocess.run(
        [sys.executable, "-m", "pip", *options, *packages], check=True, stdin=subprocess.DEVNULL, capture_output=True
    )


def run(python: Path, code: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command, here = [python, "-c", code, *folders], folders[0].parent
    return subprocess.run(command, capture_output=True, text=True, env=clean, cwd=here)


@pytest.mark.xdist_group("torch")
def test_the_bundle_passes_its_own_checks_and_the_card_tells_what_the_record_knows(packaged: Project) -> None:
    found = check(packaged.folder / "models/package/model.zip")
    assert {each.name: each.passed for each in found.checks} == {
        "hashes": True, "signature": None, "graph": True, "sample": True, "record": True,
    }  # fmt: skip
    record, card = opened(packaged).record, opened(packaged).files["README.md"].decode()
    figure = record["evaluation"]["test"]["roc_auc"]
    assert f"| roc_auc | {figure['value']:.4f} | {figure['low']:.4f} to {figure['high']:.4f} |" in card
    assert "By `VisitorType`:" in card and "| Returning\\_Visitor |" in card
    assert "## Licence\n\nMIT\n" in card and "- It does not know returning visitors.\n" in card
    assert "No slices were judged" not in card and "were not calibrated" in card
    assert "Started with random weights" in card
    assert record["settings"]["data"]["kind"] == "simulated" and "impute" in record["settings"]["prepare"]
    assert record["export"]["parity"] == json.loads(packaged.read("models/export/parity.json"))
    assert (packaged.folder / "models/package/model.zip").stat().st_size < 200_000


@pytest.mark.xdist_group("torch")
def test_packaged_again_it_is_the_same(packaged: Project) -> None:
    file = packaged.folder / "models/package/model.zip"
    before = file.read_bytes()
    packaged.ok("python", "src/stage.py", "package", **OTHER)
    assert file.read_bytes() == before


@pytest.mark.xdist_group("tensorflow")
def test_a_network_of_tensorflow_is_packaged_alike(keras_project: Project) -> None:
    path = keras_project.folder / "models/package/model.zip"
    assert all(each.passed is not False for each in check(path).checks)
    assert "MLmodel" not in bundle.open_bundle(path).files
    assert path.stat().st_size < 200_000


@pytest.mark.xdist_group("torch")
def test_plain_onnxruntime_opens_it_in_an_environment_made_from_its_requirements(
    unpacked: Path, required: tuple[Path, int]
) -> None:
    python, size = required
    done = run(python, PLAIN, unpacked)
    assert (done.returncode, done.stdout) == (0, "(3, 2)\n"), done.stderr
    assert size < 200e6


@pytest.mark.xdist_group("torch")
def test_mlflow_opens_and_serves_it_in_an_environment_of_its_own(unpacked: Path, required: tuple[Path, int]) -> None:
    python, _ = required
    install(python, *MLFLOW)
    other = Path(shutil.copytree(unpacked, unpacked.with_name("other")))
    (other / "model.onnx").write_bytes(b"another")
    done = run(python, OPENED, unpacked, other)
    assert done.returncode == 0, done.stderr
    assert "model.onnx is not the file that manifest.json names" in done.stdout
    given, expected = served(python, unpacked)
    assert [[row["probability_FALSE"], row["probability_TRUE"]] for row in given] == [
        pytest.approx(row, abs=1e-5) for row in expected
    ]


def served(python: Path, folder: Path) -> tuple[list[dict[str, float]], list[list[float]]]:
    """What `mlflow models serve` answers to the sample, and what it should."""
    import socket
    import time
    import urllib.error
    import urllib.request

    request: dict[str, Any] = json.loads((folder / "request.json").read_text())["inputs"]
    expected = json.loads((folder / "response.json").read_text())["probabilities"]
    table = {"columns": list(request), "data": [list(row) for row in zip(*request.values(), strict=True)]}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "mlflow", "models", "serve", "-m", folder, "-p", str(port), "--env-manager", "local"]
    known = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    with (folder.parent / "serve.log").open("w") as log:
        process = subprocess.Popen(
            command, env=known, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"dataframe_split": table}).encode(),
            {"Content-Type": "application/json"},
        )
        while process.poll() is None:
            unheard = contextlib.suppress(urllib.error.URLError, ConnectionError)
            with unheard, urllib.request.urlopen(asked, timeout=HANGS) as answer:  # noqa: S310
                return json.loads(answer.read())["predictions"], expected
            time.sleep(0.5)
        raise AssertionError((folder.parent / "serve.log").read_text())
    finally:
        if os.name == "nt":
            process.terminate()
        else:
            os.killpg(process.pid, 15)
        process.wait(HANGS)
