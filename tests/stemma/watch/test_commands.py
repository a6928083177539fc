"""The words `stemma watch ...`, as docs/watch.md has them."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from following import FENCE
from stemma import cli
from watched import logged
from worlds import ROOT

PAGE = [line.split(" # ")[0].strip() for language, body in FENCE.findall((ROOT / "docs/watch.md").read_text("utf-8"))
        if language == "sh" for line in body.splitlines()]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log, and the outcomes of its requests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEMMA_DEBUG", "0")
    logged(tmp_path / "requests", [0.3, 0.6])
    ids = [f"model@v1.0.0-{n}" for n in range(2)]
    (tmp_path / "outcomes.csv").write_text("id,outcome\n" + "".join(f"{id},TRUE\n" for id in ids), encoding="utf-8")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["stemma", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed = capsys.readouterr()
    return int(stopped.value.code or 0), printed.out, printed.err


def test_every_command_of_the_page_runs(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PAGE
    for command in PAGE:
        name, *arguments = shlex.split(command)
        code, out, err = run(capsys, monkeypatch, *arguments)
        assert (name, code, err) == ("stemma", 0, "") and out


def test_outcomes_are_told_as_a_table_and_as_json(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "requests/requests-0.parquet").write_bytes(b"PAR1")
    code, out, _ = run(capsys, monkeypatch, "watch", "outcomes", "requests", "outcomes.csv", "--late", "1e6")
    assert (code, out.splitlines()[0]) == (0, "outcomes.csv: 2 of 2 outcomes taken.")
    assert "new outcomes" in out and "late" not in out and "requests-0.parquet is skipped" in out
    code, out, _ = run(capsys, monkeypatch, "watch", "outcomes", "requests", "outcomes.csv", "--json")
    found = json.loads(out)
    assert (found["counts"]["same"], found["sentence"]) == (2, "outcomes.csv: 0 of 2 outcomes taken")


def test_what_cannot_be_read_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, monkeypatch, "watch", "outcomes", "nowhere", "outcomes.csv") == (
        1, "", "error: nowhere holds no request log\n",
    )  # fmt: skip
    code, _, err = run(capsys, monkeypatch, "watch", "outcomes", "requests", "none.csv")
    assert (code, err) == (1, "error: none.csv is not there\n")
