"""A young version that is beyond a bound for certain is taken back by itself, once, and no request is lost by it."""

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml

from bundles import contents
from serving import Server, served
from stemma import bundle as bundles
from stemma.bundle import Bundle
from stemma.cli import client
from stemma.cli.guard import guarding
from stemma.cli.looks import Guard, _counts, _share
from stemma.errors import SettingsError, StemmaError
from stemma.serve.settings import ModelSettings, ServeSettings
from stemma.tables.profile import described
from stemma.watch import guard, outcomes, sequential
from stemma.watch.guard import Rules, Seen, verdict
from stemma.watch.log import Log
from timing import until
from watched import logged, source

Run = Callable[..., tuple[int, str, str]]
ROW = {"Month": "May", "PageValues": 1, "Weekend": None}
NOW = time.time()


def answers(folder: Path, output: Any, version: str = "v2", **more: Any) -> Any:
    times = NOW - len(output) + np.arange(len(output))
    logged(folder, output, of=source(version), times=times, **more)
    return guard.read(Log(folder, NOW - 7200))[version]


def test_errors_are_a_reason_once_they_are_certain_and_the_version_before_has_them_not() -> None:
    rules = Rules(errors=0.02)
    assert verdict(rules, Seen(requests=100, errors=5), None) is None
    told = "20.0% of 100 requests failed, and 2.0% may"
    assert verdict(rules, Seen(requests=100, errors=20), None) == told
    assert verdict(rules, Seen(requests=100, errors=20), Seen(requests=500, errors=3)) == told
    assert verdict(rules, Seen(requests=100, errors=20), Seen(requests=500, errors=90)) is None
    assert verdict(Rules(), Seen(requests=100, errors=100), None) is None


@pytest.mark.slow
def test_a_share_at_its_bound_is_rarely_told_however_often_one_looks() -> None:
    """And twice its bound soon is."""
    draw, false, found = np.random.default_rng(0), 0, []
    for _ in range(200):
        at, above = (draw.random(2000) < share for share in (0.05, 0.15))
        false += any(sequential.exceeds(int(at[:n].sum()), n, 0.05) < 0.05 for n in range(20, 2001, 20))
        found.append(next(n for n in range(20, 2001, 20) if sequential.exceeds(int(above[:n].sum()), n, 0.05) < 0.05))
    assert false <= 10 and np.median(found) <= 200


def test_slow_answers_are_a_reason(tmp_path: Path) -> None:
    seen = Seen(answers=answers(tmp_path, [0.5] * 300))  # 1 to 10 ms each
    assert verdict(Rules(latency=0.0095), seen, None) == "10.0% of 300 requests took longer than 0.0095 s, and 1.0% may"
    assert verdict(Rules(latency=0.1), seen, None) is None


@pytest.mark.parametrize(("rows", "right", "found"), [(400, 0.7, True), (400, 0.88, False), (90, 0.2, False)])
def test_a_figure_by_outcomes_is_a_reason(rows: int, right: float, found: bool, tmp_path: Path) -> None:
    output = np.where(np.arange(rows) % 2, 0.9, 0.1)
    logged(tmp_path, output, of=source("v2"), times=NOW - rows + np.arange(rows))
    hit = np.random.default_rng(0).random(rows) < right
    came = np.where(hit, output > 0.5, output < 0.5)
    outcomes.Ledger(tmp_path).keep({(f"v2-{n}", 0): "TRUE" if one else "FALSE" for n, one in enumerate(came)}, NOW)
    seen = Seen(answers=guard.read(Log(tmp_path, NOW - 7200))["v2"])
    told = verdict(Rules(figure={"accuracy": 0.9, "log_loss": 5.0}), seen, None)
    assert (told is not None and told.startswith("accuracy is 0.")) == found == (told is not None)


def test_predictions_far_from_those_of_the_test_rows_are_a_reason(tmp_path: Path) -> None:
    record = b'{"format": 1, "evaluation": {"confusion": [[900, 0], [0, 100]]}}'
    bundle = Bundle.of(contents() | {"version.json": record})
    usual, other = ([0.9 if n % every == 0 else 0.1 for n in range(250)] for every in (10, 2))
    assert verdict(Rules(drift=True), Seen(answers=answers(tmp_path / "a", usual), bundle=bundle), None) is None
    told = verdict(Rules(drift=True), Seen(answers=answers(tmp_path / "b", other), bundle=bundle), None)
    assert told == "predictions are far from those of the test rows: FALSE: 90.0% -> 50.0%"
    few = Seen(answers=answers(tmp_path / "c", other[:150]), bundle=bundle)
    assert verdict(Rules(drift=True), few, None) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"admin": False}, "takes no orders"),
        ({"socket": "shop.sock"}, "ask the server at its port"),
        ({"webhook": "https://example.org"}, "STEMMA_WEBHOOK_SECRET of the environment must hold a secret"),
        *(
            ({"webhook": url}, "no URL of a webhook")
            for url in ("example.org", "http://[::1", "http://a:99999/", "http://a/ü", "http://a/ b")
        ),
        ({"auto_rollback": {"latency": 0.1}}, "judged by the request log"),
        ({"auto_rollback": {}}, "no bound"),
        ({"tokens": "tokens.yaml"}, "STEMMA_TOKEN of the environment must hold a token"),
        ({"auto_rollback": {}}, "auto_rollback has no bound"),
        ({"tls": {"cert": "a", "key": "b", "clients": "c"}}, "STEMMA_CERT of the environment must name the file"),
        ({"auto_rollback": {"figure": {"acuracy": 0.9}}, "log": {"folder": "requests"}}, "'acuracy' is no metric"),
    ],
)
def test_a_guard_that_could_not_do_its_work_is_refused_at_the_start(
    changes: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STEMMA_TOKEN", "STEMMA_CERT", "STEMMA_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    settings = ServeSettings.model_validate({"admin": True, "auto_rollback": {"errors": 0.1}} | changes)
    with pytest.raises(SettingsError, match=why):
        guarding(settings)


def test_a_figure_that_no_version_has_is_refused_at_the_start_and_told_of_those_that_come_later(tmp_path: Path) -> None:
    bundles.build(tmp_path / "a.zip", contents())
    rules = {"admin": True, "auto_rollback": {"figure": {"rmse": 1.0}}, "log": {"folder": str(tmp_path / "log")}}
    settings = ServeSettings.model_validate(rules | {"models": ({"source": str(tmp_path / "a.zip")},)})
    with pytest.raises(SettingsError, match="would judge nothing by rmse: it is no figure of a binary task"):
        guarding(settings)
    (tmp_path / "none").mkdir()
    later = ServeSettings.model_validate(rules | {"models": ({"source": str(tmp_path / "none")},)})
    guarding(later)
    logged(tmp_path / "log", [0.5] * 3, of=source("shop@1"))
    told: list[str] = []
    looks = Guard(tmp_path / "log", "", Rules(figure={"rmse": 1.0, "accuracy": 0.5}), (), told.append)
    seen = Seen(answers=guard.read(Log(tmp_path / "log", 0))["shop@1"])
    for _ in range(2):
        looks._tell_unjudged("shop@1", seen)
    assert told == ["shop@1 is not judged by rmse: it is no figure of its task"]


def test_tokens_of_the_environment_are_asked_of_a_guard_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMMA_TOKENS", "[]")
    monkeypatch.delenv("STEMMA_TOKEN", raising=False)
    settings = ServeSettings.model_validate({"admin": True, "auto_rollback": {"errors": 0.1}})
    with pytest.raises(SettingsError, match="STEMMA_TOKEN of the environment must hold a token"):
        guarding(settings)


def test_nothing_is_known_of_a_folder_without_a_log(tmp_path: Path) -> None:
    assert guard.read(Log(tmp_path / "nowhere", 0)) == {}


def test_a_server_that_refuses_its_figures_is_told_of(tmp_path: Path) -> None:
    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, status = (b'{"models": []}', 503) if self.path == "/status" else (b'{"error": "too many"}', 503)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        with pytest.raises(StemmaError, match="too many"):
            Guard(None, f"http://127.0.0.1:{server.server_port}", Rules(), [], print).look()
        with pytest.raises(StemmaError, match="is no server of `stemma serve`: it does not say 'done'"):
            client.ask(f"http://127.0.0.1:{server.server_port}", "GET", "/status", "done")
        server.shutdown()


def test_what_are_no_figures_is_told() -> None:
    for told in (b"null", b"<html>", b"\xff"):
        with pytest.raises(StemmaError, match="tells no figures"):
            _counts("http://a", told)


def test_a_bound_that_none_can_be_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("auto_rollback: {figure: {accuracy: .nan}}", encoding="utf-8")
    code, out, told = run(tmp_path, "watch", "guard", "serve.yaml", "--once")
    assert (code, out) == (1, "") and told.startswith("error: serve.yaml: 1 setting is wrong:")


def erring(path: Path) -> Path:
    """It gives no finite number where it is not said whether it is a weekend, which its sample does not ask."""
    files = contents()
    graph = onnx.load_from_string(files["model.onnx"])
    (half,) = (each for each in graph.graph.initializer if each.name == "half")
    half.CopyFrom(onnx.helper.make_tensor("half", onnx.TensorProto.FLOAT, [1], [float("nan")]))
    bundles.build(path, files | {"model.onnx": graph.SerializeToString(deterministic=True)})
    return path


def publish(shop: Path, number: int, content: Path) -> None:
    partial = shop / f".{number}"
    partial.mkdir(parents=True)
    shutil.copyfile(content, partial / "model.zip")
    partial.rename(shop / str(number))


class Load:
    """Callers that ask without a pause; (status, version) of every answer, and whether it was asked for `later`."""

    def __init__(self, server: Server) -> None:
        self.seen: list[tuple[int, str, bool]] = []
        self.later = False
        self._server, self._stop = server, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def __enter__(self) -> "Load":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            later, reply = self.later, self._server.ask("POST", "/predict", ROW)
            self.seen.append((reply.status, reply.headers.get("x-model-version", ""), later))
            time.sleep(0.005)


@pytest.mark.slow
def test_a_version_that_errs_is_taken_back_under_load_without_a_failed_request(tmp_path: Path) -> None:
    """But its own; it stays back, is told why, and one that is published afterwards serves."""
    shop = tmp_path / "shop"
    good, bad = tmp_path / "good.zip", erring(tmp_path / "bad.zip")
    bundles.build(good, contents())
    publish(shop, 1, good)
    rules = {"young": "1h", "errors": 0.05, "poll": 0.3}
    config = {"models": [{"source": str(shop)}], "poll": 0.2, "admin": True, "auto_rollback": rules}
    (tmp_path / "serve.yaml").write_text(yaml.safe_dump(config | {"audit": str(tmp_path / "audit.jsonl")}))
    with served("--config", tmp_path / "serve.yaml", cold=True) as server:

        def model() -> dict[str, Any]:
            (found,) = server.ask("GET", "/status").json["models"]
            return found

        with Load(server) as load:
            until(lambda: len(load.seen) > 30)
            publish(shop, 2, bad)
            until(lambda: model()["faults"])
            publish(shop, 3, bad)  # what one that was taken back did excuses no other
            until(lambda: len(model()["faults"]) == 2)
            load.later = True
            until(lambda: sum(later for *_, later in [*load.seen]) > 50)
            assert model()["faults"][0]["error"].startswith("taken back: ")
            assert "requests failed, and 5.0% may" in model()["faults"][0]["error"]
            publish(shop, 4, good)
            until(lambda: load.seen[-1][1] == "4")
        statuses = Counter((status, version) for status, version, _ in load.seen)
        assert {status for status, _ in statuses} == {200, 422} and statuses[422, ""] + statuses[422, "2"] > 2
        assert {tuple(each) for *each, later in load.seen if later} == {(200, "1"), (200, "4")}
        assert server.stop() == 0
    assert (tmp_path / "audit.jsonl").read_text().count("/withdraw/2?why=") == 1


def test_drift_of_the_last_weeks_is_left_where_a_server_shows_it(tmp_path: Path) -> None:
    week = 7 * 86400.0
    start = (NOW // week - 2) * week
    bundles.build(tmp_path / "good.zip", contents())
    publish(tmp_path / "shop", 1, tmp_path / "good.zip")
    for place, size in enumerate((1.0, 100.0)):
        values = {"PageValues": np.linspace(0.1, 2, 300).astype(np.float32) * size}
        times = start + week * place + np.arange(300)
        logged(tmp_path / "log", [0.5] * 300, of=source("shop@1"), inputs=values, times=times)
    served = [ModelSettings(source=str(tmp_path / "shop"))]
    looks = Guard(tmp_path / "log", "", Rules(), served, print, names={("shop", 1): "shop@1"})
    looks._drift(tmp_path / "log", NOW)
    assert looks.drifted == {"shop@1": ["PageValues: about 100 times as large"]} and looks.judged == NOW
    text = (tmp_path / "log/drift.prom").read_text(encoding="utf-8")
    assert text.endswith('stemma_drift{version="shop@1",name="PageValues",kind="unit"} 1\n')
    assert f"\nstemma_drift_timestamp_seconds {NOW:.0f}\n" in text


def test_a_look_of_a_guard_judges_whole_windows_whenever_it_is(tmp_path: Path) -> None:
    """Of a version that nobody asked since: the part of a week that a later look would leave is another sample."""
    week, usual = 7 * 86400.0, np.linspace(0.1, 2, 300).astype(np.float32)
    start = (NOW // week - 3) * week
    reference = {"columns": {"PageValues": {"missing": 0, **described(usual.astype(np.float64))}}}
    bundles.build(tmp_path / "good.zip", contents() | {"reference.json": json.dumps(reference).encode()})
    publish(tmp_path / "shop", 1, tmp_path / "good.zip")
    for day, size in ((0, 100.0), (6.95, 1.0)):
        times = start + 86400 * day + np.arange(300)
        logged(tmp_path / "log", [0.5] * 300, of=source("shop@1"), inputs={"PageValues": usual * size}, times=times)
    served = [ModelSettings(source=str(tmp_path / "shop"))]
    for days in (0.1, 6.9):
        looks = Guard(tmp_path / "log", "", Rules(), served, print, names={("shop", 1): "shop@1"})
        looks._drift(tmp_path / "log", start + 3 * week + days * 86400)
        assert [each.partition(":")[0] for each in looks.drifted["shop@1"]] == ["PageValues"]


def test_each_model_is_held_beside_its_own_bundle_though_others_have_its_inputs_and_its_number(tmp_path: Path) -> None:
    """Also where no bundle is registered, and beside one that is one file, whose changes the server counted."""
    names = {("a", 1): "a@1", ("b", 1): "b@1", ("c", 1): "c@1", ("c", 2): "c@2"}
    served, week = [], 7 * 86400.0
    for name, (no, yes) in {"a": (900, 100), "b": (500, 500), "c": (100, 900)}.items():
        record = {"format": 1, "evaluation": {"confusion": [[no, 0], [0, yes]]}}
        bundles.build(tmp_path / f"{name}.zip", contents() | {"version.json": json.dumps(record).encode()})
        if name != "c":
            publish(tmp_path / name, 1, tmp_path / f"{name}.zip")
        served.append(ModelSettings(source=str(tmp_path / (name if name != "c" else "c.zip")), name=name))
        output = np.where(np.arange(300) % 10 < yes // 100, 0.9, 0.1)
        times = (NOW // week - 1) * week + np.arange(300)
        logged(tmp_path / "log", output, of=source(f"{name}@{2 if name == 'c' else 1}"), times=times)
    looks = Guard(tmp_path / "log", "", Rules(), served, print, names=names)
    looks._drift(tmp_path / "log", NOW)
    assert looks.drifted == {"a@1": [], "b@1": [], "c@2": []}
    looks.names = {("a", 1): "b@1"}  # what b answered, beside the bundle of a
    looks._drift(tmp_path / "log", NOW)
    assert looks.drifted == {"b@1": ["prediction: FALSE: 90.0% -> 50.0%"]}


def test_a_log_that_cannot_be_written_stops_no_guard(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    told: list[str] = []
    Guard(tmp_path / "log", "", Rules(), [], told.append)._drift(tmp_path / "log", NOW)
    assert told == [f"what drifted cannot be written down ({tmp_path / 'log'}: File exists)"]


def test_a_guard_that_never_could_look_leaves_when_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file no figure was there, and no alert told of it."""

    def ends(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", ends)
    began = int(time.time())
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            Guard(tmp_path, "http://127.0.0.1:9", Rules(), [], print).poll(1)
        told = (tmp_path / "drift.prom").read_text().splitlines()[1].split()
        assert told[0] == "stemma_drift_timestamp_seconds" and 0 <= int(told[1]) - began < 60
        began, later = int(told[1]), began + 7200
        monkeypatch.setattr("time.time", lambda later=later: later)


def test_where_a_split_lets_both_answer_a_figure_worse_than_the_one_before_is_a_reason(tmp_path: Path) -> None:
    """Though it is within its bound."""
    draw, rows, told = np.random.default_rng(0), {"v1": 3000, "v2": 1000}, {}
    for version, right in (("v1", 0.9), ("v2", 0.75)):
        output = np.where(np.arange(rows[version]) % 2, 0.9, 0.1)
        logged(tmp_path, output, of=source(version), times=np.linspace(NOW - 900, NOW, rows[version]))
        came = (output > 0.5) == (draw.random(rows[version]) < right)
        told |= {(f"{version}-{n}", 0): "TRUE" if one else "FALSE" for n, one in enumerate(came)}
    outcomes.Ledger(tmp_path).keep(told, NOW)
    found, rules = guard.read(Log(tmp_path, NOW - 7200)), Rules(figure={"accuracy": 0.5})
    assert verdict(rules, Seen(answers=found["v2"]), Seen(answers=found["v1"])) is None
    why = verdict(rules, Seen(answers=found["v2"], share=0.25), Seen(answers=found["v1"]))
    assert str(why).startswith("v2 is worse than v1: accuracy 0.9")
    assert verdict(rules, Seen(answers=found["v1"], share=0.75), Seen(answers=found["v2"])) is None
    assert (
        verdict(Rules(figure={"rmse": 0.1}), Seen(answers=found["v2"], share=0.25), Seen(answers=found["v1"])) is None
    )


def test_the_share_of_a_young_version_is_that_among_it_and_the_one_before() -> None:
    both = [("shop", 3), ("shop", 2)]
    assert _share({"3": 0.1}, both) == pytest.approx(0.1)
    assert _share({"3": 0.1, "2": 0.3}, both) == pytest.approx(0.25)
    assert _share({"3": 0.1, "1": 0.4}, both) == pytest.approx(1 / 6)
    assert [_share(shares, both) for shares in ({}, {"2": 0.5}, {"3": 1.0})] == [None, None, None]
    assert _share({"3": 0.1}, both[:1]) is None
