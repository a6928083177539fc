"""All that is known of one version: read from its index, profile, settings, reports and outputs.

Nothing is stored for this: a part is there or it is named in `missing`, with the reason.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from stemma.compress import record
from stemma.errors import VersionError
from stemma.evaluation.results import figures, interval
from stemma.layout import SPLITS
from stemma.repo.git import git
from stemma.repo.lockfile import PARAMS, Entry
from stemma.repo.repository import (
    COMPRESSION,
    CURVES,
    EVALUATION,
    EXPORT,
    INDEX,
    METRICS,
    PACKAGE,
    PREPARED,
    PROFILE,
    TRAINING,
    WEIGHTS,
    Repo,
    Version,
    opened,
)
from stemma.versions import curves
from stemma.versions.arrays import parameters
from stemma.versions.doctor import untrue

if TYPE_CHECKING:
    from stemma.weights import Index, Tensor

KEPT = {"export": EXPORT, "bundle": PACKAGE}
LARGEST = 5
Part = TypeVar("Part")


@dataclass(frozen=True)
class LayerRow:
    """A layer. `tensors`: name in the layer and shape of each; `parameters`: entries, without buffers and ties."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    tensors: tuple[tuple[str, tuple[int, ...]], ...]
    parameters: int


@dataclass(frozen=True)
class Structure:
    """The network. `fingerprint`: of kinds, settings and shapes, without names."""

    framework: str
    fingerprint: str
    layers: tuple[LayerRow, ...]
    parameters: int


@dataclass(frozen=True)
class Column:
    """A column of the table: its role, and how many rows have no value."""

    name: str
    role: str | None
    missing: int | None


@dataclass(frozen=True)
class Data:
    source: str | None
    sha256: str | None  # of names, types and values
    md5: str | None  # of data/prepared, as DVC has it
    task: str | None
    target: str | None
    classes: tuple[str, ...]  # with the positive one of two last; empty for a regression
    rows: int | None
    columns: tuple[Column, ...]
    # rows of each split, with the count of each class ("balance") or the mean of the target ("mean")
    splits: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Curve:
    """A figure by epoch; NaN where it is not a number."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Process:
    settings: Mapping[str, Any]
    seed: int | None
    epochs_run: int | None
    epoch_kept: int | None
    init_from: str | None  # the version whose weights it started with, as train.init_from named it
    init_commit: str | None  # what that was
    taken: int | None  # how many tensors it took from there
    drawn: tuple[str, ...]  # the names of those that were drawn at random
    teacher: str | None  # the version whose predictions it learned, as the settings named it
    teacher_commit: str | None  # what that was
    cut_from: tuple[int, ...] | None  # units of its hidden layers before some were taken; None where none were
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Metric:
    """A figure on a split; `low` and `high` are its 95 % interval, None where there is none."""

    split: str
    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Large:
    """A tensor. `norm` (L2) is None where an entry is not finite."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    norm: float | None


@dataclass(frozen=True)
class Weights:
    tensors: int
    parameters: int  # entries of what training can move
    buffers: int  # entries of the others
    bytes: int  # of all entries
    norm: float | None  # L2, over the parameters, None where an entry is not finite
    largest: tuple[Large, ...]  # the largest tensors
    md5: str | None  # of models/weights, as DVC has it


@dataclass(frozen=True)
class Artifact:
    """What DVC keeps: `md5` of the file or of the folder's listing, bytes, files of a folder."""

    path: str
    md5: str | None
    bytes: int | None
    files: int | None


@dataclass(frozen=True)
class Record:
    """A version; a part that it lacks is None, and named in `missing` with the reason."""

    name: str
    commit: str | None
    date: datetime | None
    author: str | None
    subject: str | None
    names: tuple[str, ...]  # of its very commit
    stages: tuple[str, ...]  # likewise
    structure: Structure | None
    data: Data | None
    process: Process | None
    metrics: tuple[Metric, ...]
    weights: Weights | None
    compression: record.Record | None  # how the network's graph is kept; None of a version older than that
    environment: Mapping[str, Any] | None  # Python, packages, device, platform
    settings: Mapping[str, Any] | None  # params.yaml
    outputs: Mapping[str, Artifact]  # "export" and "bundle"
    untrue: tuple[str, ...]  # what of it is not what made the model, in words
    missing: tuple[str, ...]


def show(repo: Repo = ".", revision: str = "HEAD") -> Record:
    """The whole record of a version; a VersionError where there is no such revision."""
    return Reader(opened(repo).version(revision)).record()


class Reader:
    """Reads the parts, and notes what is missing."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.missing: list[str] = []

    def record(self) -> Record:
        version, registry = self.version, self.version.repository.registry
        date, author, subject = self._commit()
        index: Index | None = self._part("structure and weights", INDEX, lambda: version.index)
        training: Mapping[str, Any] = self._part("process", TRAINING, lambda: version.training) or {}
        compressed = version.has(COMPRESSION)  # no older one has it
        graph = self._part("graph", COMPRESSION, lambda: version.compression, record.read) if compressed else None
        environment = training.get("environment")
        if training and not environment:
            self.missing.append(f"environment: {TRAINING} does not tell it")
        return Record(
            name=version.name,
            commit=version.commit,
            date=date,
            author=author,
            subject=subject,
            names=tuple(f"{model}@{name}" for (model, name), of in registry.registered.items() if of == version.commit),
            stages=tuple(f"{model}#{name}" for (model, name), of in registry.assigned.items() if of == version.commit),
            structure=None if index is None else _structure(index),
            data=self._part("data", PROFILE, lambda: version.profile, self._data),
            process=self._part("process", TRAINING, lambda: training, self._process) if training else None,
            metrics=self._part("metrics", METRICS, lambda: version.metrics, self._metrics) or (),
            weights=None if index is None else _weights(index, self._md5(WEIGHTS)),
            compression=graph,
            environment=environment,
            settings=self._part("settings", PARAMS, lambda: version.settings),
            outputs=self._outputs(),
            untrue=untrue(version),
            missing=tuple(self.missing),
        )

    def _part(
        self, what: str, path: str, read: Callable[[], Any], make: Callable[[Any], Part] = lambda found: found
    ) -> Part | None:
        """What is made of a part; None and a line in `missing` where it is not there."""
        try:
            if (found := read()) is not None:
                return make(found)
            self.missing.append(f"{what}: there is no {path}")
        except VersionError as error:
            self.missing.append(f"{what}: {error}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.missing.append(f"{what}: {path} has another form ({type(error).__name__}: {error})")
        return None

    def _commit(self) -> tuple[datetime | None, str | None, str | None]:
        if self.version.commit is None:
            return None, None, None
        form = "--format=%aI%x00%aN%x00%s"
        told = git(self.version.repository.root, "show", "--no-patch", form, self.version.commit, "--")
        date, author, subject = told.decode(errors="replace").rstrip("\n").split("\0", 2)
        return datetime.fromisoformat(date), author, subject

    def _data(self, profile: Mapping[str, Any]) -> Data:
        columns, splits = profile["columns"].items(), profile.get("splits", {})
        return Data(
            source=profile.get("source"),
            sha256=profile.get("content", {}).get("sha256"),
            md5=self._md5(PREPARED),
            task=profile.get("task"),
            target=profile.get("target"),
            classes=tuple(profile.get("classes", ())),
            rows=profile.get("rows"),
            columns=tuple(Column(name, facts.get("role"), facts.get("missing")) for name, facts in columns),
            splits={name: splits[name] for name in dict.fromkeys([*SPLITS, *splits]) if name in splits},
        )

    def _process(self, training: Mapping[str, Any]) -> Process:
        settings = training.get("train") or {}
        start, teacher, before = (training.get(name) or {} for name in ("init_from", "teacher", "cut_from"))
        return Process(
            settings={"model": training.get("model"), "train": settings},
            seed=settings.get("seed"),
            epochs_run=training.get("epochs_run"),
            epoch_kept=training.get("epoch_kept"),
            init_from=start.get("revision"),
            init_commit=start.get("commit"),
            taken=len(start["taken"]) if "taken" in start else None,
            drawn=tuple(start.get("drawn", ())),
            teacher=teacher.get("revision"),
            teacher_commit=teacher.get("commit"),
            cut_from=tuple(before) or None,
            curves=self._part("curves", CURVES, partial(curves.read, self.version), _curves) or (),
        )

    def _metrics(self, metrics: Mapping[str, Any]) -> tuple[Metric, ...]:
        judged = self._part("intervals", EVALUATION, lambda: self.version.evaluation, lambda told: dict(told["test"]))
        found = []
        for full, value in figures(metrics).items():
            split, _, name = full.rpartition(".")
            found.append(Metric(split, name, value, *(interval({"test": judged}, full) or (None, None))))
        return tuple(found)

    def _outputs(self) -> dict[str, Artifact]:
        found = {name: self._part(name, path, partial(self.version.output, path), _kept) for name, path in KEPT.items()}
        return {name: kept for name, kept in found.items() if kept}

    def _md5(self, path: str) -> str | None:
        output = self.version.output(path)
        return None if output is None else output.md5


def _kept(output: Entry) -> Artifact:
    return Artifact(output.path, output.md5, output.size, output.files)


def _curves(read: Mapping[str, tuple[float, ...]]) -> tuple[Curve, ...]:
    return tuple(Curve(name, values) for name, values in read.items())


def _structure(index: "Index") -> Structure:
    of_layer: dict[str | None, list[Tensor]] = {}
    for tensor in index.tensors:
        of_layer.setdefault(tensor.layer, []).append(tensor)
    rows = [_row(layer.name, layer.kind, layer.settings, of_layer.get(layer.name, [])) for layer in index.layers]
    if None in of_layer:
        rows.append(_row("", "no layer", {}, of_layer[None]))
    return Structure(index.framework, index.structure, tuple(rows), sum(row.parameters for row in rows))


def _row(name: str, kind: str, settings: Mapping[str, Any], tensors: "list[Tensor]") -> LayerRow:
    shapes = tuple((tensor.name.removeprefix(f"{name}."), tensor.shape) for tensor in tensors)
    return LayerRow(name, kind, settings, shapes, parameters(tensors))


def _weights(index: "Index", md5: str | None) -> Weights:
    stored = [tensor for tensor in index.tensors if tensor.tied_to is None]
    norms = [tensor.norm for tensor in stored if not tensor.buffer]
    largest = sorted(stored, key=_bytes, reverse=True)[:LARGEST]
    return Weights(
        tensors=len(index.tensors),
        parameters=parameters(stored),
        buffers=sum(math.prod(tensor.shape) for tensor in stored if tensor.buffer),
        bytes=sum(map(_bytes, stored)),
        norm=None if None in norms else math.hypot(*(norm for norm in norms if norm is not None)),
        largest=tuple(Large(each.name, each.shape, each.dtype, _bytes(each), each.norm) for each in largest),
        md5=md5,
    )


def _bytes(tensor: "Tensor") -> int:
    """Types are named by their bits (float32, bfloat16, int8), but for bool."""
    bits = re.search(r"\d+$", tensor.dtype)
    return math.prod(tensor.shape) * (int(bits[0]) // 8 if bits else 1)
