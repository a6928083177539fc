"""Versions follow each other under load: no request fails, and each answer is the one of the version that it names."""

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import pytest

from bundles import REGRESSION, contents
from serving import Server, served
from stemma import bundle
from timing import until

pytestmark = pytest.mark.slow

ROW = b'{"Month": "May", "PageValues": %d, "Weekend": true}'
VALUES = {1: 2.0, 0: 6.0}  # of ROW of nothing, by odd and even versions
SWITCHES = 50
IDLE = 4  # seconds; uvicorn leaves a connection that is idle for 5, as this machine may keep a caller waiting


@pytest.fixture(scope="module")
def pair(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Two networks of one contract, which answer differently."""
    other = tmp_path_factory.mktemp("pair") / "model.zip"
    files = contents(REGRESSION, output="prediction", width=1)
    model = onnx.load_from_string(files["model.onnx"])
    (months,) = (each for each in model.graph.node[0].attribute if each.name == "values_floats")
    months.floats[0] = 5.0
    bundle.build(other, files | {"model.onnx": model.SerializeToString(deterministic=True)})
    return {1: bundles["regression"], 0: other}


@dataclass
class Load:
    """What callers saw."""

    answers: Counter[tuple[int, str, int, float]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def ask(self, server: Server, stop: threading.Event, number: int) -> None:
        """A row of one's own: what runs together must not be mixed up."""
        connection, answered = server.connect(), time.monotonic()
        while not stop.is_set():
            if time.monotonic() > answered + IDLE:
                connection.close()  # the next request opens it again
            try:
                connection.request("POST", "/predict", ROW % number)
                reply = connection.getresponse()
                told = json.loads(reply.read())
                named, answered = str(reply.headers["x-model-version"]), time.monotonic()
                assert told["version"] == named
                self.answers[reply.status, named, number, told["predictions"][0]["prediction"]] += 1
            except Exception as error:
                self.faults.append(repr(error))
                return


@contextmanager
def load(server: Server, callers: int = 4) -> Iterator[Load]:
    seen, stop = Load(), threading.Event()
    threads = [threading.Thread(target=seen.ask, args=(server, stop, number)) for number in range(callers)]
    for each in threads:
        each.start()
    try:
        yield seen
    finally:
        stop.set()
        for each in threads:
            each.join()


def publish(folder: Path, number: int, content: Path) -> None:
    (folder / ".partial").mkdir(parents=True)
    (folder / ".partial/model.zip").hardlink_to(content)
    (folder / ".partial").rename(folder / str(number))


def told(server: Server, line: str) -> bool:
    """Whether /metrics says so: a worker may have switched before the one that is asked."""
    until(lambda: line in server.ask("GET", "/metrics").body.decode())
    return True


def reached(server: Server, version: int) -> None:
    until(lambda: server.ask("POST", "/predict", ROW % 0).headers["x-model-version"] == str(version))


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_and_no_answer_is_another_versions(
    pair: dict[int, Path], tmp_path: Path, workers: int
) -> None:
    folder = tmp_path / "shop"
    publish(folder, 1, pair[1])
    with served(folder, "--workers", str(workers), "--poll", "0.01", cold=workers > 1) as server:
        with load(server) as seen:
            newest = 1
            for switch in range(SWITCHES // workers):
                if switch % 3 == 2:  # back to the version before
                    shutil.rmtree(folder / str(newest))
                    newest -= 1
                else:
                    newest += 1
                    publish(folder, newest, pair[newest % 2])
                reached(server, newest)
                until(lambda: seen.faults or str(newest) in {version for _, version, *_ in [*seen.answers]})  # noqa: B023
        assert told(server, f'stemma_switches_total{{model="shop"}} {SWITCHES // workers + 1}.0')
    assert seen.faults == []
    assert {status for status, *_ in seen.answers} == {200}
    assert all(value == VALUES[int(version) % 2] + number for _, version, number, value in seen.answers)
