"""The cost of versions: time and bytes of a difference, of ten versions, and of the weights store.

python bench/versions.py            all tables, into bench/README.md
python bench/versions.py diff       one of them: diff, storage, store

The model is synthetic: 200 tensors of float32, 440 MB (1 GB for `store`). `storage` needs git-lfs (Debian's package)
and installs MLflow into a temporary environment; where one is not to be had, its row says so. 10 GB of disk.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import page
from page import Table
from pipeline import call, capture, environment, peak, timed
from stemma import weights
from stemma.weights import Layer

TENSORS = 200
VERSIONS = 10
CHANGED = 2  # tensors of 200, 1 % of the parameters
REPEATS = 7
SOURCE = Path(__file__).resolve().parent.parent / "src"
COUNT_BYTES = """import sys
from stemma.repo import objects
from stemma.versions.diff import diff
read, fetched = objects.Objects.read, []
def counted(self, md5):
    found = read(self, md5)
    fetched.append(len(found[0] or b""))
    return found
objects.Objects.read = counted
diff(".", "v1", "v2")
print(sum(fetched))"""
OPEN_BOTH = """from dvc.api import DVCFileSystem
for revision in ("v1", "v2"):
    DVCFileSystem(".", rev=revision).find("models/weights", detail=True)"""
MLFLOW = """import sys, time, json, pathlib, mlflow
root = pathlib.Path(sys.argv[1]).resolve()
mlflow.set_tracking_uri(f"sqlite:///{root}/mlflow.db")
mlflow.create_experiment("bench", artifact_location=(root / "artifacts").as_uri())
mlflow.set_experiment("bench")
class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str]) -> list[str]:
        return model_input
def log(number):
    with mlflow.start_run():
        return mlflow.pyfunc.log_model(name="model", python_model=Model(), artifacts={"w": sys.argv[2]},
                                       pip_requirements=[]).model_uri
start = time.perf_counter()
uri = log(0)
logged = time.perf_counter() - start
start = time.perf_counter()
mlflow.artifacts.download_artifacts(uri, dst_path=str(root / "back"))
print(json.dumps([logged, time.perf_counter() - start]))"""


def diff() -> Table:
    """`stemma diff v1 v2`: 200 tensors, 440 MB, 2 of them changed; cache empty, remote on disk; fresh processes."""
    with repository(versions=2) as folder:
        shutil.rmtree(folder / ".dvc/cache")
        ours, bare = ["stemma", "diff", "v1", "v2"], ["python", "-c", OPEN_BOTH]
        pairs = [[timed(lambda c=c: call(folder, *c)) for c in (ours, bare)] for _ in range(REPEATS)]
        seconds, opening = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        fetched = int(capture(folder, "python", "-c", COUNT_BYTES))
        memory, exact = peak(folder, *ours), peak(folder, *ours, "--exact")
        exact_seconds = timed(lambda: call(folder, *ours, "--exact"))
    rows = [
        ["`stemma diff v1 v2`", f"{seconds:.2f} s", "", "<= 1.0 s"],
        ["beside opening both with `DVCFileSystem`", f"{ratio:.2f}", f"{opening:.2f} s", "<= 1.3"],
        ["bytes fetched", f"{fetched / 1e6:.2f} MB", "model: 440 MB", "<= 1 MB"],
        ["peak memory", f"{memory / 1e6:.0f} MB", "", "<= 300 MB"],
        ["`stemma diff v1 v2 --exact`", f"{exact_seconds:.2f} s", "reads 2 of 200 tensors", ""],
        ["peak memory of it", f"{exact / 1e6:.0f} MB", "", "<= 300 MB"],
    ]
    return ["what", "here", "baseline", "goal"], rows


def storage() -> Table:
    """Ten versions of the 440 MB model, 1 % of the parameters fine-tuned in each.

    "Per side" are the bytes of cache + remote, in sizes of one version. Seconds are those of the tenth version;
    checkout goes back to the first, out of the cache.
    """
    rows = [_stemma(), _one_file(), _lfs(), _mlflow()]
    return ["kept by", "bytes", "per side", "add", "push", "checkout", "diff", "goal"], rows


def store() -> Table:
    """Write and read the 1 GB model, against one plain safetensors file, both in the page cache, bytes compared.

    The sides take turns, eight times; each figure is the fastest write and the fastest read. A plain file has
    no hashes: the store's are written in both rows, and checked as it is read in the first alone.
    """
    tensors = model(1_000_000_000)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for read, what in ((True, "write + read, hashes checked"), (False, "write + read, hashes not checked")):
            found = [_round(folder, tensors, read, plain_first=number % 2 == 0) for number in range(8)]
            ours, plain = (sum(map(min, zip(*(one[side] for one in found), strict=True))) for side in (0, 1))
            goal = "" if read else ">= 0.8"
            rows.append([what, f"{ours:.2f} s", f"{plain:.2f} s", f"{plain / ours:.2f}", goal])
    return ["what", "store", "one file", "speed", "goal"], rows


TABLES: dict[str, Callable[[], Table]] = {"diff": diff, "storage": storage, "store": store}


def model(size: int, seed: int = 0) -> dict[str, np.ndarray]:
    """`size` bytes of float32 in 200 kernels."""
    side = int((size / 4 / TENSORS) ** 0.5)
    generator = np.random.default_rng(seed)
    return {f"layer_{n}.weight": generator.standard_normal((side, side), np.float32) for n in range(TENSORS)}


def fine_tune(tensors: dict[str, np.ndarray], version: int) -> None:
    """Change 1 % of the parameters, other ones in each version."""
    generator = np.random.default_rng(version)
    for number in range(CHANGED):
        name = f"layer_{(version * CHANGED + number) % TENSORS}.weight"
        tensors[name] = tensors[name] + 0.01 * generator.standard_normal(tensors[name].shape, np.float32)


def layers() -> list[Layer]:
    return [Layer(f"layer_{number}", "linear", {}) for number in range(TENSORS)]


@contextmanager
def repository(versions: int, one_file: bool = False) -> Iterator[Path]:
    """A repository with versions v1, v2, ... of the model, tracked by DVC and pushed to a remote on disk.

    `seconds.json` beside it holds the seconds of the last `dvc add` and `dvc push`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "work"
        folder.mkdir()
        call(folder, "git", "init", "-q", "-b", "main")
        identify(folder)
        call(folder, "dvc", "init", "-q")
        call(folder, "dvc", "remote", "add", "-q", "-d", "disk", str(Path(name) / "remote"))
        (folder / "reports").mkdir()
        (folder / "params.yaml").write_text("train: {epochs: 1}\n")
        (folder / "reports/metrics.json").write_text('{"test": {"accuracy": 0.9}}\n')
        tensors = model(440_000_000)
        for version in range(1, versions + 1):
            if version > 1:
                fine_tune(tensors, version)
            tracked = write_plain(folder, tensors) if one_file else write_store(folder, tensors)
            add = timed(lambda tracked=tracked: call(folder, "dvc", "add", "-q", tracked))
            push = timed(lambda: call(folder, "dvc", "push", "-q"))
            call(folder, "git", "add", "-A")
            call(folder, "git", "commit", "-qm", f"v{version}")
            call(folder, "git", "tag", f"v{version}")
        (folder.parent / "seconds.json").write_text(json.dumps([add, push]))
        yield folder


def write_store(folder: Path, tensors: dict[str, np.ndarray]) -> str:
    weights.write(folder / "models/weights", tensors, framework="torch", layers=layers())
    return "models/weights"


def write_plain(folder: Path, tensors: dict[str, np.ndarray]) -> str:
    (folder / "models").mkdir(exist_ok=True)
    save_file(tensors, folder / "models/model.safetensors")
    return "models/model.safetensors"


def _stemma() -> list[str]:
    with repository(VERSIONS) as folder:
        return _dvc_row("Stemma's store in DVC", folder, ["stemma", "diff", "v1", f"v{VERSIONS}"], "", "<= 1.15")


def _one_file() -> list[str]:
    with repository(VERSIONS, one_file=True) as folder:
        return _dvc_row("one safetensors file in DVC", folder, ["dvc", "diff", "v1", f"v{VERSIONS}"], ONLY_THAT, "")


ONLY_THAT = " (only that it changed)"


def _dvc_row(name: str, folder: Path, difference: list[str], remark: str, goal: str) -> list[str]:
    add, push = json.loads((folder.parent / "seconds.json").read_text())
    sides = [size(folder / ".dvc/cache"), size(folder.parent / "remote")]
    call(folder, "git", "checkout", "-q", "v1")
    checkout = timed(lambda: call(folder, "dvc", "checkout", "-q"))
    seconds = timed(lambda: call(folder, *difference))
    return _row(name, sides, (add, push, checkout), f"{seconds:.1f} s{remark}", goal)


def _lfs() -> list[str]:
    if shutil.which("git-lfs") is None:
        return ["Git LFS", "not measured: git-lfs is not installed", *[""] * 6]
    with tempfile.TemporaryDirectory() as name:
        folder, remote = Path(name) / "work", Path(name) / "remote.git"
        folder.mkdir()
        call(folder.parent, "git", "init", "-q", "--bare", str(remote))
        call(folder, "git", "init", "-q", "-b", "main")
        identify(folder)
        call(folder, "git", "lfs", "install", "--local")
        call(folder, "git", "lfs", "track", "*.safetensors")
        call(folder, "git", "remote", "add", "origin", remote.as_uri())
        tensors = model(440_000_000)
        for version in range(1, VERSIONS + 1):
            if version > 1:
                fine_tune(tensors, version)
            write_plain(folder, tensors)
            add = timed(lambda: call(folder, "git", "add", "-A"))
            call(folder, "git", "commit", "-qm", f"v{version}")
            call(folder, "git", "tag", f"v{version}")
            push = timed(lambda: call(folder, "git", "push", "-q", "origin", "main"))
        sides = [size(folder / ".git/lfs"), size(remote / "lfs")]
        checkout = timed(lambda: call(folder, "git", "checkout", "-q", "v1"))
        seconds = timed(lambda: call(folder, "git", "diff", "--stat", "v1", f"v{VERSIONS}"))
        return _row("one safetensors file in Git LFS", sides, (add, push, checkout), f"{seconds:.1f} s{ONLY_THAT}", "")


def _mlflow() -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = folder / "venv/bin/python"
        try:
            subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, capture_output=True)
            packages = ["mlflow-skinny", "numpy", "pandas", "sqlalchemy", "alembic"]
            install = [python, "-m", "pip", "install", "-q", *packages]
            subprocess.run(install, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        except subprocess.CalledProcessError as error:
            reason = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
            return ["MLflow log_model", f"not measured: {reason}", *[""] * 6]
        write_plain(folder, model(440_000_000))
        (folder / "kept").mkdir()
        command = [python, "-c", MLFLOW, folder / "kept", folder / "models/model.safetensors"]
        environ = environment(folder) | {"PYTHONPATH": "", "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            return ["MLflow log_model", f"not measured: {done.stderr.strip().splitlines()[-1][:200]}", *[""] * 6]
        logged, back = json.loads(done.stdout.splitlines()[-1])
        kept = size(folder / "kept/artifacts") * VERSIONS  # it copies each version whole
        one = size(folder / "models")
        sums = [f"{kept / 1e9:.2f} GB", f"{kept / one:.2f}", f"{logged:.1f} s", "with add", f"{back:.1f} s"]
        return ["MLflow `log_model` (one version measured, times ten)", *sums, "none", ""]


def _row(name: str, sides: list[int], seconds: tuple[float, ...], difference: str, goal: str) -> list[str]:
    per_side = " + ".join(f"{side / 440e6:.2f}" for side in sides)
    return [name, f"{sum(sides) / 1e9:.2f} GB", per_side, *(f"{one:.1f} s" for one in seconds), difference, goal]


def _round(folder: Path, tensors: dict[str, np.ndarray], check: bool, plain_first: bool) -> list[tuple[float, float]]:
    """Seconds (write, read) of store and plain file; they take turns: the second pays for the pages of the first."""
    sides = [
        lambda: _timed_pair(lambda: weights.write(folder / "store", tensors, framework="torch", layers=layers()),
                            lambda: weights.read(folder / "store", verify=check), tensors),
        lambda: _timed_pair(lambda: save_file(tensors, folder / "plain"), lambda: load_file(folder / "plain"), tensors),
    ]  # fmt: skip
    found = [(0.0, 0.0)] * 2
    for side in (1, 0) if plain_first else (0, 1):
        for old in folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        os.sync()
        found[side] = sides[side]()
    return found


def _timed_pair(write: Callable[[], object], read: Callable[[], dict], tensors: dict) -> tuple[float, float]:
    writing = timed(write)
    start = time.perf_counter()
    found = read()
    reading = time.perf_counter() - start
    assert all(np.array_equal(found[name], tensor) for name, tensor in tensors.items())
    return writing, reading


def identify(folder: Path) -> None:
    call(folder, "git", "config", "user.name", "bench")
    call(folder, "git", "config", "user.email", "bench@example.org")


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    page.main(TABLES)
