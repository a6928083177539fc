"""The graph of versions: the commits whose model changed, and which came from which.

Whatever is asked of Git is asked once for the whole history, and only small files are read from DVC, and those only
where they lie on this machine: a thousand commits take well under a second.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from stemma.errors import VersionError
from stemma.evaluation.results import figures, main_figure, told
from stemma.repo import lockfile
from stemma.repo.git import POINTER, at, contents, git, ids
from stemma.repo.lockfile import PARAMS
from stemma.repo.objects import is_kept
from stemma.repo.repository import (
    EVALUATION,
    INDEX,
    METRICS,
    PREPARED,
    PROFILE,
    TRAINING,
    WEIGHTS,
    Repo,
    Repository,
    opened,
)
from stemma.text import counted, nearest
from stemma.versions import judged
from stemma.versions.commits import History, parsed

CODE = "src"


@dataclass(frozen=True)
class Entry:
    commit: str
    # the versions that it came from, by Git's history; the first is the one it is compared with
    parents: tuple[str, ...]
    # the version whose weights its training started with; None where it started anew. A version that is not in the
    # graph is named by the commit that was given
    trained_from: str | None
    taught_by: str | None  # the version whose predictions it learned, named alike; None without one
    # registered versions (model@v1.2.0), then branches, tags and experiments on a commit with this model
    names: tuple[str, ...]
    stages: tuple[str, ...]  # that it holds, as model#prod
    date: datetime
    author: str
    subject: str
    # S structure, P parameters, D data, T settings, C code; lower case where it cannot be told, because the weights'
    # index is not on this machine. None for a version without a parent
    changed: str | None
    metric: float | None  # the value; None where it was not measured
    # against the parent's; None where that was judged by another target or task, on another table or other test rows
    move: float | None
    judged: str | None  # on what, in words; None in a log in which all versions were judged on the same
    same_as: str | None  # an older version with the very same weights: this one went back to it
    weights: str  # MD5 of models/weights
    method: str  # what the network is compressed by; the same weights in another way are another version
    decision: Mapping[str, float]  # threshold and temperature; the same weights with others are another version too

    @property
    def revision(self) -> str:
        return self.commit[:7]

    @property
    def name(self) -> str:
        """Its first name but for HEAD, which moves; else its commit, short."""
        return next((name for name in self.names if name != "HEAD"), self.revision)


@dataclass(frozen=True)
class Log:
    """Versions, the newest first, every version before its parents."""

    metric: str | None  # the name of the figure shown; None where no version has any
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]  # what could not be read

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def log(
    repo: Repo = ".",
    *,
    all: bool = False,
    number: int | None = None,
    since: str | None = None,
    metric: str | None = None,
) -> Log:
    """The versions in the history of HEAD.

    Args:
        all: in the history of every branch, tag and experiment instead.
        number: of versions, at most; the newest.
        since: a date as Git reads it, such as 2026-01-31 (UTC) or "2 weeks ago"; versions before it are left out.
        metric: a figure of reports/metrics.json: roc_auc is that of the test rows, validation.roc_auc that of the
            validation rows. By default the figure that the newest version was judged by, of the test rows.

    Raises:
        VersionError: there is no commit yet, or no version has the metric.
    """
    repository = opened(repo)
    history = History(repository, all)
    from_second = 0 if since is None else _since(repository.root, since)
    shown = [commit for commit in history.versions if history.commits[commit].date.timestamp() >= from_second]
    shown = shown[:number]
    wanted = {*shown, *(history.parents[commit][0] for commit in shown if history.parents[commit])}
    parts = dict(zip(wanted, _parts(history, list(wanted)), strict=True))
    measured = [commit for commit in shown if parts[commit].metrics]
    if metric is None:
        found = _main(repository.root, measured[0], parts[measured[0]].metrics) if measured else None
    else:
        found = _metric(metric, {name for commit in measured for name in parts[commit].metrics})
    on = _judged(history, parts)
    entries = tuple(_entry(history, commit, parts, on, found) for commit in shown)
    return Log(found, entries, tuple(history.notes))


# Layers with names and settings, tensors with names, shapes and types; and the hash of each by name and shape.
Network = tuple[Any, Mapping[Any, str]]


@dataclass(frozen=True)
class Parts:
    """What a version is compared by. `settings`, `code`: Git's ids; `network`: None where it is out of reach."""

    settings: str | None
    code: str | None
    network: Network | None
    metrics: Mapping[str, float]
    origins: Mapping[str, str]  # the versions that its training names as `init_from` and `teacher`


def _parts(history: History, versions: Sequence[str]) -> Iterator[Parts]:
    root, paths = history.repository.root, (PARAMS, CODE, METRICS, TRAINING)
    found = iter(ids(root, [at(commit, path) for commit in versions for path in paths]))
    rows = [[next(found) for _ in paths] for _ in versions]
    blobs = [*{blob for *_, metrics, training in rows for blob in (metrics, training) if blob is not None}]
    content = dict(zip(blobs, contents(root, blobs), strict=True))
    if lacking := sum(POINTER.fullmatch(each or b"") is not None for each in content.values()):
        what = f"{counted(lacking, 'report')} kept by Git LFS and not on this machine"
        history.notes.append(f"{what}, so figures are missing: run `git lfs fetch --all`")
    blobs_of = {commit: metrics for commit, (*_, metrics, _) in zip(versions, rows, strict=True)}
    history.notes += _edited(history, blobs_of, content)
    for commit, (settings, code, *files) in zip(versions, rows, strict=True):
        metrics, training = (parsed(content.get(blob or "")) for blob in files)
        named = {name: told(training, name, "commit") for name in ("init_from", "teacher")}
        origins = {name: history.carried.get(of) or of for name, of in named.items() if isinstance(of, str)}
        network = _network(history.repository, history.commits[commit].model.weights)
        yield Parts(settings, code, network, figures(metrics), origins)


def _edited(history: History, blobs: Mapping[str, str | None], known: Mapping[str, bytes | None]) -> Iterator[str]:
    """The versions whose figures are not those that were measured, as a merge or an edit leaves them."""
    for commit, blob in blobs.items():
        md5, content = history.commits[commit].model.metrics, known.get(blob or "")
        if md5 is None or blob is None or content is None or POINTER.fullmatch(content):
            continue
        if not is_kept(history.repository.root, METRICS, blob, content, md5):
            yield f"{METRICS} of {commit[:7]} is not what evaluate made: run `stemma doctor {commit[:7]}`"


def _judged(history: History, versions: Iterable[str]) -> dict[str, str]:
    """What each version was judged on; nothing is read, or told, where all have one data/prepared."""
    by_data: dict[str | None, str] = {}
    for commit in versions:
        by_data.setdefault(history.commits[commit].model.data, commit)
    if len(by_data) < 2:
        return {}

    @cache
    def settings(content: bytes) -> Any:
        with suppress(ValueError):
            return lockfile.load(content.decode(errors="replace"))

    found = {}
    params = contents(history.repository.root, [at(commit, PARAMS) for commit in by_data.values()])
    for data, content in zip(by_data, params, strict=True):
        profile = parsed(_at_hand(history.repository, data, PROFILE.removeprefix(f"{PREPARED}/")))
        found[data] = str(judged.of(profile, settings(content or b""), data))
    if len({*found.values()}) < 2:
        return {}
    return {commit: found[history.commits[commit].model.data] for commit in versions}


def _network(repository: Repository, weights: lockfile.Entry | None) -> Network | None:
    """By models/weights/index.json; None where it does not lie on this machine, or has another form."""
    if weights is None or weights.legacy:
        return None
    index = parsed(_at_hand(repository, weights.md5, INDEX.removeprefix(f"{WEIGHTS}/")))
    try:
        tensors = index["tensors"]
        structure = [[tensor.get(key) for key in ("name", "shape", "dtype", "tied_to")] for tensor in tensors]
        values = {(tensor["name"], tuple(tensor["shape"])): tensor["sha256"] for tensor in tensors}
        return (index.get("architecture"), structure), values
    except (KeyError, TypeError, AttributeError):
        return None


def _at_hand(repository: Repository, folder: str | None, name: str) -> bytes | None:
    """A file of a folder that DVC keeps, if it lies on this machine."""
    if folder is None:
        return None
    try:
        files = lockfile.listing(repository.objects.read(folder)[0] or b"")
    except ValueError:
        return None
    md5, _ = files.get(name, (None, None))
    return None if md5 is None else repository.objects.read(md5)[0]


def _main(root: Path, commit: str, metrics: Iterable[str]) -> str | None:
    """The full name of the figure that a version was judged by."""
    evaluation = parsed(contents(root, [at(commit, EVALUATION)])[0])
    found = main_figure(evaluation, [name.removeprefix("test.") for name in metrics if name.startswith("test.")])
    return None if found is None else f"test.{found}"


def _metric(wanted: str, known: set[str]) -> str:
    """The full name of the metric asked for."""
    for name in (wanted, f"test.{wanted}"):
        if name in known:
            return name
    raise no_metric(wanted, known)


def no_metric(wanted: str, known: Iterable[str], others: Iterable[str] = ()) -> VersionError:
    """Says which metrics there are; `others` are names that may have been meant too."""
    short = {name.removeprefix("test.") for name in known}
    hint = nearest(wanted, sorted({*short, *known, *others}))
    return VersionError(f"no version has a metric {wanted!r}{hint}: there are {', '.join(sorted(short)) or 'none'}")


def _entry(
    history: History, commit: str, parts: Mapping[str, Parts], on: Mapping[str, str], metric: str | None
) -> Entry:
    each, model, own = history.commits[commit], history.commits[commit].model, parts[commit]
    parent = history.parents[commit][0] if history.parents[commit] else None
    value = own.metrics.get(metric or "")
    alike = parent is not None and on.get(commit) == on.get(parent)
    before = parts[parent].metrics.get(metric or "") if parent is not None and alike else None
    return Entry(
        commit=commit,
        parents=history.parents[commit],
        trained_from=own.origins.get("init_from"),
        taught_by=own.origins.get("teacher"),
        names=tuple(history.names.get(commit, ())),
        stages=tuple(history.stages.get(commit, ())),
        date=each.date,
        author=each.author,
        subject=each.subject,
        changed=None if parent is None else _changed(history, commit, parent, parts),
        metric=value,
        move=None if value is None or before is None else value - before,
        judged=on.get(commit),
        same_as=history.same_as.get(commit),
        weights=str(model.weights and model.weights.md5),
        method=model.method,
        decision=dict(model.decision),
    )


def _changed(history: History, commit: str, parent: str, parts: Mapping[str, Parts]) -> str:
    """The letters of what is not as in the parent."""
    own, other = parts[commit], parts[parent]
    if own.network is None or other.network is None:
        letters = "sp"
    else:
        (structure, ours), (before, theirs) = own.network, other.network
        moved = any(ours[key] != theirs[key] for key in ours.keys() & theirs.keys())
        letters = "S" * (structure != before) + "P" * moved
    letters += "D" * (history.commits[commit].model.data != history.commits[parent].model.data)
    return letters + "T" * (own.settings != other.settings) + "C" * (own.code != other.code)


def _since(root: Path, date: str) -> int:
    """Seconds since 1970, as Git reads a date; what it cannot read, which it takes for now, is a VersionError."""
    # A day begins for Git at the time of day that it is now.
    when = f"{date}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", date) else date
    asked = git(root, "rev-parse", f"--since={when}", "--since=now", f"--since={when}").decode().split()
    first, now, last = (int(line.removeprefix("--max-age=")) for line in asked)
    if first <= now <= last:
        raise VersionError(f"{date!r} is no date in the past that Git knows: write one as 2026-01-31 or '2 weeks ago'")
    return first
