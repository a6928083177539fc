"""The words `stemma watch ...`, as docs/watch.md has them."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bundles import contents
from following import FENCE
from stemma import bundle, cli
from watched import logged, source
from worlds import ROOT

PAGE = [line.split(" # ")[0].strip() for language, body in FENCE.findall((ROOT / "docs/watch.md").read_text("utf-8"))
        if language == "sh" for line in body.splitlines()]  # fmt: skip

WEEK = 7 * 86400.0
VERSIONS = ("shop@v1.1.0", "shop@v1.2.0")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log of two versions, each asked twice, the outcomes of the requests, and a bundle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEMMA_DEBUG", "0")
    for version in VERSIONS:
        logged(tmp_path / "requests", [0.3, 0.6], of=source(version))
    lines = [f"{version}-{n},{text}\n" for version in VERSIONS for n, text in enumerate(("FALSE", "TRUE"))]
    (tmp_path / "outcomes.csv").write_text("id,outcome\n" + "".join(lines), encoding="utf-8")
    (tmp_path / "models/package").mkdir(parents=True)
    bundle.build(tmp_path / "models/package/model.zip", contents())
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
    code, out, _ = run(capsys, monkeypatch, "watch", "outcomes", "requests", "outcomes.csv", "--late", "999w")
    assert (code, out.splitlines()[0]) == (0, "outcomes.csv: 4 of 4 outcomes taken.")
    assert "new outcomes" in out and "late" not in out and "requests-0.parquet is skipped" in out
    code, out, _ = run(capsys, monkeypatch, "watch", "outcomes", "requests", "outcomes.csv", "--json")
    found = json.loads(out)
    assert (found["counts"]["same"], found["sentence"]) == (4, "outcomes.csv: 0 of 4 outcomes taken")


def test_what_cannot_be_read_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, monkeypatch, "watch", "outcomes", "nowhere", "outcomes.csv") == (
        1, "", "error: nowhere holds no request log\n",
    )  # fmt: skip
    code, _, err = run(capsys, monkeypatch, "watch", "outcomes", "requests", "none.csv")
    assert (code, err) == (1, "error: none.csv is not there\n")


def test_a_verdict_that_is_not_met_is_exit_code_1(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = VERSIONS
    ab = ("watch", "ab", "requests", "--a", a, "--b", b, "--metric", "accuracy")
    code, _, err = run(capsys, monkeypatch, *ab)
    assert code == 1 and err.endswith("run `stemma watch outcomes requests OUTCOMES.csv`\n")
    run(capsys, monkeypatch, "watch", "outcomes", "requests", "outcomes.csv")
    code, out, _ = run(capsys, monkeypatch, *ab, "--by", "Month", "--require", "better")
    assert code == 1 and out.startswith(f"{b} is not distinguishable from {a} yet: accuracy 1.0000 -> 1.0000 on 4 rows")
    assert "Month = May" in out and "2025-10-09 08:53" in out
    code, out, _ = run(capsys, monkeypatch, *ab, "--require", "not-worse", "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["rows"]) == (0, "not distinguishable", [2, 2])
    assert run(capsys, monkeypatch, *ab, "--share", "1")[0] == 2
    assert run(capsys, monkeypatch, *ab, "--since", "2026-01-01")[0] == 1


def test_drift_is_told_as_tables_and_as_json(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for week, size in enumerate((1.0, 100.0)):
        values = {"PageValues": np.linspace(0.1, 2, 300).astype(np.float32) * size}
        logged(here / "weeks", [0.3, 0.6] * 150, inputs=values, times=WEEK * (2900 + week) + np.arange(300))
    code, out, _ = run(capsys, monkeypatch, "watch", "drift", "weeks")
    assert code == 0 and out.startswith("1 drift in 1 window of 7 days: PageValues: about 100 times as large.")
    assert "2025-07-31 00:00" in out and "reference" in out and "large" in out
    code, out, _ = run(capsys, monkeypatch, "watch", "drift", "weeks", "--json")
    found = json.loads(out)
    assert found["windows"][1]["alarms"][0]["kind"] == "unit" and len(found["windows"][1]["shifts"]) == 4
    for window in ("0", "7", "x"):
        assert run(capsys, monkeypatch, "watch", "drift", "weeks", "--window", window)[0] == 2


@pytest.mark.parametrize(
    "rules",
    ["errors: 2", "errors: .nan", "latency: 0", "latency: 0.2", "drift: true", "figure: {accuracy: 0.9}", ""],
)
def test_a_guard_that_could_judge_nothing_is_refused(
    rules: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "serve.yaml").write_text(f"{{admin: true, auto_rollback: {{{rules}}}}}", encoding="utf-8")
    code, _, err = run(capsys, monkeypatch, "watch", "guard", "serve.yaml", "--once", "--url", "http://127.0.0.1:1")
    assert code == 1 and err.startswith("error: ")
    assert "does not answer" not in err


@pytest.mark.slow
def test_nothing_of_a_pipeline_is_needed() -> None:
    program = "import sys, stemma.watch.report; print(*({'pandas', 'matplotlib', 'dvc', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_page_is_written_and_the_drift_is_told(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, monkeypatch, "watch", "report", "requests", "--html", "page.html", "--window", "1d")
    assert (code, out) == (
        0, "page.html: no window is judged yet: none is over and has enough rows beside its reference\n"
    )  # fmt: skip
    assert "shop@v1.2.0" in (here / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [("report", "nothing", "--html"), ("retrain", "nothing", "--write")])
def test_where_nothing_can_be_written_the_log_is_not_read(
    words: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "file").touch()
    code, _, err = run(capsys, monkeypatch, "watch", *words, "file/page.parquet")
    assert (code, err) == (1, "error: file/page.parquet cannot be written (Not a directory)\n")


def test_what_is_no_table_or_is_there_is_told_before_the_log_is_read(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "rows.parquet").touch()
    for name, told in (("rows.csv", "end it with .parquet"), ("rows.parquet", "is there already")):
        code, _, err = run(capsys, monkeypatch, "watch", "retrain", "nothing", "--write", name)
        assert code == 1 and told in err
