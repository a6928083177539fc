"""What changed between two versions: structure, weights, data, settings, metrics, code, environment, and D.

The default reads manifests, indexes and profiles. `exact` fetches also the files of the tensors that differ, and the
tables where these differ.

    stemma.versions.diff(".", "v1", "v2").changed

    D(a, b) = 0.5 structure + 0.3 parameters + 0.2 data, each part in [0, 1]

D is the same both ways, and 0 if and only if layers, values of tensors and tables are the same: names do not count.

Reading order:

- `layout`      what PyTorch and Keras call the same thing
- `structure`   which layers are the same one; the part `structure`
- `tensors`     how far tensors are apart; the part `parameters`; `entries` reads them themselves
- `data`        rows, columns, classes; the part `data`; `tables` reads the rows themselves
- `settings`    settings, metrics and environment; `code` the lines of src/
- `compression` how their graphs keep equal weights
- `total`       D
- `plot`        a heat map of the layers
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemma.errors import VersionError
from stemma.repo.repository import WORKSPACE, Repo, Version, no_model, opened
from stemma.text import by_number, counted
from stemma.versions.diff import code, compression, data, entries, settings, structure, tables, tensors, total
from stemma.versions.diff.code import Code
from stemma.versions.diff.compression import Compression
from stemma.versions.diff.data import Data
from stemma.versions.diff.settings import MetricMove, Setting
from stemma.versions.diff.structure import LayerChange, Structure
from stemma.versions.diff.tensors import TensorChange
from stemma.versions.diff.total import Distance


@dataclass(frozen=True)
class Side:
    """One of the two versions: as it was asked for, its commit (None: the workspace) and its framework."""

    name: str
    commit: str | None
    framework: str | None


@dataclass(frozen=True)
class Difference:
    """All that differs between two versions, and what does not."""

    before: Side
    after: Side
    distance: Distance  # D and its parts
    layers: tuple[LayerChange, ...]  # of both versions, in order; `added`, `removed` and `changed` are among them
    tensors: tuple[TensorChange, ...]  # of the layers that are in both; `same` ones included
    compression: Compression | None  # how their graphs keep the network; None where that is the same, or not told
    data: Data | None  # None where a version has no profile
    settings: tuple[Setting, ...]  # the values that differ
    metrics: tuple[MetricMove, ...]  # the figures of both
    code: Code  # the lines of src/
    environment: tuple[Setting, ...]
    notes: tuple[str, ...]  # what a reader must know of how this was found, such as turned kernels or a missing part

    @property
    def added(self) -> tuple[LayerChange, ...]:
        """Layers that only the version after has."""
        return tuple(layer for layer in self.layers if layer.status == "added")

    @property
    def removed(self) -> tuple[LayerChange, ...]:
        """Layers that only the version before has."""
        return tuple(layer for layer in self.layers if layer.status == "removed")

    @property
    def changed(self) -> tuple[LayerChange, ...]:
        """Layers that are in both, under another name, at another place, or with other settings or shapes."""
        return tuple(layer for layer in self.layers if layer.status in ("changed", "moved", "renamed"))


def diff(
    repo: Repo, before: str, after: str = WORKSPACE, *, exact: bool = False, weights: Mapping[str, float] | None = None
) -> Difference:
    """What changed from one version to another.

    Args:
        before, after: revisions: commits, branches, tags, `model@v1.2.0`, `model#prod`, experiments, `workspace`.
        exact: fetch the tensors that differ, and tables that differ, instead of estimating from sketches.
        weights: of the parts of D, summing to 1; None: those of conf/diff.yaml, else the default ones.

    Raises:
        VersionError: a revision is not known or holds no model; a part is out of reach or damaged.
        SettingsError: the weights are none.
    """
    repository = opened(repo)
    used = total.read(repository.root) if weights is None else total.checked(weights, "weights")
    a, b = repository.version(before), repository.version(after)
    if a.index is None or b.index is None:
        raise no_model(a if a.index is None else b)
    found = structure.compare(a.index, b.index)
    moved = tensors.compare(found.pairs, entries.measure(a, b, tensors.unequal(found.pairs)) if exact else None)
    held, graphs = _tables(a, b, exact), compression.compare(a, b)
    return Difference(
        before=Side(a.name, a.commit, a.index.framework),
        after=Side(b.name, b.commit, b.index.framework),
        distance=_distance(found, moved, held, used),
        layers=found.layers,
        tensors=moved,
        compression=graphs,
        data=held,
        settings=settings.settings_that_differ(a.settings or {}, b.settings or {}),
        metrics=settings.metric_moves(a.metrics or {}, b.metrics or {}, a.evaluation),
        code=code.compare(repository.root, a.commit, b.commit),
        environment=settings.settings_that_differ(_environment(a), _environment(b)),
        notes=(*_notes(a, b, moved, held), *_served(moved, graphs)),
    )


def _tables(a: Version, b: Version, exact: bool) -> Data | None:
    if a.profile is None or b.profile is None:
        return None
    try:
        differ = a.profile["content"] != b.profile["content"]
        return data.compare(a.profile, b.profile, tables.count_rows(a, b) if exact and differ else None)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        what = f"profile.json of {a.name} or of {b.name} is damaged or of another format"
        raise VersionError(f"{what} ({type(error).__name__}: {error})") from None


def _distance(
    found: Structure, moved: tuple[TensorChange, ...], held: Data | None, weights: Mapping[str, float]
) -> Distance:
    share = structure.share_changed(found)
    parts = {
        "structure": share,
        "parameters": tensors.distance(moved) if moved or share else 0.0,  # no tensor may be there to differ
        "data": None if held is None else data.distance(held),
    }
    estimated = ["parameters"] if any(change.estimated for change in moved) else []
    estimated += ["data"] if held is not None and held.rows.estimated else []
    return total.total(parts, weights, tuple(estimated))


def _environment(version: Version) -> Mapping[str, Any]:
    found = (version.training or {}).get("environment")
    return found if isinstance(found, dict) else {}


def _served(moved: tuple[TensorChange, ...], graphs: Compression | None) -> tuple[str, ...]:
    """What is served differs where weights may not."""
    if graphs is None or not graphs.other:
        return ()
    equal = "weights equal, " if all(each.same for each in moved) else ""
    return (f"{equal}network {graphs}",)


def _notes(a: Version, b: Version, moved: tuple[TensorChange, ...], held: Data | None) -> tuple[str, ...]:
    notes = []
    turned, unknown = sum(one.turned for one in moved), sum(not one.known for one in moved)
    frameworks = dict.fromkeys(each.index.framework for each in (a, b) if each.index)
    if len(frameworks) > 1:
        kernels = counted(turned, "kernel is", "kernels are")
        notes.append(
            f"{' beside '.join(frameworks)}: {kernels} compared with axes in one order (PyTorch keeps out, in; Keras "
            "in, out); the settings of layers have other names and are left out"
        )
    if unknown:
        kernels, count = counted(unknown, "kernel"), by_number(unknown, "counts", "count")
        them = by_number(unknown, "it", "them")
        notes.append(f"{kernels} with axes in another order {count} as unrelated: --exact reads {them}")
    if held is None:
        bare = " and ".join(version.name for version in (a, b) if version.profile is None)
        notes.append(f"{bare}: no data/prepared/profile.json, so the data is not compared")
    elif held.rows.over is not None:
        over = counted(len(held.rows.over), "column")
        notes.append(f"rows are compared by the {over} that both tables have in one role")
    for name, has in (("metrics", lambda version: version.metrics), ("environment", _environment)):
        notes += [f"{version.name}: no {name}" for version in (a, b) if not has(version)]
    return tuple(notes)
