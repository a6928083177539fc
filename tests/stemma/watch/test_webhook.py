"""A webhook is told what happened: signed, tried again, and never where an answer redirects."""

import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from stemma.cli.looks import Guard
from stemma.errors import SettingsError
from stemma.watch import webhook
from stemma.watch.guard import Rules
from stemma.watch.webhook import Webhook
from timing import HANGS

KEY = "what nobody knows"


@dataclass
class Hook:
    """A server that answers one status after the other; the last again and again."""

    statuses: list[int]
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    waits: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?of=shop"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr(webhook, "SECONDS", HANGS)
    made = Hook([200])
    made.waits.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.waits.wait(HANGS)
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(made.statuses.pop(0) if len(made.statuses) > 1 else made.statuses[0])
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.waits.set()
        server.shutdown()
        thread.join()


def posted(hook: Hook, *events: dict[str, Any], tries: int = 5) -> list[str]:
    """What was told of events that could not be delivered."""
    told: list[str] = []
    posts = Webhook(hook.url, KEY, told.append, (0.0,) * tries)
    for event in events:
        posts.post(event)
    posts.flush()
    return told


def test_an_event_is_posted_as_json_with_a_signature(hook: Hook) -> None:
    assert posted(hook, {"model": "shop"}, {"model": "churn"}) == []
    (path, headers, body), (_, _, other) = hook.got
    assert path == "/hook?of=shop" and headers["content-type"] == "application/json"
    assert headers["x-stemma-signature"] == "sha256=" + hmac.new(KEY.encode(), body, "sha256").hexdigest()
    told, second = json.loads(body), json.loads(other)
    assert (told["model"], second["model"]) == ("shop", "churn") and told["id"] != second["id"] and told["time"]
    assert KEY not in f"{headers}{body!r}"


@pytest.mark.parametrize(("statuses", "count"), [([500, 503, 200], 3), ([429, 408, 204], 3), ([500], 5)])
def test_what_may_pass_is_tried_again_with_the_same_body(hook: Hook, statuses: list[int], count: int) -> None:
    hook.statuses = list(statuses)
    told = posted(hook, {"model": "shop"})
    assert len(hook.got) == count and len({body for _, _, body in hook.got}) == 1
    assert told == ([] if count == 3 else ["the webhook at 127.0.0.1 was not told what happened: it answers 500"])


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 410])
def test_a_redirect_is_not_followed_and_a_refusal_is_not_repeated(hook: Hook, status: int) -> None:
    hook.statuses = [status]
    assert posted(hook, {"model": "shop"}) == [
        f"the webhook at 127.0.0.1 was not told what happened: it answers {status}"
    ]
    assert [path for path, _, _ in hook.got] == ["/hook?of=shop"]


def test_a_server_that_is_gone_is_told_without_the_url(hook: Hook) -> None:
    gone: list[str] = []
    posts = Webhook("http://127.0.0.1:9/secret-path", KEY, gone.append, (0.0, 0.0))
    posts.post({})
    posts.flush()
    assert len(gone) == 1 and "secret-path" not in gone[0] and "127.0.0.1" in gone[0]


def test_what_waits_is_bounded(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WAITING", 3)
    hook.waits.clear()
    told: list[str] = []
    posts = Webhook(hook.url, KEY, told.append, (0.0,))
    for number in range(10):
        posts.post({"number": number})
    assert len(told) >= 6 and told[0] == "the webhook is not told what happened: 3 events wait"
    hook.waits.set()
    posts.flush()
    assert len(hook.got) == 10 - len(told)


@pytest.mark.parametrize(("url", "secret"), [("ftp://x", KEY), ("x", KEY), ("http://", KEY), ("http://x", "")])
def test_a_webhook_that_cannot_be_one_is_refused(url: str, secret: str) -> None:
    with pytest.raises(SettingsError, match="webhook"):
        Webhook(url, secret, print)


def test_a_model_is_told_once_for_each_change_of_its_state() -> None:
    told: list[Any] = []
    looks = Guard(
        None, "http://127.0.0.1:9", Rules(), (), print, told.append, names={("shop", n): f"shop@{n}" for n in (1, 2)}
    )

    def model(version: int, *faults: str) -> dict[str, Any]:
        return {"name": "shop", "versions": [{"version": str(version)}],
                "faults": [{"version": "2", "error": each} for each in faults]}  # fmt: skip

    for seen in (
        model(1),
        model(1),
        model(2),
        model(2),
        model(1, "taken back: it errs"),
        model(1, "taken back: it errs"),
    ):
        looks._changed(seen)
    assert [each["now"]["versions"] for each in told] == [["shop@2"], ["shop@1"]]
    assert told[1]["now"]["faults"] == {"2": "taken back: it errs"} and told[1]["before"]["versions"] == ["shop@2"]
    looks.drifted = {"shop@1": ["Age: about 100 times as large"]}
    looks._changed(model(1, "taken back: it errs"))
    assert told[2]["now"]["drift"] == {"shop@1": ["Age: about 100 times as large"]} and len(told) == 3


def test_a_name_that_nobody_can_have_is_told_and_the_next_event_is_taken() -> None:
    told: list[str] = []
    posts = Webhook("http://a..b/", KEY, told.append, (0.0,))
    for _ in range(2):
        posts.post({"model": "shop"})
    posts.flush()
    assert len(told) == 2 and told[0].startswith("the webhook at a..b was not told what happened: ")
