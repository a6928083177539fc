"""Servers for tests: the application asked in this process, and `stemma serve` in one of its own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf.message import Message

from stemma.serve import protocols
from stemma.serve.app import App
from stemma.serve.rpc import Rpcs
from stemma.serve.settings import ServeSettings
from stemma.serve.sockets import reserved_for_grpc
from timing import HANGS

Part = bytes | Callable[[], Awaitable[None]] | None  # of a body; what is waited for before the next one; its end


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(app: App, method: str, target: str, body: Any = b"", parts: list[bytes] | None = None, **headers: str) -> Reply:
    """Of the application itself; what is no bytes is sent as JSON, `parts` one by one."""
    return asyncio.run(asked(app, method, target, body, parts, **headers))


async def asked(
    app: Any, method: str, target: str, body: Any = b"", parts: list[Part] | None = None, **headers: str
) -> Reply:
    given = body if isinstance(body, bytes) else json.dumps(body).encode()
    todo: list[Part] = parts if parts is not None else [given]
    path, _, query = target.partition("?")
    named = {"content-type": "application/json"} | ({} if parts else {"content-length": str(len(given))})
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        part = todo.pop(0)
        while callable(part):
            await part()
            part = todo.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(todo)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], told, b"".join(each["body"] for each in sent[1:]))


@dataclass(frozen=True)
class Server:
    """A process that answers."""

    process: "subprocess.Popen[str]"
    address: str
    grpc: str = ""  # where that is served
    lines: list[str] = field(default_factory=list)

    def connect(self) -> HTTPConnection:
        if self.address.startswith("unix:"):
            return _OverFile(self.address.removeprefix("unix:"))
        place = urlsplit(self.address)
        return HTTPConnection(str(place.hostname), place.port, timeout=HANGS)

    def ask(self, method: str, path: str, body: Any = b"", **headers: str) -> Reply:
        given = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": "application/json"} | {key.replace("_", "-"): it for key, it in headers.items()}
        connection = self.connect()
        try:
            connection.request(method, path, given, named)
            answer = connection.getresponse()
            return Reply(answer.status, {key.lower(): it for key, it in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def stop(self) -> int:
        """By SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANGS)


class _OverFile(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=HANGS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(HANGS)
        self.sock.connect(self._path)


@contextmanager
def served(*arguments: str | Path, cold: bool = False) -> Iterator[Server]:
    """`stemma serve ARGUMENT...` at a free port, until the block ends; `cold`: its process is that of `process`."""
    command = ["stemma", "serve", "--port", "0", *map(str, arguments)]
    known = os.environ | ({"STEMMA_COLD": "1"} if cold else {})
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=known) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            assert line.startswith(("ready: ", "listening: ")), process.stderr.read()
            address, _, more = line.strip().split(": ")[1].partition(", ")  # what is missing comes behind it
            yield Server(process, address, more.partition("gRPC at ")[2].split(",")[0], [line])
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def refusing(code: grpc.StatusCode, told: str = "") -> Iterator[None]:
    """A call of gRPC in the block is refused with this code, in these words."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code() == code and told in caught.value.details()


@contextmanager
def over_grpc(
    app: App, settings: ServeSettings, to: Callable[[str], grpc.Channel] = grpc.insecure_channel
) -> Iterator[grpc.Channel]:
    """A channel to the application, which answers at a port, on an event loop beside."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def done(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(HANGS)

    async def started(known: ServeSettings) -> Rpcs:
        rpcs = Rpcs(app, known, protocols.rpcs())
        await rpcs.start()
        return rpcs

    try:
        with reserved_for_grpc(settings.model_copy(update={"grpc_port": 0})) as known:
            rpcs = done(started(known))
            with to(f"localhost:{known.grpc_port}") as channel:
                yield channel
            done(rpcs.stop(0))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def call(channel: grpc.Channel, method: str, message: Message, kind: type[Message], **metadata: str) -> Any:
    """What a method answers."""
    asked = channel.unary_unary(method)
    named = [(name.replace("_", "-"), value) for name, value in metadata.items()]
    return kind.FromString(asked(message.SerializeToString(), metadata=named, timeout=HANGS))
