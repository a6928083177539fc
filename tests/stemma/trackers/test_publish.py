"""Versions in MLflow's registry: with signature, card and alias, once, and back."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from followed import make_registered_bundles
from stemma.bundle.unpack import open_unpacked
from stemma.errors import VersionError
from timing import HANGS, until
from tracked import refusing
from version_worlds import World

__all__ = ["refusing"]

pytest.importorskip("mlflow")
pytest.importorskip("sqlalchemy")

from mlflow import MlflowClient

from stemma.trackers.publish import Published, publish, take_back

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Versions v1.0.0, v1.1.0 and v2.0.0, and a store of MLflow."""
    return make_registered_bundles(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def store(world: World) -> MlflowClient:
    return MlflowClient(f"sqlite:///{world.folder}/runs/mlflow.db")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def aliases(store: MlflowClient) -> dict[str, str]:
    return dict(store.get_registered_model("model").aliases)


def test_a_version_is_published_once_with_its_files_signature_and_card(world: World, store: MlflowClient) -> None:
    made = publish(world.folder, "model@v1.0.0")
    assert (made.name, made.number, made.version, made.is_changed) == ("model", "1", "v1.0.0", True)
    again = publish(world.folder, "model@v1.0.0")
    assert again == Published(**vars(made) | {"is_changed": False})
    (entry,) = store.search_model_versions("name = 'model'")
    assert entry.description.startswith("# A network") and "v1.0.0" in entry.description
    assert entry.tags["stemma.version"] == "v1.0.0" and entry.tags["stemma.commit"] == made.commit
    folder = Path(entry.source.removeprefix("file://"))
    assert open_unpacked(folder).signature.threshold == 0.1
    assert not [file for file in folder.rglob("*") if file.suffix in (".pkl", ".pickle")]
    assert len(store.search_runs([each.experiment_id for each in store.search_experiments()])) == 1


def test_what_was_published_is_opened_by_mlflow_with_the_signature_that_it_has(world: World) -> None:
    code = """if True:
        import sys, mlflow, pandas as pd
        mlflow.set_tracking_uri(sys.argv[1])
        model = mlflow.pyfunc.load_model("models:/model/1")
        assert model.metadata.signature.inputs.input_names() == ["Month", "PageValues", "Weekend"]
        assert model.metadata.signature.outputs.input_names() == ["probability_FALSE", "probability_TRUE", "prediction"]
        rows = pd.DataFrame({"Month": ["May", None], "PageValues": [1, 2], "Weekend": [True, None]})
        assert list(model.predict(rows)["prediction"]) == ["TRUE", "TRUE"]
    """
    publish(world.folder, "model@v1.0.0")
    uri = f"sqlite:///{world.folder}/runs/mlflow.db"
    done = subprocess.run([sys.executable, "-c", code, uri], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_alias_moves_with_a_stage_and_back(world: World, store: MlflowClient) -> None:
    for version in ("model@v1.0.0", "model@v1.1.0"):
        assert publish(world.folder, version, "prod").is_changed
        assert not publish(world.folder, version, "prod").is_changed
    new = aliases(store)["prod"]
    with pytest.raises(VersionError, match="the alias prod of model does not mean this version: nothing was changed"):
        take_back(world.folder, "model@v1.0.0", "prod")
    with pytest.raises(VersionError, match=r"run `stemma publish mlflow model@v1.1.0 --stage prod --undo`"):
        take_back(world.folder, "model@v1.1.0")
    take_back(world.folder, "model@v1.1.0", "prod")
    assert aliases(store)["prod"] != new
    take_back(world.folder, "model@v1.1.0")
    take_back(world.folder, "model@v1.0.0", "prod")
    assert aliases(store) == {}
    with pytest.raises(VersionError, match=r"MLflow has no v1.1.0 of model: nothing was changed"):
        take_back(world.folder, "model@v1.1.0")


def test_a_server_that_is_not_there_and_a_stage_that_is_none_are_one_line(world: World, run: Run) -> None:
    code, _, err = run(world.folder, "publish", "mlflow", "model@v1.0.0", "--uri", "http://a:secret@127.0.0.1:9")
    assert (code, err) == (1, "error: MLflow does not answer at http://127.0.0.1:9: Connection refused\n")
    assert run(world.folder, "publish", "mlflow", "model@v1.0.0", "--stage", "a stage")[0] == 1
    assert run(world.folder, "publish", "mlflow", "workspace")[0] == 1


def test_a_server_that_refuses_the_key_says_which_variable_holds_it(world: World, refusing: str) -> None:
    with pytest.raises(VersionError, match=r"^MLflow refuses it \(http.*401.*\): set MLFLOW_TRACKING_TOKEN, or "):
        publish(world.folder, "model@v1.0.0", uri=refusing)


def test_the_command_says_what_it_did(world: World, run: Run) -> None:
    code, out, _ = run(world.folder, "publish", "mlflow", "model@v2.0.0", "--stage", "dev")
    assert code == 0 and "(v2.0.0) in sqlite:///" in out and out.endswith(": published, alias dev\n")
    code, out, _ = run(world.folder, "publish", "mlflow", "model@v2.0.0", "--json")
    assert json.loads(out)["is_changed"] is False
    code, out, _ = run(world.folder, "publish", "mlflow", "model@v2.0.0", "--stage", "dev", "--undo")
    assert code == 0 and out.endswith("the alias dev is what it was before\n")


def test_of_the_database_that_mlflow_makes_nothing_is_said(world: World) -> None:
    uri = f"sqlite:///{world.folder}/runs/first.db"
    words = [sys.executable, "-m", "stemma.cli", "publish", "mlflow", "model@v2.0.0", "--uri", uri]
    done = subprocess.run(words, cwd=world.folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith(f"(v2.0.0) in {uri}: published\n")


@pytest.mark.skipif("STEMMA_MLFLOW" not in os.environ, reason="STEMMA_MLFLOW names no Python that has MLflow's server")
def test_a_real_server_takes_versions_and_one_is_served_from_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = Path(os.environ["STEMMA_MLFLOW"])
    server, model = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    mlflow = [str(python), "-m", "mlflow"]
    store = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination",
        str(tmp_path / "kept"),
    ]
    with running([*mlflow, "server", "--port", server[17:], "--workers", "1", *store], f"{server}/health"):
        made = publish(world.folder, "model@v1.0.0", "prod")
        assert made.uri == server and not publish(world.folder, "model@v1.0.0", "prod").is_changed
        serve = [*mlflow, "models", "serve", "-m", "models:/model@prod", "-p", model[17:], "--env-manager", "local"]
        with running(serve, f"{model}/ping"):
            rows = {"columns": ["Month", "PageValues", "Weekend"], "data": [["May", 1, True], ["Nov", None, None]]}
            found = asked(f"{model}/invocations", {"dataframe_split": rows})["predictions"]
    assert [row["prediction"] for row in found] == ["TRUE", "TRUE"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: list[str], url: str) -> Iterator[None]:
    """A server, once it answers."""
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            until(lambda: answers(url) or process.poll() is not None)
            assert process.poll() is None
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=HANGS):  # noqa: S310 - of this machine
            return True
    except OSError:
        return False


def asked(url: str, body: object) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=HANGS) as answer:  # noqa: S310
        return json.loads(answer.read())


@pytest.mark.parametrize(
    "uri",
    ["ftp://x", "nonsense", "http://[bad", "http://127.0.0.1:99999", "sqlite:///README.md", "sqlite://anne:secret@x/y",
     "postgresql://anne:secret@127.0.0.1:1/x"],
)  # fmt: skip
def test_a_store_that_cannot_be_opened_is_one_line_without_its_password(
    world: World, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.chdir(world.folder)
    Path("README.md").write_text("no database\n" * 100)
    with pytest.raises(VersionError, match=r"^MLflow (refuses it \(|does not answer at http)") as caught:
        publish(world.folder, "model@v1.0.0", uri=uri)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_an_alias_that_mlflow_keeps_for_itself_leaves_no_version_behind(world: World) -> None:
    uri = f"sqlite:///{world.folder}/runs/other.db"
    for stage in ("latest", "v1", "long" * 70):
        with pytest.raises(VersionError, match="MLflow refuses it"):
            publish(world.folder, "model@v1.0.0", stage, uri)
    assert not MlflowClient(uri).search_model_versions("name = 'model'")


def test_beside_a_database_elsewhere_files_lie_in_the_folder_of_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.folder)
    uri = f"sqlite:///{tmp_path}/store.db"
    publish(world.folder, "model@v1.0.0", uri=uri)
    (entry,) = MlflowClient(uri).search_model_versions("name = 'model'")
    assert entry.source.startswith((world.folder / "runs/mlflow").as_uri())
    assert not (world.folder / "mlruns").exists()
