"""`stemma serve` beside a bare Starlette route that calls onnxruntime on the same graph, on loopback, load beside it.

python bench/serve.py               all tables, into bench/README.md
python bench/serve.py serve         one of them: serve, tail, extras, ready

The sides take turns. What a request costs is told in processor time of the server, which other programs change little;
requests per second are of 64 connections, one request after the other on each.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import page
from load import ROOT, Row, Side, answered, cases, free, paced, running
from page import Table

TURNS = 7
REQUESTS = {1: 12_000, 64: 500}  # of a turn, by rows of a request
SHORT = 3_000  # requests
GOALS = {1: 0.85, 64: 0.6}
WITHOUT_METRICS = "from stemma.serve.metrics import Metrics; Metrics.opens = Metrics.count = lambda *_: None; "


def serve() -> Table:
    """`POST /predict` beside a bare Starlette route: processor time of the server for a request, and requests per
    second of 64 connections; medians of 7 turns. A ratio above 1 is for us. Alone: with `--batch off`."""
    rows = []
    for what, path, row in _cases():
        with sides(path, alone=("--batch", "off")) as servers:
            for count in REQUESTS:
                (ours, alone, bare), rates = measured(servers, row, count)
                times = [f"{each * 1e6:.0f} us" for each in (ours, alone, bare)]
                ratios = [f"{bare / ours:.2f}", f"{bare / alone:.2f}", f">= {GOALS[count]:.2f}"]
                told = [f"{rates[0]:,.0f} req/s", f"{rates[2]:,.0f} req/s", f"{rates[0] / rates[2]:.2f}"]
                rows.append([f"{what}, rows in a request: {count}", *times, *ratios, *told])
    names = ["what", "here", "alone", "bare", "ratio of time", "alone", "goal", "here", "bare", "ratio of rate"]
    return names, rows


def tail() -> Table:
    """Single rows at a steady rate, half of what we answer at most: seconds from the moment at which a request was due
    to its answer, beside the bare route at the same rate; of 20 turns of 2 seconds the least, which others disturbed
    least."""
    rows = []
    for what, path, row in _cases():
        with sides(path) as servers:
            rate = measured(servers, row, 1)[1][0] / 2
            asked = servers[0].request(row, 1)
            turns = [[asyncio.run(paced(each.port, asked, rate, 2)) for each in servers] for _ in range(20)]
            for share in (50, 99):
                ours, bare = (min(float(np.percentile(turn[side], share)) for turn in turns) for side in (0, 1))
                figures = [f"{ours * 1e3:.2f} ms", f"{bare * 1e3:.2f} ms", f"{ours / bare:.2f}"]
                rows.append([f"{what}, p{share} at {rate:,.0f} req/s", *figures, "<= 1.50" if share == 99 else ""])
    return ["what", "here", "bare", "ratio", "goal"], rows


def extras() -> Table:
    """What metrics and the log of requests add to a single row: processor time of the server beside one of which
    neither is on; the mean of the quicker half of 60 turns."""
    rows = []
    for what, path, row in _cases():
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            logged = Path(folder, "serve.yaml")
            logged.write_text("log_requests: true\n")
            neither = [sys.executable, "-c", WITHOUT_METRICS + "from stemma.cli import main; main()"]
            commands = [
                (*neither, "serve", path),
                ("stemma", "serve", path),
                ("stemma", "serve", path, "--config", logged),
            ]
            servers = [stack.enter_context(_side(*each)) for each in commands]
            none, metrics, both = _quicker(servers, row)
            for name, took in (("metrics", metrics), ("metrics and log", both)):
                told = [f"{none * 1e6:.0f} us", f"{took * 1e6:.0f} us", f"{took / none - 1:+.0%}"]
                rows.append([f"{what}: {name}", *told, "< 10 %"])
    return ["what", "neither", "with", "more", "goal"], rows


def ready() -> Table:
    """From the command to the first answer, and resident memory then, of the default network; the least of 5 runs."""
    path = ROOT / "models/package/model.zip"
    found = []
    for _ in range(5):
        started = time.perf_counter()
        with _side("stemma", "serve", path) as side:
            found.append((time.perf_counter() - started, side.memory()))
    seconds, memory = (min(each) for each in zip(*found, strict=True))
    return ["what", "here", "goal"], [
        ["start to ready", f"{seconds:.2f} s", "< 1.5 s"],
        ["idle", f"{memory:.0f} MB", "< 120 MB"],
    ]


def measured(servers: Sequence[Side], row: Row, count: int) -> tuple[list[float], list[float]]:
    """Processor seconds for a request, and requests per second, of each, in turns that alternate."""
    asked = [each.request(row, count) for each in servers]
    for each, request in zip(servers, asked, strict=True):
        each.turn(request, REQUESTS[count] // 4)  # warm
    turns = [
        [each.turn(request, REQUESTS[count]) for each, request in zip(servers, asked, strict=True)]
        for _ in range(TURNS)
    ]
    seconds, rates = np.median(turns, axis=0).T.tolist()
    return seconds, rates


def _quicker(servers: Sequence[Side], row: Row) -> list[float]:
    """Processor seconds for a single row, of each: many short turns, for a difference that is small."""
    asked = [each.request(row, 1) for each in servers]
    for each, request in zip(servers, asked, strict=True):
        each.turn(request, SHORT)  # warm
    turns = [[each.turn(request, SHORT)[0] for each, request in zip(servers, asked, strict=True)] for _ in range(60)]
    found: list[float] = np.sort(turns, axis=0)[:30].mean(axis=0).tolist()
    return found


def _cases() -> Iterator[tuple[str, Path, Row]]:
    with tempfile.TemporaryDirectory() as folder:
        yield from cases(Path(folder))


@contextlib.contextmanager
def sides(path: Path, **others: tuple[str, ...]) -> Iterator[list[Side]]:
    """`stemma serve`, the same with other options, and the bare route."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(_side("stemma", "serve", path, *more)) for more in ((), *others.values())]
        port = free()
        bare = stack.enter_context(running(sys.executable, ROOT / "bench/bare.py", path, port))
        answered(port)
        yield [*found, Side(bare, port)]


@contextlib.contextmanager
def _side(*command: object) -> Iterator[Side]:
    port = free()
    with running(*command, "--port", port) as process:
        answered(port)
        yield Side(process, port)


if __name__ == "__main__":
    page.main({"serve": serve, "tail": tail, "extras": extras, "ready": ready})
