"""Servers for tests: the application asked in this process, and `stemma serve` in one of its own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stemma.serve.app import App


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
    app: Any, method: str, target: str, body: Any = b"", parts: list[bytes | float | None] | None = None, **headers: str
) -> Reply:
    given = body if isinstance(body, bytes) else json.dumps(body).encode()
    todo: list[bytes | float | None] = parts if parts is not None else [given]
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
        if isinstance(part, float):
            await asyncio.sleep(part)
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
    lines: list[str] = field(default_factory=list)

    def connect(self) -> HTTPConnection:
        if self.address.startswith("unix:"):
            return _OverFile(self.address.removeprefix("unix:"))
        place = urlsplit(self.address)
        return HTTPConnection(str(place.hostname), place.port, timeout=30)

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
        return self.process.wait(30)


class _OverFile(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
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
            yield Server(process, line.split(": ")[1].split(",")[0].strip(), [line])
        finally:
            if process.poll() is None:
                process.kill()
