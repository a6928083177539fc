"""What DVC knows of the stages of the work tree: its run cache, and their outputs as dvc.lock has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma import names
from stemma.repo import lockfile, places, trust
from stemma.repo.git import git
from stemma.repo.places import Folder
from stemma.repo.trouble import told


@dataclass(frozen=True)
class Output:
    """An output that DVC removes before its stage starts, with the hash that dvc.lock has."""

    stage: str
    path: str
    md5: str
    root: Path
    cache: Folder
    _dvc: Any

    @property
    def is_right(self) -> bool:
        """Whether it lies in the work tree as dvc.lock has it."""
        return not self._dvc.workspace_status()

    def put(self) -> bool:
        """Put it where nothing is, out of the cache, else out of Git; False where neither has its right bytes.

        Raises:
            VersionError: the disk refuses.
        """
        files = self._cached()
        if files is None:
            return self._from_git()
        for path, md5 in files.items():
            Folder(self.root, "the work tree").put(path, self.cache.root / places.key(md5), md5)
        if self.md5.endswith(".dir"):
            (self.root / self.path).mkdir(parents=True, exist_ok=True)  # it may be empty
        return True

    def _cached(self) -> dict[str, str] | None:
        """MD5 by path of its files; None where the cache does not hold every one as it should."""
        if places.digest(self.cache, self.md5) != self.md5:
            return None
        if not self.md5.endswith(".dir"):
            return {self.path: self.md5}
        listed = lockfile.listing(places.read(self.cache, places.key(self.md5)) or b"")
        files = {f"{self.path}/{name}": md5 for name, (md5, _) in listed.items()}
        return files if all(places.digest(self.cache, md5) == md5 for md5 in files.values()) else None

    def _from_git(self) -> bool:
        if self._dvc.use_cache or not git(self.root, "--literal-pathspecs", "ls-files", "--", self.path):
            return False
        git(self.root, "--literal-pathspecs", "restore", "--", self.path)
        return self.is_right


@contextmanager
def outputs(root: Path, stage: str | None = None) -> Iterator[list[Output]]:
    """The outputs of a stage that runs, which are whole again afterwards; or of all stages, where none runs.

    Raises:
        VersionError: DVC cannot read them, or a disk refuses.
    """
    with told(str(root)), trust.repo(root, whole=stage is not None) as repo:
        stages = repo.index.stages if stage is None else [repo.stage.load_one(name=stage)]
        cache = Folder(Path(repo.cache.legacy.path), "cache")
        yield [
            Output(each.addressing, path, out.hash_info.value, root, cache, out)
            for each in stages
            if each.cmd
            for out in each.outs
            if out.is_in_repo and not out.persist and out.hash_info and out.hash_info.name == "md5"
            if names.stays_in(root, path := "/".join(out.index_key[1]))
        ]


def remember(root: Path, stage: str, command: str) -> None:
    """Note in DVC's run cache that a stage gave what lies there, if the command is all that it runs.

    DVC itself does so only for stages whose outputs it keeps all. What Git keeps goes into the cache too.

    Raises:
        VersionError: DVC cannot.
    """
    with told(str(root)), trust.repo(root, whole=True) as repo:
        found = repo.stage.load_one(name=stage)
        if found.cmd == command:
            found.save()
