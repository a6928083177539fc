"""What a packaged network costs: bytes, environment, first prediction, export and package, a million rows.

python bench/export.py              all tables, into bench/README.md
python bench/export.py bundle       one of them: bundle, rows

The networks are the default ones, trained for one epoch. `bundle` makes an environment from PyPI.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import page
from page import Table
from pipeline import call, capture, environment, peak, project, timed

REPEATS = 7
ROWS = 1_000_000
MODELS = {"PyTorch": "torch_tabular", "TensorFlow": "keras_tabular"}
MODEL = Path("models/package/model.zip")
# In an environment that has numpy and onnxruntime, and no Stemma: open the unpacked bundle, predict one row.
FIRST = """import json, sys, time
from pathlib import Path
start = time.perf_counter()
import numpy as np, onnxruntime
folder = Path(sys.argv[1])
signature = json.loads((folder / "signature.json").read_bytes())
row = json.loads((folder / "request.json").read_bytes())["inputs"]
kinds = {"number": np.float32, "boolean": np.float32, "date": np.float64, "string": object}
feeds = {e["name"]: np.array(row[e["name"]][:1], kinds[e["type"]]).reshape(1, 1) for e in signature["inputs"]}
onnxruntime.InferenceSession(folder / "model.onnx").run(None, feeds)"""
TABLE = """import sys
import pyarrow as pa
from pyarrow import parquet
rows = parquet.read_table("data/prepared/train.parquet").drop_columns(["row", "Revenue", "Probability"])
count = int(sys.argv[1])
parquet.write_table(rows.take(pa.array([number * 7919 % len(rows) for number in range(count)])), "rows.parquet")"""
# Both sides in turns, in one process: the same arrays, the same runtime, the same rows at a time.
AGAINST = """import json, sys, time
from pathlib import Path
import numpy as np
from stemma import bundle, runtime
from stemma.bundle.predict import predict
from stemma.bundle.rows import batches
opened, rows = bundle.open_bundle(Path("models/package/model.zip")), bundle.Rows(Path("rows.parquet"))
parts = [arrays for _, arrays in batches(rows, opened.signature)]
arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
session = runtime.session(opened.files["model.onnx"])
def timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
found = []
for suffix, repeats in (("parquet", 3), ("csv", 1)):
    for _ in range(repeats):
        ours = timed(lambda: predict(opened, rows, Path(f"out.{suffix}")))
        found.append([suffix, ours, timed(lambda: runtime.run(session, arrays))])
print(json.dumps(found))"""


def bundle() -> Table:
    """The default network of each framework, packaged; seconds are medians of fresh processes."""
    rows = []
    for name, model in MODELS.items():
        with trained(model) as folder:
            size = (folder / MODEL).stat().st_size
            rows.append([f"{name}: bytes of the bundle", f"{size:,}", "<= 200,000"])
            seconds = statistics.median(timed(lambda f=folder: _export(f)) for _ in range(3))
            rows.append([f"{name}: `compress`, `export` and `package`", f"{seconds:.1f} s", "<= 10 s"])
            if name == next(iter(MODELS)):
                rows += _served(folder)
    return ["what", "here", "goal"], rows


def rows() -> Table:
    """`stemma bundle predict` of Parquet, beside onnxruntime on the same arrays in memory; one thread each."""
    found = []
    with trained(next(iter(MODELS.values()))) as folder:
        peaks = {}
        for count in (ROWS // 10, ROWS):
            call(folder, "python", "-c", TABLE, str(count))
            command = ("stemma", "bundle", "predict", str(MODEL), "rows.parquet", "--output", "out.parquet")
            peaks[count] = peak(folder, *command)
        told = json.loads(capture(folder, "python", "-c", AGAINST).splitlines()[-1])
        for suffix, title in (("parquet", "Parquet"), ("csv", "CSV")):
            pairs = [(ours, raw) for kind, ours, raw in told if kind == suffix]
            ours, raw = (ROWS / statistics.median(side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(raw / ours for ours, raw in pairs)
            goal = ">= 0.7" if suffix == "parquet" else ""
            sides = [f"{ours:,.0f}", f"onnxruntime: {raw:,.0f}", f"{ratio:.2f}"]
            found.append([f"{ROWS:,} rows to {title}: rows/s", *sides, goal])
        small, large = peaks.values()
        row = [f"peak memory of {ROWS:,} rows", f"{large / 1e6:.0f} MB", f"of {ROWS // 10:,}: {small / 1e6:.0f} MB"]
        found.append([*row, f"{large / small:.2f}", "about 1"])
    return ["what", "here", "baseline", "ratio", "goal"], found


TABLES: dict[str, Callable[[], Table]] = {"bundle": bundle, "rows": rows}


@contextmanager
def trained(model: str) -> Iterator[Path]:
    """A copy of the project with a network, trained for one epoch."""
    with project() as folder:
        call(folder, "stemma", "conf", "sync", f"model={model}", "train.epochs=1", "evaluate.bootstrap=0")
        for stage in ("prepare", "train", "compress", "evaluate", "export", "package"):
            call(folder, "python", "src/stage.py", stage)
        yield folder


def _export(folder: Path) -> None:
    for stage in ("compress", "export", "package"):
        call(folder, "python", "src/stage.py", stage)


def _served(folder: Path) -> list[list[str]]:
    """The environment that the bundle asks for, and its first prediction there."""
    call(folder, "stemma", "bundle", "unpack", str(MODEL), "unpacked")
    with tempfile.TemporaryDirectory() as name:
        python = Path(name) / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        subprocess.run([sys.executable, "-m", "venv", Path(name) / "venv"], check=True)
        install = [python, "-m", "pip", "install", "-q", "-r", folder / "unpacked/requirements.txt"]
        subprocess.run(install, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        size = sum(file.stat().st_size for file in Path(name).rglob("*") if file.is_file() and not file.is_symlink())
        plain = [python, "-c", FIRST, folder / "unpacked"]
        first = statistics.median(timed(lambda: subprocess.run(plain, check=True)) for _ in range(REPEATS))
        rows = folder / "one.csv"
        request = json.loads((folder / "unpacked/request.json").read_bytes())["inputs"]
        lines = [request.keys(), (values[0] for values in request.values())]
        rows.write_text("".join(",".join("" if cell is None else str(cell) for cell in line) + "\n" for line in lines))
        ours = [python, "-m", "stemma.bundle", "predict", folder / MODEL, rows, "--output", folder / "one.out.csv"]
        known = environment(folder)
        seconds = statistics.median(timed(lambda: subprocess.run(ours, check=True, env=known)) for _ in range(REPEATS))
    return [
        ["environment made from its `requirements.txt`, with pip", f"{size / 1e6:.0f} MB", "<= 200 MB"],
        ["first prediction of a fresh process, onnxruntime alone", f"{first:.2f} s", "<= 0.6 s"],
        ["the same by `python -m stemma.bundle predict`, every byte verified", f"{seconds:.2f} s", "<= 0.6 s"],
    ]


if __name__ == "__main__":
    page.main(TABLES)
