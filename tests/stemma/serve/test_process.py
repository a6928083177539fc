"""`stemma serve` as a process: ready, asked, stopped."""

import asyncio
import contextlib
import gc
import json
import logging.config
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stemma.serve
from serving import Server, served
from stemma.serve.app import App
from stemma.serve.process import Server as ServerOfUvicorn
from stemma.serve.process import again, loop_factory
from stemma.serve.settings import ServeSettings
from stemma.serve.sockets import reserved
from timing import HANGS, until

pytestmark = pytest.mark.slow

ROW = b'{"Month": "May", "PageValues": 1, "Weekend": true}'


@pytest.fixture(scope="module")
def server(bundles: dict[str, Path]) -> Iterator[Server]:
    with served(f"shop={bundles['binary']}", bundles["regression"]) as running:
        yield running


def test_it_answers_at_the_address_that_it_tells(server: Server) -> None:
    assert server.address.startswith("http://127.0.0.1:")
    assert server.ask("POST", "/predict/shop", ROW).json["predictions"][0]["prediction"] == "TRUE"
    assert server.ask("POST", "/predict/regression", ROW).json["predictions"] == [{"prediction": 3.0}]
    assert server.ask("GET", "/status").json["ready"]


def test_many_requests_on_one_connection_and_pipelined_ones_are_answered_in_order(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", int(server.address.rsplit(":", 1)[1])), HANGS) as link:
        request = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s" % (len(ROW), ROW)
        link.sendall(request * 20 + b"GET /status HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        text = b"".join(iter(lambda: link.recv(65536), b""))
    assert text.count(b"HTTP/1.1 200 OK") == 21 and text.endswith(b"}")


def test_what_is_no_http_is_refused_and_the_server_stays(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", int(server.address.rsplit(":", 1)[1])), HANGS) as link:
        link.sendall(b"\x16\x03\x01 no http\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 400")
    assert server.ask("GET", "/status").status == 200


def test_a_request_that_does_not_arrive_is_given_up(bundles: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("limits: {seconds: 0.3}\n")
    with served(bundles["binary"], "--config", tmp_path / "serve.yaml") as server:
        place = ("127.0.0.1", int(server.address.rsplit(":", 1)[1]))
        for sent in (
            b"", b"GET /status HTTP/1.1\r\nhost:", b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{"
        ):  # fmt: skip
            with socket.create_connection(place, HANGS) as link, contextlib.suppress(ConnectionError):
                link.sendall(sent)
                head, _, body = b"".join(iter(lambda: link.recv(65536), b"")).partition(b"\r\n\r\n")
                assert head.split()[1] == b"408" and "in time" in json.loads(body)["error"]


def test_an_answer_that_takes_its_time_is_not_given_up(bundles: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("limits: {seconds: 0.05}\n")
    with served(bundles["binary"], "--config", tmp_path / "serve.yaml") as server:
        until(lambda: answers_two(server))


def answers_two(server: Server) -> bool:
    """On one connection; whether this machine sent both in time."""
    connection = server.connect()
    for _ in range(2):
        try:
            connection.request("POST", "/predict", b"[" + b",".join([ROW] * 60_000) + b"]")
            answer = connection.getresponse()
        except ConnectionError:
            return False
        if answer.status == 408:
            return False
        assert answer.status == 200 and answer.read().count(b"prediction") > 60_000
        time.sleep(0.2)
    return True


def test_sigterm_answers_what_was_taken_and_ends_with_0(bundles: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("{limits: {seconds: 120}, drain: 120}\n")
    with served(bundles["binary"], "--config", tmp_path / "serve.yaml") as server:
        connection = server.connect()
        connection.putrequest("POST", "/predict")
        connection.putheader("content-length", str(len(ROW)))
        connection.endheaders(ROW[:10])
        assert server.ask("GET", "/status").status == 200, "and so it has taken the one before"
        server.process.terminate()
        until(lambda: is_closed(server))
        connection.send(ROW[10:])
        assert connection.getresponse().status == 200
        assert server.process.wait(HANGS) == 0
        assert is_closed(server)


def is_closed(server: Server) -> bool:
    try:
        server.ask("GET", "/status")
    except OSError:
        return True
    return False


def test_a_server_that_has_nothing_to_serve_says_what_is_missing_and_is_ready_later(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "shop").mkdir()
    with served(tmp_path / "shop", "--poll", "0.05") as server:
        assert server.lines[0].startswith("listening: ") and "no version of shop is in " in server.lines[0]
        assert [server.ask("GET", path).status for path in ("/v2/health/ready", "/v2/health/live")] == [503, 200]
        (tmp_path / "shop/.1").mkdir()
        (tmp_path / "shop/.1/model.zip").write_bytes(bundles["binary"].read_bytes())
        (tmp_path / "shop/.1").rename(tmp_path / "shop/1")
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == f"ready: {server.address}\n"
        assert server.ask("GET", "/v2/health/ready").status == 200


def test_a_unix_socket_is_served_and_removed_and_one_that_is_left_over_replaced(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with served(bundles["binary"], "--socket", path) as server:
        assert server.address == f"unix:{path}"
        assert server.ask("POST", "/predict", ROW).status == 200
        server.stop()
    assert not path.exists()


def test_a_file_in_the_place_of_a_socket_is_left_alone(bundles: dict[str, Path], tmp_path: Path, run) -> None:
    (tmp_path / "s").write_text("mine")
    code, _, err = run(tmp_path, "serve", str(bundles["binary"]), "--socket", str(tmp_path / "s"))
    assert code == 1 and "cannot be listened at" in err and (tmp_path / "s").read_text() == "mine"


def test_an_address_that_is_taken_or_a_bundle_that_is_damaged_is_one_line(
    bundles: dict[str, Path], tmp_path: Path, run
) -> None:
    with reserved(ServeSettings.of(port=0)) as bound:
        bound.listen()
        port = str(bound.getsockname()[1])
        code, _, err = run(tmp_path, "serve", str(bundles["binary"]), "--port", port)
    assert code == 1 and err.count("\n") == 1 and f"127.0.0.1:{port} cannot be listened at" in err
    (tmp_path / "m.zip").write_bytes(bundles["binary"].read_bytes()[:-1])
    code, _, err = run(tmp_path, "serve", "m.zip")
    assert code == 1 and err.count("\n") == 1 and "damaged" in err
    code, _, err = run(tmp_path, "serve")
    assert code == 1 and "models/package/model.zip is not there" in err


@pytest.mark.parametrize("words", [("--port", "70000"), ("--grpc-port", "-1"), ("--workers", "0")])
def test_a_number_that_no_server_can_have_is_wrong_usage(words: tuple[str, str], tmp_path: Path, run) -> None:
    code, _, err = run(tmp_path, "serve", *words)
    assert code == 2 and f"'{words[0]}'" in err


def test_without_the_extra_the_line_says_how_to_install_it(tmp_path: Path, run, monkeypatch) -> None:
    monkeypatch.setattr(stemma, "serve", stemma.serve)  # importing it anew replaces it there, beyond this test
    for name in [name for name in sys.modules if name.startswith("stemma.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, _, err = run(tmp_path, "serve")
    assert code == 1 and 'uvicorn is not installed: run `pip install -c requirements.lock -e ".[serve]"`' in err


MODEL = {"source": "m", "name": "shop"}


@pytest.mark.parametrize(
    ("told", "waiting"),
    [
        ({"models": [MODEL | {"policy": "all", "labels": {"a": 1}, "shadow": {"1": 1}}]}, None),
        ({"models": [MODEL, MODEL | {"name": "other"}]}, ["models"]),
        ({"models": [MODEL | {"signed": True, "stage": "prod"}], "port": 1}, ["models", "port"]),
        ({"models": [MODEL], "limits": {"rows": 1}, "log": {"folder": "log"}}, ["limits", "log"]),
    ],
)
def test_what_needs_another_start_is_told_when_settings_are_read_again(
    told: dict[str, Any], waiting: list[str] | None, capfd: pytest.CaptureFixture[str]
) -> None:
    now = ServeSettings.model_validate(told, strict=False)
    assert again(lambda: now, ServeSettings.model_validate({"models": [MODEL]}, strict=False)) is now
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [each["changed"] for each in said] == ([waiting] if waiting else [])


def test_what_is_loaded_is_not_collected_over_and_over_while_callers_wait(app: App) -> None:
    before, server = gc.get_threshold(), ServerOfUvicorn(app, ServeSettings())
    server.should_exit = True
    try:
        asyncio.run(server.serve(sockets=[]))
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_the_logging_of_other_libraries_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uvicorn's own configuration ends every handler that is there, and with one of TensorFlow's a captured stream."""
    monkeypatch.setattr(logging.config, "dictConfig", lambda config: pytest.fail("logging is configured"))
    loop_factory()
