"""Tokens: who may ask what; missing, wrong, expired, rotated."""

import hashlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from serving import ask
from stemma.errors import SettingsError
from stemma.serve import access, audit, log
from stemma.serve.access import VARIABLE, Access, add
from stemma.serve.models import Models, Refused
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings

PAST = datetime.now(UTC) - timedelta(seconds=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.yaml"


def bearer(token: str, kind: str = "Bearer") -> list[tuple[bytes, bytes]]:
    return [(b"host", b"localhost"), (b"authorization", f"{kind} {token}".encode())]


def refusal(access: Access, scope: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, str, str]:
    with pytest.raises(Refused) as caught:
        access.check(scope, headers)
    return caught.value.status, str(caught.value), caught.value.headers[0][1].decode() if caught.value.headers else ""


def test_a_token_opens_what_its_scopes_name(file: Path) -> None:
    shop, boss = add(file, "shop", ["predict"]), add(file, "boss", ["admin", "predict"])
    access = Access(str(file))
    assert access.check("predict", bearer(shop)) == "shop"
    assert access.check("predict", bearer(boss, "bearer")) == "boss"
    assert access.check("admin", bearer(boss)) == "boss"
    assert refusal(access, "admin", bearer(shop)) == (
        403, "the token shop may not do this: it takes admin", 'Bearer error="insufficient_scope", scope="admin"',
    )  # fmt: skip
    assert access.check(None, []) is None, "what asks for nothing is open: is it alive?"


def test_the_file_holds_no_token(file: Path) -> None:
    token = add(file, "shop", ["predict"])
    assert token not in file.read_text()
    assert hashlib.sha256(token.encode()).hexdigest() in file.read_text()


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([], "a token is asked for"),
        (bearer("wrong"), "not known here"),
        (bearer(""), "not known here"),
        (bearer("dXNlcjpwYXNz", "Basic"), "a token is asked for"),
        ([(b"authorization", b"Bearer \xff\xfe")], "not known here"),
        ([(b"authorization", b"")], "a token is asked for"),
    ],
)
def test_without_a_known_token_nothing_is_answered(file: Path, headers: list[tuple[bytes, bytes]], told: str) -> None:
    add(file, "shop", ["predict"])
    status, said, asked = refusal(Access(str(file)), "predict", headers)
    assert (status, told in said, asked.startswith("Bearer")) == (401, True, True)


def test_of_two_tokens_in_one_call_none_counts(file: Path) -> None:
    shop = add(file, "shop", ["predict"])
    assert refusal(Access(str(file)), "predict", [*bearer("wrong"), *bearer(shop)])[0] == 401


def test_an_expired_token_is_refused(file: Path) -> None:
    old, new = add(file, "shop", ["predict"], PAST), add(file, "shop", ["predict"], PAST + timedelta(hours=1))
    access = Access(str(file))
    assert refusal(access, "predict", bearer(old))[:2] == (401, "the token has expired")
    assert access.check("predict", bearer(new)) == "shop"


def test_a_clock_that_jumps_changes_nothing_but_which_tokens_have_expired(
    file: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = timedelta()

    class Clock(datetime):
        @classmethod
        def now(cls, zone: tzinfo | None = None) -> datetime:
            return datetime.now(zone) + jumps

    for module in (access, audit, log):
        monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: datetime.now().timestamp() + jumps.total_seconds())
    scopes, found = ("predict", "admin"), dict[int, list[int]]()
    tokens = [add(file, "shop", scopes, PAST + timedelta(days=30)), add(file, "boss", scopes)]
    settings = ServeSettings.of(tokens=str(file), admin=True, audit=str(tmp_path / "audit"), limits={"rate": 100.0})

    async def done(*order: str) -> None:
        return None

    app = app_of(settings, lambda: models, done)
    row = {"Month": "May", "PageValues": 1, "Weekend": True}
    for years in (0, 10, -30):
        jumps = timedelta(days=365 * years)
        bearers = [{"authorization": f"Bearer {each}"} for each in tokens]
        found[years] = [ask(app, "POST", "/predict", row, **each).status for each in bearers]
        assert ask(app, "POST", "/admin/models/binary/load", **bearers[1]).status == 200
    assert found == {0: [200, 200], 10: [401, 200], -30: [200, 200]}
    assert audit.check(tmp_path / "audit").lines == 3


def test_tokens_are_rotated_while_the_server_runs(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old = add(file, "shop", ["predict"])
    access = Access(str(file))
    new = add(file, "shop", ["predict"])
    assert access.check("predict", bearer(new)) == access.check("predict", bearer(old)) == "shop"
    file.write_text(file.read_text().splitlines()[1] + "\n")
    assert refusal(access, "predict", bearer(old))[0] == 401
    file.write_text('- {"name": "sho')
    assert access.check("predict", bearer(new)) == "shop", "a file that is half written takes nobody's token away"
    file.unlink()
    assert access.check("predict", bearer(new)) == "shop"
    told = [json.loads(line).get("count") for line in capfd.readouterr().err.splitlines()]
    assert told == [2, 1, None, None], "each is told, and what is wrong with it"


def test_the_environment_can_hold_them(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = add(file, "shop", ["predict"])
    monkeypatch.setenv(VARIABLE, file.read_text())
    access = Access(None)
    assert access.check("predict", bearer(shop)) == "shop"
    assert refusal(access, "predict", [])[0] == 401


NONE = ("", "[]", "- 1", "tokens", "- {name: a, sha256: b, scopes: [predict]}", ": :", "[" * 10_000)
NONE += (
    "- {expires: 2020-13-45}",
    "- !!int ''",
    "- !!timestamp x",
    "- {? [a] : 1}",
    "- &a {name: *a}",
    "- " + "9" * 5000,
)


@pytest.mark.parametrize("said", NONE, ids=range(len(NONE)))
def test_what_holds_no_tokens_opens_nothing(file: Path, said: str) -> None:
    file.write_text(said)
    with pytest.raises(SettingsError, match=r"tokens\.yaml"):
        Access(str(file))


def test_a_server_without_tokens_answers_but_no_page_of_a_browser_is_its_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    access = Access(None)
    assert access.check("predict", [(b"origin", b"https://shop.example")]) is None
    assert access.check("admin", []) is None
    for header in (b"origin", b"sec-fetch-site"):
        assert refusal(access, "admin", [(header, b"null")])[0] == 403


def test_a_name_that_is_none_is_refused_and_nothing_is_written(file: Path) -> None:
    for name in ("", "a b", 'a", "scopes": ["admin'):
        with pytest.raises(SettingsError, match="name"):
            add(file, name, ["predict"])
    assert not file.exists()


# In the application, and on the command line.

ROW = {"Month": "May", "PageValues": 1, "Weekend": True}


def test_every_path_but_those_for_everybody_asks_for_a_token(file: Path, models: Models) -> None:
    shop = add(file, "shop", ["predict"])
    app = app_of(ServeSettings.of(tokens=str(file)), lambda: models)
    for method, path in (("POST", "/predict"), ("POST", "/predict/binary"), ("GET", "/status")):
        assert ask(app, method, path, ROW).status == 401
    reply = ask(app, "POST", "/predict", ROW, authorization=f"Bearer {shop}")
    assert (reply.status, reply.headers["x-content-type-options"]) == (200, "nosniff")
    refused = ask(app, "POST", "/predict", b"x" * 100_000, authorization="Bearer wrong")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_a_token_is_printed_once_and_its_hash_kept(file: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    code, token, _ = run(
        file.parent, "service", "token", "shop", "--scope", "admin", "--scope", "predict", "--days", "1"
    )
    assert code == 0
    assert Access(str(file)).check("admin", bearer(token.strip())) == "shop"
    assert run(file.parent, "service", "token", "a b")[0] == 1


def test_a_name_that_is_there_twice_in_a_token_is_refused_by_its_line_without_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    add(file, "shop", ["predict"])
    file.write_text(file.read_text() + '- {"name": "a", "sha256": "secret", "name": "b"}\n')
    with pytest.raises(SettingsError) as error:
        Access(str(file))
    assert str(error.value) == f"{file} cannot be read as YAML, see its line 2"


@pytest.mark.parametrize("days", ["0", "-1", "nan", "1e9"])
def test_a_token_that_would_never_be_taken_is_not_made(
    tmp_path: Path, days: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, token, told = run(tmp_path, "service", "token", "shop", f"--days={days}")
    assert (code, token, "--days" in told, list(tmp_path.iterdir())) == (2, "", True, [])


def test_a_caller_without_a_token_is_told_how_to_show_one(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

    monkeypatch.delenv("STEMMA_TOKEN", raising=False)
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.handle_request, daemon=True).start()
        code, _, told = run(tmp_path, "service", "status", "--url", f"http://127.0.0.1:{server.server_port}")
    assert code == 1 and told.splitlines()[-1].endswith("which STEMMA_TOKEN shows it: run `export STEMMA_TOKEN=...`")


def test_a_wrong_name_and_a_file_that_is_no_text_are_told_alone(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"1 setting is wrong:\n  tokens\.0\.name: "):
        add(file, "a b", ["predict"])
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="it is no text"):
        add(file, "shop", ["predict"])
