"""What the stages hand over to trackers. Nothing here stops a stage, or waits for a tracker while a fit lasts."""

import csv
import hashlib
import itertools
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stemma import layout
from stemma.entries import Entry
from stemma.errors import told_by_system
from stemma.files import read_json, write_text
from stemma.settings import Section
from stemma.text import say, without_password
from stemma.trackers import lines
from stemma.trackers.base import object_of
from stemma.trackers.process import Asked

WEIGHTS = "weights"  # in the folder of a run: the SHA-256 of the index of the weights that it made
WAIT = 20.0  # seconds that the last stage waits for trackers
CURVES = {"roc": layout.PLOTS / "roc.csv", "precision_recall": layout.PLOTS / "precision_recall.csv"}
Calls = list[tuple[str, dict[str, Any]]]


@dataclass
class Run:
    """A run that trackers are told of, by a process for each."""

    folder: Path
    project: str
    trackers: Mapping[str, Entry]
    processes: "dict[str, subprocess.Popen[str]]" = field(default_factory=dict)

    def start(self, calls: Calls, fit: bool = False) -> None:
        """Args: calls, fit: as of `Asked`."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, entry in self.trackers.items():
                asked = Asked(str(self.folder), self.project, name, entry.path, entry.extra, calls, fit)
                with asked.note("log").open("ab") as log:
                    self.processes[name] = process = _process(log)
                print(json.dumps(asdict(asked)), file=process.stdin, flush=True)
        except OSError as error:
            say(f"note: no tracker follows this run ({told_by_system(error)})", error=True)

    def end(self, status: str, wait: float = 0.0) -> None:
        """Say that the stage has ended, and of trackers, once, that they fail.

        Args:
            wait: seconds, at most, for the processes.
        """
        for process in self.processes.values():
            with suppress(OSError):  # it has failed
                print(status, file=process.stdin, flush=True)
        end = time.monotonic() + wait
        while time.monotonic() < end and any(process.poll() is None for process in self.processes.values()):
            time.sleep(0.05)
        for name, process in self.processes.items():
            note = self.folder / f"{name}.failed"
            if wait and process.poll() is None:
                say(f"note: {name} has not taken all of this run yet: its process goes on for a while", error=True)
            elif note.exists():
                say(f"note: {name} does not follow this run ({note.read_text(encoding='utf-8')})", error=True)
                note.replace(note.with_suffix(".told"))


@contextmanager
def following(settings: Any, train: Section, own: Mapping[str, Entry]) -> Iterator[None]:
    """Let trackers follow a fit, and the writing of what it gives.

    Args:
        settings: the project's; train: its section with what was left to the rows.
        own: the project's table TRACKERS.
    """
    if not settings.train.trackers:
        yield
        return
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.environ.get('DVC_EXP_NAME') or secrets.token_hex(3)}"
    run, status = _run(settings, own, _home(Path.cwd()) / name), "FAILED"
    values = _settings(settings.model_copy(update={"train": train}))
    run.start([("settings", {"values": values}), ("tags", {"values": _tags(Path.cwd())})], fit=True)
    try:
        yield
        status = "FINISHED"
        if run.processes:
            write_text(run.folder / WEIGHTS, _digest(layout.INDEX))
    finally:
        run.end(status)


def judged(settings: Any, own: Mapping[str, Entry]) -> None:
    """Hand over what `evaluate` wrote, to the run that made the weights."""
    if run := _again(settings, own):
        drawn = {path.stem: path.read_text(encoding="utf-8") for path in sorted(layout.PICTURES.glob("*.svg"))}
        curves = {name: _points(path) for name, path in CURVES.items()}
        figures = dict(_flat(read_json(layout.METRICS)))
        run.start([("figures", {"values": figures}), ("curves", {"points": curves}), ("pictures", {"drawn": drawn})])
        run.end("FINISHED")


def packaged(settings: Any, own: Mapping[str, Entry]) -> None:
    """Hand over the graph, and which object of DVC the bundle is: no tracker gets a copy. Then wait a little."""
    if run := _again(settings, own):
        bundle = layout.PACKAGE.read_bytes()
        md5 = hashlib.md5(bundle, usedforsecurity=False).hexdigest()
        told = {"bundle": layout.PACKAGE.as_posix(), "bundle.object": object_of(md5)}
        told["bundle.sha256"] = hashlib.sha256(bundle).hexdigest()
        run.start([("tags", {"values": told}), ("graph", {"nodes": _nodes(layout.EXPORT / "model.onnx")})])
        run.end("FINISHED", WAIT)


def _run(settings: Any, own: Mapping[str, Entry], folder: Path) -> Run:
    known = lines(own)
    return Run(folder, settings.package.name, {name: known[name] for name in settings.train.trackers})


def _again(settings: Any, own: Mapping[str, Entry]) -> Run | None:
    """The latest run that made the weights which are there."""
    if not settings.train.trackers:
        return None
    digest = _digest(layout.INDEX)
    for path in sorted(_home(Path.cwd()).glob(f"*/{WEIGHTS}"), reverse=True):
        if path.read_text(encoding="utf-8") == digest:
            return _run(settings, own, path.parent)
    say("note: no tracker has the run that made these weights", error=True)
    return None


def _home(root: Path) -> Path:
    """The folder of runs; of the work tree also where DVC runs an experiment in a folder below .dvc/tmp/exps."""
    for folder in root.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2] / layout.RUNS
    return root / layout.RUNS


def _process(log: Any) -> "subprocess.Popen[str]":
    """Of a session of its own: an interrupt is the stage's, and it goes on for a while when that has ended."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "stemma.trackers.process"], stdin=subprocess.PIPE, stdout=log, stderr=log,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, text=True, start_new_session=True,
    )  # fmt: skip


def _settings(settings: Section) -> dict[str, str | float | bool]:
    parts = settings.model_dump(mode="json").items()
    flat = {f"{part}.{name}": value for part, values in parts for name, value in values.items()}
    return {name: value if isinstance(value, int | float) else _text(value) for name, value in flat.items()}


def _text(value: Any) -> str:
    return without_password(value if isinstance(value, str) else json.dumps(value))


def _tags(root: Path) -> dict[str, str]:
    """The commit that the work began at, its names in the registry, and the experiment."""
    from stemma.repo import git, registry

    commit = git.commit_of(root, "HEAD")
    names = [f"{model}@{number}" for (model, number), at in registry.read(root).registered.items() if at == commit]
    found = {"commit": commit, "versions": " ".join(names), "experiment": os.environ.get("DVC_EXP_NAME")}
    return {name: value for name, value in found.items() if value}


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}/")
        elif isinstance(value, int | float):
            yield f"{above}{name}", value


def _points(path: Path) -> list[list[float]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [[float(x), float(y)] for x, y in itertools.islice(csv.reader(file), 1, None)]


def _nodes(path: Path) -> list[tuple[str, str, list[str]]]:
    """Of a graph of ONNX: names, operators, and the nodes or inputs that each takes."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    made = {value: node.name or node.output[0] for node in graph.node for value in node.output}
    made |= {each.name: each.name for each in graph.input}
    nodes = [(made[node.output[0]], node.op_type, [made[x] for x in node.input if x in made]) for node in graph.node]
    return [(each.name, "input", []) for each in graph.input] + nodes


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
