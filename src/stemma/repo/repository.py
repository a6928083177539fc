"""A repository and its versions, read from Git and DVC and never changed.

A file of a version is read from Git, else from DVC: out of the cache, else out of a remote. Nothing that is read is
kept: no checkout, no write to the cache, no touch of the work tree. Every object's hash is checked.

    repository = Repository(".")
    version = repository.version("model@v1.2.0")
    version.index.tensors           # facts of every tensor, no tensor read
    version.bytes("reports/predictions.parquet")
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemma import layout, names
from stemma.errors import VersionError, WeightsError
from stemma.files import read_plain
from stemma.repo import clone, lockfile, registry, trouble
from stemma.repo.git import POINTER, at, commit_of, contents, ids, prefix, refs
from stemma.repo.git import run as asked
from stemma.repo.lockfile import LOCK, PARAMS, Entry
from stemma.repo.objects import Objects, is_object, md5_of
from stemma.text import counted, in_one_line, nearest

if TYPE_CHECKING:
    from stemma.weights import Index

Bytes = bytes  # Version has a method of that name
WORKSPACE = "workspace"
EXPERIMENTS = "refs/exps/"
NO_EXPERIMENTS = ("stash", "apply", "celery", "exec", "temp")  # DVC's own, under the same prefix

# Names in a version have slashes on every platform.
METRICS, EVALUATION, TRAINING = (path.as_posix() for path in (layout.METRICS, layout.EVALUATION, layout.TRAINING))
WEIGHTS, INDEX = layout.WEIGHTS.as_posix(), layout.INDEX.as_posix()
PREPARED, PROFILE = layout.PREPARED.as_posix(), layout.PROFILE.as_posix()
PREDICTIONS, PACKAGE, EXPORT = (path.as_posix() for path in (layout.PREDICTIONS, layout.PACKAGE, layout.EXPORT))
COMPRESSION = layout.COMPRESSION.as_posix()
CURVES = layout.CURVES.as_posix()
TEXTS = (LOCK, PARAMS, METRICS, EVALUATION, TRAINING)  # small, in Git, wanted by nearly every command: one process


@dataclass(frozen=True)
class Revision:
    """A name for a commit; `commit` is None for the work tree."""

    name: str
    commit: str | None

    @property
    def short(self) -> str:
        """Seven digits of the commit, or "workspace"."""
        return WORKSPACE if self.commit is None else self.commit[:7]


class Repository:
    """The Git and DVC repository that holds `root`.

    Raises:
        VersionError: no folder from `root` upward holds .dvc.
    """

    def __init__(self, root: Path | str = ".") -> None:
        start = Path(root).resolve()
        found = next((folder for folder in (start, *start.parents) if (folder / ".dvc").is_dir()), None)
        if found is None:
            what = f"{start} is not in a DVC repository: no folder from here upward holds .dvc"
            if start.is_dir() and asked(start, "ls-files", "--", ":(top).dvc/config").stdout:
                raise VersionError(f"{what}, which Git knows and did not check out", run="git sparse-checkout add .dvc")
            raise VersionError(what)
        self.root = found
        self.objects = Objects(found)

    def __repr__(self) -> str:
        return f"Repository({str(self.root)!r})"

    @cached_property
    def registry(self) -> registry.Registry:
        """Registered versions and assigned stages; what the clone lacks of them is told in a line on stderr."""
        clone.tell(self.root)
        return registry.read(self.root)

    @cached_property
    def experiments(self) -> dict[str, tuple[str, ...]]:
        """The commits of DVC's experiments, by name; more than one where a name was used on several commits."""
        found: dict[str, tuple[str, ...]] = {}
        for commit, name in itertools.chain.from_iterable(self.experiments_by_base.values()):
            found[name] = (*found.get(name, ()), commit)
        return found

    @cached_property
    def experiments_by_base(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """Commit and name of DVC's experiments, by the commit that they were made on."""
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        folder = prefix(self.root)
        for ref in refs(self.root, EXPERIMENTS):
            base, name = experiment_of(ref.name) or ("", "")
            both = [at(commit, "") for commit in (ref.id, base)]
            if base and (not folder or len({*ids(self.root, both)}) == 2):  # else it is another project's
                found[base] = (*found.get(base, ()), (ref.id, name))
        return found

    def resolve(self, name: str) -> Revision:
        """The commit that a name stands for.

        Args:
            name: what Git takes for a commit (a commit, a branch, a tag, HEAD~2), `model@v1.2.0` or its number,
                `model@latest`, `model#prod` (the last assignment in force), the name of an experiment, or `workspace`.

        Raises:
            VersionError: there is none, with the nearest names; or several experiments have the name.
        """
        if name == WORKSPACE:
            return Revision(name, None)
        # A stage moves with each new tag: the registry knows better than a plain tag of that name.
        says = registry.parse(name)
        commit = None if says is None else self.registry.find(name)
        commit = commit or commit_of(self.root, name if says is None else registry.tag(self.root, name))
        commit = commit or self.registry.find(name) or self._experiment(name)
        commit = commit or self.registry.find(f"{registry.MODEL}@v{name.removeprefix('v')}")
        if commit is None:
            what = f"no revision is named {name!r}{nearest(name, self.names(), 3)}"
            for lack in clone.lacks(self.root):
                raise VersionError(f"{what}; {lack.what}", run=lack.run)
            raise VersionError(what, run="stemma log --all")
        return Revision(name, commit)

    def version(self, name: str) -> "Version":
        """The version of this name; raises as `resolve`."""
        return Version(self, self.resolve(name))

    def names(self) -> list[str]:
        """Branches, tags, experiments, registered versions, assigned stages, and the workspace."""
        here = [ref.short for ref in refs(self.root, "refs/heads", "refs/tags", "refs/remotes")]
        named = dict.fromkeys([*here, *self.registry.names(), *self.experiments])
        return [*named, WORKSPACE]

    def _experiment(self, name: str) -> str | None:
        commits = self.experiments.get(name, ())
        if len(commits) > 1:
            several = ", ".join(commit[:7] for commit in commits)
            found = counted(len(commits), "experiment is", "experiments are")
            raise VersionError(f"{found} named {name!r}: give the commit of one ({several})")
        return commits[0] if commits else None


def _mapping(path: str, load: Callable[[str], Any] = json.loads) -> "cached_property[Mapping[str, Any] | None]":
    """A part that is a file."""

    def read(version: "Version") -> Mapping[str, Any] | None:
        if not version.has(path):
            return None
        content = version._loaded(path, load)
        if not isinstance(content, dict):
            raise version._damaged(path, "it is no mapping")
        return content

    return cached_property(read)


class Version:
    """One version, read when asked. Parts that it does not have are None; parts that cannot be read are errors."""

    def __init__(self, repository: Repository, revision: Revision) -> None:
        self.repository = repository
        self.revision = revision
        self._listings: dict[str, Mapping[str, tuple[str, int | None]]] = {}

    def __repr__(self) -> str:
        return f"Version({self.revision.name!r}, {self.revision.short})"

    @property
    def name(self) -> str:
        """As it was asked for."""
        return self.revision.name

    @property
    def commit(self) -> str | None:
        """None for the work tree."""
        return self.revision.commit

    # Files.

    def has(self, path: str) -> bool:
        """Whether the version has this file; its bytes may still be out of reach.

        Raises:
            VersionError: the listing of the folder that it is in is out of reach.
        """
        if self.commit is None:
            return (self.repository.root / path).is_file()
        if self._texts.get(path) is not None:
            return True
        entry = self._holder(path)
        if entry is not None and self._is_of(entry, path):
            return True
        tracked, entry = self._in_git(path)
        return tracked is not None or (entry is not None and self._is_of(entry, path))

    def bytes(self, path: str) -> "Bytes":
        """The content of a file, from Git, DVC's cache, or a remote.

        Args:
            path: relative to the repository, with slashes.

        Raises:
            VersionError: the version has no such file, or it is out of reach or damaged; with the command that helps.
        """
        if self.commit is None:
            return self._in_work_tree(path)
        content = self._texts.get(path)
        if content is not None:
            return self._behind(content, path)
        entry = self._holder(path)
        content = None if entry is None else self._at_hand(self._md5(entry, path), path)
        if content is not None:
            return content
        tracked, from_file = self._in_git(path)  # also outputs with `cache: false`
        if tracked is not None:
            return self._behind(tracked, path)
        entry = entry or from_file
        if entry is None:
            raise VersionError(f"{path} is not in {self.name}")
        return self._object(self._md5(entry, path), path)

    def text(self, path: str) -> str:
        """As `bytes`, decoded from UTF-8; raises as `bytes`, and a VersionError where it is not UTF-8."""
        try:
            return self.bytes(path).decode()
        except UnicodeDecodeError as error:
            raise self._damaged(path, error) from None

    def json(self, path: str) -> Any:
        """As `text`, parsed; raises as `text`, and a VersionError where it is not JSON."""
        return self._loaded(path, json.loads)

    def _loaded(self, path: str, load: Callable[[str], Any]) -> Any:
        """What a function makes of a text; raises as `text`, and a VersionError where the function refuses it."""
        text = self.text(path)
        try:
            return load(text)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise self._damaged(path, lockfile.MARKS if lockfile.is_merged(text) else error) from None

    def output(self, path: str) -> Entry | None:
        """The output of a stage, or what a .dvc file tracks, at just this path; None where there is none.

        Of the work tree: the file or folder that lies there, hashed as DVC does; None where nothing lies there.

        Raises:
            VersionError: dvc.lock or a .dvc file cannot be read.
        """
        if self.commit is None:
            return self._on_disk(path)
        entry = self.outputs.get(path) or self._in_git(path)[1]
        return entry if entry is not None and entry.path == path else None

    def files(self, output: Entry) -> Mapping[str, tuple[str, int | None]]:
        """MD5 and, where known, size of each file of an output, by its path in the folder; empty for a file.

        Raises:
            VersionError: the folder's listing is neither in the cache nor in a remote, or is damaged.
        """
        if output.path not in self._listings:
            self._listings[output.path] = self._listing(output) if output.is_folder else {}
        return self._listings[output.path]

    # Parts.

    @cached_property
    def outputs(self) -> Mapping[str, Entry]:
        """The outputs of its stages by path, as dvc.lock names them; of the work tree too.

        Raises:
            VersionError: dvc.lock cannot be read.
        """
        return self._loaded(LOCK, lockfile.outputs) if self.has(LOCK) else {}

    @cached_property
    def index(self) -> "Index | None":
        """What the weights store says of itself: layers, and every tensor's facts."""
        from stemma.weights import facts

        if not self.has(INDEX):
            return None
        try:
            return facts.parse(self.text(INDEX), Path(WEIGHTS))
        except WeightsError as error:
            raise VersionError(f"{self.name}: {error.what}") from None

    # Parsed; None where the version has no such file, and raised as `text`, or a VersionError where it is no mapping.
    lock = _mapping(LOCK, lockfile.load)
    settings = _mapping(PARAMS, lockfile.load)
    profile = _mapping(PROFILE)  # columns, splits, sketches
    metrics = _mapping(METRICS)
    evaluation = _mapping(EVALUATION)  # intervals, slices, baselines
    training = _mapping(TRAINING)  # epochs, environment
    compression = _mapping(COMPRESSION)  # how the network's graph is kept; older versions have none

    # Where files come from.

    @cached_property
    def _texts(self) -> dict[str, "Bytes | None"]:
        names = [at(str(self.commit), path) for path in TEXTS]
        return dict(zip(TEXTS, contents(self.repository.root, names), strict=True))

    def _holder(self, path: str) -> Entry | None:
        """The output of a stage that is this path, or the folder that it is in."""
        if path == LOCK:
            return None
        return next((self.outputs[above] for above in _upward(path) if above in self.outputs), None)

    def _in_git(self, path: str) -> "tuple[Bytes | None, Entry | None]":
        """What Git has at this path, and what a .dvc file beside it or beside a folder above it tracks."""
        files = [f"{above}.dvc" for above in _upward(path)]
        names = [at(str(self.commit), name) for name in (path, *files)]
        tracked, *found = contents(self.repository.root, names)
        for above, file, content in zip(_upward(path), files, found, strict=True):
            try:
                entry = None if content is None else lockfile.tracked(content.decode(), above).get(above)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise self._damaged(file, error) from None
            if entry is not None:
                return tracked, entry
        return tracked, None

    def _is_of(self, entry: Entry, path: str) -> bool:
        """Whether a path is an output, or a file in it."""
        return path == entry.path or path.removeprefix(f"{entry.path}/") in self.files(entry)

    def _md5(self, entry: Entry, path: str) -> str | None:
        """Of an output, or of a file in it; None where it has no object under its hash."""
        md5 = entry.md5 if path == entry.path else self.files(entry).get(path.removeprefix(f"{entry.path}/"), ("",))[0]
        if md5 == "":
            raise VersionError(f"{path} is not in {self.name}")
        if entry.legacy and md5 is not None:
            raise VersionError(f"{path} of {self.name} is kept as DVC 2 did", run=f"dvc get . {path} --rev {self.name}")
        return md5

    def _listing(self, folder: Entry) -> Mapping[str, tuple[str, int | None]]:
        try:
            return lockfile.listing(self._object(self._md5(folder, folder.path), folder.path))
        except ValueError as error:
            raise self._damaged(folder.path, error) from None

    def _at_hand(self, md5: str | None, path: str) -> "Bytes | None":
        """An object, from this machine."""
        if md5 is None:
            return None
        content, damaged = self.repository.objects.read(md5)
        if content is None and damaged is not None:
            what = f"{path} of {self.name} is damaged: {damaged} does not hold what its name says; remove it"
            raise VersionError(what, run=self._fetched)
        return content

    def _object(self, md5: str | None, path: str) -> "Bytes":
        """An object, from this machine or a remote; DVC alone finds what has none, as of an import."""
        content, objects = self._at_hand(md5, path), self.repository.objects
        if content is not None:
            return content
        try:
            content = None if md5 is None else objects.fetch(md5)
        except Exception as error:  # the libraries of each kind of remote have no common error
            told = trouble.explained(error) or in_one_line(error, 300)
            raise VersionError(f"{path} of {self.name} cannot be fetched ({told})") from error
        if content is not None and md5 is not None:
            if not is_object(content, md5):
                raise self._damaged(path, "the remote holds other bytes than the version names")
            return content
        if not objects.remotes:
            what = f"{path} of {self.name} is not in the cache, and no remote is configured"
            raise VersionError(what, run="dvc remote add -d NAME URL")
        what = f"{path} of {self.name} is neither in the cache nor in a remote within reach"
        raise VersionError(what, run="dvc fetch" if objects.under_own_names or md5 is None else self._fetched)

    def _in_work_tree(self, path: str) -> "Bytes":
        try:
            return self._behind(read_plain(self.repository.root / _inside(path)), path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise VersionError(f"{path} is not in the work tree", run=f"dvc checkout {path}") from None
        except OSError as error:
            raise VersionError(f"{path} of the work tree cannot be read ({error.strerror or error})") from None

    def _on_disk(self, path: str) -> Entry | None:
        """A file or a folder of the work tree, hashed as DVC does."""
        place = self.repository.root / _inside(path)
        if place.is_file():
            return Entry(path, md5_of(place), place.stat().st_size, None)
        if not place.is_dir():
            return None
        files = {
            file.relative_to(place).as_posix(): (md5_of(file), file.stat().st_size)
            for file in sorted(place.rglob("*"))
            if file.is_file()
        }
        self._listings[path] = files
        md5 = lockfile.folder_md5({name: each for name, (each, _) in files.items()})
        return Entry(path, md5, sum(size for _, size in files.values()), len(files))

    def _behind(self, content: "Bytes", path: str) -> "Bytes":
        """What Git has, if it is no pointer of Git LFS: what that stands for is not on this machine then."""
        if POINTER.fullmatch(content):
            run = "git lfs pull" if self.commit is None else "git lfs fetch --all"
            raise VersionError(f"{path} of {self.name} is kept by Git LFS, and is not on this machine", run=run)
        return content

    @property
    def _fetched(self) -> str:
        """The commands that bring what is missing here."""
        return f"stemma push {self.name}` where it is, then `stemma verify {self.name} --repair"

    def _damaged(self, path: str, reason: object) -> VersionError:
        return VersionError(f"{path} of {self.name} is damaged ({in_one_line(reason)})")


Repo = Repository | Path | str  # itself, or a folder in it


def experiment_of(ref: str) -> tuple[str, str] | None:
    """The commit that one of DVC's experiments was made on, and its name; None of another ref."""
    parts = ref.removeprefix(EXPERIMENTS).split("/")
    is_one = ref.startswith(EXPERIMENTS) and len(parts) == 3 and parts[0] not in NO_EXPERIMENTS
    return (parts[0] + parts[1], parts[2]) if is_one else None


def opened(repo: Repo) -> Repository:
    """The repository, or the one that holds a folder; raises as `Repository`."""
    return repo if isinstance(repo, Repository) else Repository(repo)


def no_model(version: Version) -> VersionError:
    """Says that a version holds no weights, with the command that helps."""
    what = f"{version.name} holds no trained model: it has no {WEIGHTS}"
    if version.commit is not None:
        return VersionError(what, run="stemma log")
    return VersionError(what, run=f"dvc pull {WEIGHTS}" if WEIGHTS in version.outputs else "dvc repro")


def _upward(path: str) -> Sequence[str]:
    """A path and the folders that it is in, the nearest first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _inside(path: str) -> str:
    if not names.inside(path):
        raise VersionError(f"{path!r} is no path of a file in the repository")
    return path
