"""The page at `/`: one file that asks nobody else, that runs no other script, and shows a stranger's text as text."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bundles import MULTICLASS, ROWS
from serving import ask, served
from stemma import bundle
from stemma.serve.app import App
from stemma.serve.models import Models
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings
from timing import HANGS

from .conftest import with_sample

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "<img src=x onerror=\"document.title='run'\">&amp;"


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_policy_lets_run_just_what_is_in_the_page(app: App) -> None:
    reply = ask(app, "GET", "/")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    rules = dict(rule.split(" ", 1) for rule in reply.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    for name in ("script", "style"):
        (content,) = re.findall(rf"<{name}>(.*?)</{name}>".encode(), reply.body, re.DOTALL)
        assert rules[f"{name}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"


def test_the_page_names_no_other_address_and_makes_no_html_of_texts(app: App) -> None:
    text = ask(app, "GET", "/").body.decode()
    assert re.findall(r"https?://|//[a-z]|@import|url\(|innerHTML|insertAdjacent|document\.write|eval\(", text) == []
    assert [tag for tag, facts in Elements(text).found if any(name.startswith("on") for name in facts)] == []
    assert [facts["href"] for _, facts in Elements(text).found if "href" in facts] == ["data:,"]


def test_whoever_reads_it_aloud_knows_what_each_part_is(app: App) -> None:
    found = Elements(ask(app, "GET", "/").body.decode()).found
    ids = {facts.get("id") for _, facts in found}
    labelled = {facts["for"] for tag, facts in found if tag == "label"}
    assert {facts["id"] for tag, facts in found if tag in ("input", "select")} <= labelled
    assert {facts["aria-labelledby"] for _, facts in found if "aria-labelledby" in facts} <= ids
    assert next(facts for tag, facts in found if tag == "html")["lang"] == "en"
    assert next(facts for _, facts in found if facts.get("id") == "answer")["aria-live"] == "polite"


def test_it_is_for_everybody_and_what_it_asks_for_is_not(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    token = {"name": "shop", "sha256": hashlib.sha256(b"secret").hexdigest(), "scopes": ["predict"]}
    monkeypatch.setenv("STEMMA_TOKENS", json.dumps([token]))
    app = app_of(ServeSettings.of(), lambda: models)
    assert ask(app, "GET", "/").status == 200
    assert ask(app, "GET", "/predict").status == 401
    assert ask(app, "GET", "/predict", authorization="Bearer secret").status == 200


def test_a_form_knows_inputs_classes_threshold_and_a_row(app: App) -> None:
    told = ask(app, "GET", "/predict/binary").json
    assert told["inputs"][1] == {"name": "PageValues", "type": "number"}
    assert (told["classes"], told["positive"], told["threshold"]) == (["FALSE", "TRUE"], "TRUE", 0.5)
    assert told["sample"] == {name: values[0] for name, values in ROWS.items()}
    assert ask(app, "POST", "/predict/binary", told["sample"]).status == 200
    assert ask(app, "GET", "/predict/multiclass/versions/1").json["threshold"] is None


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.slow
def test_in_a_browser_the_form_is_drawn_and_a_strangers_text_is_text(tmp_path: Path) -> None:
    hostile = {**MULTICLASS, "target": HOSTILE, "classes": ["a", HOSTILE, "c"]}
    bundle.build(tmp_path / "model.zip", with_sample(hostile, width=3))
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    with served(f"shop={tmp_path / 'model.zip'}") as server:
        command = [str(CHROMIUM), *words, f"--user-data-dir={tmp_path / 'profile'}", f"{server.address}/"]
        environment = os.environ | {"HOME": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS, env=environment)
    found = Elements(done.stdout).found
    assert [facts["id"] for tag, facts in found if tag == "input"] == ["input-0", "input-1", "input-2", "token"]
    assert "<title>shop</title>" in done.stdout
    assert [tag for tag, _ in found if tag == "img"] == []
    assert "A row, to predict &lt;img src=x" in done.stdout
