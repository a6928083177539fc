"""Tables of a million rows and more: time and memory of every stage, prepare beside its peers, and more workers.

python bench/scale.py               all tables, into bench/README.md
python bench/scale.py large 20      one, of so many million rows besides: large, prepare, cores, workers, files, shared

Seconds are of a processor (user and system, children too), so that a busy machine tells the same; memory is what a
process and its children hold beside what is mapped from files (RssAnon), looked at every 20 ms. Linux alone.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import parquet

import page
from page import Table
from pipeline import ROOT, call, environment, project
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma import bundle
from stemma.bundle import many
from stemma.evaluation import folds
from stemma.repo import stores
from stemma.runners import chosen
from stemma.tables import profile, split

MILLION = 1_000_000
SIZES = (1, 5)  # million rows
BLOCK = MILLION // 2  # rows of the table that are drawn at once
MODEL = "models/package/model.zip"
STAGES = {
    "describe": ("stemma", "describe", "data/t.parquet", "--target", "y", "--name", "t", "--force"),
    "prepare": ("python", "src/stage.py", "prepare"),
    "train, 1 epoch": ("python", "src/stage.py", "train"),
    "compress": ("python", "src/stage.py", "compress"),
    "evaluate": ("python", "src/stage.py", "evaluate"),
    "export": ("python", "src/stage.py", "export"),
    "package": ("python", "src/stage.py", "package"),
    "bundle predict": ("stemma", "bundle", "predict", MODEL, "data/t.parquet", "--output", "data/out.parquet"),
}
PEER = os.environ.get("PEER_PYTHON", sys.executable)  # of an environment that has Polars


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of a processor, and bytes at its largest moment."""

    seconds: float
    memory: int


def large(sizes: tuple[int, ...]) -> Table:
    """Each stage on 20 columns (14 numbers, 5 texts, two classes) in Parquet, `torch_tabular`: seconds of a processor,
    memory beside what is mapped from files, and time over what is linear in the rows of the smallest table."""
    costs = {size: dict(_stages(size)) for size in sizes}
    lines = []
    for name in STAGES:
        line = [name]
        for size in sizes:
            cost = costs[size][name]
            line += [f"{cost.seconds:.0f} s", f"{cost.memory / 1e9:.2f} GB"]
        lines.append([*line, *(f"{costs[n][name].seconds / costs[sizes[0]][name].seconds / n:.2f}" for n in sizes[1:])])
    head = ["stage"] + [f"{size}M rows{what}" for size in sizes for what in ("", ": memory")]
    return [*head, *(f"{size}M: time beside linear" for size in sizes[1:])], lines


def prepare(sizes: tuple[int, ...]) -> Table:
    """`prepare` beside Polars, which does the like: moments, quantiles, levels, a hash of each row, a split by chance,
    three Parquet files; and no checks, hints or encoder. Seconds of a processor; Polars on one thread."""
    lines = []
    for size in sizes:
        with _described(size) as folder:
            ours = _cost(folder, *STAGES["prepare"])
            theirs = _cost(folder, PEER, str(ROOT / "bench/scale_peer.py"), "data/t.parquet")
        both = [f"{each.seconds:.1f} s, {each.memory / 1e9:.2f} GB" for each in (ours, theirs)]
        lines.append([f"{size}M rows", *both, f"{ours.seconds / theirs.seconds:.2f}"])
    return ["table", "prepare", "Polars", "time beside it"], lines


def cores(sizes: tuple[int, ...]) -> Table:
    """`prepare` by the clock, its process bound to one core and to two: the least of three, without what a table of
    10,000 rows takes (imports, pictures)."""
    lines = []
    for size in sizes:
        with _described(size) as folder:
            table = folder / "data/t.parquet"
            whole = {count: _bound(folder, count) for count in (1, 2)}
            parquet.write_table(parquet.read_table(table).slice(0, 10_000), table)
            one, two = (whole[count] - _bound(folder, count) for count in (1, 2))
        lines.append([f"{size}M rows", f"{one:.1f} s", f"{two:.1f} s", f"{one / two:.2f}", ">= 1.6"])
    return ["table", "1 core", "2 cores", "faster by", "goal"], lines


def _bound(folder: Path, count: int) -> float:
    """Seconds of the clock of `prepare` on so many cores, the least of three."""
    before, times = os.sched_getaffinity(0), list[float]()
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        for _ in range(3):
            start = time.perf_counter()
            call(folder, *STAGES["prepare"])
            times.append(time.perf_counter() - start)
    finally:
        os.sched_setaffinity(0, before)
    return min(times)


def workers(_: tuple[int, ...]) -> Table:
    """Data-parallel training by w workers that share a batch of 2,048 rows, by a model: step(w) = compute(2048 / w)
    + 2 (w - 1) latency + 2 (w - 1) / w * bytes / bandwidth, the ring of all_reduce. The compute is measured in one
    process, in seconds of its processor; latency and bandwidth between two that do nothing else (gloo, this machine),
    the least by the clock. Beside it what a step takes of the processor of one, and of each of two that train together:
    beyond the cores that are here the model speaks alone."""
    told = json.loads(_step("costs"))
    seen = {1: json.loads(_step("steps", 1)), 2: json.loads(_step("steps", 2))}
    lines, alone = [], told["compute"][0][1]
    for count, compute in told["compute"]:
        ring = 2 * (count - 1) * (told["latency"] + told["bytes"] / told["bandwidth"] / count)
        faster = alone / (compute + ring)
        found = f"{seen[count] * 1e3:.1f} ms" if count in seen else ""
        steps = [f"{each * 1e3:.1f} ms" for each in (compute, ring, compute + ring)]
        lines.append([str(count), *steps, found, f"{faster:.1f}", f"{faster / count:.0%}"])
    return ["workers", "compute", "exchange", "step", "step as seen", "faster by", "of w"], lines


def files(_: tuple[int, ...]) -> Table:
    """`stemma bundle predict` of 16 files of 200,000 rows, the default network: seconds of the clock, the least of
    three, without what the same command takes when all is predicted; and seconds of a processor."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _copied(ROOT / "data/prepared/test.parquet", folder / "rows", 16, 200_000)
        lines, alone = [], 0.0
        for jobs in (1, 2):
            clock, spent = min(_predicted(folder, jobs) for _ in range(3))
            alone = alone or clock
            lines.append([str(jobs), f"{clock:.1f} s", f"{spent:.1f} s", f"{alone / clock:.2f}"])
    return ["processes", "clock", "processor", "faster by"], lines


def shared(_: tuple[int, ...]) -> Table:
    """What Ray shares out on this machine, one piece at a time and two: predictions of eight files of 100,000 rows by
    the default network, and four folds of it, of 8 epochs. Seconds of a processor, which a busy machine hardly
    lengthens: faster by what two at a time take beside one where each has a core. Pieces are of one size; workers are
    started before, by the same work."""
    lines = []
    with tempfile.TemporaryDirectory() as scratch, chosen("ray") as runner:
        _copied(ROOT / "data/prepared/test.parquet", Path(scratch, "rows"), 8, 100_000)
        for name, work in (("predict", _eight(Path(scratch))), ("folds", _folds(Path(scratch)))):
            work(runner, 2)
            one, two = (_taken(partial(work, runner, count)) for count in (1, 2))
            lines.append([name, f"{one:.1f} s", f"{two:.1f} s", f"{2 * one / two:.2f}", ">= 1.6"])
    return ["what", "one at a time", "two", "faster by", "goal"], lines


def _eight(folder: Path) -> Callable[[Any, int], None]:
    held = bundle.open_bundle(ROOT / MODEL)
    asked = many.Many(str(folder / "rows"), str(folder / "out"), stores.at, bundle.Rows(Path()))

    def work(runner: Any, count: int) -> None:
        shutil.rmtree(asked.target, ignore_errors=True)  # else what is there would be left as it is
        many.predict(held, asked, runner, count)

    return work


def _folds(folder: Path) -> Callable[[Any, int], None]:
    settings, prepared = load(), ROOT / "data/prepared"
    settings = settings.model_copy(update={"train": settings.train.model_copy(update={"epochs": 8})})
    about = profile.read(prepared)
    frame = folds.whole(prepared, about)
    work = partial(folds.judge, folds.Common(settings, folds.Tables(NETWORKS), about, frame, folder))
    jobs = [(rows,) for rows in split.folds(frame, settings.data, 4)]
    return lambda runner, count: runner.run(work, jobs, list("abcd"), count)


def _taken(work: Callable[[], object]) -> float:
    """Seconds of a processor: of this process, of what it started and is there, and of what ended in those."""
    before = _processor()
    work()
    return _processor() - before


def _processor() -> float:
    here = psutil.Process()
    return sum(sum(each.cpu_times()[:4]) for each in (here, *here.children(recursive=True)))


def _copied(file: Path, folder: Path, files: int, count: int) -> None:
    """The rows of a file again and again, as files of so many."""
    folder.mkdir()
    rows = parquet.read_table(file)
    all_rows = pa.concat_tables([rows] * (count // rows.num_rows + 1)).slice(0, count)
    for number in range(files):
        parquet.write_table(all_rows, folder / f"{number}.parquet")


def _predicted(folder: Path, jobs: int) -> tuple[float, float]:
    """Seconds of the clock and of a processor."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    command = ("stemma", "bundle", "predict", str(ROOT / MODEL), "rows", "--output", "out", "--jobs", str(jobs))
    times = []
    for _ in range(2):
        start, before = time.perf_counter(), _spent()
        call(folder, *command)
        times.append((time.perf_counter() - start, _spent() - before))
    (clock, spent), (ready, _) = times
    return clock - ready, spent


def _stages(size: int) -> Iterator[tuple[str, Cost]]:
    with _described(size) as folder:
        for name, command in STAGES.items():
            yield name, _cost(folder, *command)


@contextmanager
def _described(size: int) -> Iterator[Path]:
    """A project whose table has so many million rows, trained for one epoch."""
    with project() as folder:
        _write(folder / "data/t.parquet", size * MILLION)
        call(folder, *STAGES["describe"])
        call(folder, "stemma", "conf", "sync", "data=t", "train.epochs=1")
        yield folder


def _write(file: Path, rows: int) -> None:
    """A table of 20 columns, block by block."""
    draw = np.random.default_rng(0)
    weights, levels = draw.normal(size=14), (4, 12, 30, 80, 300)
    writer = None
    for _ in range(rows // BLOCK):
        x, codes = draw.normal(size=(BLOCK, 14)), [draw.integers(0, count, BLOCK) for count in levels]
        score = x @ weights * 0.4 + (codes[0] == 1) * 0.8 - (codes[1] > 8) * 0.5
        columns = {f"n{place}": np.round(values, 4) for place, values in enumerate(x.T)}
        columns["n3"] = np.where(draw.random(BLOCK) < 0.03, np.nan, columns["n3"])
        columns |= {f"c{place}": np.char.add("level", each.astype(str)) for place, each in enumerate(codes)}
        columns["y"] = np.where(draw.random(BLOCK) < 1 / (1 + np.exp(-score)), "yes", "no")
        block = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
        writer = writer or parquet.ParquetWriter(file, block.schema)
        writer.write_table(block)
    if writer is not None:
        writer.close()


def _cost(folder: Path, *command: str) -> Cost:
    before = _spent()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=told, stderr=told)
        most = 0
        while process.poll() is None:
            most = max(most, sum(map(_held, _tree(process.pid))))
            time.sleep(0.02)
        told.seek(0)
        if process.returncode:
            raise SystemExit(told.read().decode())
    return Cost(_spent() - before, most)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(process: int) -> Iterator[int]:
    yield process
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = file.read_text().split()
        except OSError:  # it ended
            continue
        for child in children:
            yield from _tree(int(child))


def _held(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))


def _step(what: str, *arguments: int) -> str:
    command = ["python", str(ROOT / "bench/scale_steps.py"), what, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment(ROOT), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    sizes = (*SIZES, *(int(word) for word in sys.argv[1:] if word.isdecimal()))
    sys.argv[1:] = [word for word in sys.argv[1:] if not word.isdecimal()]
    made = (large, prepare, cores, workers, files, shared)
    page.main({each.__name__: update_wrapper(partial(each, sizes), each) for each in made})
