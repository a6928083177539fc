"""gRPC: a call is told to the application as the HTTP request that asks the same.

So tokens, limits, versions, figures and the log are those of HTTP; protocols say how the one becomes the other.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import grpc
import orjson
from google.protobuf.message import DecodeError, Message

from stemma.serve.app import INLINE, App
from stemma.serve.models import Refused
from stemma.serve.routes import JSON, Header
from stemma.serve.settings import MEGABYTE, ServeSettings, TlsSettings
from stemma.serve.sockets import bracketed
from stemma.serve.tls import CLIENT, Tls

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT, 401: grpc.StatusCode.UNAUTHENTICATED, 403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND, 405: grpc.StatusCode.NOT_FOUND,  # an empty name makes another path
    409: grpc.StatusCode.FAILED_PRECONDITION, 413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT, 429: grpc.StatusCode.RESOURCE_EXHAUSTED, 503: grpc.StatusCode.UNAVAILABLE,
}  # fmt: skip
LARGEST = 2**31 - 1  # that an option holds; no message is larger
LONGEST = 1000  # letters of an error: it stands in a header
OF_CALLS = ("x-model", "x-request-id", "retry-after")
OF_BODIES = ("content-", "inference-header-")  # metadata that would speak of the body of the request
Body = tuple[tuple[Header, ...], bytes]


def part(name: str) -> str:
    return name.replace("/", "%2F")


@dataclass(frozen=True)
class Reply:
    """What the application answers."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of the headers those that tell of the call: its version, its id, when to ask again."""
        told = [(name.decode(), value.decode()) for name, value in self.headers.items()]
        return tuple(each for each in told if each[0].startswith(OF_CALLS))


@dataclass(frozen=True)
class Rpc:
    """A method of gRPC, as a request of HTTP."""

    name: str  # /package.Service/Method
    message: type[Message]  # the type of what it takes
    target: Callable[[Any], str]  # method and path of the request, such as "GET /v2"
    told: Callable[[Any, Reply], Message]  # the message that tells an answer, of what was asked and the answer
    body: Callable[[Any], Body] = lambda message: ((), b"")  # its headers and its body; by default it has none
    also: tuple[int, ...] = ()  # the status of answers that are told beside 200; others are errors


class Rpcs:
    """Answers calls of gRPC by an application, on the running event loop."""

    def __init__(self, app: App, settings: ServeSettings, rpcs: Iterable[Rpc]) -> None:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what callers do wrong is told to them; the log is of JSON
        self._app, self._settings = app, settings
        limits = settings.limits
        options = {
            "grpc.max_receive_message_length": int(limits.body * MEGABYTE),
            "grpc.max_concurrent_streams": limits.concurrency,
            "grpc.server_handshake_timeout_ms": int(limits.seconds * 1000),
            "grpc.compression_enabled_algorithms_bitset": 1,  # none: what is packed may be far larger than it looks
            "grpc.so_reuseport": 1,  # for several workers
        }
        self._server = grpc.aio.server(options=[(name, min(value, LARGEST)) for name, value in options.items()])
        services: dict[str, dict[str, Any]] = {}
        for rpc in rpcs:
            _, service, method = rpc.name.split("/")
            # As of a stream: only so the message is awaited here, and no longer than a request of HTTP.
            answer = grpc.stream_unary_rpc_method_handler(partial(self._answer, rpc))
            services.setdefault(service, {})[method] = answer
        handlers = [grpc.method_handlers_generic_handler(*each) for each in services.items()]
        self._server.add_generic_rpc_handlers(handlers)

    async def start(self) -> None:
        place, tls = f"{bracketed(self._settings.host)}:{self._settings.grpc_port}", self._settings.tls
        self._server.add_secure_port(place, _credentials(tls)) if tls else self._server.add_insecure_port(place)
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        await self._server.stop(seconds)

    async def _answer(self, rpc: Rpc, messages: Any, context: Any) -> bytes:
        try:
            async with asyncio.timeout(self._settings.limits.seconds):
                content = await anext(messages)
            message = rpc.message.FromString(content)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the message did not arrive in time")
        except (StopAsyncIteration, DecodeError):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no message that can be read")
        with self._app.holding(len(content)) as fault:
            if fault is None and len(content) > INLINE:
                body = await asyncio.to_thread(_body, rpc, message)
            else:
                body = fault or _body(rpc, message)
            reply = await self._asked(rpc.target(message), body, context)
        if reply.status not in (200, *rpc.also):
            code = CODES.get(reply.status, grpc.StatusCode.INTERNAL)
            await context.abort(code, reply.json["error"][:LONGEST], reply.metadata)
        await context.send_initial_metadata(reply.metadata)
        told: bytes = rpc.told(message, reply).SerializeToString()
        return told

    async def _asked(self, target: str, body: Body | Refused, context: Any) -> Reply:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if isinstance(body, Refused):  # told only now, to those who may ask
                raise body
            return {"type": "http.request", "body": body[1]}

        async def send(message: Any) -> None:
            sent.append(message)

        method, _, path = target.partition(" ")
        scope = {
            "type": "http", "method": method, "path": self._settings.root_path + path, "query_string": b"",
            "headers": _headers(context, body), "client": _client(context.peer()), "state": _certificate(context),
        }  # fmt: skip
        await self._app(scope, receive, send)
        start, content = sent
        return Reply(start["status"], dict(start["headers"]), content["body"])


def _credentials(settings: TlsSettings) -> Any:
    """TLS by the files of HTTP, which are read again when they change."""
    tls = Tls(settings)

    def read() -> Any:
        clients = None if settings.clients is None else Path(settings.clients).read_bytes()
        pair = (Path(settings.key).read_bytes(), Path(settings.cert).read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], clients)

    is_asked = settings.clients is not None
    return grpc.dynamic_ssl_server_credentials(read(), lambda: read() if tls.contexts.renewed() else None, is_asked)


def _certificate(context: Any) -> dict[str, str]:
    """Whom the certificate of a client names, where it showed one."""
    told = context.auth_context()
    names = [*told.get("x509_common_name", ()), *told.get("x509_subject_alternative_name", ())]
    return {CLIENT: names[0].decode()} if names else {}


def _body(rpc: Rpc, message: Message) -> Body | Refused:
    try:
        return rpc.body(message)
    except Refused as error:
        return error


def _headers(context: Any, body: Body | Refused) -> list[Header]:
    """The metadata of a call as headers, and those of the body."""
    own = () if isinstance(body, Refused) else body[0]
    given = [(name, value) for name, value in context.invocation_metadata() if not name.startswith(OF_BODIES)]
    texts = [(name.encode(), value.encode() if isinstance(value, str) else value) for name, value in given]
    return [*texts, (b"content-type", JSON.encode()), *own]


def _client(peer: str) -> tuple[str, int] | None:
    """Of "ipv4:127.0.0.1:50000" or "ipv6:%5B::1%5D:50000"."""
    host, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None
