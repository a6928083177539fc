"""What DVC keeps: for a commit, in the work tree, in its cache. What looks into DVC's own objects is here.

with outputs.opened(Repository(".")) as ours:
    ours.of(commit).files    # MD5 by path
    ours.changed()           # outputs that are not what dvc.lock says
"""

import logging
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stemma import names
from stemma.errors import VersionError
from stemma.repo import places, trust
from stemma.repo.inventory import listing
from stemma.repo.objects import md5_of
from stemma.repo.places import Place
from stemma.repo.repository import Repository
from stemma.repo.stores import Stores
from stemma.repo.trouble import told
from stemma.text import few, in_one_line
from stemma.threads import each


@dataclass(frozen=True)
class Kept:
    files: Mapping[str, str]  # MD5 by path
    folders: Mapping[str, str]  # MD5 of listings by path
    roots: frozenset[str]  # paths of outputs
    remotes: Mapping[str, str]  # by MD5, where a remote is named
    executable: frozenset[str]  # outputs that may be run
    lost: tuple[str, ...]  # folders whose listing is nowhere
    foreign: tuple[str, ...]  # outputs that have no MD5, or DVC 2's
    unmade: tuple[str, ...]  # outputs of stages that have not run

    @property
    def above(self) -> dict[str, str]:
        """The folders that outputs lie in, each with a path in it."""
        paths = (*self.files, *self.foreign, *(f"{each}/x" for each in self.folders))
        return {str(PurePosixPath(path).parent): path for path in paths}


@contextmanager
def opened(repository: Repository) -> Iterator["Outputs"]:
    """The outputs of a repository, with the settings of now.

    Raises:
        VersionError: as `trust.repo`, or DVC cannot open it; or in the block a disk refuses.
    """
    with told(f"{repository.root}, or DVC's site cache"), trust.repo(repository.root) as repo:
        yield Outputs(repository.root, Stores(repository), repo)


@dataclass(frozen=True)
class Outputs:
    """What DVC keeps in the repository in `root`, by DVC's own view of it."""

    root: Path
    stores: Stores
    _dvc: Any

    def of(self, commit: str) -> Kept:
        """What is kept for a commit, by its dvc.yaml, dvc.lock and .dvc files.

        Raises:
            VersionError: one of them cannot be read.
        """
        from dvc.exceptions import DvcException

        trust.stage_files(self.root, commit)
        try:
            with self._dvc.switch(commit):
                outs = list(self._outs())
                found = [(_path(out), out.hash_info, out.remote) for out in outs]
                runs = frozenset(_path(out) for out in outs if out.meta and out.meta.isexec)
        except (DvcException, ValueError) as error:
            raise VersionError(f"{commit[:7]} cannot be read ({in_one_line(error)})") from None
        made = [(path, info, remote) for path, info, remote in found if info]
        ours = [(path, info.value, remote) for path, info, remote in made if info.name == "md5"]
        files: dict[str, str] = {}
        folders = {path: md5 for path, md5, _ in ours if md5.endswith(".dir")}
        remotes: dict[str, str] = {}
        lost = []
        for path, md5, remote in ours:
            inside = {path: md5}
            if path in folders:
                listed = listing(self.stores.read(md5), path)
                lost += [path] if listed is None else []
                inside = {f"{path}/{name}": each for name, each in listed or ()}
            files |= inside
            remotes |= dict.fromkeys((*inside.values(), md5), remote) if remote else {}
        return Kept(
            files=files,
            folders=folders,
            roots=frozenset(path for path, _, _ in made),
            remotes=remotes,
            executable=runs,
            lost=tuple(lost),
            foreign=tuple(path for path, info, _ in made if info.name != "md5"),
            unmade=tuple(path for path, info, _ in found if not info),
        )

    # The work tree.

    def changed(self) -> list[str]:
        """The outputs that are not what dvc.lock says; what is not there does not count.

        Raises:
            VersionError: DVC cannot read the work tree.
        """
        return sorted(map(_path, self._changed()))

    def save_changed(self) -> None:
        """Put what differs into the cache, and its hashes into dvc.lock."""
        with quiet():
            for out in self._changed():
                out.save()
                out.commit()
                out.stage.dump(update_pipeline=False)
        self.look_again()

    def save_lost(self, lost: Sequence[str]) -> None:
        """Put folders whose listing is nowhere into the cache as they lie there."""
        for out in self._dvc.index.outs if lost else ():
            if _path(out) in lost and out.exists:
                out.commit()

    def look_again(self) -> None:
        """Forget what was read of dvc.yaml and dvc.lock."""
        self._dvc._reset()

    def found_in(self, folder: str) -> Iterator[str]:
        """The files that lie in a folder and that DVC does not ignore."""
        for file in self._dvc.dvcignore.find(self._dvc.fs, str(self.root / folder)):
            yield Path(file).relative_to(self.root).as_posix()

    def put(self, objects: Mapping[str, str]) -> None:
        """Put objects of the cache where they belong, linked or copied as `cache.type` says: MD5 by path."""
        from dvc_objects.fs.generic import transfer

        targets = [self.root / path for path in objects]
        for file in targets:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)  # a link is made only where nothing is
        sources = [str(self.cached(md5)) for md5 in objects.values()]
        links = list(self._dvc.cache.local.cache_types)
        transfer(self._dvc.fs, sources, self._dvc.fs, list(map(str, targets)), links=links)

    def note(self, output: str) -> None:
        """Tell DVC that an output was put in place by its rules, so that `dvc checkout` removes it where it must go."""
        self._dvc.state.save_link(str(self.root / output), self._dvc.fs)

    def check_out(self) -> None:
        """Put all outputs in place; a VersionError where DVC cannot, or what is imported is not in the cache."""
        from dvc.exceptions import DvcException

        for stage in self._dvc.index.stages:
            there = all(out.hash_info and out.cache.exists(out.hash_info.value) for out in stage.outs)
            if stage.is_import and not there:  # DVC would get it from elsewhere, with the settings of that place
                raise VersionError(f"{stage.addressing} is an import, and the cache does not hold it")
        try:
            self._dvc.checkout(force=True)
        except DvcException as error:
            raise VersionError(in_one_line(error)) from None

    def _changed(self) -> list[Any]:
        from dvc.exceptions import DvcException

        try:
            outs = list(self._outs())  # each is looked at before the first is read
            return [out for out in outs if out.exists and out.workspace_status()]
        except (DvcException, ValueError) as error:
            raise VersionError(
                f"the work tree cannot be read by DVC ({in_one_line(error)})", run="git diff HEAD"
            ) from None

    def _outs(self) -> Iterator[Any]:
        """What DVC keeps in the repository.

        Raises:
            ValueError: an output lies elsewhere on this machine, or its hash is none.
        """
        for out in self._dvc.index.outs:
            if out.use_cache and (out.is_in_repo or out.protocol == "local"):
                folder = self._dvc.fs.relparts(out.stage.wdir, self._dvc.root_dir)
                # DVC cuts what leads above a commit's root
                if not names.inside(posixpath.normpath(posixpath.join("/".join(folder), out.def_path))):
                    raise ValueError(f"the output {out.def_path!r:.80} is no path of a file in the repository")
                if out.hash_info and out.hash_info.name == "md5":
                    names.md5(out.hash_info.value)
                yield out

    # Hashes.

    def digests(self, paths: Sequence[Path]) -> dict[Path, str]:
        """The MD5 of files; DVC remembers that of a file whose size, time and inode did not change."""
        from dvc.fs import localfs

        known = [(path, self._dvc.state.get(str(path), localfs)[1]) for path in paths]
        found = {path: str(info.value) for path, info in known if info is not None and info.name == "md5"}
        fresh = [path for path in paths if path not in found]
        read = dict(zip(fresh, hashed(fresh), strict=True))
        self.remember(read)
        return found | read

    def remember(self, found: Mapping[Path, str]) -> None:
        """Tell DVC the MD5 of files that were read."""
        from dvc.fs import localfs
        from dvc_data.hashfile.hash_info import HashInfo

        self._dvc.state.save_many([(str(path), HashInfo("md5", md5), None) for path, md5 in found.items()], localfs)

    # Objects.

    def cached(self, md5: str) -> Path:
        return self.stores.cache.root / places.key(md5)

    def has(self, md5: str) -> bool:
        """Whether the cache holds an object, unread."""
        return self.cached(md5).is_file()

    def remotes(self, kept: Kept, md5: str) -> list[Place]:
        found = [self.stores.remote(name) for name in dict.fromkeys((kept.remotes.get(md5), None))]
        return [place for place in found if place is not None]

    def lacking(self, kept: Kept, moved: set[str]) -> dict[str, str]:
        """The path of each object that the cache does not hold as it should, by MD5.

        Args:
            moved: those that are read again, every byte or what DVC remembers; the others need only be there.
        """
        needed = {md5: path for path, md5 in [*kept.folders.items(), *kept.files.items()]}
        there = {md5: self.cached(md5) for md5 in needed if self.has(md5)}
        asked = [md5 for md5 in there if md5 in moved or md5.endswith(".dir")]
        found = self.digests([there[md5] for md5 in asked])
        damaged = {md5 for md5 in asked if found[there[md5]].removesuffix(".dir") != md5.removesuffix(".dir")}
        return {md5: path for md5, path in needed.items() if md5 not in there or md5 in damaged}


def astray(root: Path, *versions: Kept) -> str | None:
    """In words, the outputs that a link of the work tree takes out of the repository, or to what Git and DVC keep."""
    files = {folder: path for kept in versions for folder, path in kept.above.items()}
    found = sorted(path for path in files.values() if not names.stays_in(root, path))
    if not found:
        return None
    return f"{few(found)} would be written through a link that leads elsewhere: put a folder in the link's place"


def hashed(paths: Iterable[Path]) -> list[str]:
    """The MD5 of files, every byte read, some files at a time."""
    return each(md5_of, paths, waits=True)


def _path(out: Any) -> str:
    return "/".join(out.index_key[1])


@contextmanager
def quiet() -> Iterator[None]:
    """Without what DVC tells on standard output of the files that it writes."""
    from dvc.logger import set_loggers_level  # imported first, DVC has set its own level

    with set_loggers_level(logging.ERROR):
        yield
