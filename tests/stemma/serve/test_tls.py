"""TLS: who is answered, what is refused at the start, and a certificate that is renewed."""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from certificates import DAY, Authority
from serving import Server, served
from stemma.cli import client
from stemma.errors import SettingsError, StemmaError
from stemma.serve.process import loop_factory
from stemma.serve.settings import TlsSettings
from stemma.serve.tls import Tls, client_name
from stemma.serve.wire import Wire
from timing import HANGS

pytestmark = pytest.mark.xdist_group("tls")
Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class World:
    """A server of two workers, its authority, that of its clients, and the certificate of one of them."""

    server: Server
    authority: Authority
    clients: Authority
    anne: tuple[Path, Path]
    folder: Path

    @property
    def url(self) -> str:
        return self.server.address.replace("127.0.0.1", "localhost")

    def shaken(self, certificate: tuple[Path, Path] | None = None, **more: Any) -> tuple[int, bytes]:
        """The status that a client gets, and the certificate that the server shows."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        for name, value in more.items():
            setattr(context, name, value)
        if certificate is not None:
            context.load_cert_chain(*certificate)
        connection = HTTPSConnection("localhost", int(self.url.rsplit(":", 1)[1]), timeout=HANGS, context=context)
        try:
            connection.request("GET", "/status", "models")
            shown = connection.sock.getpeercert(binary_form=True)
            return connection.getresponse().status, shown or b""
        finally:
            connection.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tls")
    authority, clients = Authority(folder), Authority(folder, "clients")
    cert, key = authority.sign("localhost")
    said = {"cert": str(cert), "key": str(key), "clients": str(clients.file)}
    settings = {"tls": said, "admin": True, "audit": str(folder / "audit.jsonl"), "models": [
        {"source": str(bundles["binary"]), "name": "shop"}]}  # fmt: skip
    (folder / "serve.yaml").write_text(json.dumps(settings))
    with served("--config", folder / "serve.yaml", "--workers", "2", cold=True) as server:
        assert server.address.startswith("https://127.0.0.1:")
        yield World(server, authority, clients, clients.sign("anne"), folder)


@pytest.mark.slow
def test_clients_of_the_authority_alone_are_answered_and_none_in_an_old_tls(world: World) -> None:
    assert world.shaken(world.anne)[0] == 200
    assert world.shaken(world.anne, maximum_version=ssl.TLSVersion.TLSv1_2)[0] == 200
    strangers = Authority(world.folder, "strangers").sign("bob")
    old = {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1}
    with pytest.warns(DeprecationWarning), pytest.raises(OSError):
        world.shaken(world.anne, **old)
    for certificate in (None, strangers, world.clients.sign("carl", -DAY)):
        with pytest.raises(OSError):
            world.shaken(certificate)


@pytest.mark.slow
def test_what_is_no_tls_is_hung_up_and_the_server_stays(world: World) -> None:
    place = ("127.0.0.1", int(world.url.rsplit(":", 1)[1]))
    for sent in (b"GET /status HTTP/1.1\r\nhost: a\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"a" * 70_000):
        with socket.create_connection(place, HANGS) as link:
            link.sendall(sent)
            try:
                assert not link.recv(100).startswith(b"HTTP")
            except ConnectionError:
                continue
    assert world.shaken(world.anne)[0] == 200


@pytest.mark.slow
def test_an_order_over_tls_is_written_down_with_whom_the_certificate_names(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "STEMMA_CERT"):  # which the options set, for their process
        monkeypatch.setenv(name, "")
    both = world.folder / "anne.pem"
    both.write_bytes(world.anne[0].read_bytes() + world.anne[1].read_bytes())
    words = ("load", "shop", "--url", world.url)
    known = ("--ca", str(world.authority.file), "--cert", str(both))
    code, _, told = run(world.folder, "service", *words)
    assert (code, told.count("\n"), "is not trusted here" in told, "--ca" in told) == (1, 1, True, True)
    code, _, told = run(world.folder, "service", *known[:2], *words)
    assert (code, told.count("\n")) == (1, 1)
    assert run(world.folder, "service", *known, *words) == (0, "done: load\n", "")
    assert json.loads((world.folder / "audit.jsonl").read_text())["certificate"] == "anne"


@pytest.mark.slow
def test_the_guard_trusts_the_certificate_of_its_server_under_any_name_and_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = world.folder / "guard.pem"
    both.write_bytes(world.anne[0].read_bytes() + world.anne[1].read_bytes())
    monkeypatch.setenv("STEMMA_CERT", str(both))
    monkeypatch.setenv(client.SHOWN, str(world.folder / "localhost.crt"))
    assert client.ask(world.server.address, "GET", "/status", "models")["ready"]
    monkeypatch.setenv(client.SHOWN, str(world.anne[0]))
    with pytest.raises(StemmaError, match="is not trusted here"):
        client.ask(world.server.address, "GET", "/status", "models")


@pytest.mark.slow
def test_a_renewed_certificate_is_shown_by_every_worker_and_one_that_is_none_changes_nothing(world: World) -> None:
    before = world.shaken(world.anne)[1]
    world.authority.sign("localhost")
    after = {world.shaken(world.anne)[1] for _ in range(8)}
    assert len(after) == 1 and before not in after
    (world.folder / "localhost.crt").write_text("half of a certificate")
    assert {world.shaken(world.anne)[1] for _ in range(4)} == after
    world.authority.sign("localhost", -DAY)
    assert {world.shaken(world.anne)[1] for _ in range(4)} == after


@pytest.mark.slow
def test_a_client_that_is_idle_does_not_hold_up_the_end(world: World) -> None:
    context = ssl.create_default_context(cafile=str(world.authority.file))
    context.load_cert_chain(*world.anne)
    link = socket.create_connection(("127.0.0.1", int(world.url.rsplit(":", 1)[1])), HANGS)
    with context.wrap_socket(link, server_hostname="localhost") as idle:
        idle.sendall(b"GET /status HTTP/1.1\r\nhost: a\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        assert world.server.stop() == 0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_tls_waits_a_second_for_the_goodbye_of_a_client_however_long_it_would_wait(authority: Authority) -> None:
    cert, key = authority.sign("localhost")
    context = Tls(TlsSettings(cert=str(cert), key=str(key), clients=None)).context
    config, state = Config(str, log_config=None), ServerState()
    config.load()

    async def ends() -> None:
        wire = partial(Wire, config, state, {}, seconds=HANGS)
        make = asyncio.get_running_loop().create_server
        server = await make(wire, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=10 * HANGS)
        place = server.sockets[0].getsockname()
        trusting = ssl.create_default_context(cafile=str(authority.file))
        async with asyncio.timeout(HANGS):
            link = await asyncio.to_thread(socket.create_connection, place, HANGS)
            with await asyncio.to_thread(trusting.wrap_socket, link, server_hostname="localhost"):
                while not state.connections:
                    await asyncio.sleep(0.01)
                for each in [*state.connections]:
                    each.shutdown()
                while state.connections:
                    await asyncio.sleep(0.01)
        server.close()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(ends())


def test_an_authority_of_clients_that_is_replaced_lets_in_those_of_the_new_one_alone(
    authority: Authority, tmp_path: Path
) -> None:
    cert, key = authority.sign("localhost")
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    anne, bob = old.sign("anne"), new.sign("bob")
    tls = Tls(TlsSettings(cert=str(cert), key=str(key), clients=str(old.file)))
    assert (lets_in(tls, authority, anne), lets_in(tls, authority, bob)) == (True, False)
    new.file.replace(old.file)
    assert (lets_in(tls, authority, anne), lets_in(tls, authority, bob)) == (False, True)


def lets_in(tls: Tls, authority: Authority, certificate: tuple[Path, Path]) -> bool:
    """Whether a server shakes hands with a client."""
    context = ssl.create_default_context(cafile=str(authority.file))
    context.load_cert_chain(*certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(back, there, server_hostname="localhost")
    server = tls.context.wrap_bio(there, back, server_side=True)
    try:
        for side in (client, server, client):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        server.do_handshake()
    except ssl.SSLError:
        return False
    return True


def test_files_of_no_use_are_told_in_a_line_before_anything_listens(
    authority: Authority, tmp_path: Path, bundles: dict[str, Path], run: Run
) -> None:
    cert, key = authority.sign("localhost")
    other, secret = authority.sign("other")[1], tmp_path / "secret.key"
    secret.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    old = authority.sign("old", -DAY)
    wrong = {"are no certificate and its key": [(cert, other), (key, cert), (cert, secret), (other, other)],
             "certificate has expired": [old],
             "cannot be read": [(cert, tmp_path / "none"), (tmp_path, key)]}  # fmt: skip
    for told, pairs in wrong.items():
        for one, another in pairs:
            with pytest.raises(SettingsError, match=told):
                Tls(TlsSettings(cert=str(one), key=str(another)))
    with pytest.raises(SettingsError, match="cannot be used"):
        Tls(TlsSettings(cert=str(cert), key=str(key), clients=str(key)))
    words = ("serve", str(bundles["binary"]), "--port", "0", "--tls-cert", str(old[0]))
    code, out, told = run(tmp_path, *words, "--tls-key", str(old[1]))
    assert (code, out, told.count("\n"), "has expired" in told) == (1, "", 1, True)
    assert "tls.key: this setting is missing" in run(tmp_path, *words)[2]


def test_a_certificate_without_a_common_name_is_called_by_its_first_other_name() -> None:
    assert client_name({"subject": (), "subjectAltName": (("URI", "spiffe://shop/anne"), ("DNS", "b"))}) == (
        "spiffe://shop/anne"
    )
    assert client_name({"subject": ((("commonName", "anne"),),), "subjectAltName": (("DNS", "b"),)}) == "anne"
