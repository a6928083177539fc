"""What the stages hand over to trackers. Nothing here stops a stage, or waits for a tracker while a fit lasts."""

import csv
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
from stemma.evaluation import results
from stemma.files import sha256_of, write_text
from stemma.repo import places
from stemma.repo.objects import md5_of
from stemma.settings import Section
from stemma.text import in_one_line, say, without_password
from stemma.trackers import lines
from stemma.trackers.base import Call
from stemma.trackers.process import Asked

WEIGHTS = "weights"  # in the folder of a run: the SHA-256 of the index of the weights that it made
WAIT = 20.0  # seconds that the last stage waits for trackers
LOW = ("nice", "-n", "19") if os.name == "posix" else ()  # the processors are the stage's
CURVES = {"roc": layout.PLOTS / "roc.csv", "precision_recall": layout.PLOTS / "precision_recall.csv"}


@dataclass
class Run:
    """A run that trackers are told of, by a process for each."""

    folder: Path
    project: str
    trackers: Mapping[str, Entry]
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def start(self, *calls: Call, fit: bool = False) -> None:
        """Args: calls, fit: as of `Asked`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, entry in self.trackers.items():
            asked = Asked(str(self.folder), self.project, name, entry.path, entry.extra, calls, fit)
            with asked.note("log").open("ab") as log:
                self.processes[name] = _process(log)
            self.tell(name, json.dumps(asdict(asked)))

    def tell(self, name: str, line: str) -> None:
        """Write a line to the process of a tracker, unless that has failed."""
        stdin = self.processes[name].stdin
        with suppress(BrokenPipeError):
            stdin and stdin.write(line.encode() + b"\n")

    def end(self, status: str, wait: float = 0.0) -> None:
        """Say that the stage has ended; wait so many seconds, at most; and say, once, which trackers fail.

        One that failed in an earlier stage is tried again, but not waited for.
        """
        for name in self.processes:
            self.tell(name, status)
        notes = {name: self.folder / f"{name}.failed" for name in self.processes}
        awaited = [self.processes[name] for name, note in notes.items() if not note.with_suffix(".told").exists()]
        end = time.monotonic() + wait
        while time.monotonic() < end and any(process.poll() is None for process in awaited):
            time.sleep(0.05)
        for name, note in notes.items():
            if note.exists():
                told = note.with_suffix(".told")
                if not told.exists():  # another process of this run may note its failure while the first one is told
                    say(f"note: {name} does not follow this run ({note.read_text(encoding='utf-8')})", error=True)
                note.replace(told)
            elif wait and self.processes[name] in awaited and self.processes[name].poll() is None:
                say(f"note: {name} has not taken all of this run yet: its process goes on for a while", error=True)


@contextmanager
def following(settings: Any, train: Section, own: Mapping[str, Entry]) -> Iterator[None]:
    """Let trackers follow a fit, and the writing of what it gives.

    Args:
        settings: the project's; train: its section with what was left to the rows.
        own: the project's table TRACKERS.
    """
    run, status = None, "FAILED"
    if settings.train.trackers:
        with _harmless():
            run = _begun(settings, train, own)
    try:
        yield
        status = "FINISHED"
    finally:
        if run:
            with _harmless():
                write_text(run.folder / WEIGHTS, sha256_of(layout.INDEX) if status == "FINISHED" else "")
                run.end(status)


def judged(settings: Any, own: Mapping[str, Entry]) -> None:
    """Hand over what `evaluate` wrote, to the run that made the weights."""
    with _harmless():
        if run := _again(settings, own):
            drawn = {path.stem: path.read_text(encoding="utf-8") for path in sorted(layout.PICTURES.glob("*.svg"))}
            points = {name: _points(path) for name, path in CURVES.items()}
            found = results.figures(results.read(layout.METRICS)).items()
            # Grouped by what is before "/". Epochs have a validation/accuracy of their own, by the threshold 0.5.
            figures = {f"evaluate/{name.replace('.', '/', 1)}": value for name, value in found}
            told = ("curves", {"points": points}), ("pictures", {"drawn": drawn})
            run.start(("figures", {"values": figures}), *told)
            run.end("FINISHED")


def packaged(settings: Any, own: Mapping[str, Entry]) -> None:
    """Hand over the graph, and which object of DVC the bundle is: no tracker gets a copy. Then wait a little."""
    with _harmless():
        if run := _again(settings, own):
            told = {"bundle": layout.PACKAGE.as_posix(), "bundle.object": places.key(md5_of(layout.PACKAGE))}
            told["bundle.sha256"] = sha256_of(layout.PACKAGE)
            run.start(("tags", {"values": told}), ("graph", {"nodes": _nodes(layout.GRAPH)}))
            run.end("FINISHED", WAIT)


@contextmanager
def _harmless() -> Iterator[None]:
    """What goes wrong in here is told, and stops no stage."""
    try:
        yield
    except Exception as error:
        say(f"note: no tracker follows this run ({without_password(in_one_line(error))})", error=True)


def _begun(settings: Any, train: Section, own: Mapping[str, Entry]) -> Run:
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.environ.get('DVC_EXP_NAME') or secrets.token_hex(3)}"
    run = _run(settings, own, layout.home(Path.cwd()) / layout.RUNS / name)
    parts = settings.model_copy(update={"train": train}).model_dump(mode="json").items()
    values = {f"{part}.{name}": _plain(value) for part, section in parts for name, value in section.items()}
    run.start(("settings", {"values": values}), ("tags", {"values": _tags(Path.cwd())}), fit=True)
    return run


def _run(settings: Any, own: Mapping[str, Entry], folder: Path) -> Run:
    known = lines(own)
    return Run(folder, settings.package.name, {name: known[name] for name in settings.train.trackers})


def _again(settings: Any, own: Mapping[str, Entry]) -> Run | None:
    """The latest run that made the weights which are there."""
    if not settings.train.trackers:
        return None
    digest = sha256_of(layout.INDEX)
    for path in sorted((layout.home(Path.cwd()) / layout.RUNS).glob(f"*/{WEIGHTS}"), reverse=True):
        if path.read_text(encoding="utf-8") == digest:
            return _run(settings, own, path.parent)
    say("note: no tracker has the run that made these weights", error=True)
    return None


def _process(log: Any) -> "subprocess.Popen[bytes]":
    """Of a group of its own: an interrupt is the stage's. A session of its own would have the stage's priority."""
    command = [*LOW, sys.executable, "-P", "-m", "stemma.trackers.process"]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        command, bufsize=0, stdin=subprocess.PIPE, stdout=log, stderr=log, env=paths, process_group=0
    )


def _plain(value: Any) -> str | float | bool:
    if isinstance(value, int | float):
        return value
    return without_password(value if isinstance(value, str) else json.dumps(value))


def _tags(root: Path) -> dict[str, str]:
    """The commit that the work began at, its names in the registry, and the experiment."""
    from stemma.repo import git, registry

    commit = git.commit_of(root, "HEAD")
    names = [f"{model}@{number}" for (model, number), at in registry.read(root).registered.items() if at == commit]
    found = {"commit": commit, "versions": " ".join(names), "experiment": os.environ.get("DVC_EXP_NAME")}
    return {name: value for name, value in found.items() if value}


def _points(path: Path) -> list[list[float]]:
    """None of a task that has no such curve."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [[float(x) for x in row] for row in rows if len(row) == 2]


def _nodes(path: Path) -> list[tuple[str, str, list[str]]]:
    """Of a graph of ONNX: names, operators, and the nodes or inputs that each takes."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    made = {value: node.name or node.output[0] for node in graph.node for value in node.output}
    made |= {each.name: each.name for each in graph.input}
    nodes = [(made[node.output[0]], node.op_type, [made[x] for x in node.input if x in made]) for node in graph.node]
    return [(each.name, "input", []) for each in graph.input] + nodes
