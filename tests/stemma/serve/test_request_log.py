"""The request log of a server: what every protocol was asked and answered, by version, and that it stops no answer."""

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest

from bundles import contents
from serving import ask
from stemma import bundle
from stemma.cli import observe
from stemma.errors import SettingsError
from stemma.serve import protocols
from stemma.serve.app import App
from stemma.serve.load import load
from stemma.serve.models import Model, Models, Version
from stemma.serve.process import app_of
from stemma.serve.settings import LogSettings, ServeSettings
from stemma.watch import log
from stemma.watch.answers import versions
from watched import read

OBSERVER = f"{observe.__name__}:{observe.Kept.__name__}"
ROW = {"Month": "May", "PageValues": 1, "Weekend": True}
TENSORS = [
    {"name": "Month", "datatype": "BYTES", "shape": [2], "data": ["May", "Nov"]},
    {"name": "PageValues", "datatype": "FP32", "shape": [2], "data": [1, 2]},
    {"name": "Weekend", "datatype": "BOOL", "shape": [2], "data": [True, False]},
]
CSV = b"Month,PageValues,Weekend,more\n" + b"May,1,yes,x\n" * 9_000


@contextmanager
def logging(models: Models, folder: Path, **kept: Any) -> Iterator[App]:
    settings = ServeSettings(log=LogSettings(folder=str(folder), **kept))
    with closing(app_of(settings, lambda: models, observer=OBSERVER)) as app:
        yield app


def rows(folder: Path, *columns: str) -> list[dict[str, Any]]:
    kept = log.Log(folder)
    parts = [*read(kept, columns)]
    assert kept.skipped == ()
    return [{"version": part.source.version} | row for part in parts for row in part.table.to_pylist()]


def counted(app: App) -> dict[str, float]:
    text = ask(app, "GET", "/metrics").body.decode()
    lines = (line.split() for line in text.splitlines() if line.startswith("stemma_log_rows_total"))
    return {name.split('"')[1]: float(value) for name, value in lines}


def test_requests_of_every_protocol_are_logged_with_ids_versions_and_what_was_answered(
    models: Models, tmp_path: Path
) -> None:
    with logging(models, tmp_path, headers=("x-user",)) as app:
        answer = ask(app, "POST", "/predict", [ROW, ROW], x_request_id="a", x_user="ann")
        assert answer.headers["x-request-id"] == "a"
        ask(app, "POST", "/v1/models/regression:predict", {"instances": [ROW]}, x_request_id="b")
        ask(app, "POST", "/v1/models/binary:classify", {"examples": [ROW]}, x_request_id="c")
        ask(app, "POST", "/v2/models/binary/versions/1/infer", {"inputs": TENSORS}, x_request_id="d")
        ask(app, "POST", "/predict/regression", CSV, x_request_id="e", content_type="text/csv")
        ask(app, "POST", "/predict", {}, x_request_id="f")
        ask(app, "GET", "/predict", x_request_id="g")
    found = rows(tmp_path, "header", "arm", "latency", "input", "prediction")
    assert [row["row"] for row in found if row["id"] == "e"] == [*range(9_000)]
    told = {(row["version"], row["id"], row["row"]): row for row in found if row["id"] != "e"}
    assert {(*key, row["arm"], row["input.Month"], row.get("header.x-user")) for key, row in told.items()} == {
        ("binary@1", "a", 0, "stable", "May", "ann"), ("binary@1", "a", 1, "stable", "May", "ann"),
        ("regression@1", "b", 0, "stable", "May", None), ("binary@1", "c", 0, "stable", "May", None),
        ("binary@1", "d", 0, "named", "May", None), ("binary@1", "d", 1, "named", "Nov", None),
    }  # fmt: skip
    assert told["binary@1", "a", 0]["prediction"] == answer.json["predictions"][0]["prediction"]
    assert all(row["latency"] > 0 for row in found)
    assert counted(app) == {"written": 9_006, "dropped": 0, "failed": 0}


@pytest.mark.parametrize("id", ["", "a b", "a\nb", "é", "x" * 129])
def test_a_request_without_an_id_that_can_be_kept_gets_one(app: App, id: str) -> None:
    given = [ask(app, "GET", "/v2/health/live", x_request_id=id).headers["x-request-id"] for _ in range(2)]
    assert {len(each) for each in given} == {32} and len(set(given)) == 2


def test_a_sample_is_logged_and_nothing_else(models: Models, tmp_path: Path) -> None:
    with logging(models, tmp_path, sample=0.25) as app:
        for number in range(200):
            ask(app, "POST", "/predict", ROW, x_request_id=f"{number}")
    wanted = {f"{number}" for number in range(200) if log.Options(sample=0.25).takes(f"{number}")}
    assert {row["id"] for row in rows(tmp_path)} == wanted and 25 < len(wanted) < 75


def test_a_log_that_cannot_be_written_stops_no_answer_and_is_counted_and_told(
    models: Models, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with logging(models, tmp_path / "file" / "log") as app:
        assert ask(app, "POST", "/predict", [ROW] * 3).status == 200
    assert counted(app) == {"written": 0, "dropped": 0, "failed": 3}
    assert '"event":"request log","rows":3' in capfd.readouterr().err


def test_a_folder_that_was_taken_away_is_made_again_for_its_owner_alone(models: Models, tmp_path: Path) -> None:
    with logging(models, tmp_path / "log") as app:
        ask(app, "POST", "/predict", ROW)
    assert len(rows(tmp_path / "log")) == 1 and (tmp_path / "log").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "parts"), [(None, ["shop@1", "shop@1 (1)"]), ("v1.0.0", ["shop@v1.0.0"])])
def test_a_number_that_is_another_bundles_after_a_restart_is_told_apart(
    name: str | None, parts: list[str], tmp_path: Path
) -> None:
    for described in ("one", "another"):
        graph = onnx.load_from_string(contents()["model.onnx"])
        graph.doc_string = described
        told = json.dumps({"format": 1, "version": name, "commit": "0" * 40}).encode()
        more = {"registered.json": told} if name else {}
        bundle.build(tmp_path / "m.zip", contents() | {"model.onnx": graph.SerializeToString()} | more)
        models = Models({"shop": Model("shop", {1: Version("shop", 1, load(tmp_path / "m.zip"))})})
        with logging(models, tmp_path / "log") as app:
            assert ask(app, "POST", "/predict", ROW).status == 200
    assert sorted(versions(log.Log(tmp_path / "log").files())) == parts


def test_columns_are_hidden_as_the_settings_say(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMMA_LOG_KEY", "secret")
    columns = {"Month": "hash", "PageValues": "omit", "header.x-user": "mask"}
    with logging(models, tmp_path, columns=columns, headers=("x-user",)) as app:
        ask(app, "POST", "/predict/binary", ROW, x_user="ann")
    (row,) = rows(tmp_path, "input", "header")
    assert row["input.Month"] == log.Options(key=b"secret").digest("May") and row["header.x-user"] == log.MASKED
    assert "input.PageValues" not in row


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ({"columns": {"Mont": "omit"}}, "'Mont', which no version takes .did you mean Month"),
        ({"columns": {"Month": "hash"}}, "STEMMA_LOG_KEY of the environment must hold a key"),
        ({"columns": {"header.x-user": "omit"}}, "'header.x-user', which no version takes"),
        ({"headers": ("authorization",)}, "keeps no header authorization"),
        ({"folder": "model.zip/log"}, "no request log can be kept in model.zip/log"),
    ],
)
def test_a_log_that_would_keep_what_it_shall_not_is_refused_at_the_start(
    kept: dict[str, Any], why: str, bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.zip").write_bytes(bundles["binary"].read_bytes())
    models = ServeSettings.of(models=["model.zip"]).models
    with pytest.raises(SettingsError, match=why):
        observe.check(LogSettings(**{"folder": "log"} | kept), models)


def test_no_protocol_runs_a_bundle_past_the_place_that_logs() -> None:
    files = [*Path(protocols.__file__).parent.parent.rglob("*.py")]
    assert {file.name for file in files if re.search(r"bundle\.(run|predict)\(", file.read_text())} == {
        "routes.py",
        "batch.py",
    }
