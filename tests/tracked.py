"""A small run from a fit to its package, in the current folder, and trackers that misbehave."""

import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import bundles
from fits import PROBLEMS, linear, rows, settings
from stemma import layout
from stemma.bundle.settings import PackageSettings
from stemma.entries import Entry
from stemma.settings import Section
from stemma.trackers import run
from stemma.trackers.base import Tracker
from stemma.training import fit as training
from stemma.training.base import Given
from stemma.training.settings import TrainSettings
from stemma.training.watch import watched

TOKEN = "hunter2"  # noqa: S105 - it must be in no file
PACKAGE = PackageSettings(
    name="shop", description="", intended_use="", limits=(), licence=None, background=100, mlflow=False
)


JUDGED = 0.8125  # accuracy on the validation rows by evaluate's threshold, which no epoch knows


class Source(Section):
    url: str
    columns: dict[str, str]


class Whole(Section):
    """As much of params.yaml as trackers read."""

    data: Source
    train: TrainSettings
    package: PackageSettings


def whole(*trackers: str, **changes: object) -> Whole:
    data = Source(url=f"https://ada:{TOKEN}@example.org/rows.csv", columns={"price": "numeric"})
    return Whole(data=data, train=settings(trackers=trackers, **changes), package=PACKAGE)


def fitted(asked: Whole, own: dict[str, Entry] | None = None) -> float:
    """The seconds that a fit took which trackers followed."""
    network = linear("torch", PROBLEMS["binary"])
    start = time.monotonic()
    with run.following(asked, asked.train, own or {}):
        with watched(layout.CURVES, asked.train, "accuracy", layout.CHECKPOINT) as watch:
            given = Given(rows("binary"), asked.train)
            training.run(network, given, rows("binary", 100, 1), layout.CHECKPOINT, watch)
        network.save(layout.WEIGHTS)
    return time.monotonic() - start


def judged(asked: Whole, own: dict[str, Entry] | None = None) -> None:
    figures = {"threshold": 0.4, "test": {"accuracy": 0.8, "none": None}, "validation": {"accuracy": JUDGED}}
    written(layout.METRICS, json.dumps(figures))
    for path in run.CURVES.values():
        written(path, "x,y\n0.0,0.0\n0.5,0.75\n1.0,1.0\n")
    written(layout.PICTURES / "roc.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    run.judged(asked, own or {})


def packaged(asked: Whole, own: dict[str, Entry] | None = None) -> None:
    layout.EXPORT.mkdir(parents=True)
    (layout.EXPORT / "model.onnx").write_bytes(bundles.graph())
    written(layout.PACKAGE, "a bundle")
    run.packaged(asked, own or {})


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


class Noted(Tracker):
    """Each call is a line of a file."""

    def __init__(self, project: str, name: str, home: Path) -> None:
        self.file = home / f"{name}.txt"
        self.note(f"open {project}")

    def note(self, line: str) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def settings(self, values: Any) -> None:
        self.note(f"settings {values['data.url']}")

    def tags(self, values: Any) -> None:
        self.note(f"tags {' '.join(sorted(values))}")

    def figures(self, values: Any, step: int | None = None) -> None:
        self.note(f"figures {step} {' '.join(sorted(values))}")

    def close(self, status: str) -> None:
        self.note(f"close {status}")


class Slow(Noted):
    def figures(self, values: Any, step: int | None = None) -> None:
        time.sleep(3600)


class Broken(Noted):
    def figures(self, values: Any, step: int | None = None) -> None:
        raise ConnectionError("nobody is there")


def lines(*kinds: type[Tracker]) -> dict[str, Entry]:
    """A project's table of these."""
    return {kind.__name__.lower(): Entry(f"tracked:{kind.__name__}") for kind in kinds}


class Refusing(http.server.BaseHTTPRequestHandler):
    """Knows nobody."""

    def do_POST(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def refusing() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def project(folder: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Stand in an empty repository; the processes that runs start, of which none is left at the end."""
    for words in (["init", "-q", "."], ["commit", "-q", "--allow-empty", "-m", "start"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    started: list[subprocess.Popen[bytes]] = []
    start = run._process
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(run, "LOW", ())  # a busy machine may give these no time at all
        patch.setattr(run, "_process", lambda log: started.append(start(log)) or started[-1])
        yield started
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # wandb has a process of its own
            process.wait()
