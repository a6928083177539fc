"""Servers on loopback, and callers of them: what bench/serve.py, bench/peers.py and bench/switches.py share."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import psutil
from onnx import TensorProto, helper, numpy_helper

from stemma import bundle, runtime

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 64
LAYERS = (32, 128, 64, 1)
Row = dict[str, object]


def cases(folder: Path) -> Iterator[tuple[str, Path, Row]]:
    """(name, bundle, a row)."""
    names = [f"x{number}" for number in range(LAYERS[0])]
    bundle.build(folder / "mlp.zip", mlp(names))
    yield "MLP 32-128-64-1", folder / "mlp.zip", {name: round(0.1 * place, 4) for place, name in enumerate(names)}
    path = ROOT / "models/package/model.zip"
    columns = json.loads(bundle.open_bundle(path).files["request.json"])["inputs"]
    yield "default network", path, {name: values[0] for name, values in columns.items()}


def mlp(names: list[str], seed: int = 0) -> dict[str, bytes]:
    """The files of a bundle of a network with drawn weights."""
    draw, info, last = np.random.default_rng(seed), helper.make_tensor_value_info, "x"
    nodes, weights = [helper.make_node("Concat", names, ["x"], axis=1)], []
    for place, shape in enumerate(itertools.pairwise(LAYERS)):
        weights.append(numpy_helper.from_array(draw.normal(0, 0.1, shape).astype(np.float32), f"w{place}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{place}"], [f"h{place}"]))
        last = "prediction" if place == len(LAYERS) - 2 else f"r{place}"
        nodes.append(helper.make_node("Identity" if last == "prediction" else "Relu", [f"h{place}"], [last]))
    inputs = [info(name, TensorProto.FLOAT, ["rows", 1]) for name in names]
    outputs = [info("prediction", TensorProto.FLOAT, ["rows", 1])]
    made = helper.make_graph(nodes, "mlp", inputs, outputs, weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    signature = {"format": 1, "task": "regression", "target": "y", "output": "prediction"}
    signature["inputs"] = [{"name": name, "type": "number"} for name in names]
    graph, columns = model.SerializeToString(), {name: draw.normal(size=3).tolist() for name in names}
    arrays = {name: np.array(values, np.float32)[:, np.newaxis] for name, values in columns.items()}
    answers = {"prediction": runtime.run(runtime.session(graph), arrays).tolist()}
    files = {"signature.json": signature, "request.json": {"inputs": columns}, "response.json": answers}
    return {"model.onnx": graph} | {name: json.dumps(content).encode() for name, content in files.items()}


@dataclass(frozen=True)
class Side:
    """A server under load.

    Args:
        path: that is asked.
        body: of a request for some rows.
    """

    process: psutil.Process
    port: int
    path: str = "/predict"
    body: Callable[[Row, int], object] = lambda row, count: [row] * count if count > 1 else row

    def request(self, row: Row, count: int) -> bytes:
        return request(self.path, json.dumps(self.body(row, count)).encode())

    def turn(self, asked: bytes, count: int) -> tuple[float, float]:
        """Processor seconds of the server for a request, and requests per second."""
        before, started = self.processor(), time.perf_counter()
        asyncio.run(load(self.port, asked, count))
        return (self.processor() - before) / count, count / (time.perf_counter() - started)

    def processor(self) -> float:
        """Seconds, of all its processes."""
        return sum(sum(each.cpu_times()[:2]) for each in (self.process, *self.process.children(recursive=True)))

    def memory(self) -> float:
        """MB, resident, of all its processes."""
        return sum(each.memory_info().rss for each in (self.process, *self.process.children(recursive=True))) / 1e6


def request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Caller(asyncio.Protocol):
    """One connection.

    Args:
        answered: is called with the caller, the head and the body of each answer.
    """

    def __init__(self, answered: Callable[["Caller", bytes, bytes], None]) -> None:
        self._answered, self._seen = answered, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def ask(self, request: bytes) -> None:
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, _, body = self._seen.partition(b"\r\n\r\n")
        told = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if told and len(body) >= int(told):
            self._seen = b""
            self._answered(self, head, body)


@contextlib.asynccontextmanager
async def callers(port: int, answered: Callable[[Caller, bytes, bytes], None]) -> AsyncIterator[list[Caller]]:
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: Caller(answered), "127.0.0.1", port))[1] for _ in range(CONNECTIONS)]
    try:
        yield made
    finally:
        for each in made:
            each.transport.close()


async def load(port: int, asked: bytes, count: int) -> None:
    """So many requests, one after the other on each connection."""
    left, done = count, asyncio.Event()

    def answered(caller: Caller, head: bytes, body: bytes) -> None:
        nonlocal left
        assert head.startswith(b"HTTP/1.1 200"), head + body[:500]
        left -= 1
        if left > 0:
            caller.ask(asked)
        else:
            done.set()

    async with callers(port, answered) as made:
        for each in made:
            each.ask(asked)
        await done.wait()


async def paced(port: int, asked: bytes, rate: float, seconds: float) -> list[float]:
    """Seconds to each answer, from the moment at which its request was due, of requests at a steady rate."""
    found: list[float] = []
    due: dict[Caller, float] = {}

    def answered(caller: Caller, head: bytes, body: bytes) -> None:
        assert head.startswith(b"HTTP/1.1 200"), head + body[:500]
        found.append(time.perf_counter() - due.pop(caller))
        idle.append(caller)

    async with callers(port, answered) as made:
        idle, started, count = [*made], time.perf_counter(), int(rate * seconds)
        sent = 0
        while len(found) < count:
            while sent < count and idle and started + sent / rate <= time.perf_counter():
                caller = idle.pop()
                due[caller] = started + sent / rate
                caller.ask(asked)
                sent += 1
            await asyncio.sleep(0 if sent < count else 0.001)
    return found


@contextlib.contextmanager
def running(*command: object, **environment: str) -> Iterator[psutil.Process]:
    known = os.environ | environment
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*map(str, command)], env=known, start_new_session=True, **quiet) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def answered(port: int, path: str = "/status", seconds: float = 120) -> None:
    """Wait until anything is, and something serves.

    Raises:
        TimeoutError: nothing was.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10):
                return
        except OSError as error:
            if getattr(error, "code", 503) != 503:  # an answer, if another one
                return
            time.sleep(0.01)
    raise TimeoutError(f"nothing answers at {port}")


def free() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
