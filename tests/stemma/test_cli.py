"""The command line: what it prints, where, its exit codes, and how fast it starts."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import timing
from stemma import conf
from stemma.errors import SettingsError

Run = Callable[..., tuple[int, str, str]]
HEAVY = ("dvc", "hydra", "omegaconf", "torch", "tensorflow", "keras", "pandas", "numpy", "sklearn", "onnxruntime")


@pytest.fixture
def run(settings: Any, run: Run) -> "partial[Any]":
    """`stemma ARGUMENT...` in the small repository: exit code, stdout, stderr."""
    return partial(run, settings.root)


def test_sync_says_whether_it_wrote(run: Run, settings: Any) -> None:
    assert run("conf", "sync") == (0, "params.yaml is up to date\n", "")
    assert run("conf", "sync", "model=linear", "+train.x=1", "~train.seed") == (0, "params.yaml written\n", "")
    assert settings.read("params.yaml") == conf.compose(settings.root, ["model=linear", "+train.x=1", "~train.seed"])


def test_check_lists_the_differences_and_exits_1(run: Run) -> None:
    assert run("conf", "check") == (0, "params.yaml is the composition of conf/\n", "")
    run("conf", "sync", "train.rate=0.5", "~train.seed", "data.positive='FALSE'")
    assert run("conf", "check") == (
        1,
        "evaluate.rate: 0.001 -> 0.5\n"
        "data.positive: 'TRUE' -> 'FALSE'\n"
        "train.rate: 0.001 -> 0.5\n"
        "train.seed: 0 -> (none)\n",
        "",
    )


def test_check_speaks_json(run: Run) -> None:
    code, out, _ = run("conf", "check", "--json")
    assert (code, json.loads(out)) == (0, {"differences": []})
    run("conf", "sync", "data.name='é'", "~train.seed")
    code, out, _ = run("conf", "check", "--json")
    expected = [{"key": "data.name", "conf": "small", "params": "é"}, {"key": "train.seed", "conf": 0}]
    assert (code, json.loads(out)) == (1, {"differences": expected})


@pytest.mark.slow
def test_adopt_prints_where_each_value_went(run: Run) -> None:
    run("conf", "sync", "data=large", "train.rate=0.5")
    assert run("conf", "adopt") == (
        0,
        "conf/config.yaml: data: small -> large\nconf/train/default.yaml: train.rate: 0.001 -> 0.5\n",
        "",
    )
    assert run("conf", "adopt") == (0, "params.yaml is the composition of conf/: nothing to adopt\n", "")
    assert run("conf", "check")[0] == 0


def test_the_repository_is_found_from_a_folder_below(run: Run, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(settings.root / "conf" / "model")
    assert run("conf", "check")[0] == 0
    assert run("conf", "sync", "train.seed=1")[0] == 0
    assert "seed: 1\n" in settings.read("params.yaml")


def test_outside_a_repository_one_line_says_so(run: "partial[Any]", tmp_path: Path) -> None:
    for command in ("sync", "check", "adopt"):
        expected = f"error: {tmp_path} is not in a DVC repository: no folder from here upward holds .dvc\n"
        assert run.func(tmp_path, "conf", command) == (1, "", expected)


def test_an_error_is_one_line_and_debug_shows_the_trace(run: Run, settings: Any) -> None:
    (settings.root / "params.yaml").unlink()
    assert run("conf", "check") == (1, "", "error: params.yaml is not there: run `stemma conf sync`\n")
    with pytest.raises(SettingsError):
        run("--debug", "conf", "check")


@pytest.mark.parametrize(
    "arguments",
    [
        ("conf", "nope"),
        ("nope",),
        ("conf", "check", "--nope"),
        ("conf", "adopt", "x"),
        ("service", "token", "x", "--scope", "all"),
        ("follow", "--poll", "5 days"),
        ("service", "token", "shop", "--days", "nan"),
        ("service", "token", "shop", "--days", "1e9"),
    ],
)
def test_wrong_usage_exits_2(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and "Usage: " in err


@pytest.mark.parametrize("command", ["sync", "check", "adopt"])
def test_every_command_has_help_and_an_example(run: Run, command: str) -> None:
    code, out, _ = run("conf", command, "--help")
    assert code == 0 and "Example: " in out and f"stemma conf {command}" in " ".join(out.split())


@pytest.mark.parametrize("command", [(), ("log",), ("bundle", "predict"), ("conf", "sync")])
def test_help_has_a_short_name_everywhere(run: Run, command: tuple[str, ...]) -> None:
    assert run(*command, "-h") == run(*command, "--help")


def test_help_shows_all_that_it_says() -> None:
    """Rich takes words in brackets for markup, and leaves them out."""
    from rich.text import Text
    from typer.main import get_command

    from stemma.cli.words import app

    commands: list[Any] = [get_command(app)]
    for command in commands:
        commands.extend(getattr(command, "commands", {}).values())
    texts = [each.help or "" for command in commands for each in (command, *command.params) if hasattr(each, "help")]
    assert [text for text in texts if Text.from_markup(text).plain != text] == []


def test_help_puts_every_command_into_a_group(run: Run) -> None:
    assert "─ The pipeline ─" in run("--help")[1] and "─ Commands ─" not in run("--help")[1]


def test_version_is_that_of_the_toolkit(run: Run) -> None:
    from stemma.toolkit import version

    assert run("--version") == (0, f"stemma {version()}\n", "")


def test_docs_are_listed_and_printed(run: Run) -> None:
    from worlds import ROOT

    pages = sorted(path.stem for path in ROOT.glob("docs/*.md") if path.stem != "scaffold")
    listed = run("docs")[1].splitlines()
    assert [line.split()[0] for line in listed] == pages and all(len(line.split()) > 1 for line in listed)
    assert run("docs", "diff") == (0, (ROOT / "docs/diff.md").read_text(encoding="utf-8"), "")
    assert run("docs", "dif") == (1, "", "error: there is no page dif (did you mean diff?): run `stemma docs`\n")


def test_the_command_line_starts_fast_and_imports_nothing_heavy() -> None:
    program = (
        "import sys, time; start = time.process_time(); import stemma.cli.words; "
        f"print(time.process_time() - start, *(name for name in {HEAVY} if name in sys.modules))"
    )

    def start() -> float:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        took, *heavy = done.stdout.split()
        assert heavy == []
        return float(took)

    assert timing.best(start, below=0.3) < 0.3


def test_the_installed_command_runs(settings: Any) -> None:
    assert "conf" in settings.ok("stemma", "--help")
    assert settings.run("stemma", "conf", "sync", "nope=1").returncode == 1
