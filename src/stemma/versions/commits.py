"""The commits that a log walks over, as Git and their dvc.lock files tell them, and the versions among them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from stemma.errors import VersionError
from stemma.evaluation.results import figures
from stemma.repo import lockfile
from stemma.repo.git import at, commit_of, contents, git, ids, refs
from stemma.repo.lockfile import LOCK
from stemma.repo.registry import parse
from stemma.repo.repository import METRICS, PREPARED, WEIGHTS, Repository
from stemma.text import in_one_line

_FORMAT = "%H%x00%P%x00%aN%x00%aI%x00%s"
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
        read = {blob: figures(parsed(content)) for blob, content in zip(there, contents(root, there), strict=True)}
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


def parsed(content: bytes | None) -> Any:
    """Parsed; None where it is not there or is not JSON: a log shows what there is."""
    try:
        return None if content is None else json.loads(content)
    except (ValueError, RecursionError):
        return None
