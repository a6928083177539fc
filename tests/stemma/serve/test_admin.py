"""Orders to a server: done by every worker or not at all, written down before they are done, off unless asked for."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import Server, ask, served
from stemma.serve import audit
from stemma.serve.models import Models
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings
from timing import HANGS

pytestmark = pytest.mark.xdist_group("admin")
Run = Callable[..., tuple[int, str, str]]
ROW = {"Month": "May", "PageValues": 1, "Weekend": True}


@pytest.fixture(scope="module")
def folder(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions of a model, and settings that serve it."""
    folder = tmp_path_factory.mktemp("admin")
    for number in (1, 2, 3):
        (folder / "shop" / str(number)).mkdir(parents=True)
        shutil.copyfile(bundles["binary"], folder / "shop" / str(number) / "model.zip")
    said = {"models": [{"source": str(folder / "shop")}], "audit": str(folder / "audit.jsonl"), "admin": True}
    (folder / "serve.yaml").write_text(json.dumps(said))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with served("--config", folder / "serve.yaml", "--workers", "2", cold=True) as server:
        yield server


@pytest.fixture
def told(
    server: Server, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("STEMMA_URL", server.address)
    return lambda *words: run(tmp_path, "service", *words)


def serving(server: Server) -> set[str]:
    """What the workers answer with."""
    return {server.ask("POST", "/predict", ROW).headers["x-model-version"] for _ in range(8)}


@pytest.mark.slow
def test_orders_hold_for_all_workers_whichever_is_told(server: Server, told: Run) -> None:
    assert told("status")[:2] == (0, "model  version  registered  state\nshop   3                    in service\n")
    assert told("switch", "shop", "1") == (0, "done: switch\n", "")
    assert serving(server) == {"1"}
    assert told("rollback", "shop")[::2] == (1, f"error: {server.address}: shop has no version before 1\n")
    assert told("switch", "shop", "7")[::2] == (1, f"error: {server.address}: shop has no version 7\n")
    assert told("switch", "shop", "../drain")[0] == 1
    assert serving(server) == {"1"}
    assert told("switch", "shop", "latest:1")[0] == 0
    assert told("rollback", "shop")[0] == told("load", "shop")[0] == 0
    assert serving(server) == {"2"}
    assert told("load", "nobody")[::2] == (1, f"error: {server.address}: no model is named 'nobody'\n")


@pytest.mark.slow
def test_drain_answers_what_was_taken_and_each_order_is_written_down(server: Server, told: Run, folder: Path) -> None:
    assert told("drain") == (0, "done: drain\n", "")
    assert server.process.wait(HANGS) == 0
    assert audit.check(folder / "audit.jsonl").lines >= 1
    last = json.loads((folder / "audit.jsonl").read_text().splitlines()[-1])
    assert (last["action"], last["who"], last["from"]) == ("/admin/drain", None, "127.0.0.1")
    assert told("status")[0] == 1, "nobody answers"


class Keeper:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    async def act(self, *words: str) -> str | None:
        self.told.append(words)
        return "it is refused" if "refused" in words else None


def test_what_cannot_be_written_down_is_not_done(models: Models, tmp_path: Path) -> None:
    keeper = Keeper()
    (tmp_path / "log").mkdir()
    app = app_of(ServeSettings.of(admin=True, audit=str(tmp_path / "log")), lambda: models, keeper.act)
    reply = ask(app, "POST", "/admin/models/binary/load")
    assert (reply.status, keeper.told) == (503, [])


def test_an_order_is_done_or_says_why_not_and_no_page_gives_one(models: Models, tmp_path: Path) -> None:
    keeper = Keeper()
    app = app_of(ServeSettings.of(admin=True, audit=str(tmp_path / "log")), lambda: models, keeper.act)
    assert ask(app, "POST", "/admin/models/binary/switch/2").json == {"done": "switch"}
    assert ask(app, "POST", "/admin/models/refused/load").status == 409
    assert ask(app, "POST", "/admin/drain", origin="https://shop.example").status == 403
    assert keeper.told == [("switch", "binary", "2"), ("load", "refused", "")]
    assert audit.check(tmp_path / "log").lines == 2


def test_without_admin_no_order_is_taken(models: Models) -> None:
    keeper = Keeper()
    app = app_of(ServeSettings.of(), lambda: models, keeper.act)
    reply = ask(app, "POST", "/admin/drain")
    assert (reply.status, "--admin" in reply.json["error"], keeper.told) == (403, True, [])


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_orders_from_beyond_this_machine_need_tokens(
    host: str, bundles: dict[str, Path], tmp_path: Path, run: Run
) -> None:
    words: tuple[Any, ...] = ("serve", str(bundles["binary"]), "--admin", "--host", host, "--port", "0")
    code, _, told = run(tmp_path, *words)
    assert (code, "need tokens: run `stemma service token" in told) == (1, True)


@pytest.mark.parametrize("token", ["a-secret\nand more", "a-secret-\u2713"])
def test_a_token_that_is_none_is_not_told(
    token: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMMA_TOKEN", token)
    code, out, told = run(tmp_path, "service", "status", "--url", "http://127.0.0.1:1")
    assert (code, "a-secret" in out + told) == (1, False)


@pytest.mark.parametrize("url", ["ftp://a", "localhost:8501", "http://a:99999", "http://127.0.0.1:1", "http:///status"])
def test_an_address_at_which_nobody_answers_is_one_line(url: str, tmp_path: Path, run: Run) -> None:
    code, _, told = run(tmp_path, "service", "status", "--url", url)
    assert (code, told.count("\n"), told.startswith("error: ")) == (1, 1, True)
