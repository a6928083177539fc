"""What `stemma watch` promises, by simulation; every table is printed and put into bench/README.md.

python bench/watch.py [drift] [expected] [guard] [looks] [writing] [serving]
"""

import asyncio
import contextlib
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import load
import page
from stemma import metrics, task
from stemma.tables.profile import described
from stemma.watch import sequential, tests
from stemma.watch.expected import of_probabilities
from stemma.watch.log import Options, Request, Source, Writer

WEEKS, RUNS, LOOKS, ANSWERS = 1000, 10_000, 100, 6000
COLUMNS, ROWS, TRAINED = 20, 5000, 10_000
FAMILY = COLUMNS + 2  # and the predictions and the figure
ALPHA = 0.05
Column = Mapping[str, Any]
SHAPES = {
    "normal": lambda draw, rows: draw.normal(size=rows),
    "log-normal": lambda draw, rows: np.exp(1.5 * draw.normal(size=rows)),
    "mostly zero": lambda draw, rows: np.where(draw.random(rows) < 0.6, 0, np.exp(draw.normal(size=rows))),
    "counts": lambda draw, rows: draw.poisson(3, rows).astype(float),
    "texts": lambda draw, rows: draw.zipf(2.0, rows) % 40,
}


def drift() -> page.Table:
    """Drift beside the profile of 10,000 training rows: weeks of 5,000 rows and 20 columns: normal, log-normal, mostly
    zero, counts and texts, of which a third have no value in 2 % of the rows. False alarms: of 1,000 undrifted weeks,
    each beside training rows of its own. Found: a shift of 0.1 deviations in one normal column; a perfect test knows
    that it is normal, and has all training rows. Time: from a log to what drifted."""
    draw = np.random.default_rng(0)
    alarms = sum(alarmed(draw) for _ in range(WEEKS))
    found, perfect = zip(*(shifted(draw) for _ in range(WEEKS)), strict=True)
    limit = ALPHA
    (took, memory), (_, more) = (read_and_judged(draw, millions) for millions in (1, 3))
    return ["what", "here", "beside it", "goal"], [
        [f"false alarms, of {WEEKS:,} weeks", f"{alarms / WEEKS:.1%}", "", f"<= {limit:.0%}"],
        [f"0.1 deviations found within {ROWS:,} rows", f"{np.mean(found):.1%}",
         f"a perfect test: {np.mean(perfect):.1%}", ">= 95%"],
        ["1,000,000 rows x 20 columns, read and judged", f"{took:.2f} CPU s", "", "< 2 s"],
        ["memory of 3,000,000 rows beside that of 1,000,000", f"{more / memory:.2f}", "", "1"],
    ]  # fmt: skip


def columns(draw: np.random.Generator, rows: int) -> Iterator[np.ndarray]:
    for place in range(COLUMNS):
        values = SHAPES[[*SHAPES][place % len(SHAPES)]](draw, rows).astype(np.float32)
        if place % 3 == 0:
            values[draw.random(rows) < 0.02] = np.nan
        yield values


def profile(values: np.ndarray) -> Column:
    present = values[~np.isnan(values)].astype(np.float64)
    return {"missing": len(values) - len(present), **described(present)}


def counted(values: np.ndarray) -> tuple[dict[str, int], int]:
    names, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}, int(np.isnan(values).sum())


def judged(before: np.ndarray, now: np.ndarray, text: bool) -> float:
    """The corrected p-value of a column."""
    if text:
        values, gone = counted(before)
        found = tests.of_texts({"missing": gone, "values": values, "other": 0}, *counted(now))
    else:
        found = tests.of_numbers(profile(before), now)
    weights = tests.WEIGHTS["text" if text else "number"]
    return min(p * FAMILY / weights[name] for name, p in found.items())


def alarmed(draw: np.random.Generator) -> bool:
    pairs = zip(columns(draw, TRAINED), columns(draw, ROWS), strict=True)
    return any(judged(*pair, text=place % len(SHAPES) == 4) < ALPHA for place, pair in enumerate(pairs))


def shifted(draw: np.random.Generator) -> tuple[bool, bool]:
    before, now = draw.normal(size=TRAINED), (draw.normal(size=ROWS) + 0.1).astype(np.float32)
    return judged(before, now, text=False) < ALPHA, bool(stats.ttest_ind(before, now).pvalue * FAMILY < ALPHA)


JUDGE = """
import resource, sys, time
from pathlib import Path
from stemma.watch.drift import drift
start = time.process_time()
rows = sum(window.rows for window in drift(Path(sys.argv[1])).windows)
print(rows, time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def read_and_judged(draw: np.random.Generator, millions: int) -> tuple[float, float]:
    """CPU seconds from a log of as many rows, 100,000 a week, to what drifted; and the memory of the process."""
    kinds = ["number"] * 16 + ["string"] * 4
    of, texts = source(kinds), np.array([f"level {n}" for n in range(12)], object)
    with tempfile.TemporaryDirectory() as folder:
        with closing(Writer(Path(folder))) as writer:
            for batch in range(100 * millions):
                inputs = {f"c{n}": draw.normal(size=(10_000, 1)).astype(np.float32) for n in range(16)}
                inputs |= {f"c{n}": texts[draw.integers(0, 12, (10_000, 1))] for n in range(16, 20)}
                output = draw.random((10_000, 1)).astype(np.float32)
                writer.add(of, Request(f"{batch}", inputs, output, 0.01, {}, 1_700_000_000 + batch * 60_000))
                while writer.counts["written"] < 10_000 * (batch - 9):
                    time.sleep(0.01)
        done = subprocess.run([sys.executable, "-c", JUDGE, folder], capture_output=True, text=True, check=True)
        rows, seconds, memory = map(float, done.stdout.split())
        assert rows == millions * 10**6
    return seconds, memory


def source(kinds: list[str]) -> Source:
    inputs = [{"name": f"c{n}", "type": kind} for n, kind in enumerate(kinds)]
    signature = {"format": 1, "task": "regression", "target": "y", "output": "prediction", "inputs": inputs}
    return Source("model@v1.0.0", json.dumps(signature).encode())


def expected() -> page.Table:
    """ROC-AUC that probabilities alone let expect of 5,000 rows of a logistic model of five inputs; its error beside
    the true one (of 1,000,000 outcomes) in 200 weeks. The inputs move by up to 1.5 deviations and spread by up to 2
    times; where the assumption holds, outcomes are as probable as in training. The test figure beside it: what one
    would believe who only knows the evaluation."""
    draw = np.random.default_rng(0)
    rows = []
    for name, bend, goal in (("inputs moved", 1.0, "<= 0.01"), ("probabilities are not right", 0.4, "is told")):
        errors, stale = zip(*(area_errors(draw, bend) for _ in range(WEEKS // 5)), strict=True)
        rows.append([f"{name}: mean error", f"{np.mean(errors):.4f}", f"test figure {np.mean(stale):.4f}", goal])
        rows.append([f"{name}: 95 % of the weeks", f"{np.quantile(errors, 0.95):.4f}",
                     f"test figure {np.quantile(stale, 0.95):.4f}", ""])  # fmt: skip
    return ["what", "here", "beside it", "goal"], rows


def area_errors(draw: np.random.Generator, bend: float) -> tuple[float, float]:
    """How far the expected area and that of the test rows are from the true one of a week.

    Args:
        bend: outcomes follow so much of the score; 1: they are as probable as was said.
    """
    weights, middle, spread = draw.normal(size=5), draw.normal(size=5) * 0.5, draw.uniform(0.5, 2)

    def of(rows: int, middle: Any, spread: float) -> np.ndarray:
        return (middle + spread * draw.normal(size=(rows, 5))) @ weights - 1

    binary, big = task.of("binary", ("no", "yes")), 10**6
    p = 1 / (1 + np.exp(-of(ROWS, middle, spread)))
    both = np.column_stack([1 - p, p])
    told = of_probabilities(binary, both, binary.decide(both, 0.5))["roc_auc"]
    scores = of(big, middle, spread), of(big, 0.0, 1.0)
    came = [draw.random(big) < 1 / (1 + np.exp(-score * steep)) for score, steep in zip(scores, (bend, 1), strict=True)]
    true, test = (float(metrics.roc_auc(y, score)) for y, score in zip(came, scores, strict=True))
    return abs(told - true), abs(test - true)


def guard() -> page.Table:
    """A version whose requests fail, looked at after each 20 requests until 2,000, where 2 % may: how often it is taken
    back, of 1,000 runs, and after how many requests, beside what a test of 5 % at each look would do."""
    draw, rows = np.random.default_rng(0), []
    for share, goal in ((0.02, "<= 5%"), (0.03, ""), (0.05, ""), (0.2, "")):
        here, naive, after = zip(*(taken_back(draw, share) for _ in range(WEEKS)), strict=True)
        shown = f"{np.median([each for each in after if each]):,.0f}" if any(after) else "-"
        rows.append([f"{share:.0%} fail", f"{np.mean(here):.1%}, after {shown} requests",
                     f"a test at each look {np.mean(naive):.1%}", goal])  # fmt: skip
    return ["what", "taken back", "beside it", "goal"], rows


def taken_back(draw: np.random.Generator, share: float) -> tuple[bool, bool, int]:
    """Here, by a binomial test at each look, and after how many requests (0: never)."""
    count = np.cumsum(draw.random(2000) < share)
    looks = range(20, 2001, 20)
    first = next((n for n in looks if sequential.exceeds(int(count[n - 1]), n, 0.02) < ALPHA), 0)
    naive = stats.binom.sf(count[19::20] - 1, np.arange(20, 2001, 20), 0.02) < ALPHA
    return bool(first), bool(naive.any()), first


def looks() -> page.Table:
    """Equal versions that are looked at 100 times, 100 rows of each between two looks: how often a difference ever
    shows, of 10,000 runs; and how often a real one (a twentieth of a deviation; rates of 20 and 22 %) has shown by the
    end, beside a test that is allowed one look, and a t-test every day. The split: 50 % that were 52 %, by the end."""
    draw = np.random.default_rng(0)
    rows = []
    for name, makes in SAMPLES.items():
        for what, effect in (("equal", 0.0), ("different", 0.05)):
            here, naive, once = looked(draw, makes, effect)
            goal = "<= 5%" if what == "equal" else ""
            rows.append([f"{name}, {what}", f"{here:.1%}", f"t-test every day {naive:.1%}, one look {once:.1%}", goal])
    for name, share, goal in (("a split as it was meant", 0.5, "<= 1%"), ("a split of 52 %", 0.52, "")):
        rows.append([f"{name}, told as mismatch", f"{mismatched(draw, share):.1%}", "", goal])
    return ["what", "here", "beside it", "goal"], rows


SAMPLES = {
    "rates of 20 %": lambda draw, shape, effect: draw.random(shape) < 0.2 + 0.4 * effect,
    "rates of 2 %": lambda draw, shape, effect: draw.random(shape) < 0.02 + 0.14 * effect,
    "normal means": lambda draw, shape, effect: draw.normal(size=shape) + effect,
    "log-normal means": lambda draw, shape, effect: np.exp(draw.normal(size=shape)) + 2.16 * effect,
}


def looked(draw: np.random.Generator, makes: Any, effect: float) -> tuple[float, float, float]:
    """Share of the runs in which a difference ever shows: here, by a t-test at every look, at the last look alone."""
    count = np.arange(1, LOOKS + 1) * 100
    reach = np.array([sequential.reach(sequential.rows_of(n, n)) for n in count])
    here, naive, once = [], [], []
    for _ in range(RUNS // 500):
        moments = [moments_of(makes(draw, (500, LOOKS, 100), of), count) for of in (0.0, effect)]
        error = np.sqrt((moments[0][1] + moments[1][1]) / count)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = np.nan_to_num(np.abs(moments[0][0] - moments[1][0]) / error, posinf=math.inf)
        here.append((statistic > reach).any(axis=1))
        naive.append((statistic > 1.96).any(axis=1))
        once.append(statistic[:, -1] > 1.96)
    return tuple(float(np.mean(each)) for each in (here, naive, once))  # type: ignore[return-value]


def moments_of(values: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance until each look, (runs, looks)."""
    values = values.astype(np.float64)
    mean = values.sum(axis=2).cumsum(axis=1) / count
    return mean, np.maximum(np.square(values).sum(axis=2).cumsum(axis=1) / count - mean**2, 0)


def mismatched(draw: np.random.Generator, share: float) -> float:
    runs = 1000
    found = 0
    for _ in range(runs):
        b = draw.binomial(200, share, LOOKS).cumsum()
        total = np.arange(1, LOOKS + 1) * 200
        pairs = zip((total - b).tolist(), b.tolist(), strict=True)
        found += any(sequential.mismatch(*pair, 0.5) < sequential.MISMATCH for pair in pairs)
    return found / runs


def writing() -> page.Table:
    """What a server pays: an answer of some 25 microseconds, a row of 20 columns, asked 2,000 times a second, without a
    log and with one that keeps every request."""
    inputs = {f"c{n}": np.ones((1, 1), np.float32) for n in range(20)}
    plain = answers(lambda number: None)
    with tempfile.TemporaryDirectory() as folder, closing(Writer(Path(folder), Options(rows=2000))) as writer:
        of, output = source(["number"] * 20), np.ones((1, 1), np.float32)
        logged = answers(lambda number: writer.add(of, Request(str(number), inputs, output, 0.1)))
    assert (writer.counts["written"], writer.counts["failed"]) == (ANSWERS, 0)
    more = f"{logged[1] - plain[1]:.0f} us more"
    return ["what", "here", "without a log", "goal"], [
        ["median answer", f"{logged[0]:.0f} us", f"{plain[0]:.0f} us", ""],
        ["p99", f"{logged[1]:.0f} us", f"{plain[1]:.0f} us", f"{more}; < 1,000 us"],
        ["p99.9", f"{logged[2]:.0f} us", f"{plain[2]:.0f} us", ""],
    ]


def serving() -> page.Table:
    """`stemma serve` of the default network that logs requests, splits them, or copies them to a shadow, beside one
    that does nothing of it, in turns, all without batches: processor time of the server for a row, requests per second
    of 64 connections, and p99 at 300 requests per second; medians of 7 turns."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, sides = Path(name), {}
        for number in ("1", "2"):
            (folder / "shop" / number).mkdir(parents=True)
            (folder / "shop" / number / "model.zip").symlink_to(load.ROOT / "models/package/model.zip")
        for what, (model, log) in SIDES.items():
            config, port = folder / f"{what}.yaml", load.free()
            said = {
                "models": [{"source": str(folder / "shop"), "policy": "all", **model}],
                "port": port,
                "batch": "off",
            }
            config.write_text(json.dumps(said | ({"log": {"folder": str(folder / what), **log}} if log else {})))
            sides[what] = load.Side(stack.enter_context(load.running("stemma", "serve", "--config", config)), port)
            load.answered(port)
        row = [*load.cases(folder)][1][2]
        return compared(sides, load.request("/predict", json.dumps(row).encode()))


SIDES: Mapping[str, tuple[Column, Column]] = {  # settings of the model, and of the log
    "neither": ({}, {}),
    "a tenth logged": ({}, {"sample": 0.1}),
    "all logged": ({}, {"sample": 1.0}),
    "a split": ({"split": {"versions": {"2": 0.5}}}, {}),
    "a shadow": ({"shadow": {"2": 1.0}}, {}),
}


def compared(sides: Mapping[str, load.Side], asked: bytes) -> page.Table:
    turns = [[measured(side, asked) for side in sides.values()] for _ in range(8)][1:]  # one to warm up
    took, rate, last = np.array(turns).transpose(2, 1, 0)  # (side, turn) each
    rows = []
    for place, what in enumerate(sides):
        ratios = (np.median(took[place] / took[0]) - 1, np.median(rate[place] / rate[0]) - 1)
        time, requests, p99 = (np.median(each[place]) for each in (took, rate, last))
        goal = "< 5%; < 1 ms" if what == "a tenth logged" else ""
        rows.append([what, f"{time * 1e6:.0f} us", f"{ratios[0]:+.1%}", f"{requests:,.0f} req/s", f"{ratios[1]:+.1%}",
                     f"{p99 * 1e3:.2f} ms", f"{np.median(last[place] - last[0]) * 1e3:+.2f} ms", goal])  # fmt: skip
    return ["what", "a row", "more", "rate", "more", "p99", "more", "goal"], rows


def measured(side: load.Side, asked: bytes) -> tuple[float, float, float]:
    took, rate = side.turn(asked, 4000)
    return took, rate, float(np.quantile(asyncio.run(load.paced(side.port, asked, 300, 2)), 0.99))


def answers(log: Callable[[int], None]) -> list[float]:
    """Microseconds of the median, of 99 % and of 99.9 % of the answers."""
    took = []
    for number in range(ANSWERS):
        start = time.perf_counter()
        sum(range(1500))
        log(number)
        took.append((time.perf_counter() - start) * 1e6)
        time.sleep(0.0005)
    return [float(np.quantile(took, share)) for share in (0.5, 0.99, 0.999)]


if __name__ == "__main__":
    page.main(
        {"drift": drift, "expected": expected, "guard": guard, "looks": looks, "writing": writing, "serving": serving}
    )
