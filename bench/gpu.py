"""What a GPU is good for: `python bench/gpu.py`, in less than 8 minutes; `--small` in one, for the CPU parts alone.

The default network and an MLP are fitted in each framework that is installed, on the CPU and, where its build sees one,
on the GPU: twice in float32, which must give the same bytes, and once mixed. Each must come to the CPU's verdict. Then
an MLP grows until the GPU is faster. A fit is a process of its own, whose memory is its own too. Without a GPU the
small parts run, so that the script is known to work, and it ends with 1.
"""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import yaml

import page

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, EPOCHS, TURNS = 30, 4, 3
ROWS, SMALL_ROWS = 40_000, 4_000
WIDTHS, SMALL_WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048), (16, 32)  # of both hidden layers
BATCH = 1024  # of MLPs that grow
SAME = 0.01  # of the share of validation rows that are right: what two devices may differ by
SECONDS = 420  # after which no wider network is tried
FRAMEWORKS = {"torch": ("torch_tabular", "torch_mlp"), "tensorflow": ("keras_tabular", "keras_mlp")}


@dataclass(frozen=True)
class Case:
    """A fit, in a process of its own. width: of both hidden layers; None: those of conf/model/."""

    framework: str
    model: str
    device: str
    precision: str
    rows: int
    width: int | None = None


@dataclass(frozen=True)
class Measured:
    """What a fit gave. memory: bytes, of the GPU or of the process; busy: mean utilisation of the GPU in percent."""

    weights: str
    score: float
    rate: float
    memory: int
    busy: float | None


def main() -> None:
    start, small = time.monotonic(), "--small" in sys.argv[1:]
    there = [framework for framework in FRAMEWORKS if find_spec(framework)]
    print("".join(f"{framework} is not installed here\n" for framework in FRAMEWORKS if framework not in there), end="")
    seen = {} if small else {framework: asked(framework, "gpus") for framework in there}
    gpus = [framework for framework, count in seen.items() if count]
    rows = ROWS if gpus else SMALL_ROWS
    faults: list[str] = []
    where = f"{asked_of_driver('name')[0]} beside one thread of a CPU" if gpus else "CPU alone"
    show("gpu", f"{FITS} {rows:,} rows, {where}.", (HEAD, list(judged(there, gpus, rows, faults))), bool(gpus))
    for framework in there:
        lines, told = grown(framework, framework in gpus, rows, start)
        text = f"{WIDER} {rows // 2:,} rows in batches of {BATCH:,}, {where}: {told}."
        show(f"gpu-{framework}", text, (["units", "cpu, rows/s", "cuda", "cuda, mixed"], lines), framework in gpus)
    if not gpus:
        faults.append("no framework sees a GPU here: the CPU parts ran, with few rows")
    raise SystemExit("\n".join(faults) if faults else 0)


FITS = "Networks fitted on a GPU and a CPU: the share of 20,000 validation rows right, and the bytes of two fits;"
WIDER = "An MLP whose two hidden layers grow until the GPU is faster:"
HEAD = ["network", "device", "precision", "rows/s", "memory, MB", "GPU busy, %", "right", "bytes"]


def show(name: str, text: str, table: page.Table, kept: bool) -> None:
    made = page.section(name, text, table, arguments="")
    print(made, flush=True)
    if kept:
        page.update(name, made)


def judged(there: list[str], gpus: list[str], rows: int, faults: list[str]) -> Iterator[list[str]]:
    """Lines of the table; what is not as it must be goes into `faults`."""
    for framework in there:
        for model in FRAMEWORKS[framework]:
            cpu = fitted(Case(framework, model, "cpu", "float32", rows))
            yield line(model, "cpu", "float32", cpu, "")
            if framework in gpus:
                yield from on_gpu(Case(framework, model, "cuda", "float32", rows), cpu, faults)


def on_gpu(case: Case, cpu: Measured, faults: list[str]) -> Iterator[list[str]]:
    first, second = fitted(case), fitted(case)
    mixed = fitted(Case(**asdict(case) | {"precision": "mixed"}))
    same = first.weights == second.weights
    faults += [] if same else [f"{case.model}: two fits on the GPU give other bytes"]
    for precision, found in (("float32", first), ("mixed", mixed)):
        if abs(found.score - cpu.score) > SAME:
            faults.append(f"{case.model}, {precision}: {found.score:.4f} on the GPU, {cpu.score:.4f} on the CPU")
    yield line(case.model, "cuda", "float32", first, "same twice" if same else "differ")
    yield line(case.model, "cuda", "mixed", mixed, "")


def line(model: str, device: str, precision: str, found: Measured, told: str) -> list[str]:
    busy = "" if found.busy is None else f"{found.busy:.0f}"
    figures = [f"{found.rate:,.0f}", f"{found.memory / 1e6:,.0f}", busy, f"{found.score:.4f}"]
    return [model, device, precision, *figures, told]


def grown(framework: str, has_gpu: bool, rows: int, start: float) -> tuple[list[list[str]], str]:
    """Rows a second by width, and from which width on the GPU is faster."""
    model, lines, pays = FRAMEWORKS[framework][1], [], None
    for width in WIDTHS if has_gpu else SMALL_WIDTHS:
        if pays or time.monotonic() - start > SECONDS:
            break
        devices = (("cpu", "float32"), ("cuda", "float32"), ("cuda", "mixed"))[: 3 if has_gpu else 1]
        rates = [fitted(Case(framework, model, *each, rows // 2, width)).rate for each in devices]
        pays = width if max(rates) > rates[0] else None
        lines.append([f"{width:,}", *(f"{rate:,.0f}" for rate in rates), *[""] * (3 - len(rates))])
    told = (
        "no GPU" if not has_gpu else f"the GPU pays from {pays} units on" if pays else "the GPU pays at no width tried"
    )
    return lines, told


def fitted(case: Case) -> Measured:
    return Measured(**asked(case.framework, json.dumps(asdict(case))))


def asked(framework: str, what: str) -> Any:
    """What this file answers in another process."""
    command = [sys.executable, __file__, "--in-process", framework, what]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{framework}, {what}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# In the process of a fit.


def answer(framework: str, what: str) -> object:
    if what == "gpus":
        return gpus_of(framework)
    case = Case(**json.loads(what))
    if case.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # TensorFlow would take the memory of a GPU that it does not use
    return asdict(measured(case))


def asked_of_driver(what: str) -> list[str]:
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


def gpus_of(framework: str) -> int:
    if framework == "torch":
        import torch

        return torch.cuda.device_count()
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def measured(case: Case) -> Measured:
    from stemma import task
    from stemma.training import fit
    from stemma.training.base import Draw, Given, Problem, Rows

    train, validation = (Rows(*simulated(rows, seed)) for seed, rows in enumerate((case.rows, 20_000)))
    given, network = Given(train, settings(case)), made(case, Problem(task.of("binary", ("no", "yes")), COLUMNS))
    with TemporaryDirectory() as folder, watched(case.device) as busy:
        fit.run(network, given, validation, Path(folder) / "checkpoint")
        right = float(((network.scores(validation.x)[:, 0] > 0) == validation.y).mean())
        tensors = network.tensors()
        session = network.session(given)
        draws = [Draw(np.random.default_rng(turn).permutation(case.rows), 0.001, turn) for turn in range(TURNS + 1)]
        session.run_epoch(draws[0])  # the first one makes graphs
        rate = statistics.median(case.rows / seconds(lambda draw=draw: session.run_epoch(draw)) for draw in draws[1:])
    digest = hashlib.sha256(b"".join(name.encode() + tensors[name].tobytes() for name in sorted(tensors)))
    mean = statistics.mean(busy) if busy else None
    return Measured(digest.hexdigest(), right, rate, memory(case), mean)


def simulated(rows: int, seed: int) -> tuple[Any, Any]:
    """Rows (rows, COLUMNS) whose class depends on products of their columns."""
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((rows, COLUMNS)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.5 * x[:, 3] + 0.3 * draw.standard_normal(rows) > 0
    return x, y.astype(np.float32)


def settings(case: Case) -> Any:
    from stemma.training.settings import TrainSettings

    asked = {"device": case.device, "precision": case.precision, "epochs": EPOCHS, "patience": None}
    asked |= {} if case.width is None else {"batch_size": BATCH, "epochs": 1}
    return TrainSettings.model_validate(of_conf("train/default") | asked, strict=False)


def made(case: Case, problem: Any) -> Any:
    from purchase_intent.networks import NETWORKS
    from stemma.training import networks

    values = of_conf(f"model/{case.model}") | ({} if case.width is None else {"hidden": [case.width] * 2})
    kind = NETWORKS[case.model].settings
    assert kind is not None
    return networks.create(NETWORKS, kind.model_validate(values, strict=False), problem)


def of_conf(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / f"conf/{name}.yaml").read_text(encoding="utf-8"))
    return values


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()  # an epoch gives its loss, so the device is done
    return time.perf_counter() - start


def memory(case: Case) -> int:
    """At most, in bytes: of the GPU, else of this process now."""
    if case.device == "cpu":
        return int(psutil.Process().memory_info().rss)
    if case.framework == "torch":
        import torch

        return int(torch.cuda.max_memory_allocated())
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


@contextmanager
def watched(device: str) -> Iterator[list[float]]:
    """Samples of the GPU's utilisation in percent, as long as the block lasts; none of a CPU."""
    found: list[float] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.2):
            found.extend(map(float, asked_of_driver("utilization.gpu")[:1]))

    thread = threading.Thread(target=sample, daemon=True)
    if device == "cuda":
        thread.start()
    try:
        yield found
    finally:
        over.set()
        if thread.ident:
            thread.join()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in-process"]:
        print(json.dumps(answer(*sys.argv[2:])))
    else:
        main()
