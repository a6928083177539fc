"""The page at `/`: one file that asks nobody else, that runs no other script, and shows a stranger's text as text."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bundles import MULTICLASS, ROWS
from serving import ask, served
from stemma import bundle
from stemma.serve.app import App
from stemma.serve.models import Models
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings
from timing import until

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


KEYS = {"Tab": (9, ""), "Enter": (13, "\r")}  # code, text


class Browser:
    """A page in headless Chromium, by its DevTools protocol over pipes."""

    def __init__(self, url: str, home: Path) -> None:
        (told, self._tell), (self._hear, heard) = os.pipe(), os.pipe()
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={home}"]
        placed = f"import os, sys; os.dup2({told}, 3); os.dup2({heard}, 4); os.execv(sys.argv[1], sys.argv[1:])"
        command = [sys.executable, "-c", placed, str(CHROMIUM), *words]
        known = {"pass_fds": (told, heard), "env": os.environ | {"HOME": str(home)}, "stderr": subprocess.DEVNULL}
        self.process, self._number, self._session, self._seen = subprocess.Popen(command, **known), 0, {}, b""
        for each in (told, heard):
            os.close(each)
        target = self._ask("Target.createTarget", url=url)["targetId"]
        self._session = {"sessionId": self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._tell)
        os.close(self._hear)

    def _ask(self, method: str, **told: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": told, **self._session}
        os.write(self._tell, json.dumps(message).encode() + b"\0")
        while True:
            line, end, self._seen = self._seen.partition(b"\0")
            if not end:
                part = os.read(self._hear, 2**20)
                assert part, "Chromium ended"
                self._seen = line + part
            elif (reply := json.loads(line)).get("id") == self._number:
                return reply["result"]

    def says(self, expression: str) -> Any:
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, key: str, modifiers: int = 0) -> None:
        code, text = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
            self._ask("Input.dispatchKeyEvent", type=kind, **pressed, **more)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.slow
def test_in_a_browser_a_row_is_predicted_by_the_keyboard_and_a_strangers_text_is_text(tmp_path: Path) -> None:
    hostile = {**MULTICLASS, "target": HOSTILE, "classes": ["a", HOSTILE, "c"]}
    bundle.build(tmp_path / "model.zip", with_sample(hostile, width=3))
    shop = (f"shop={tmp_path / 'model.zip'}",)
    with served(*shop) as server, Browser(f"{server.address}/", tmp_path / "profile") as page:
        until(lambda: page.says("document.querySelectorAll('#fields input').length") == 3)
        assert page.says("[...document.querySelectorAll('input')].map(each => each.id)") == [
            "input-0", "input-1", "input-2", "token",
        ]  # fmt: skip
        assert page.says("document.title") == "shop"
        assert page.says("at('row').textContent") == f"A row, to predict {HOSTILE}"
        order = []
        while "sample" not in order:
            page.press("Tab")
            order.append(page.says("document.activeElement.id || document.activeElement.textContent"))
        assert order == ["choice", "input-0", "input-1", "input-2", "Predict", "sample"]
        page.press("Enter")
        assert page.says("at('input-0').value") == ROWS["Month"][0]
        page.press("Tab", modifiers=8)  # Shift
        page.press("Enter")
        until(lambda: page.says("document.querySelector('#answer strong') !== null"))
        answer = page.says("at('answer').innerText")
        assert HOSTILE in answer and "shop, version 1, " in answer and " ms there and back" in answer
        assert page.says("at('versions').innerText.split('\\t')") == ["shop", "1", "in service"]
        page.says("at('input-1').value = 'many'")
        page.press("Enter")
        until(lambda: page.says("document.activeElement.id") == "input-1")
        assert "'many' is not a finite number" in page.says("at('answer').innerText")
        assert page.says("document.activeElement.getAttribute('aria-invalid')") == "true"
        assert page.says("document.images.length") == 0 and page.says("document.title") == "shop"
