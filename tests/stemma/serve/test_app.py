"""The ASGI callable: paths, limits, faults."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from serving import Reply, ask, asked
from stemma.serve import routes
from stemma.serve.app import App
from stemma.serve.metrics import Metrics
from stemma.serve.models import Model, Models
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings
from timing import HANGS

ROW = {"Month": "May", "PageValues": 1, "Weekend": True}


def limited(models: Models, **limits: Any) -> App:
    return app_of(ServeSettings.of(limits=limits), lambda: models)


def test_a_path_that_is_none_and_a_method_that_a_path_does_not_take_are_told(app: App) -> None:
    assert ask(app, "GET", "/nowhere").status == 404
    reply = ask(app, "PUT", "/predict")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, POST")
    assert ask(app, "POST", "/predict/nobody", ROW).status == 404
    assert ask(app, "POST", "/predict/binary/versions/2", ROW).status == 404
    assert ask(app, "POST", f"/predict/binary/versions/{'9' * 5000}", ROW).status == 404
    assert ask(app, "POST", "/predict/binary/versions/\u00b2", ROW).status == 404
    assert ask(app, "POST", "/predict/binary/labels/stable", ROW).status == 404


def test_the_status_names_what_serves_and_why_the_rest_does_not(models: Models) -> None:
    binary = dataclasses.replace(models.by_name["binary"], faults={2: "it is damaged"}, labels={"stable": 1})
    known = Models({"binary": binary})
    reply = ask(app_of(ServeSettings.of(), lambda: known), "GET", "/status")
    assert reply.status == 200 and reply.json["ready"]
    assert reply.json["models"] == [{
        "name": "binary", "versions": [{"version": "1", "registered": None, "batch": None}], "labels": {"stable": 1},
        "split": None, "shadows": {}, "faults": [{"version": "2", "error": "it is damaged"}],
    }]  # fmt: skip
    head = ask(app_of(ServeSettings.of(), lambda: known), "HEAD", "/status")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(reply.body)))


def test_a_model_without_a_version_is_not_ready_and_says_when_to_ask_again() -> None:
    app = app_of(ServeSettings.of(), lambda: Models({"shop": Model("shop")}))
    assert ask(app, "GET", "/status").status == 503
    reply = ask(app, "POST", "/predict", ROW)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")


def test_a_body_that_is_too_long_is_refused_before_and_while_it_arrives(models: Models) -> None:
    small = limited(models, body=0.001)
    assert ask(small, "POST", "/predict", b" " * 1001).status == 413
    assert ask(small, "POST", "/predict", parts=[b" " * 1001]).status == 413
    reply = ask(small, "POST", "/predict", parts=[b" " * 600, b" " * 600, b" " * 600])
    assert (reply.status, reply.headers["connection"]) == (413, "close")


def test_the_part_of_a_body_that_arrived_before_its_caller_went_away_is_no_body(models: Models) -> None:
    reply = ask(limited(models), "POST", "/predict", parts=[json.dumps(ROW).encode(), None])
    assert (reply.status, reply.headers["connection"]) == (408, "close")


async def begun(app: App, first: bytes, last: bytes) -> tuple[asyncio.Task[Reply], asyncio.Event]:
    """A call whose body was taken but for its last part, which arrives at the event."""
    taken, goes_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        taken.set()
        await goes_on.wait()

    call = asyncio.create_task(asked(app, "POST", "/predict", parts=[first, wait, last]))
    await asyncio.wait_for(taken.wait(), HANGS)
    return call, goes_on


def test_more_bytes_of_bodies_than_are_taken_at_once_are_turned_away(models: Models) -> None:
    async def both() -> tuple[int, int]:
        app = limited(models, bodies=0.001)
        slow, goes_on = await begun(app, b" " * 600, b"1")
        second = await asked(app, "POST", "/predict", b" " * 600)
        assert (second.headers["retry-after"], second.headers["connection"]) == ("1", "close")
        goes_on.set()
        first = await slow
        assert (await asked(app, "POST", "/predict", ROW)).status == 200, "what was answered is not held"
        return first.status, second.status

    assert asyncio.run(both()) == (422, 503)


def test_more_columns_than_are_taken_are_refused_in_every_protocol(models: Models) -> None:
    app = limited(models, columns=3)
    more = ROW | {"Extra": 1}
    inputs = [{"name": name, "datatype": "FP32", "shape": [1], "data": [1]} for name in more]
    bodies = {
        "/predict": more, "/v1/models/binary:predict": {"instances": [more]},
        "/v1/models/binary:classify": {"examples": [more]}, "/v2/models/binary/infer": {"inputs": inputs},
    }  # fmt: skip
    for path, body in bodies.items():
        reply = ask(app, "POST", path, body)
        assert (reply.status, "4 columns, and 3 are taken" in reply.json["error"]) == (422, True)
    columns = {"inputs": {name: [value] for name, value in more.items()}}
    assert ask(app, "POST", "/v1/models/binary:predict", columns).status == 422
    assert ask(app, "POST", "/predict", b"a,b,c,d\n1,2,3,4\n", content_type="text/csv").status == 422
    assert ask(app, "POST", "/predict", ROW).status == 200


def test_a_packed_body_is_not_unpacked(app: App) -> None:
    assert ask(app, "POST", "/predict", ROW, content_encoding="gzip").status == 415
    assert ask(app, "POST", "/predict", ROW, content_encoding="Identity").status == 200


def test_more_calls_than_are_taken_at_once_are_turned_away(models: Models) -> None:
    async def both() -> tuple[int, int]:
        app = limited(models, concurrency=1)
        slow, goes_on = await begun(app, b"{", b"}")
        second = await asked(app, "POST", "/predict", ROW)
        assert second.headers["retry-after"]
        goes_on.set()
        return (await slow).status, second.status

    assert asyncio.run(both()) == (422, 503)
    app = limited(models, concurrency=1)
    assert [ask(app, "POST", "/predict", ROW).status for _ in range(3)] == [200] * 3


def test_what_a_proxy_puts_before_a_path_may_be_there_or_not(models: Models) -> None:
    app = app_of(ServeSettings.of(root_path="/models/shop"), lambda: models)
    assert ask(app, "GET", "/models/shop/status").status == 200
    assert ask(app, "GET", "/status").status == 200


def test_a_fault_of_ours_is_told_in_the_log_alone(models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(call: routes.Call) -> routes.Answer:
        raise ZeroDivisionError("secret")

    async def broken_too(call: routes.Call) -> routes.Answer:
        raise ZeroDivisionError("secret")

    known = [routes.Route("GET", "/a", broken), routes.Route("GET", "/b", broken_too)]
    app = App(ServeSettings.of(), lambda: models, known, Metrics())
    for path in ("/a", "/b"):
        reply = ask(app, "GET", path)
        assert reply.status == 500 and b"secret" not in reply.body
        assert "ZeroDivisionError: secret" in capfd.readouterr().err


def test_a_large_body_is_answered_beside_the_event_loop(app: App) -> None:
    reply = ask(app, "POST", "/predict", [ROW] * 2000)
    assert len(reply.json["predictions"]) == 2000
