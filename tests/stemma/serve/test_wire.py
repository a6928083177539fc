"""Connections as an enemy would make them: whatever arrives, what goes back is HTTP, in JSON, and no fault of ours."""

import contextlib
import itertools
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import Server, served
from timing import HANGS

pytestmark = pytest.mark.slow

ROW = b'{"Month": "May", "PageValues": 1, "Weekend": true}'
ASKED = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s" % (len(ROW), ROW)


@pytest.fixture(scope="module")
def server(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = tmp_path_factory.mktemp("wire") / "serve.yaml"
    settings.write_text("limits: {seconds: 120}\n")
    with served(f"shop={bundles['binary']}", "--config", settings) as running:
        yield running
        running.process.terminate()
        assert '"fault"' not in running.process.communicate()[1]


def linked(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.address.rsplit(":", 1)[1])), HANGS)


def told(server: Server, *parts: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer to what is sent in parts, before the half of the caller is closed."""
    with linked(server) as link:
        with contextlib.suppress(OSError):  # it hung up
            for part in parts:
                link.sendall(part)
            link.shutdown(socket.SHUT_WR)
        return answers(link)


class Reader:
    """What httptools makes of answers."""

    def __init__(self) -> None:
        self.found: list[tuple[int, bytes]] = []
        self._parser, self._body = httptools.HttpResponseParser(self), b""

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.found.append((self._parser.get_status_code(), self._body))
        self._body = b""


def answers(link: socket.socket) -> list[tuple[int, bytes]]:
    reader = Reader()
    with contextlib.suppress(OSError):  # what we sent was not read
        while data := link.recv(65536):
            reader.feed(data)
    return reader.found


PIECES = st.sampled_from([
    ASKED, b"GET /status HTTP/1.1\r\nhost: a\r\n\r\n", b"HEAD / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n",
    b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"3\r\n[1]\r\n", b"0\r\n\r\n", b"ffffffffffff\r\n",
    b"POST /predict HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n[1]", b"PUT /v2 HTTP/1.1\r\n\r\n",
    b"POST /predict HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"content-length: 99999999999999999999\r\n\r\n",
    b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n[1]",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"GET /status HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET /%ff%00/\xe4 HTTP/1.1\r\n\r\n", b"\0", b"\r\n",
    b"GET http://a:b:c/ HTTP/1.1\r\n\r\n", b"GET //status?\xff HTTP/1.1\r\n: \r\n\r\n", b"expect: 100-continue\r\n",
    b"POST /v1/models/shop:predict HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n", b"{}", b"\r\n\r\n",
    b"POST /v2/models/shop/infer HTTP/1.1\r\ninference-header-content-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
    b"GET /status HTTP/1.1\r\n" + b"".join(b"x%d: a\r\n" % number for number in range(101)) + b"\r\n",
])  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=40), max_size=6))
def test_whatever_is_sent_each_answer_is_http_and_each_refusal_json(server: Server, parts: list[bytes]) -> None:
    for status, body in told(server, *parts):
        assert status < 500
        assert status < 400 or not body or json.loads(body)["error"]  # that of HEAD has none
    assert told(server, ASKED)[0][0] == 200


def test_what_is_no_http_or_too_long_is_told_in_json(server: Server) -> None:
    many = b"GET /status HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n"
    long = b"GET /status HTTP/1.1\r\na: " + b"b" * 70_000
    cut = ((b"GET /status", 400), (ASKED[:-1], 400), (b"a" * 70_000, 400))
    for sent, status in ((b"no HTTP\r\n\r\n", 400), (many, 431), (long, 431), *cut):
        ((code, body),) = told(server, sent)
        assert (code, list(json.loads(body))) == (status, ["error"])
    with linked(server) as link:
        link.sendall(b"no HTTP\r\n\r\n")
        assert b"\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n" in link.recv(65536)


def test_what_was_asked_before_is_answered_before_the_line_is_cut(server: Server) -> None:
    """Else the refusal would be taken for its answer."""
    for end in (b"no HTTP\r\n\r\n", b"GET /status HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", b""):
        assert [status for status, _ in told(server, ASKED + ASKED + end)] == [200, 200]


def test_a_caller_that_has_said_all_gets_its_answer(server: Server) -> None:
    large = b"[" + b",".join([ROW] * 20_000) + b"]"  # answered beside the event loop
    ((status, body),) = told(server, b"POST /predict HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(large), large)
    assert (status, body.count(b'"prediction"')) == (200, 20_000)


def test_a_thousand_idle_connections_and_slow_ones_keep_nobody_out(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _, sent in zip(range(1000), itertools.cycle((b"", b"GET /st", ASKED[:60])), strict=False):
            stack.enter_context(linked(server)).sendall(sent)
        assert {told(server, ASKED)[0][0] for _ in range(20)} == {200}
