"""`stemma serve` beside a bare Starlette route that calls onnxruntime on the same graph, on loopback, load beside it.

python bench/serve.py               all tables, into bench/README.md
python bench/serve.py serve         one of them: serve, ready

The sides take turns. What a request costs is told in processor time of the server, which other programs do not change;
requests per second are of 64 connections, one request after the other on each.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import psutil
from onnx import TensorProto, helper, numpy_helper

import page
from page import Table
from stemma import bundle, runtime

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS, TURNS = 64, 7
REQUESTS = {1: 4000, 64: 500}  # of a turn, by rows of a request
GOALS = {1: 0.85, 64: 0.6}
LAYERS = (32, 128, 64, 1)


def serve() -> Table:
    """`POST /predict` beside a bare Starlette route: processor time of the server for a request, and requests per
    second of 64 connections; medians of 7 turns. A ratio above 1 is for us."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for what, path, row in cases(Path(name)):
            with both(path) as servers:
                for count in REQUESTS:
                    rows.append(_compared(f"{what}, rows in a request: {count}", count, servers, row))
    columns = ["what", "here", "bare", "ratio of time", "goal", "here", "bare", "ratio of rate"]
    return columns, rows


def ready() -> Table:
    """From the command to the first answer, and resident memory then, of the default network; median of 5."""
    path = ROOT / "models/package/model.zip"
    found = []
    for _ in range(5):
        started, port = time.perf_counter(), free()
        with running("stemma", "serve", path, "--port", port) as process:
            answered(port)
            took = time.perf_counter() - started
            found.append((took, process.memory_info().rss / 1e6))
    seconds, memory = (statistics.median(each) for each in zip(*found, strict=True))
    return ["what", "here", "goal"], [
        ["start to ready", f"{seconds:.2f} s", "< 1.5 s"],
        ["idle", f"{memory:.0f} MB", "< 120 MB"],
    ]


def cases(folder: Path) -> Iterator[tuple[str, Path, dict[str, object]]]:
    """(name, bundle, a row)."""
    names = [f"x{number}" for number in range(LAYERS[0])]
    bundle.build(folder / "mlp.zip", mlp(names))
    yield "MLP 32-128-64-1", folder / "mlp.zip", {name: round(0.1 * place, 4) for place, name in enumerate(names)}
    path = ROOT / "models/package/model.zip"
    columns = json.loads(bundle.open_bundle(path).files["request.json"])["inputs"]
    yield "default network", path, {name: values[0] for name, values in columns.items()}


def mlp(names: list[str]) -> dict[str, bytes]:
    draw, info, last = np.random.default_rng(0), helper.make_tensor_value_info, "x"
    nodes, weights = [helper.make_node("Concat", names, ["x"], axis=1)], []
    for place, shape in enumerate(itertools.pairwise(LAYERS)):
        weights.append(numpy_helper.from_array(draw.normal(0, 0.1, shape).astype(np.float32), f"w{place}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{place}"], [f"h{place}"]))
        last = "prediction" if place == len(LAYERS) - 2 else f"r{place}"
        nodes.append(helper.make_node("Identity" if last == "prediction" else "Relu", [f"h{place}"], [last]))
    inputs = [info(name, TensorProto.FLOAT, ["rows", 1]) for name in names]
    outputs = [info("prediction", TensorProto.FLOAT, ["rows", 1])]
    graph = helper.make_graph(nodes, "mlp", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    signature = {"format": 1, "task": "regression", "target": "y", "output": "prediction"}
    signature["inputs"] = [{"name": name, "type": "number"} for name in names]
    graph, columns = model.SerializeToString(), {name: draw.normal(size=3).tolist() for name in names}
    arrays = {name: np.array(values, np.float32)[:, np.newaxis] for name, values in columns.items()}
    answers = {"prediction": runtime.run(runtime.session(graph), arrays).tolist()}
    files = {"signature.json": signature, "request.json": {"inputs": columns}, "response.json": answers}
    return {"model.onnx": graph} | {name: json.dumps(content).encode() for name, content in files.items()}


@dataclass(frozen=True)
class Side:
    process: psutil.Process
    port: int

    def turn(self, body: bytes, count: int) -> tuple[float, float]:
        """Processor seconds of the server for a request, and requests per second."""
        before, started = sum(self.process.cpu_times()[:2]), time.perf_counter()
        asyncio.run(load(self.port, body, count))
        return (sum(self.process.cpu_times()[:2]) - before) / count, count / (time.perf_counter() - started)


def _compared(what: str, count: int, servers: tuple[Side, Side], row: dict[str, object]) -> list[str]:
    body = json.dumps([row] * count if count > 1 else row).encode()
    for each in servers:
        each.turn(body, REQUESTS[count] // 4)  # warm
    turns = [tuple(each.turn(body, REQUESTS[count]) for each in servers) for _ in range(TURNS)]
    (ours, our_rate), (theirs, their_rate) = (
        [statistics.median(turn[side][kind] for turn in turns) for kind in (0, 1)] for side in (0, 1)
    )
    times = [f"{ours * 1e6:.0f} us", f"{theirs * 1e6:.0f} us", f"{theirs / ours:.2f}", f">= {GOALS[count]:.2f}"]
    return [what, *times, f"{our_rate:,.0f} req/s", f"{their_rate:,.0f} req/s", f"{our_rate / their_rate:.2f}"]


class Caller(asyncio.Protocol):
    """One connection, which asks again when it is answered."""

    def __init__(self, request: bytes, left: list[int], done: asyncio.Event) -> None:
        self._request, self._left, self._done, self._seen = request, left, done, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, _, body = self._seen.partition(b"\r\n\r\n")
        told = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not told or len(body) < int(told):
            return
        assert head.startswith(b"HTTP/1.1 200"), self._seen[:500]
        self._seen = b""
        self._left[0] -= 1
        if self._left[0] > 0:
            self._transport.write(self._request)
        else:
            self._done.set()


async def load(port: int, body: bytes, count: int) -> None:
    head = f"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    loop, left, done = asyncio.get_running_loop(), [count], asyncio.Event()
    made = [
        await loop.create_connection(lambda: Caller(head.encode() + body, left, done), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    await done.wait()
    for transport, _ in made:
        transport.close()


@contextlib.contextmanager
def both(path: Path) -> Iterator[tuple[Side, Side]]:
    """`stemma serve`, and the bare route."""
    here, there = free(), free()
    with (
        running("stemma", "serve", path, "--port", here) as ours,
        running(sys.executable, ROOT / "bench/bare.py", path, there) as theirs,
    ):
        for port in (here, there):
            answered(port)
        yield Side(ours, here), Side(theirs, there)


@contextlib.contextmanager
def running(*command: object) -> Iterator[psutil.Process]:
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def answered(port: int) -> None:
    """Wait until anything is."""
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/status", timeout=10):
                return
        except OSError as error:
            if hasattr(error, "code"):  # an answer, if another one
                return
            time.sleep(0.01)


def free() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


if __name__ == "__main__":
    page.main({"serve": serve, "ready": ready})
