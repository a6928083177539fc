"""The pipeline's speed and memory, as ratios against a named baseline run beside it.

python bench/pipeline.py              all tables, into bench/README.md
python bench/pipeline.py throughput   one of them: repro, noop, imports, throughput, memory
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import page
from page import Table

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT / "src"),
    "DVC_NO_ANALYTICS": "1",
}
PEAK = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""
RAW_TABLE = """import sys
from purchase_intent.sources import simulated
print(sum(int(frame.memory_usage(deep=True).sum()) for frame in simulated.frames(int(sys.argv[1]), 0, 0.02)))"""
COLUMNS = ["what", "here", "baseline", "ratio", "goal"]


def repro() -> Table:
    """`dvc repro` from nothing, 12,000 simulated rows."""
    rows = []
    for framework in ("torch", "keras"):
        with project() as folder:
            call(folder, "stemma", "conf", "sync", f"model={framework}_mlp")
            call(folder, "git", "commit", "--allow-empty", "-qam", "settings")
            seconds = timed(lambda folder=folder: call(folder, "dvc", "repro"))
        what = f"`dvc repro` from nothing, {framework}_mlp"
        rows.append([what, f"{seconds:.1f} s", "60 s", f"{seconds / 60:.2f}", "1.00"])
    return COLUMNS, rows


def noop() -> Table:
    """`dvc repro` with nothing to do, beside its own stages with `true` as the command, and a chain of six files."""
    with project() as ours, chain_of_true() as bare:
        call(ours, "stemma", "conf", "sync", "train=default", "data.rows=500", "train.epochs=1")
        for folder in (ours, bare):
            call(folder, "dvc", "repro")
        with copy_that_runs_true(ours) as equal:
            folders = (ours, equal, bare)
            rounds = [[timed(lambda f=f: call(f, "dvc", "repro")) for f in folders] for _ in range(9)]
    seconds = list(zip(*rounds, strict=True))
    what, names = "no-op `dvc repro`", ("the same stages that run `true`", "six stages of one file that run `true`")
    return COLUMNS, [against(what, n, seconds[0], side, "1.50") for n, side in zip(names, seconds[1:], strict=True)]


def imports() -> Table:
    """A fresh process that imports the command line."""
    commands = ("import stemma.cli.words", "import typer, rich")
    pairs = [[timed(lambda c=c: call(ROOT, "python", "-c", c)) for c in commands] for _ in range(7)]
    own = statistics.median(pair[0] for pair in pairs) - statistics.median(
        timed(lambda: call(ROOT, "python", "-c", "pass")) for _ in range(7)
    )
    return COLUMNS, [
        against("process that imports `stemma.cli`", "`import typer, rich`", *zip(*pairs, strict=True), goal=""),
        ["import of `stemma.cli` alone", f"{own:.2f} s", "0.3 s", f"{own / 0.3:.2f}", "1.00"],
    ]


def throughput() -> Table:
    """Training rows per second, 30 columns, hidden layers 64 and 32; every side on one thread."""
    rows = []
    for framework, batch in [(framework, batch) for framework in ("torch", "keras") for batch in (32, 1024)]:
        text = capture(ROOT, "python", "bench/throughput.py", framework, str(batch), "1000000")
        for name, (ours, theirs, ratio, goal) in json.loads(text.splitlines()[-1]).items():
            label = f"{framework}, batch {batch}: rows/s"
            rows.append([label, f"{ours:,.0f}", f"{name}: {theirs:,.0f}", f"{ratio:.2f}", f">= {goal}"])
    return COLUMNS, rows


def memory() -> Table:
    """Simulate and prepare: time per row, and peak memory beside the raw table in memory."""
    lines, seconds = [], {}
    for rows in (10_000, 100_000, 1_000_000, 3_000_000):
        with project() as folder:
            call(folder, "stemma", "conf", "sync", f"data.rows={rows}")
            most = peak(folder, "python", "src/stage.py", "prepare")
            prepare = lambda folder=folder: call(folder, "python", "src/stage.py", "prepare")  # noqa: E731
            seconds[rows] = min(timed(prepare) for _ in range(3))
            table = int(capture(folder, "python", "-c", RAW_TABLE, str(rows)))
        goal = "<= 6" if rows == 1_000_000 else ""
        sizes = [f"{most / 1e6:,.0f} MB", f"table: {table / 1e6:,.0f} MB", f"{most / table:.1f}"]
        lines.append([f"prepare, {rows:,} rows: peak memory", *sizes, goal])
    slope = (seconds[3_000_000] - seconds[10_000]) / (seconds[1_000_000] - seconds[10_000])
    what = "prepare: time of 3M rows over 1M rows, that of 10,000 taken off both"
    lines.append([what, f"{slope:.2f}", "3.02 (linear)", f"{slope / 3.02:.2f}", "about 1"])
    return COLUMNS, lines


TABLES: dict[str, Callable[[], Table]] = {f.__name__: f for f in (repro, noop, imports, throughput, memory)}


@contextmanager
def project() -> Iterator[Path]:
    """A copy of the tracked files in a repository of its own, without results."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        for name in capture(ROOT, "git", "ls-files").splitlines():
            if name not in ("dvc.lock",) and not name.startswith("reports/") and (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, copy / name)
        repository(copy)
        yield copy


@contextmanager
def chain_of_true() -> Iterator[Path]:
    """As many stages as the project has, in a chain, that do nothing."""
    stages = ["settings", "prepare", "train", "compress", "evaluate", "export", "package"]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        lines = ["stages:"]
        for number, name in enumerate(stages):
            (copy / f"{name}.txt").write_text("nothing\n")
            before = f"    deps: [{stages[number - 1]}.txt]\n" if number else ""
            lines.append(f"  {name}:\n    cmd: 'true'\n{before}    outs: [{{{name}.txt: {{persist: true}}}}]")
        (copy / "dvc.yaml").write_text("\n".join(lines) + "\n")
        (copy / ".gitignore").write_text("/*.txt\n")  # what DVC keeps must not be in Git
        repository(copy, "dvc", "init", "-q")
        yield copy


@contextmanager
def copy_that_runs_true(project: Path) -> Iterator[Path]:
    """A pipeline that has run, with another command in each stage, and nothing else changed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(project, copy, symlinks=True)
        for name in ("dvc.yaml", "dvc.lock"):
            text = (copy / name).read_text(encoding="utf-8")
            (copy / name).write_text(re.sub(r"(?m)^( +cmd:) .*$", r"\1 'true'", text), encoding="utf-8")
        call(copy, "dvc", "repro")
        yield copy


def repository(folder: Path, *setup: str) -> None:
    call(folder, "git", "init", "-q")
    call(folder, "git", "config", "user.name", "bench")
    call(folder, "git", "config", "user.email", "bench@example.org")
    if setup:
        call(folder, *setup)
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "start")


def call(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, env=environment(folder), check=True, stdout=subprocess.DEVNULL)


def capture(folder: Path, *command: str) -> str:
    return subprocess.run(
        command, cwd=folder, env=environment(folder), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def environment(folder: Path) -> dict[str, str]:
    return ENVIRONMENT | {"DVC_SITE_CACHE_DIR": str(folder / ".dvc" / "tmp" / "site")}


def peak(folder: Path, *command: str) -> int:
    """Bytes of the largest moment of one process."""
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return int(capture(folder, sys.executable, "-c", PEAK, *command).splitlines()[-1]) * unit


def timed(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def against(what: str, name: str, ours: tuple[float, ...], theirs: tuple[float, ...], goal: str) -> list[str]:
    """Medians, and the median of the ratios pair by pair: a drift of the machine hits both sides."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    sides = [f"{statistics.median(ours):.2f} s", f"{name}: {statistics.median(theirs):.2f} s"]
    return [what, *sides, f"{ratio:.2f}", goal and f"<= {goal}"]


if __name__ == "__main__":
    page.main(TABLES)
