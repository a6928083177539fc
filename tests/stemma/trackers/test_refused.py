"""Trackers that refuse a run: a server that is not there, a key that is wrong, files that cannot be written."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import timing
from stemma import layout
from stemma.trackers import run
from timing import until
from tracked import fitted, project, refusing, whole

__all__ = ["refusing"]

pytestmark = pytest.mark.slow
KEY = "0123456789abcdef" * 5


@pytest.fixture(autouse=True)
def here(tmp_path: Path) -> Iterator[None]:
    with project(tmp_path):
        yield


def notes(tracker: str) -> list[Path]:
    return [*layout.RUNS.glob(f"*/{tracker}.failed"), *layout.RUNS.glob(f"*/{tracker}.told")]


def refused(tracker: str, capfd: pytest.CaptureFixture[str]) -> str:
    """What is told of a run that a tracker refuses, by the stage that finds it out."""
    asked = whole(tracker, epochs=1)
    fitted(asked)
    assert layout.INDEX.exists()
    until(lambda: notes(tracker))
    run.Run(notes(tracker)[0].parent, "shop", {}, {tracker: subprocess.Popen(["true"])}).end("FINISHED")
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and err.startswith(f"note: {tracker} does not follow this run (")
    return err


def is_in_a_file(secret: str) -> bool:
    return any(secret.encode() in path.read_bytes() for path in layout.RUNS.rglob("*") if path.is_file())


def test_mlflow_without_its_server_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:hunter2@127.0.0.1:9")
    assert "(its server does not answer: Connection refused)" in refused("mlflow", capfd)
    assert not is_in_a_file("hunter2")


def test_mlflow_whose_server_is_silent_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:  # it takes calls, and says nothing
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert "(its server does not answer: no answer in time)" in refused("mlflow", capfd)


def test_mlflow_that_refuses_a_token_is_one_line(
    refusing: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", refusing)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", KEY)
    assert "401" in refused("mlflow", capfd)
    assert not is_in_a_file(KEY)


def test_wandb_with_a_wrong_key_is_one_line_and_the_key_in_no_file(
    refusing: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    for name, value in {"MODE": "online", "API_KEY": KEY[:40], "BASE_URL": refusing}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    refused("wandb", capfd)
    assert not is_in_a_file(KEY[:40])


def test_tensorboard_without_a_place_to_write_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    layout.RUNS.mkdir()
    (layout.RUNS / "tensorboard").write_text("a file", encoding="utf-8")
    assert "tensorboard" in refused("tensorboard", capfd)


def test_a_tracker_that_failed_before_is_not_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    layout.RUNS.mkdir()
    (layout.RUNS / "mlflow.told").touch()
    with subprocess.Popen(["sleep", "infinity"]) as process:
        run.Run(layout.RUNS, "shop", {}, {"mlflow": process}).end("FINISHED", timing.HANGS)
        assert process.poll() is None and not capfd.readouterr().err
        process.kill()
