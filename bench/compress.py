"""What compression after training costs and brings: a network of 3 x 1024 units on the table of shoppers.

python bench/compress.py               both tables, into bench/README.md: some minutes of one core
python bench/compress.py compressed    one of them: compressed, compressors

torchao is among the compressors where it is installed: `pip install --target FOLDER --no-deps torchao==0.18.0`, then
PYTHONPATH=FOLDER. What training does for compression is in bench/compress_training.py.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import page
from compress_peer import BATCH, CALLS, in_turns
from encoding import SHOPPERS
from page import Table
from pipeline import ENVIRONMENT, ROOT, call, capture, project
from stemma import runtime, weights
from stemma.tables import arrays

WIDE = ("model=torch_mlp", "model.hidden=[1024,1024,1024]", "train.epochs=8", "data=csv", f"data.source={SHOPPERS}")
METHODS = ("none", "float16", "int8_dynamic", "int8_static")
NETWORK, PACKAGE = Path("models/network/network.onnx"), Path("models/package/model.zip")
RESIDENT = """import sys, onnxruntime
from pathlib import Path
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
import numpy as np
before = resident()
from stemma import runtime
session = runtime.session(Path(sys.argv[1]).read_bytes())
given = session.get_inputs()[0]
session.run(None, {given.name: np.zeros((1, given.shape[1]), np.float32)})
print(resident() - before)"""


def compressed() -> Table:
    """`compress.method` of a network of 3 x 1024 units, trained once on the table of shoppers. Bytes and memory of the
    graph of the network, and of the bundle; time of the graph in onnxruntime on one thread, methods in turns; AUC on
    the test rows as `evaluate` told it. The stage ran twice: its graph has the same bytes."""
    with _trained() as folder:
        made = {method: _made(folder, method) for method in METHODS}
        test = arrays.read(folder / "data/prepared", "test")
    sessions = {method: runtime.session(graph) for method, (graph, _) in made.items()}
    calls = {method: partial(_scores, session) for method, session in sessions.items()}
    times = {count: in_turns(calls, test.x[:count], count) for count in CALLS}
    rows = []
    for method, (graph, (bundle, resident, area, same)) in made.items():
        moved, rate = area - made["none"][1][2], BATCH / times[BATCH][method]
        rows.append([method, f"{len(graph):,}", f"{len(graph) / len(made['none'][0]):.2f}", f"{bundle:,}",
                     f"{resident / 1e6:.1f} MB", f"{times[1][method] * 1e6:.0f} us", f"{rate:,.0f}",
                     f"{times[BATCH]['none'] / times[BATCH][method]:.2f}", f"{area:.4f} ({moved:+.4f})",
                     "yes" if same else "no"])  # fmt: skip
    rows.append(["goal of int8_static", "", "<= 0.27", "", "", "", "", ">= 1.5", "loss <= 0.002", "yes"])
    head = ["method", "bytes", "ratio", "bundle", "resident", "1 row", "rows/s", "ratio", "AUC", "same bytes"]
    return [f"{head[0]} (processor: {_features()})", *head[1:]], rows


def _scores(session: Any, x: np.ndarray) -> np.ndarray:
    return runtime.run(session, {session.get_inputs()[0].name: x})


def compressors() -> Table:
    """The same network by other tools with their defaults, each in a process of its own on one thread: before and after
    in the same tool, in turns. onnxruntime's tools are given the graph of the network alone, for of a whole graph they
    quantise the encoder too; Keras and torchao a plain network of the same weights. Bytes are those of the graph, or of
    the weights in memory; AUC is of the test rows, with what was lost."""
    with _trained() as folder:
        given = folder / "given"
        given.mkdir()
        for name, method in (("network", "none"), ("ours", "int8_static")):
            (given / f"{name}.onnx").write_bytes(_made(folder, method)[0])
        test, validation = (arrays.read(folder / "data/prepared", split) for split in ("test", "validation"))
        np.savez(given / "rows.npz", x=test.x, y=test.y, seen=validation.x[:512])
        np.savez(given / "weights.npz", **weights.read(folder / "models/weights"))
        found = [_peer(name, given) for name in ("stemma", "static", "dynamic", "keras", "torchao")]
    head = ["what", "bytes", "1 row before", "after", "1,000 rows before", "after", "ratio", "AUC"]
    return head, [_line(told) for told in found if told is not None]


@contextmanager
def _trained() -> Iterator[Path]:
    """A project whose network is trained."""
    with project() as folder:
        call(folder, "stemma", "conf", "sync", *WIDE)
        for stage in ("prepare", "train"):
            call(folder, "python", "src/stage.py", stage)
        yield folder


def _made(folder: Path, method: str) -> tuple[bytes, tuple[int, int, float, bool]]:
    """The graph by a method; bytes of its bundle, resident bytes, AUC on test rows, whether its bytes are stable."""
    call(folder, "stemma", "conf", "sync", *WIDE, f"compress.method={method}", "evaluate.bootstrap=0")
    digests = set()
    for _ in range(2):
        call(folder, "python", "src/stage.py", "compress")
        digests.add(hashlib.sha256((folder / NETWORK).read_bytes()).hexdigest())
    for stage in ("evaluate", "export", "package"):
        call(folder, "python", "src/stage.py", stage)
    area = json.loads((folder / "reports/metrics.json").read_text())["test"]["roc_auc"]
    resident = int(capture(folder, "python", "-c", RESIDENT, NETWORK.as_posix()))
    return (folder / NETWORK).read_bytes(), ((folder / PACKAGE).stat().st_size, resident, area, len(digests) == 1)


def _peer(name: str, given: Path) -> dict[str, Any] | None:
    """None where it is not installed."""
    command = [sys.executable, str(ROOT / "bench/compress_peer.py"), name, str(given)]
    one = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    done = subprocess.run(command, env=ENVIRONMENT | one | _path(), stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def _path() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, [ENVIRONMENT["PYTHONPATH"], os.environ.get("PYTHONPATH", "")]))}


def _line(told: dict[str, Any]) -> list[str]:
    (one, one_after), (many, many_after), (area, after) = told["single"], told["batch"], told["area"]
    times = [f"{one * 1e6:.0f} us", f"{one_after * 1e6:.0f} us", f"{many * 1e3:.1f} ms", f"{many_after * 1e3:.1f} ms"]
    return [
        told["what"],
        f"{told['bytes']:,}",
        *times,
        f"{many / many_after:.2f}",
        f"{after:.4f} ({after - area:+.4f})",
    ]


def _features() -> str:
    """What whole numbers are multiplied by here."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    found = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if f" {name} " in text]
    return ", ".join(found) or "unknown"


TABLES = {each.__name__: each for each in (compressed, compressors)}

if __name__ == "__main__":
    page.main(TABLES)
