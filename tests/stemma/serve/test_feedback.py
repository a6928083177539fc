"""What came of requests, as a server is told: joined with its log, whenever it comes and whatever it is."""

import asyncio
import errno
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from serving import Reply, ask, asked
from stemma.cli import observe
from stemma.serve.access import add
from stemma.serve.app import App
from stemma.serve.models import Models
from stemma.serve.process import app_of
from stemma.serve.settings import LogSettings, ServeSettings
from stemma.watch import answers, outcomes
from stemma.watch.log import Log, Options
from timing import HANGS
from watched import DAY, START, logged

PATH = "/v1/feedback"
ROW = {"Month": "May", "PageValues": 1, "Weekend": True}


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ids a, b, c of two classes, asked one, two and nine days ago."""
    monkeypatch.setattr("time.time", lambda: START)
    logged(tmp_path / "log", [0.5, 0.5, 0.5], ids=["a", "b", "c"], times=[START - days * DAY for days in (1, 2, 9)])
    return tmp_path / "log"


def test_a_server_without_a_log_says_what_to_turn_on(models: Models) -> None:
    reply = ask(app_of(ServeSettings(), lambda: models), "POST", PATH, {"id": "a", "outcome": "TRUE"})
    assert (reply.status, reply.json["error"]) == (
        403,
        "this server keeps no log of requests: start it with --log FOLDER",
    )


@pytest.fixture
def app(requests: Path, models: Models) -> Iterator[App]:
    with closing(made(models, requests)) as app:
        yield app


def made(models: Models, folder: Path, **options: Any) -> App:
    kept = options.pop("kept", {})
    settings = ServeSettings(log=LogSettings(folder=str(folder), **kept), **options)
    return app_of(settings, lambda: models, observer=f"{observe.__name__}:Kept")


def told(reply: Reply) -> dict[str, int]:
    assert reply.status == 200, reply.body
    return {what: count for what, count in reply.json.items() if what != "told" and count}


def test_what_is_late_doubled_unknown_or_no_outcome_is_counted_and_told(app: App, requests: Path) -> None:
    assert told(ask(app, "POST", PATH, {"id": "a", "outcome": True})) == {"taken": 1}
    given = [
        {"id": "a", "row": 0, "outcome": "TRUE"}, {"id": "a", "outcome": "FALSE"}, {"id": "c", "outcome": " FALSE "},
        {"id": "b", "outcome": "MAYBE"}, {"id": "nobody", "outcome": "TRUE"},
    ]  # fmt: skip
    reply = ask(app, "POST", PATH, given)
    assert told(reply) == {"taken": 1, "late": 1, "same": 1, "contradicting": 1, "wrong": 1, "kept": 1}
    assert "1 contradicting: told before, and otherwise: the first counts (a)" in reply.json["told"]
    csv = b"outcome,id\nTRUE,b\nTRUE,b\n"
    assert told(ask(app, "POST", PATH, csv, content_type="text/csv")) == {"taken": 1, "same": 1}
    found = outcomes.read(Log(requests))
    assert found == {("a", 0): "TRUE", ("b", 0): "TRUE", ("c", 0): "FALSE", ("nobody", 0): "TRUE"}
    assert len([*requests.glob("outcomes-*")]) == 1, "a file is not written for each telling"
    text = ask(app, "GET", "/metrics").body.decode()
    assert 'stemma_feedback_total{state="taken"} 3.0' in text and 'stemma_feedback_total{state="late"} 1.0' in text


def test_an_outcome_that_comes_before_its_request_is_written_counts(models: Models, tmp_path: Path) -> None:
    app = made(models, tmp_path / "log")
    id = ask(app, "POST", "/predict", [ROW, ROW]).headers["x-request-id"]
    assert told(ask(app, "POST", PATH, {"id": id, "row": 1, "outcome": "TRUE"})) == {"kept": 1}
    assert told(ask(app, "POST", PATH, {"id": id, "row": 1, "outcome": "FALSE"})) == {"contradicting": 1}
    app.close()
    (found,) = answers.read(Log(tmp_path / "log"), ()).values()
    assert found.table["outcome"].to_pylist() == [None, "TRUE"]


def test_the_outcome_of_a_request_that_no_sample_takes_is_unknown(models: Models, tmp_path: Path) -> None:
    ids = [f"{number}" for number in range(40)]
    with closing(made(models, tmp_path / "log", kept={"sample": 0.5})) as app:
        found = told(ask(app, "POST", PATH, [{"id": id, "outcome": "TRUE"} for id in ids]))
    kept = sum(map(Options(sample=0.5).takes, ids))
    assert found == {"kept": kept, "unknown": 40 - kept}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"3", b'"a"', b"[[]]", b'{"id": "a"}', b'{"outcome": "TRUE"}', b'{"id": 3, "outcome": "TRUE"}',
        b'{"id": "", "outcome": "TRUE"}', b'{"id": "a", "outcome": []}', b'{"id": "a", "outcome": {"b": 1}}',
        b'{"id": "a", "outcome": ""}', b'{"id": "a", "outcome": null}', b'{"id": "a", "row": -1, "outcome": "TRUE"}',
        b'{"id": "a", "row": true, "outcome": "TRUE"}', b'{"id": "a", "row": 1.5, "outcome": "TRUE"}',
        b'{"id": "a", "row": 9999999999, "outcome": "TRUE"}', b'{"id": "' + b"x" * 129 + b'", "outcome": "TRUE"}',
        b'[{"id": "a", "outcome": "TRUE"}, {"id": "a", "outcome": NaN}]',
    ],
)  # fmt: skip
def test_what_is_no_outcome_is_refused_and_nothing_of_it_taken(app: App, requests: Path, body: bytes) -> None:
    reply = ask(app, "POST", PATH, body)
    assert reply.status in (400, 422) and reply.json["error"]
    assert outcomes.read(Log(requests)) == {}


@pytest.mark.parametrize(
    "body",
    [b"", b"id\na\n", b"name,outcome\na,TRUE\n", b"id,outcome\na\n", b'id,outcome\n"a,TRUE\n', b"id,outcome\n\xff,1\n"],
)
def test_csv_that_is_no_table_of_outcomes_is_refused_in_a_line(app: App, requests: Path, body: bytes) -> None:
    reply = ask(app, "POST", PATH, body, content_type="text/csv")
    assert reply.status in (200, 422), reply.body
    assert reply.status == 422 or not told(reply)
    assert outcomes.read(Log(requests)) == {}


@pytest.mark.parametrize(("body", "lacks"), [(b"id;outcome\na;TRUE\n", "id"), (b"id,result\na,TRUE\n", "outcome")])
def test_csv_that_lacks_a_column_is_not_taken_for_one_of_no_outcomes(app: App, body: bytes, lacks: str) -> None:
    reply = ask(app, "POST", PATH, body, content_type="text/csv")
    assert (reply.status, reply.json["field"]) == (422, lacks)


def test_limits_hold(models: Models, requests: Path) -> None:
    with closing(made(models, requests, limits={"rows": 2, "body": 0.001})) as app:
        three = [{"id": "a", "outcome": "TRUE"}] * 3
        assert ask(app, "POST", PATH, three).status == 422
        assert ask(app, "POST", PATH, b"id,outcome\na,1\na,1\na,1\n", content_type="text/csv").status == 422
        assert ask(app, "POST", PATH, three * 100).status == 413
    assert ask(app_of(ServeSettings.of(), lambda: models), "POST", PATH, three[0]).status == 403


def test_a_token_of_its_own_scope_is_asked_for(models: Models, requests: Path) -> None:
    file = requests.parent / "tokens.yaml"
    shop, sales = add(file, "shop", ["predict"]), add(file, "sales", ["feedback"])
    with closing(made(models, requests, tokens=str(file))) as app:
        said = {"id": "a", "outcome": "TRUE"}
        assert ask(app, "POST", PATH, said, authorization=f"Bearer {shop}").status == 403
        assert ask(app, "POST", PATH, said, authorization=f"Bearer {sales}").status == 200
        assert ask(app, "POST", "/predict", ROW, authorization=f"Bearer {sales}").status == 403


def test_many_at_once_are_joined_together_and_each_is_told_its_own(
    app: App, requests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []
    files = Log.files
    monkeypatch.setattr(Log, "files", lambda *words, **how: [scans.append(1), files(*words, **how)][1])

    async def all_of_them() -> list[Reply]:
        said = [{"id": id, "outcome": "TRUE"} for id in "abcabcabc"]
        return await asyncio.gather(*(asked(app, "POST", PATH, each) for each in said))

    found = [told(each) for each in asyncio.run(all_of_them())]
    assert sum(each.get("taken", 0) for each in found) == 3 and sum(each.get("same", 0) for each in found) == 6
    assert len(scans) == 2, "the first by itself, and all others together"


def test_nobody_waits_for_ever_for_outcomes_that_cannot_be_joined(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: Any, **__: Any) -> None:
        raise ValueError("no outcomes")

    async def three() -> list[Reply]:
        said = ({"id": id, "outcome": "TRUE"} for id in "abc")
        return await asyncio.wait_for(asyncio.gather(*(asked(app, "POST", PATH, each) for each in said)), HANGS)

    monkeypatch.setattr(outcomes, "_asked", damaged)
    assert [each.status for each in asyncio.run(three())] == [500, 500, 500]


def test_a_full_disk_takes_no_outcome_and_says_so(
    app: App, requests: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(outcomes.log, "save", full)
        reply = ask(app, "POST", PATH, {"id": "a", "outcome": "TRUE"})
    assert (reply.status, reply.headers["retry-after"]) == (503, "60")
    assert json.loads(capfd.readouterr().err)["event"] == "feedback"
    assert told(ask(app, "POST", PATH, {"id": "a", "outcome": "TRUE"})) == {"taken": 1}
