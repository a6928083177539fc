"""A clone in which a version's own pipeline runs with other settings, so that the work tree is never touched.

It shares Git's objects and DVC's cache with the repository and goes when the search ends. One that is killed leaves its
folder to the next, and in DVC's cache what was made, as any experiment does.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stemma import conf
from stemma.errors import StemmaError
from stemma.files import scratch
from stemma.repo import git, project
from stemma.repo.repository import EXPERIMENTS, Repository, Version
from stemma.toolkit import lock
from stemma.versions.export import lay


@dataclass(frozen=True)
class Clone:
    version: Version  # that is tried otherwise
    root: Path  # of its project in the clone
    state: Path  # a folder for DVC
    toolkit: Path | None  # the version's own, where it is a wheel

    def run(self, name: str, settings: Mapping[str, str]) -> Version:
        """The version as an experiment with these settings, which has no name in the repository yet.

        Raises:
            StemmaError: a stage fails; with its line.
        """
        chosen = (f"{key}={value}" for key, value in settings.items())
        done = project.experiment(self.root, name, chosen, state=self.state, toolkit=self.toolkit)
        if done.returncode:
            raise StemmaError(project.reason(done))
        self._fetch(self._ref(name))
        (commit,) = Repository(self.root).experiments[name]
        return self.version.repository.version(commit)

    def keep(self, name: str) -> str:
        """Give an experiment its name in the repository, which no other version's has."""
        own = f"compress-{name}-{self.version.revision.short}"
        self._fetch(f"+{self._ref(name)}:{self._ref(own)}")
        return own

    def _ref(self, name: str) -> str:
        base = str(self.version.commit)
        return f"{EXPERIMENTS}{base[:2]}/{base[2:]}/{name}"

    def _fetch(self, what: str) -> None:
        quietly = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        git.git(self.version.repository.root, "fetch", *quietly, str(self.root), what)


@contextmanager
def cloned(version: Version) -> Iterator[Clone]:
    """A clone with the version checked out and its outputs in place.

    Raises:
        StemmaError: a part of the version is out of reach.
    """
    here, cache = version.repository.root, version.repository.objects.places[0]
    with scratch("compress") as folder:
        tree = folder / "tree"
        git.git(here, "clone", "--quiet", "--shared", "--no-checkout", str(git.top(here)), str(tree))
        git.git(tree, "checkout", "--quiet", "--detach", str(version.commit))
        for setting in ("user.name", "user.email"):  # that this repository alone may have
            if value := git.config(here, setting):
                git.git(tree, "config", setting, value)
        root = tree / git.prefix(here)
        (root / ".dvc/config.local").write_text(f"[cache]\n    dir = {str(cache)!r}\n", encoding="utf-8")
        conf.adopt(root)  # DVC composes conf/ anew, which may not tell yet what the version was made with
        lay(version, root, (version.lock or {}).get("stages") or {})
        yield Clone(version, root, folder / "state", lock.unpacked(root, folder / "toolkit"))
