"""What of a stranger's texts reaches a terminal, a page or a merge request, and what happens where it cannot."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from stemma.bundle.card import card
from stemma.report.document import Document, Section, Table, html, markdown
from stemma.text import escaped, say
from stemma.versions import graph
from stemma.versions.log import log
from timing import WAITS
from version_worlds import EVALUATION, METRICS, World, new, parts, write

Run = Callable[..., tuple[int, str, str]]
OBEYED = "\x1b]0;owned\x07\x1b[2J\u202ereversed\x9b2J\x7f"
MARKUP = "<script>alert(1)</script> [x](http://y) **b** | `c`"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two versions in which every text that a stranger can choose would be obeyed."""
    world = new(tmp_path_factory.mktemp("hostile") / "world")
    world.git("config", "user.name", f"A {OBEYED}")
    name = f"odd{OBEYED}\ud800{MARKUP}"
    metrics = {**METRICS, "test": {**METRICS["test"], name: 0.5}}
    evaluation = {**EVALUATION, "test": {**EVALUATION["test"], name: {"value": 0.5, "better": "higher"}}}
    for number, hidden in enumerate(("hidden_1", "hidden_2")):
        write(world, parts(metrics=metrics, evaluation=evaluation, code=f"pass  # {number}\n"))
        index = world.folder / "models/weights/index.json"
        index.write_text(index.read_text().replace(f'"{hidden}"', json.dumps(f"{hidden}{OBEYED}\ud800")))
        world.write(f"src/{OBEYED.replace('/', '')}.py", f"{number}\n")
        world.keep(f"version {number} {OBEYED} {MARKUP}")
        world.git("tag", "-a", f"model@v1.{number}.0", "-m", f"why {OBEYED} {MARKUP}", "HEAD")
    return world


COMMANDS = [
    ("log", "--all"), ("log", "--md"), ("log", "--graph", "dot"), ("log", "--graph", "mermaid"), ("show",),
    ("show", "--md"), ("diff", "HEAD~1", "HEAD"), ("diff", "HEAD~1", "HEAD", "--md"), ("history",), ("history", "--md"),
    ("best",), ("best", "--metric", "nope"), ("doctor", "HEAD"), ("rollback", "HEAD~1", "--dry-run"),
    ("compare", "HEAD~1", "HEAD", "--no-latency"), ("show", "--json"), ("log", "--json"), ("diff", "HEAD~1", "--json"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_what_a_terminal_would_obey(command: tuple[str, ...], hostile: World, run: Run) -> None:
    _, out, err = run(hostile, *command)
    assert out + err and all(letter.isprintable() or letter == "\n" for letter in out + err)
    if "--json" in command:
        json.loads(out)


@pytest.mark.parametrize("command", [each for each in COMMANDS if "--md" in each])
def test_markdown_shows_markup_of_a_stranger_as_text(command: tuple[str, ...], hostile: World, run: Run) -> None:
    out = run(hostile, *command)[1]
    assert ("script" in out or "diff" in command) and not re.search(
        r"(?<!\\)(<|\]\(|\*\*|`c)", out.replace("```mermaid", "")
    )


def test_a_drawing_holds_no_markup_of_a_stranger(hostile: World) -> None:
    drawn = graph.mermaid(log(hostile.folder), lambda entry: [entry.subject])
    assert "#lt;script#gt;" in drawn and not set("<>`") & set(drawn.replace("-->", "").replace("<br/>", ""))


def test_a_page_shows_markup_and_control_letters_as_text() -> None:
    page = Document(MARKUP, OBEYED, ((MARKUP, "bad"),), (), (Section("s", (Table(MARKUP, ("a",), ((OBEYED,),)),)),))
    for made in (html(page, {}), markdown(page, "charts")):
        assert "<script>" not in made and "owned" in made
        assert not set(OBEYED) & {letter for letter in made if not letter.isprintable() and letter != "\n"}


def test_a_model_card_shows_slices_as_text() -> None:
    figures = {"value": MARKUP, "rows": 3, "test": {"f1": {"value": 0.5}}}
    splits = {"test": {"rows": 3}}
    record = {
        "name": "n", "description": "d", "metrics": {"test": {"f1": 0.5}},
        "evaluation": {"main": "f1", "slices": {MARKUP: [figures]}},
        "data": {"target": "t", "task": "binary", "features": [], "rows": 9, "source": "s"} | {"splits": splits},
        "process": {"model": {"name": "m"}, "epochs_run": 1, "epoch_kept": 1, "init_from": {"revision": MARKUP}},
    }  # fmt: skip
    shown = card(record)
    (line,) = [line for line in shown.splitlines() if line.startswith(f"| {escaped(MARKUP)}")]
    assert line.replace("\\|", "").count("|") == 5
    assert "<script>" in shown and "<script>" not in MarkdownIt("commonmark", {"html": True}).enable("table").render(
        shown
    )


def test_a_text_that_the_stream_cannot_encode_is_written_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        say("é … \ud800")
    assert (tmp_path / "out").read_text() == "\\xe9 \\u2026 \\ud800\n"


# Where standard output cannot be written.


def shell(world: World, line: str) -> subprocess.CompletedProcess[str]:
    return world.run("bash", "-c", line.replace("stemma", f"'{sys.executable}' -m stemma.cli"))


LINES = ["log", "--help", "log --help", "diff HEAD~1 HEAD --json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("where", ["/dev/full", "&-"])
def test_an_output_that_cannot_be_written_is_one_line(line: str, where: str, hostile: World) -> None:
    done = shell(hostile, f"stemma {line} >{where}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and done.stderr.startswith("error: ")
    assert shell(hostile, f"stemma {line} 2>{where} 1>&2").returncode == 1


@pytest.mark.parametrize("line", LINES)
def test_a_reader_that_stops_early_gets_no_trace_though_errors_go_nowhere(line: str, hostile: World) -> None:
    assert shell(hostile, f"stemma {line} 2>&- | head -c 1").stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("where", [">/dev/full", ">&-", "| true"])
def test_a_rollback_that_was_made_says_so_where_its_output_cannot_be_written(
    where: str, hostile: World, tmp_path: Path
) -> None:
    world = hostile.copy(tmp_path / "world")
    done = shell(world, f"set -o pipefail; sleep 0.2; stemma rollback HEAD~1 --commit {where}")
    made = world.ok("git", "rev-parse", "--short=7", "HEAD")
    assert world.ok("git", "rev-list", "--count", "HEAD") == "4"
    if done.returncode:  # a pipe may have taken it
        assert f"committed as {made}" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("typer", signal.SIGINT),
        ("stemma.cli.log", signal.SIGINT),
        ("stemma.versions", signal.SIGINT),
        ("stemma.versions", signal.SIGTERM),
        ("numpy", signal.SIGTERM),
        ("stemma.bundle.model", signal.SIGINT),
    ],
)
def test_an_interrupt_before_and_in_a_command_is_one_line(module: str, number: signal.Signals, tmp_path: Path) -> None:
    """A module that waits stands in for a slow disk."""
    name = f"{module.replace('.', '/')}.py"
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time, importlib.abc\n"
        "class Slow(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}:\n"
        "            print('waits', flush=True)\n"
        f"            {WAITS}\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    words = ["stemma.bundle", "verify", "x"] if module in ("numpy", "stemma.bundle.model") else ["stemma.cli", "log"]
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2] / "src")])
    started = subprocess.Popen(
        [sys.executable, "-m", *words], env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout is not None and started.stdout.readline() == "waits\n", name
    started.send_signal(number)
    assert (started.communicate()[1], started.returncode) == ("error: interrupted\n", 128 + number)
