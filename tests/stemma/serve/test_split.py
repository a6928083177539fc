"""Splits and shadows: who asks which version, the same one always; and copies that cost no answer anything."""

import asyncio
import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import Reply, ask, served
from stemma.cli import observe
from stemma.serve import shadow
from stemma.serve.app import App
from stemma.serve.keeper import Keeper
from stemma.serve.models import Split, placed
from stemma.serve.process import app_of
from stemma.serve.service import Service
from stemma.serve.settings import LogSettings, ServeSettings
from stemma.watch.log import Log
from timing import HANGS, until
from watched import read

Run = Callable[..., tuple[int, str, str]]
ROW = {"Month": "May", "PageValues": 1, "Weekend": True}
CALLERS = [f"caller {number}" for number in range(200)]


class World:
    """Versions 1, 2 and 3 of a model, kept in service by settings, and an application that takes orders."""

    def __init__(self, folder: Path, bundle: Path, **model: Any) -> None:
        self.folder = folder / "shop"
        for number in (1, 2, 3):
            (self.folder / str(number)).mkdir(parents=True)
            shutil.copyfile(bundle, self.folder / str(number) / "model.zip")
        said = {"models": [{"source": str(self.folder), "policy": "all", **model}], "admin": True}
        (folder / "serve.yaml").write_text(json.dumps(said | {"audit": str(folder / "audit.jsonl")}))
        settings = ServeSettings.of(folder / "serve.yaml").model_copy(
            update={"log": LogSettings(folder=str(folder / "log"))}
        )
        self.service, self.runner = Service(ServeSettings()), asyncio.Runner()
        self.keeper = Keeper(settings, [self.service])
        self.runner.run(self.keeper.start())
        self.app: App = app_of(settings, lambda: self.service.models, self.keeper.act, f"{observe.__name__}:Kept")

    def order(self, path: str) -> Reply:
        return ask(self.app, "POST", f"/admin/{path}")

    def asked(self, path: str = "/predict", row: Any = ROW, **headers: str) -> str:
        """The version that answers."""
        reply = ask(self.app, "POST", path, row, **headers)
        assert reply.status == 200
        return reply.headers["x-model-version"]

    def callers(self, path: str = "/predict") -> dict[str, str]:
        """The version of each caller, told apart by a header."""
        return {caller: self.asked(path, x_user=caller) for caller in CALLERS}

    @property
    def status(self) -> Any:
        return ask(self.app, "GET", "/status").json["models"][0]


@pytest.fixture
def world(tmp_path: Path, bundles: dict[str, Path]) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**model: Any) -> World:
        made.append(World(tmp_path, bundles["regression"], **model))
        return made[-1]

    yield make
    for each in made:
        each.app.close()
        each.runner.close()


def test_a_split_gives_callers_their_share_and_each_the_same_version_always(world: Callable[..., World]) -> None:
    here = world(split={"versions": {"v3": 0.1, "2": 0.3}, "by": "header:x-user", "name": "winter"})
    first = here.callers()
    shares = {version: count / len(CALLERS) for version, count in Counter(first.values()).items()}
    assert shares == {
        "3": pytest.approx(0.1, abs=0.07),
        "2": pytest.approx(0.3, abs=0.1),
        "1": pytest.approx(0.6, abs=0.1),
    }
    assert here.callers() == first == here.callers("/predict/shop")
    split = Split("winter", "id", {"v3": 0.1, "2": 0.3}, {"v3": 3, "2": 2})
    assert {caller: str(split.version(caller) or 1) for caller in CALLERS} == first


def test_experiments_are_independent_of_each_other_and_a_share_that_grows_keeps_its_callers() -> None:
    def tried(name: str, share: float) -> set[str]:
        return {caller for caller in CALLERS if Split(name, "id", {"2": share}, {"2": 2}).version(caller)}

    assert tried("a", 0.2) < tried("a", 0.4)
    both = len(tried("a", 0.5) & tried("b", 0.5)) / len(CALLERS)
    assert both == pytest.approx(0.25, abs=0.1)
    assert tried("a", 0.0) == set() and tried("a", 1.0) == set(CALLERS)
    assert 0 <= placed("", "") < 1


def test_a_version_that_is_named_is_never_split(world: Callable[..., World]) -> None:
    here = world(split={"versions": {"3": 1.0}}, labels={"old": 1})
    assert here.asked() == "3"
    assert here.asked("/predict/shop/versions/2") == "2" and here.asked("/predict/shop/labels/old") == "1"
    assert ask(here.app, "GET", "/predict").json["version"] == "2"  # what a model takes, the stable version tells


def test_a_column_tells_callers_apart_in_every_protocol(world: Callable[..., World]) -> None:
    here = world(split={"versions": {"3": 0.5}, "by": "column:PageValues", "name": "e"})
    split = Split("e", "id", {"3": 0.5}, {"3": 3})
    seen = set()
    for value in range(12):
        wanted = str(split.version(f"{float(value)}") or 2)
        row = ROW | {"PageValues": value}
        tensors = [{"name": name, "datatype": kind, "shape": [1], "data": [row[name]]}
                   for name, kind in (("Month", "BYTES"), ("PageValues", "FP32"), ("Weekend", "BOOL"))]  # fmt: skip
        assert here.asked(row=row) == here.asked("/v1/models/shop:predict", {"instances": [row, ROW]}) == wanted
        assert here.asked("/v2/models/shop/infer", {"inputs": tensors}) == wanted
        csv = f"Month,PageValues,Weekend\nMay,{value},1\nNov,7,0\n".encode()
        assert here.asked(row=csv, content_type="text/csv") == wanted
        seen.add(wanted)
    assert seen == {"2", "3"}
    assert {here.asked(row=ROW | {"PageValues": None}) for _ in range(30)} == {"2", "3"}  # nobody, so each by himself


def test_the_share_of_a_version_that_goes_away_asks_the_stable_one_and_others_keep_theirs(
    world: Callable[..., World], capfd: pytest.CaptureFixture[str]
) -> None:
    here = world(split={"versions": {"2": 0.4, "3": 0.3}, "by": "header:x-user", "name": "e"})
    before = here.callers()
    shutil.rmtree(here.folder / "2")
    here.runner.run(here.keeper.look())
    assert here.callers() == {caller: "1" if version == "2" else version for caller, version in before.items()}
    assert here.status["split"]["shares"] == {"3": 0.3}
    assert "version 2 is not in service: the stable one gets its share" in capfd.readouterr().err
    assert here.order("split?3=0.3").status == 200 and here.callers()["caller 0"] == here.callers()["caller 0"]
    shutil.rmtree(here.folder / "1")
    here.runner.run(here.keeper.look())
    assert here.asked() == "3" and "no version answers the rest: the latest does" in capfd.readouterr().err


def test_orders_change_shares_and_are_written_down(world: Callable[..., World], tmp_path: Path) -> None:
    here = world(labels={"canary": 3})
    assert here.asked() == "3"
    assert here.order("split?canary=1&by=header:x-user").json == {"done": "split"}
    first = here.status["split"]
    assert (first["by"], first["shares"]) == ("header:x-user", {"3": 1.0}) and here.asked() == "3"
    assert here.order("models/shop/split?v3=0.5").status == 200
    assert here.status["split"] == first | {"shares": {"3": 0.5}}
    assert here.order("split?2=0.25&name=winter").status == 200
    assert here.status["split"] == {"name": "winter", "by": "header:x-user", "shares": {"3": 0.5, "2": 0.25}}
    assert here.order("split?3=0&v2=0").status == 200 and set(here.callers().values()) == {"1"}
    assert here.order("split").status == 200 and here.status["split"] is None and here.asked() == "3"
    assert here.order("shadow?shop@2=0.5").status == 200 and here.status["shadows"] == {"2": 0.5}
    assert here.order("shadow").status == 200 and here.status["shadows"] == {}
    actions = [json.loads(line)["action"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert actions[:2] == ["/admin/split?canary=1&by=header:x-user", "/admin/models/shop/split?v3=0.5"]


@pytest.mark.parametrize(
    ("order", "status", "why"),
    [
        ("split?9=0.1", 409, "version 9 of shop is not in service"),
        ("split?2=1.5", 409, "wrong"),
        ("split?2=0.6&3=0.6", 409, "more than 1 together"),
        ("split?2=x", 400, "2=x is no share between 0 and 1"),
        ("split?2=nan", 409, "wrong"),
        ("split?1=0.1&2=0.1&3=0.1", 409, "no other version in service that answers the rest"),
        ("split?2=0.1&by=column:Mont", 409, "no column 'Mont'"),
        ("split?2=0.1&by=cookie", 409, "wrong"),
        ("models/nobody/split?2=0.1", 404, "no model is named 'nobody'"),
        ("shadow?2", 400, "2= is no share"),
    ],
)
def test_an_order_that_cannot_be_is_refused_and_changes_nothing(
    world: Callable[..., World], order: str, status: int, why: str
) -> None:
    here = world(split={"versions": {"2": 0.1}})
    before = here.status
    reply = here.order(order)
    assert (reply.status, here.status) == (status, before) and why in reply.json["error"]


def test_what_each_arm_was_asked_is_counted_and_logged(world: Callable[..., World], tmp_path: Path) -> None:
    here = world(split={"versions": {"3": 0.5}, "by": "header:x-user"})
    callers = here.callers()
    here.asked("/predict/shop/versions/3")
    ask(here.app, "POST", "/predict", {}, x_user="caller 0")
    here.app.close()
    text = ask(here.app, "GET", "/metrics").body.decode()
    tried = Counter(callers.values())["3"]
    assert 'stemma_version_seconds_count{arm="named",model="shop",version="3"} 1.0' in text
    assert "stemma_version_errors_total{" not in text  # what the caller did wrong is no version's
    assert 'stemma_split_share{model="shop",version="3"} 0.5' in text
    parts = [*read(Log(tmp_path / "log"), ())]
    arms = Counter((part.source.version, arm) for part in parts for arm in part.table["arm"].to_pylist())
    whom = [{*zip(part.table["caller"].to_pylist(), part.table["arm"].to_pylist(), strict=True)} for part in parts]
    known = [{caller for caller, arm in each if arm != "named"} for each in whom]
    assert len(known[0] | known[1]) == len(CALLERS) and not known[0] & known[1] and (None, "named") in whom[0] | whom[1]
    assert arms == {("shop@3", "split"): tried, ("shop@2", "stable"): len(CALLERS) - tried, ("shop@3", "named"): 1}


def test_a_shadow_gets_copies_and_answers_nobody(
    world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "BUSY", 10)  # whatever else this machine does
    here = world(shadow={"3": 1.0})
    ids = {ask(here.app, "POST", "/predict", ROW).headers["x-request-id"] for _ in range(5)}
    assert here.asked("/predict/shop/versions/1") == "1" and here.asked() == "2"
    asked = 'stemma_version_seconds_count{arm="shadow",model="shop",version="3"} 6.0'
    until(lambda: asked in ask(here.app, "GET", "/metrics").body.decode())
    here.app.close()
    parts = {part.source.version: part.table for part in read(Log(tmp_path / "log"), ())}
    assert set(parts) == {"shop@2", "shop@1", "shop@3 (shadow)"}
    assert ids < set(parts["shop@3 (shadow)"]["id"].to_pylist()) == set(parts["shop@2"]["id"].to_pylist())
    assert set(parts["shop@3 (shadow)"]["arm"].to_pylist()) == {"shadow"}


def test_copies_are_dropped_and_counted_where_there_is_no_time(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "BUSY", 10)
    here, free = world(shadow={"3": 1.0}), threading.Event()
    monkeypatch.setattr(here.app._shadows, "_ask", lambda scope, call: free.wait(HANGS))

    def dropped() -> str:
        lines = ask(here.app, "GET", "/metrics").body.decode().splitlines()
        return next(line.split()[-1] for line in lines if line.startswith("stemma_shadow_dropped_total{"))

    for _ in range(shadow.WAITING + 6):
        here.asked()
    assert dropped() == "6.0"
    here.asked(row=b" " * shadow.LARGEST + json.dumps(ROW).encode())
    assert dropped() == "7.0"
    free.set()
    monkeypatch.setattr(shadow, "BUSY", -1)  # others wait for their answers
    here.asked()
    assert dropped() == "8.0"


@pytest.mark.slow
def test_orders_hold_for_all_workers_and_each_writes_what_it_answered(
    bundles: dict[str, Path], tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = World(tmp_path, bundles["regression"])
    here.app.close()
    words = ("--config", tmp_path / "serve.yaml", "--workers", "2", "--log", tmp_path / "log")
    with served(*words, cold=True) as server:
        monkeypatch.setenv("STEMMA_URL", server.address)
        assert run(tmp_path, "service", "split", "v3=0.5", "--by", "header:x-user")[:2] == (0, "done: split\n")
        wanted, given = Split("shop 3", "id", {"3": 0.5}, {"3": 3}), {}
        for caller in CALLERS[:30]:
            reply = server.ask("POST", "/predict", ROW, x_user=caller)
            assert reply.headers["x-model-version"] == str(wanted.version(caller) or 2)
            given[reply.headers["x-request-id"]] = f"shop@{reply.headers['x-model-version']}"
        assert run(tmp_path, "service", "shadow", "shop", "v1") == (0, "done: shadow\n", "")
        assert server.ask("GET", "/status").json["models"][0]["shadows"] == {"1": 1.0}
        assert run(tmp_path, "service", "split", "v3")[0] == 2
        assert run(tmp_path, "service", "split", "none")[0] == run(tmp_path, "service", "shadow", "none")[0] == 0
        assert {server.ask("GET", "/predict").headers["x-model-version"] for _ in range(8)} == {"3"}
        assert server.stop() == 0
    parts = [*read(Log(tmp_path / "log"), ())]
    assert {id: part.source.version for part in parts for id in part.table["id"].to_pylist()} == given
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0
