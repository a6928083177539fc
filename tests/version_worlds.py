"""Small Git + DVC repositories with versions of a model in them, made without training.

`World.version` writes the parts of a version into the work tree, keeps them as DVC does (objects in the cache, hashes
in dvc.lock; `test_repository` asks `dvc status` whether it agrees) and commits. A version takes about 100 ms.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stemma import weights
from stemma.weights import Layer

START = 1_767_225_600  # 2026-01-01 00:00 UTC; commit number n is made n hours later
STAGES = {  # outputs by stage; those in Git are kept by it, not by DVC
    "prepare": ("data/prepared",),
    "train": ("models/weights", "reports/training", "reports/training.json"),
    "compress": ("reports/compression.json",),
    "evaluate": ("reports/predictions.parquet", "reports/evaluation.json", "reports/metrics.json"),
    "export": ("models/export",),
    "package": ("models/package/model.zip",),
}
IN_GIT = ("reports/training.json", "reports/compression.json", "reports/evaluation.json", "reports/metrics.json")
IGNORED = "/data/prepared\n/models/\n/reports/training\n/reports/predictions.parquet\n"


def network(hidden: tuple[int, ...] = (8, 4), width: int = 6, seed: int = 0) -> tuple[list[Layer], dict[str, Any]]:
    """Layers and float32 tensors of dense layers, named as PyTorch names them; equal seeds give equal values."""
    draw = np.random.default_rng(seed)
    layers, tensors = [], {}
    for number, (inputs, outputs) in enumerate(zip((width, *hidden), (*hidden, 1), strict=True), start=1):
        name = f"hidden_{number}" if number <= len(hidden) else "output"
        layers.append(Layer(name, "linear", {"in_features": inputs, "out_features": outputs}))
        tensors[f"{name}.weight"] = draw.standard_normal((outputs, inputs)).astype(np.float32)
        tensors[f"{name}.bias"] = draw.standard_normal(outputs).astype(np.float32)
        if name != "output":
            layers.append(Layer(f"activation_{number}", "relu", {"inplace": False}))
    layers.append(Layer("probability", "sigmoid", {}))
    return layers, tensors


def table(rows: int = 400, start: int = 0, shift: float = 0.0) -> Any:
    """A pandas table of rows `start` and on: two numbers, a category, a target. Row n is always the same row."""
    import pandas as pd

    draw = np.random.default_rng(1).standard_normal((start + rows, 3))[start:]
    bought = draw[:, 0] + draw[:, 2] > 0.5
    place = np.floor(np.abs(draw[:, 1]) * 2).astype(int) % 3
    return pd.DataFrame(
        {
            "price": np.round(draw[:, 0] + shift, 6),
            "visits": np.round(draw[:, 1] * 10, 3),
            "place": pd.Categorical(np.array(["north", "south", "west"])[place]),
            "bought": pd.Categorical(np.where(bought, "yes", "no")),
        }
    )


def splits(rows: int) -> dict[str, Any]:
    """Row positions: the last fifth is test, the one before validation."""
    cut = rows // 5
    order = np.arange(rows)
    return {"train": order[: -2 * cut], "validation": order[-2 * cut : -cut], "test": order[-cut:]}


def profile(frame: Any) -> dict[str, Any]:
    """profile.json as the stage prepare writes it."""
    from stemma.tables import statistics
    from stemma.tables.profile import Block
    from stemma.tables.settings import FileTable

    settings = FileTable.model_validate_json(json.dumps(PARAMS["data"]))
    return statistics.make(frame, settings, splits(len(frame)), [Block("all", "numeric", 0, 6)])


PARAMS: dict[str, Any] = {
    "data": {
        "kind": "file", "source": "data/raw/visits.csv", "target": "bought", "task": "binary", "positive": "yes",
        "columns": {"price": "numeric", "visits": "numeric", "place": "categorical"}, "ranges": {},
        "group": None, "time": None, "partition": None, "split": {"test": 0.2, "validation": 0.2, "seed": 0},
        "separator": ",", "header": True, "encoding": "utf-8", "decimal": ".", "missing": [""],
    },
    "model": {"name": "torch_mlp", "framework": "torch", "hidden": [8, 4], "activation": "relu", "dropout": 0.1},
    "train": {"epochs": 40, "learning_rate": 1e-3, "optimizer": "adam", "seed": 0},
}  # fmt: skip
METRICS = {
    "threshold": 0.5,
    "test": {"accuracy": 0.8, "log_loss": 0.45, "roc_auc": 0.85},
    "validation": {"accuracy": 0.81, "log_loss": 0.44, "roc_auc": 0.86},
}
EVALUATION = {
    "format": 1,
    "task": "binary",
    "main": "roc_auc",
    "test": {
        "accuracy": {"value": 0.8, "low": 0.78, "high": 0.82},
        "log_loss": {"value": 0.45, "low": None, "high": None},
        "roc_auc": {"value": 0.85, "low": 0.82, "high": 0.88},
    },
}
TRAINING = {
    "model": PARAMS["model"],
    "train": PARAMS["train"],
    "epochs_run": 12,
    "epoch_kept": 9,
    "environment": {
        "python": "3.11", "device": "cpu", "platform": "Linux x86_64",
        "packages": {"numpy": "2.4.6", "onnxruntime": "1.31.1", "torch": "2.13.0"},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What a version is made of; `dataclasses.replace` makes another one. None: the version does not have it."""

    layers: list[Layer]
    tensors: Mapping[str, Any]
    frame: Any
    framework: str = "torch"
    params: Mapping[str, Any] = field(default_factory=lambda: PARAMS)
    metrics: Mapping[str, Any] | None = field(default_factory=lambda: METRICS)
    evaluation: Mapping[str, Any] | None = field(default_factory=lambda: EVALUATION)
    training: Mapping[str, Any] | None = field(default_factory=lambda: TRAINING)
    compression: Mapping[str, Any] | None = None  # older than the stage that writes it
    curve: tuple[float, ...] = (0.9, 0.6, 0.5, 0.45, 0.46)  # validation loss by epoch; of training: 0.9 times
    export: bytes | None = b"a graph"
    bundle: bytes | None = b"a bundle"
    code: str = "pass\n"  # of src/purchase_intent/model.py

    def but(self, **changes: Any) -> "Parts":
        return dataclasses.replace(self, **changes)


def parts(**changes: Any) -> Parts:
    """A small binary classifier."""
    layers, tensors = network()
    return Parts(layers, tensors, table()).but(**changes)


def compression(method: str = "none", **layer: Any) -> dict[str, Any]:
    """compression.json of a network with one layer that is told."""
    kept = {
        "name": "hidden_1.weight",
        "shape": [6, 8],
        "type": "float32",
        "sparsity": 0.0,
        "scale": None,
        "input": None,
    }
    sizes = {"none": 4000, "float16": 2100, "int8_static": 1200}
    return {
        "format": 1, "method": method, "rows": None, "bytes": [4000, sizes[method]], "metric": "roc_auc",
        "validation": [0.91, 0.909], "layers": [kept | layer], "parity": {}, "apart": {},
    }  # fmt: skip


def changed(tensors: Mapping[str, Any], *names: str, by: float = 0.1) -> dict[str, Any]:
    """The tensors, with these moved in every entry."""
    return {name: array + array.dtype.type(by) if name in names else array for name, array in tensors.items()}


@dataclass(frozen=True)
class World:
    """A Git + DVC repository with a remote that is a folder beside it.

    Args:
        above: Git's top folder, where that holds several DVC projects.
    """

    folder: Path
    above: Path | None = None

    @property
    def top(self) -> Path:
        return self.above or self.folder

    @property
    def remote(self) -> Path:
        return self.top.with_name(self.folder.name + "-remote")

    @property
    def cache(self) -> Path:
        return self.folder / ".dvc" / "cache" / "files" / "md5"

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=os.environ | environment, capture_output=True, text=True, timeout=600
        )

    def ok(self, *command: str, **environment: str) -> str:
        """Standard output of a command that must succeed, stripped."""
        done = self.run(*command, **environment)
        assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def git(self, *arguments: str) -> str:
        """A Git command, an hour after the commit before."""
        done = self.run("git", "rev-list", "--all", "--count").stdout.strip() or "0"
        when = f"{START + 3600 * int(done)} +0000"
        return self.ok("git", *arguments, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str) -> str:
        """Commit everything; the revision."""
        self.ok("git", "add", "-A")
        self.git("commit", "--allow-empty", "-qm", message)
        return self.ok("git", "rev-parse", "HEAD")

    def version(self, message: str, made: Parts) -> str:
        """Write a version into the work tree, keep and push its outputs, commit; the revision."""
        write(self, made)
        return self.keep(message)

    def keep(self, message: str) -> str:
        """Keep and push the outputs that lie in the work tree, commit; the revision."""
        self.write("dvc.lock", yaml.safe_dump(self._lock(), sort_keys=False))
        self.push()
        return self.commit(message)

    def tag(self, name: str, revision: str = "HEAD") -> None:
        """An annotated tag."""
        self.git("tag", "-a", name, "-m", name, revision)

    def experiment(self, name: str, message: str, made: Parts) -> str:
        """A version under refs/exps, as an experiment on HEAD; its files stay where Git ignores them."""
        baseline = self.ok("git", "rev-parse", "HEAD")
        branch = self.ok("git", "branch", "--show-current")
        self.ok("git", "checkout", "-q", "--detach")
        commit = self.version(message, made)
        self.ok("git", "update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", commit)
        self.ok("git", "checkout", "-q", branch)
        return commit

    def push(self) -> None:
        shutil.copytree(self.cache, self.remote / "files" / "md5", dirs_exist_ok=True)

    def empty_cache(self) -> None:
        shutil.rmtree(self.cache)

    def copy(self, folder: Path) -> "World":
        shutil.copytree(self.folder, folder, symlinks=True)
        other = World(folder)
        shutil.copytree(self.remote, other.remote)
        other.write(".dvc/config", _config(other))
        return other

    def object(self, md5: str) -> Path:
        """Where the cache keeps an object."""
        return self.cache / md5[:2] / md5[2:]

    def md5(self, name: str) -> str:
        """Of an output, or of a file in an output that is a folder, in the work tree's dvc.lock."""
        outs = {
            out["path"]: out["md5"]
            for stage in yaml.safe_load((self.folder / "dvc.lock").read_text())["stages"].values()
            for out in stage["outs"]
        }
        if name in outs:
            return str(outs[name])
        folder = next(path for path in outs if name.startswith(f"{path}/"))
        listing = json.loads(self.object(outs[folder]).read_bytes())
        return str(next(file["md5"] for file in listing if f"{folder}/{file['relpath']}" == name))

    def _lock(self) -> dict[str, Any]:
        stages: dict[str, Any] = {}
        for stage, outputs in STAGES.items():
            outs = [self._keep(path) for path in outputs if (self.folder / path).exists()]
            if outs:
                stages[stage] = {"cmd": "true", "outs": outs}
            if outs and stage == "compress":
                asked = json.loads((self.folder / outputs[0]).read_text(encoding="utf-8"))["method"]
                stages[stage] = {
                    "cmd": "true",
                    "params": {"params.yaml": {"compress": {"method": asked}}},
                    "outs": outs,
                }
        return {"schema": "2.0", "stages": stages}

    def _keep(self, name: str) -> dict[str, Any]:
        """An output into the cache, and its entry in dvc.lock."""
        path = self.folder / name
        if path.is_file():
            md5 = _md5(path.read_bytes()) if name in IN_GIT else self._store(path.read_bytes())
            return {"path": name, "hash": "md5", "md5": md5, "size": path.stat().st_size}
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = sorted(
            ({"md5": self._store(file.read_bytes()), "relpath": file.relative_to(path).as_posix()} for file in files),
            key=lambda file: file["relpath"],
        )
        md5 = self._store(json.dumps(listing, sort_keys=True).encode(), ".dir")
        size = sum(file.stat().st_size for file in files)
        return {"path": name, "hash": "md5", "md5": md5, "size": size, "nfiles": len(files)}

    def _store(self, content: bytes, suffix: str = "") -> str:
        md5 = _md5(content) + suffix
        place = self.object(md5)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return md5


def new(folder: Path, above: Path | None = None) -> World:
    """An empty world: DVC, a remote, a pipeline that has not run."""
    world = World(folder, above)
    folder.mkdir(parents=True)
    if not (world.top / ".git").exists():
        world.ok("git", "init", "-q", "-b", "main", str(world.top))
    world.write(".dvc/config", _config(world))
    world.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    world.write(".gitignore", IGNORED)
    stages = {
        stage: {"cmd": "true", "outs": [{path: {"cache": False}} if path in IN_GIT else path for path in outputs]}
        for stage, outputs in STAGES.items()
        if stage != "compress"  # as old as most versions here
    }
    world.write("dvc.yaml", yaml.safe_dump({"stages": stages}, sort_keys=False))
    world.commit("start")
    return world


def _config(world: World) -> str:
    url = Path(os.path.relpath(world.remote, world.folder / ".dvc")).as_posix()
    return f"[core]\n    remote = disk\n    analytics = false\n['remote \"disk\"']\n    url = {url}\n"


def write(world: World, made: Parts) -> None:
    """The files of a version; those of the version before go."""
    for outputs in STAGES.values():
        for path in outputs:
            place = world.folder / path
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    world.write("params.yaml", yaml.safe_dump(json.loads(json.dumps(made.params)), sort_keys=False))
    world.write("src/purchase_intent/model.py", made.code)
    weights.write(world.folder / "models/weights", made.tensors, framework=made.framework, layers=made.layers)
    if made.frame is not None:
        from stemma.tables import profile as written

        written.write(world.folder / "data/prepared", profile(made.frame))
        for name, rows in splits(len(made.frame)).items():
            made.frame.iloc[rows].to_parquet(world.folder / f"data/prepared/{name}.parquet", index=False)
        world.write("reports/predictions.parquet", predictions(made))
    for name in ("metrics", "evaluation", "training", "compression"):
        content = getattr(made, name)
        if content is not None:
            world.write(f"reports/{name}.json", json.dumps(content, indent=2, sort_keys=True) + "\n")
    for name, factor in (("train", 0.9), ("validation", 1.0)):
        lines = [f"{step}\t{loss * factor:.6f}\n" for step, loss in enumerate(made.curve)]
        world.write(f"reports/training/plots/metrics/{name}/loss.tsv", "step\tloss\n" + "".join(lines))
    if made.export is not None:
        world.write("models/export/model.onnx", made.export)
        world.write("models/export/parity.json", '{"largest_difference": 1e-07}\n')
    if made.bundle is not None:
        world.write("models/package/model.zip", made.bundle)


def predictions(made: Parts) -> bytes:
    """reports/predictions.parquet: probabilities from the price and the first bias, so that other weights differ."""
    import io

    import pandas as pd

    test = splits(len(made.frame))["test"]
    rows = made.frame.iloc[test]
    first = float(next(iter(made.tensors.values())).reshape(-1)[0])
    probability = 1 / (1 + np.exp(-(rows["price"].to_numpy() + 0.1 * first)))
    columns = {
        "row": test,
        "actual": rows["bought"].astype(str).to_numpy(),
        "predicted": np.where(probability >= 0.5, "yes", "no"),
        "probability_no": (1 - probability).astype(np.float32),
        "probability_yes": probability.astype(np.float32),
    }
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer, index=False)
    return buffer.getvalue()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def make_three_versions(folder: Path) -> World:
    """Three versions on main, one on a branch, one experiment. Two are registered; `prod` went from one to the other.

    start - v1.0.0 - (a page) - v1.1.0 - third - (a page)     main; `prod` is v1.1.0
                                  |        `- calm-otter      an experiment: another learning rate
                                  `- wider                    a branch: one more layer
    """
    world = new(folder)
    first = parts()
    world.version("first model", first)
    world.tag("model@v1.0.0")
    world.tag("model#prod#1")
    world.write("notes.md", "A page.\n")
    world.commit("a page")
    second = first.but(
        tensors=changed(first.tensors, "output.bias"),
        metrics=METRICS | {"test": {"accuracy": 0.82, "log_loss": 0.42, "roc_auc": 0.87}},
        params=PARAMS | {"train": PARAMS["train"] | {"epochs": 60}},
    )
    world.version("only a bias moved", second)
    world.tag("model@v1.1.0")
    world.tag("model#prod#2")
    layers, tensors = network((8, 6, 4))
    wider = PARAMS["model"] | {"hidden": [8, 6, 4]}
    world.ok("git", "checkout", "-qb", "wider")
    world.version("one more layer", second.but(layers=layers, tensors=tensors, params=second.params | {"model": wider}))
    world.ok("git", "checkout", "-q", "main")
    third = second.but(
        frame=table(500),
        tensors=network(seed=3)[1],
        metrics=METRICS | {"test": {"accuracy": 0.79, "log_loss": 0.46, "roc_auc": 0.84}},
        code="pass  # new\n",
    )
    world.version("more rows", third)
    slower = third.params | {"train": third.params["train"] | {"learning_rate": 1e-4}}
    world.experiment("calm-otter", "an experiment", third.but(params=slower, tensors=network(seed=4)[1]))
    write(world, third)
    world.write("notes.md", "Another page.\n")
    world.commit("another page")
    world.ok("git", "gc", "-q")  # into one file of all objects: it is copied hundreds of times
    return world


@dataclass(frozen=True)
class Projects:
    """Two DVC projects in one Git repository, each with two versions; v1.0.0 and v2.0.0 of each are registered."""

    top: Path

    @property
    def churn(self) -> World:
        return World(self.top / "churn", self.top)

    @property
    def sales(self) -> World:
        return World(self.top / "sales", self.top)

    def copy(self, top: Path) -> "Projects":
        shutil.copytree(self.top, top, symlinks=True)
        for one, other in ((self.churn, Projects(top).churn), (self.sales, Projects(top).sales)):
            shutil.copytree(one.remote, other.remote)
        return Projects(top)


def make_two_projects(top: Path) -> Projects:
    """churn v1, sales v1, churn v2, sales v2: a commit each, tagged as GTO names what lies in a folder."""
    made = Projects(top)
    for world in (made.churn, made.sales):
        new(world.folder, top)
        pipeline = (world.folder / "dvc.yaml").read_text()
        world.write("dvc.yaml", pipeline + "artifacts:\n  model: {path: models/package/model.zip, type: model}\n")
    for number in (1, 2):
        for world in (made.churn, made.sales):
            name = world.folder.name
            tensors = network(seed=number + 10 * (name == "sales"))[1]
            made_of = parts(tensors=tensors, frame=table(60), bundle=f"{name} {number}".encode())
            world.version(f"{name} {number}", made_of)
            world.tag(f"{name}=model@v{number}.0.0")
            if number == 2:
                world.tag(f"{name}=model#prod#1", f"{name}=model@v1.0.0^{{}}")
    return made
