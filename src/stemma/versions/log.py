"""The graph of versions: the commits whose model changed, and which came from which.

Whatever is asked of Git is asked once for the whole history, and only small files are read from DVC, and those only
where they lie on this machine: a thousand commits take well under a second.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from stemma.errors import VersionError
from stemma.evaluation.results import figures, main_figure, told
from stemma.repo import lockfile
from stemma.repo.git import POINTER, at, commit_of, contents, git, ids, refs
from stemma.repo.lockfile import LOCK, PARAMS
from stemma.repo.objects import is_kept
from stemma.repo.registry import parse
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
from stemma.text import counted, in_one_line, nearest
from stemma.versions import judged

CODE = "src"
_FORMAT = "%H%x00%P%x00%aN%x00%aI%x00%s"


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


Decision = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Model:
    """What a dvc.lock says of one."""

    weights: lockfile.Entry | None = None
    data: str | None = None  # MD5 of data/prepared
    metrics: str | None = None  # the same of the figures
    method: str = "none"  # that the network is compressed by
    decision: Decision = ()  # threshold and temperature, from the figures

    @property
    def served(self) -> tuple[str, str, Decision] | None:
        return None if self.weights is None else (str(self.weights.md5), self.method, self.decision)


@dataclass(frozen=True)
class Commit:
    """A commit, as Git tells it, and its model."""

    parents: tuple[str, ...]
    author: str
    date: datetime
    subject: str
    model: Model


class History:
    """The commits that a log walks over, and the versions among them."""

    def __init__(self, repository: Repository, all: bool) -> None:
        self.repository = repository
        self.notes: list[str] = []
        self.commits = self._walk(all)  # children before parents
        self.parents: dict[str, tuple[str, ...]] = {}  # of each version
        self.carried: dict[str, str | None] = {}  # the version whose model a commit has
        self._reduce()

    @cached_property
    def versions(self) -> list[str]:
        """Children before parents."""
        return [commit for commit in self.commits if commit in self.parents]

    def _walk(self, all: bool) -> dict[str, Commit]:
        root = self.repository.root
        if commit_of(root, "HEAD") is None:
            raise VersionError("there is no commit yet", run="git commit")
        experiments = [commit for commits in self.repository.experiments.values() for commit in commits]
        tips = ["--branches", "--tags", "--remotes", "HEAD", *experiments] if all else ["HEAD"]
        lines = git(root, "log", "--topo-order", f"--format={_FORMAT}", *tips, "--").decode(errors="replace")
        found = [line.split("\0", 4) for line in lines.split("\n") if "\0" in line]
        locks = ids(root, [at(commit, LOCK) for commit, *_ in found])
        models = self._models({lock: commit for (commit, *_), lock in zip(found, locks, strict=True) if lock})
        return {
            commit: Commit(tuple(parents.split()), author, datetime.fromisoformat(date).astimezone(UTC), subject,
                           models.get(lock or "", Model()))
            for (commit, parents, author, date, subject), lock in zip(found, locks, strict=True)
        }  # fmt: skip

    def _models(self, locks: Mapping[str, str]) -> dict[str, Model]:
        """What each dvc.lock says of a model; a damaged one is noted by its commit and says nothing."""
        found, decisions = dict[str, Model](), self._decisions(list(locks.values()))
        for (lock, commit), content in zip(locks.items(), contents(self.repository.root, list(locks)), strict=True):
            try:
                text = (content or b"").decode()
                outputs = lockfile.outputs(text)
                data, metrics = (
                    None if (out := outputs.get(path)) is None else out.md5 for path in (PREPARED, METRICS)
                )
                found[lock] = Model(outputs.get(WEIGHTS), data, metrics, lockfile.method(text), decisions[commit])
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                why = in_one_line(error, 100)
                self.notes.append(f"dvc.lock of {commit[:7]} cannot be read ({why}): its model is not shown")
        return found

    def _decisions(self, commits: Sequence[str]) -> dict[str, Decision]:
        """What metrics.json says beside figures."""
        root = self.repository.root
        blobs = ids(root, [at(commit, METRICS) for commit in commits])
        there = list(dict.fromkeys(filter(None, blobs)))
        read = {blob: figures(_json(content)) for blob, content in zip(there, contents(root, there), strict=True)}
        decided = {blob: tuple(each for each in sorted(read[blob].items()) if "." not in each[0]) for blob in there}
        return {commit: decided.get(blob or "", ()) for commit, blob in zip(commits, blobs, strict=True)}

    def _reduce(self) -> None:
        """Find the versions, and leave out all commits between them."""
        nearest: dict[str, tuple[str, ...]] = {}  # versions that a commit comes from, or is
        above: dict[str, int] = {}  # of a version: itself and its ancestors, one bit each
        for commit, each in reversed(self.commits.items()):
            before = [parent for parent in each.parents if parent in self.commits]  # a shallow clone lacks some
            came_from = list(dict.fromkeys(version for parent in before for version in nearest[parent]))
            came_from = [
                one for one in came_from
                if not any(other != one and above[other] & above[one] == above[one] for other in came_from)
            ]  # fmt: skip
            same = [parent for parent in before if self.commits[parent].model.served == each.model.served]
            if each.model.served is None or same:
                nearest[commit] = tuple(came_from)
                self.carried[commit] = self.carried[same[0]] if each.model.served is not None else None
            else:
                nearest[commit] = (commit,)
                self.carried[commit] = commit
                self.parents[commit] = tuple(came_from)
                above[commit] = 1 << len(above)
                for version in came_from:
                    above[commit] |= above[version]

    @cached_property
    def same_as(self) -> dict[str, str]:
        """The oldest version with the same weights, of the versions that are not the oldest."""
        weights = {commit: (self.commits[commit].model.served or ())[:2] for commit in self.versions}
        oldest = {own: commit for commit, own in weights.items()}  # the last of each
        first = {commit: oldest[own] for commit, own in weights.items()}
        return {commit: other for commit, other in first.items() if other != commit}

    @cached_property
    def names(self) -> dict[str, list[str]]:
        registry = self.repository.registry
        named = [(commit, f"{model}@{version}") for (model, version), commit in registry.registered.items()]
        head = commit_of(self.repository.root, "HEAD")
        named += [(head, "HEAD")] if head else []
        here = refs(self.repository.root, "refs/heads", "refs/remotes", "refs/tags")
        plain = [ref for ref in here if not ref.alias and not (ref.name.startswith("refs/tags/") and parse(ref.short))]
        named += [(ref.peeled or ref.id, ref.short) for ref in plain]
        others = {name: commit for commit, name in named}
        for name, commits in self.repository.experiments.items():
            alone = len({*commits, others.get(name, commits[0])}) == 1
            for commit in commits:  # one whose name stands for another commit too is called by its digits first
                named += [(commit, name)] if alone else [(commit, commit[:7]), (commit, name)]
        return self._by_version(named)

    @cached_property
    def stages(self) -> dict[str, list[str]]:
        assigned = self.repository.registry.assigned.items()
        return self._by_version([(commit, f"{model}#{stage}") for (model, stage), commit in assigned])

    def _by_version(self, named: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
        found: dict[str, dict[str, None]] = {}
        for commit, name in named:
            version = self.carried.get(commit)
            if version is not None:
                found.setdefault(version, {})[name] = None
        return {version: [*names] for version, names in found.items()}


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
        metrics, training = (_json(content.get(blob or "")) for blob in files)
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
        profile = _json(_at_hand(history.repository, data, PROFILE.removeprefix(f"{PREPARED}/")))
        found[data] = str(judged.of(profile, settings(content or b""), data))
    if len({*found.values()}) < 2:
        return {}
    return {commit: found[history.commits[commit].model.data] for commit in versions}


def _network(repository: Repository, weights: lockfile.Entry | None) -> Network | None:
    """By models/weights/index.json; None where it does not lie on this machine, or has another form."""
    if weights is None or weights.legacy:
        return None
    index = _json(_at_hand(repository, weights.md5, INDEX.removeprefix(f"{WEIGHTS}/")))
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


def _json(content: bytes | None) -> Any:
    """Parsed; None where it is not there or is not JSON: a log shows what there is."""
    try:
        return None if content is None else json.loads(content)
    except (ValueError, RecursionError):
        return None


def _main(root: Path, commit: str, metrics: Iterable[str]) -> str | None:
    """The full name of the figure that a version was judged by."""
    evaluation = _json(contents(root, [at(commit, EVALUATION)])[0])
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
