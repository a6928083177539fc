"""What DVC knows of the stages of the work tree: its run cache, and their outputs as dvc.lock has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma import names
from stemma.repo import lockfile, places, trust
from stemma.repo.git import git
from stemma.repo.inputs import Inputs
from stemma.repo.lockfile import PIPELINE
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
        files = _files(self.cache, self.path, self.md5)
        if files is None:
            return self._from_git()
        for path, md5 in files.items():
            Folder(self.root, "the work tree").put(path, self.cache.root / places.key(md5), md5)
        if self.md5.endswith(".dir"):
            (self.root / self.path).mkdir(parents=True, exist_ok=True)  # it may be empty
        return True

    def _from_git(self) -> bool:
        if self._dvc.use_cache or not git(self.root, "--literal-pathspecs", "ls-files", "--", self.path):
            return False
        git(self.root, "--literal-pathspecs", "restore", "--", self.path)
        return self.is_right


def _files(cache: Folder, path: str, md5: str) -> dict[str, str] | None:
    """MD5 by path of the files of an output; None where the cache does not hold every one as it should."""
    if places.digest(cache, md5) != md5:
        return None
    if not md5.endswith(".dir"):
        return {path: md5}
    listed = lockfile.listing(places.read(cache, places.key(md5)) or b"")
    files = {f"{path}/{name}": each for name, (each, _) in listed.items()}
    return files if all(places.digest(cache, each) == each for each in files.values()) else None


@contextmanager
def outputs(root: Path, stage: str | None = None, command: str = "") -> Iterator[list[Output]]:
    """The outputs of a stage that runs; or of all stages, where none runs.

    Args:
        command: that runs; none are told where the stage could pass though this command fails.

    Raises:
        VersionError: DVC cannot read them, or a disk refuses.
    """
    with told(str(root)), trust.repo(root, whole=stage is not None) as repo:
        stages = repo.index.stages if stage is None else [_stage(repo, root, stage)]
        running = [each for each in stages if each.cmd and (stage is None or command in _commands(each))]
        cache = _cache(repo)
        yield [
            Output(each.addressing.rpartition(":")[2], path, out.hash_info.value, root, cache, out)
            for each in running
            for out in each.outs
            if out.is_in_repo and not out.persist and out.hash_info and out.hash_info.name == "md5"
            if names.stays_in(root, path := "/".join(out.index_key[1]))
        ]


def remember(root: Path, stage: str, command: str, before: Inputs) -> bool:
    """Note in DVC's run cache that a stage gave what lies there, if the command is all that it runs.

    DVC itself does so only for stages all of whose outputs it keeps. A VersionError where it cannot.

    Args:
        before: what it was started with, which may have been edited since.

    Returns:
        Whether it is noted.
    """
    from dvc.stage.loader import StageLoader
    from dvc.stage.serialize import to_single_stage_lockfile

    with told(str(root)), trust.repo(root, whole=True) as repo:
        found = _stage(repo, root, stage)
        if _commands(found) != [command]:
            return False
        found.save(run_cache=False)
        noted = to_single_stage_lockfile(found)
        now = before.now()
        if not before.put_into(noted, now):
            return False
        if before.edited(now):
            for out in found.outs:  # which DVC leaves where the stage fails
                out.commit()
            StageLoader.fill_from_lock(found, noted)
        repo.stage_cache.save(found)
        _share(repo, found)
        return True


def _stage(repo: Any, root: Path, name: str) -> Any:
    return repo.stage.load_one(str(root / PIPELINE), name)  # else DVC looks where the process is: in the stage's wdir


def _commands(stage: Any) -> list[str]:
    """What DVC runs one by one, until one fails."""
    return list(stage.cmd) if isinstance(stage.cmd, list) else str(stage.cmd).splitlines()


def recall(root: Path) -> None:
    """Before outputs are removed: note what lies there as dvc.lock has it, and take in what another machine noted.

    Raises:
        VersionError: DVC cannot.
    """
    with told(str(root)), trust.repo(root, whole=True) as repo:
        cache, shared = _cache(repo), _shared(repo)
        for key in shared.sizes(places.OBJECTS):
            md5 = "".join(key.split("/")[-2:])
            if not cache.size(key):
                places.copy(md5, shared, cache, cache.root)
        for stage in repo.index.stages:
            is_right = all(out.hash_info and not out.workspace_status() for out in stage.outs)
            if is_right and stage.cmd and not stage.changed_stage():  # another command gives other outputs
                repo.stage_cache.save(stage)
                _share(repo, stage)


def _share(repo: Any, stage: Any) -> None:
    """Keep what Git keeps in the run cache too: `dvc push --run-cache` sends that whole, and of objects only those that
    DVC keeps."""
    cache, shared = _cache(repo), _shared(repo)
    for out in stage.outs:
        if not out.use_cache and not out.persist:
            md5 = out.hash_info.value
            for each in {md5, *(_files(cache, "", md5) or {}).values()}:
                if not shared.size(places.key(each)):
                    places.copy(each, cache, shared, cache.root)


def _cache(repo: Any) -> Folder:
    return Folder(Path(repo.cache.legacy.path), "cache", places.READ_ONLY)


def _shared(repo: Any) -> Folder:
    return Folder(Path(repo.stage_cache.cache_dir, "outputs"), "run cache", places.READ_ONLY)
