"""What versions are made of: the objects that DVC keeps for them, and the outputs that Git keeps.

Read from dvc.lock, dvc.yaml and .dvc files of each commit. Git is asked a handful of times for all versions together,
so that a thousand versions take seconds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from stemma.errors import VersionError
from stemma.repo import extent, lockfile
from stemma.repo.git import at, contents, fields, git, ids
from stemma.repo.lockfile import LOCK, PIPELINE
from stemma.repo.repository import Repository, Revision, Version
from stemma.text import in_one_line

Read = Callable[[str], bytes | None]  # an object's bytes by its MD5, right ones, or None
_MATTERS = (LOCK, PIPELINE, "*.dvc", extent.MARK)


@dataclass
class Object:
    """An object, under the first path that a version has it at."""

    md5: str
    path: str
    versions: dict[str, None] = field(default_factory=dict)  # the names of those that need it
    # those that must hold it; None is the default one. Empty for outputs with `push: false` and imports
    remotes: set[str | None] = field(default_factory=set)


@dataclass(frozen=True)
class Tracked:
    """An output that Git keeps (`cache: false`): the hash in dvc.lock, and Git's id of the file."""

    md5: str
    path: str
    blob: str
    version: str


@dataclass(frozen=True)
class Inventory:
    objects: Mapping[str, Object]  # by MD5
    tracked: Sequence[Tracked]  # one for each pair of a hash and a file in Git
    notes: Sequence[str]  # what could not be looked at, in words
    unlisted: Sequence[tuple[str, str]] = ()  # path and version of each folder whose listing is nowhere


@dataclass(frozen=True)
class _Settings:
    """What dvc.yaml or a .dvc file says of an output."""

    cached: bool = True
    pushed: bool = True
    remote: str | None = None


def take(
    repository: Repository,
    versions: Sequence[Version],
    read: Read,
    *,
    loose: Mapping[str, Mapping[str, bytes]] | None = None,
    tolerant: bool = False,
) -> Inventory:
    """The inventory of versions.

    Args:
        read: how a folder's listing is got. A folder whose listing cannot be had is one object, and a note.
        loose: dvc.lock, dvc.yaml and .dvc files that are in no commit: by a name for all, then by path.
        tolerant: a file that cannot be read is a note, and no error.

    Raises:
        VersionError: a dvc.lock or a .dvc file cannot be read.
    """
    taken = _Taken(repository, read, tolerant)
    commits = [str(version.commit) for version in versions]
    files = _files(repository, commits) if commits else []
    names = [at(commit, path) for commit in commits for path in files]
    blobs = ids(repository.root, names)
    wanted = sorted({blob for blob in blobs if blob is not None})
    texts = dict(zip(wanted, contents(repository.root, wanted), strict=True))
    for place, version in enumerate(versions):
        own = dict(zip(files, blobs[place * len(files) : (place + 1) * len(files)], strict=True))
        found = {path: texts[blob] or b"" for path, blob in own.items() if blob is not None}
        taken.add(version, {path: (str(own[path]), content) for path, content in found.items()})
    for name, own_files in (loose or {}).items():
        nowhere = Version(repository, Revision(name, ""))  # Git takes "" for its index
        taken.add(nowhere, {path: (f"{name} {path}", content) for path, content in own_files.items()})
    return taken.inventory()


def on_disk(folder: Path) -> dict[str, bytes]:
    """The files that name objects as they lie in a work tree: those that Git knows, and new ones.

    DVC too leaves out what Git is to ignore.
    """
    listed = fields(git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard"))
    return {name: (folder / name).read_bytes() for name in listed if matters(name) and (folder / name).is_file()}


def matters(path: str) -> bool:
    """Whether a file may name objects, or tells that those beside it are another project's."""
    name = path.rpartition("/")[2]
    told = name in (LOCK, PIPELINE) or path.endswith(f"/{extent.MARK}")
    return told or (name.endswith(".dvc") and name != ".dvc")


class _Taken:
    """An inventory in the making. What a file of some content says is worked out once."""

    def __init__(self, repository: Repository, read: Read, tolerant: bool) -> None:
        self.repository, self.read, self.tolerant = repository, read, tolerant
        self.objects: dict[str, Object] = {}
        self.outputs: list[tuple[str, lockfile.Entry, _Settings, str]] = []  # commit, output, settings, version
        self.notes: dict[str, None] = {}
        self.unlisted: dict[tuple[str, str], None] = {}
        self.listings: dict[str, list[tuple[str, str]] | None] = {}
        self.parsed: dict[tuple[str, str], Any] = {}

    def add(self, version: Version, files: Mapping[str, tuple[str, bytes]]) -> None:
        """The outputs that the files of a version name."""
        for path in extent.own(files):
            blob, content = files[path]
            name = PurePosixPath(path)
            if name.name == PIPELINE:
                continue
            if name.name == LOCK:
                pipeline = files.get(str(name.with_name(PIPELINE)))
                said = {} if pipeline is None else self._once(_of_pipeline, PIPELINE, *pipeline, version) or {}
                outputs = self._once(lockfile.outputs, path, blob, content, version) or {}
                found = [(entry, said.get(entry.path, _Settings())) for entry in outputs.values()]
            else:
                found = self._once(_of_file, path, blob, content, version) or []
            folder = "" if str(name.parent) == "." else f"{name.parent}/"
            for entry, settings in found:
                whole = replace(entry, path=f"{folder}{entry.path}")
                self.outputs.append((str(version.commit), whole, settings, version.name))

    def inventory(self) -> Inventory:
        in_git = ids(self.repository.root, [at(commit, entry.path) for commit, entry, _, _ in self.outputs])
        tracked: dict[tuple[str, str], Tracked] = {}
        for (commit, entry, settings, version), blob in zip(self.outputs, in_git, strict=True):
            if entry.md5 is None:
                self.notes[f"{entry.path} is kept in a way that has no MD5, and is left out"] = None
            elif entry.legacy:
                self.notes[f"{entry.path} of {version} is kept as DVC 2 did, and is left out"] = None
            elif not settings.cached and blob is None:
                listed = ("--literal-pathspecs", "ls-files", "--", entry.path)
                if entry.is_folder and not commit and git(self.repository.root, *listed):
                    continue  # Git's index has files, and no folders
                self.notes[f"{entry.path} of {version} is kept neither by DVC nor by Git"] = None
            elif blob is not None and not entry.is_folder:
                tracked.setdefault((entry.md5, blob), Tracked(entry.md5, entry.path, blob, version))
            elif settings.cached:
                self._needs(entry.md5, entry.path, version, settings)
                self._folder(entry, version, settings)
        return Inventory(self.objects, list(tracked.values()), list(self.notes), list(self.unlisted))

    def _needs(self, md5: str, path: str, version: str, settings: _Settings) -> None:
        each = self.objects.setdefault(md5, Object(md5, path))
        each.versions[version] = None
        if settings.pushed:
            each.remotes.add(settings.remote)

    def _folder(self, entry: lockfile.Entry, version: str, settings: _Settings) -> None:
        if not entry.is_folder or entry.md5 is None:
            return
        if entry.md5 not in self.listings:
            self.listings[entry.md5] = self._listing(entry.md5, entry.path)
        files = self.listings[entry.md5]
        if files is None:
            self.unlisted[entry.path, version] = None
            self.notes[f"the listing of {entry.path} of {version} is nowhere: its files are not known"] = None
        for name, md5 in files or ():
            self._needs(md5, f"{entry.path}/{name}", version, settings)

    def _listing(self, md5: str, path: str) -> list[tuple[str, str]] | None:
        try:
            return listing(self.read(md5), path)
        except VersionError as error:
            if not self.tolerant:
                raise
            self.notes[error.what] = None
            return None

    def _once(self, parse: Callable[[str], Any], path: str, blob: str, content: bytes, version: Version) -> Any:
        if (path, blob) not in self.parsed:
            try:
                self.parsed[path, blob] = parse(content.decode())
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                what = f"{path} of {version.name} cannot be read ({in_one_line(error)})"
                if not self.tolerant:
                    raise VersionError(what) from None
                self.notes[what] = None
                self.parsed[path, blob] = None
        return self.parsed[path, blob]


def _files(repository: Repository, commits: Sequence[str]) -> list[str]:
    """The paths of every dvc.lock, dvc.yaml and .dvc file that the commits or those before them ever had."""
    patterns = [pattern for name in _MATTERS for pattern in (f":(glob){name}", f":(glob)**/{name}")]
    asked = ("log", "--full-history", "--no-renames", "--diff-filter=A", "-m", "--name-only", "--format=", "--relative")
    stdin = "".join(f"{commit}\n" for commit in commits)
    printed = git(repository.root, "-c", "core.quotePath=false", *asked, "--stdin", "--", *patterns, stdin=stdin)
    return sorted(set(printed.decode(errors="replace").split("\n")) - {""})


def _of_file(text: str) -> list[tuple[lockfile.Entry, _Settings]]:
    """What a .dvc file tracks, relative to its folder."""
    content = lockfile.load(text)
    imported = any("repo" in dep for dep in content.get("deps") or ())
    found = lockfile.tracked(text)
    said = {str(out["path"]): _settings(out, imported) for out in content["outs"]}
    return [(entry, said[entry.path]) for entry in found.values()]


def _of_pipeline(text: str) -> dict[str, _Settings]:
    """What dvc.yaml says of the outputs that are more than a path."""
    return {name: said for stage in lockfile.stages(text).values() for name, said in of_outputs(stage).items()}


def of_outputs(stage: Mapping[str, Any]) -> dict[str, _Settings]:
    """What a stage of dvc.yaml says of its outputs that are more than a path."""
    return {name: _settings(said) for name, said in _told(stage)}


def _told(stage: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    body = stage.get("do", stage)
    for kind in ("outs", "metrics", "plots"):
        for out in body.get(kind) or ():
            if isinstance(out, dict):
                yield from ((str(name), said) for name, said in out.items() if isinstance(said, dict))


def _settings(said: Mapping[str, Any], imported: bool = False) -> _Settings:
    def on(name: str) -> bool:
        return str(said.get(name, True)).lower() != "false"

    return _Settings(on("cache"), on("push") and not imported, said.get("remote"))


def listing(content: bytes | None, path: str) -> list[tuple[str, str]] | None:
    """Path and MD5 of each file of a folder; None where there is no listing, a VersionError where it is no such."""
    if content is None:
        return None
    try:
        return [(name, md5) for name, (md5, _) in lockfile.listing(content).items()]
    except ValueError as error:
        raise VersionError(f"the listing of {path} cannot be read ({in_one_line(error)})") from None
