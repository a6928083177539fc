"""A copy of versions that needs nothing else: Git's history, DVC's objects, and their checksums.

Objects come first, then the bundle, then the manifest, which makes the new backup; until then the earlier one holds.
A run that was cut short is completed by the next one: what has its name is whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stemma.errors import VersionError
from stemma.files import scratch, sha256_of
from stemma.repo import clone, journal, locks, places
from stemma.repo.git import commit_of, git, prefix, refs, top
from stemma.repo.inventory import take
from stemma.repo.places import Folder, Place
from stemma.repo.repository import EXPERIMENTS, NO_EXPERIMENTS, Repo, Repository, Version, opened
from stemma.repo.stores import Stores, at
from stemma.repo.trouble import told
from stemma.storage import manifest, sealing
from stemma.storage.manifest import Manifest
from stemma.storage.selection import select
from stemma.text import counted, few
from stemma.threads import each

REFS = ("refs/heads", "refs/remotes", "refs/tags", "refs/exps")
KEPT = "refs/stemma/kept/"  # versions of an earlier backup that no branch or tag holds any more
LOCK = ".lock"
OURS = {manifest.NAME, manifest.GIT, "objects", "sealed", LOCK}


@dataclass(frozen=True)
class Backup:
    place: str
    versions: tuple[str, ...]  # that the backup holds now, those of earlier runs too
    objects: int  # all that it holds
    size: int  # of all of it
    copied: int  # objects that were new
    copied_size: int  # their bytes
    written: bool  # whether anything was new
    notes: tuple[str, ...]


def backup(
    repo: Repo,
    destination: str,
    revisions: Sequence[str] = (),
    *,
    stages: Sequence[str] = (),
    experiments: bool = False,
    encrypt: str | None = None,
) -> Backup:
    """Copy versions to a folder or a bucket; what is there already is not copied again.

    Git's part is always whole. Objects are those of the versions asked for and of those backed up there before.

    Args:
        destination: a path or a URL, such as s3://bucket/prefix; endpoint and keys as DVC has them for a remote in the
            same bucket, else from the environment.
        revisions, stages: which versions; without both, every registered version, every stage's holder and every
            branch's tip.
        experiments: every experiment too.
        encrypt: a recipient, "age1..."; see `sealing`.

    Raises:
        VersionError: an object is in no place or damaged in all, the destination holds a backup of another repository
            or of another kind, or it refuses.
    """
    repository = opened(repo)
    chosen = select(repository, revisions, stages=stages, all=not (revisions or stages), experiments=experiments)
    place = at(destination, "backup", repository.objects.config)
    stores = Stores(repository)
    to = None if encrypt is None else sealing.recipient(encrypt)
    with ExitStack() as stack:
        stack.enter_context(locks.dvc(repository))
        if isinstance(place, Folder):
            stack.enter_context(_alone(repository, place))
        before = manifest.load(place)
        _is_the_same(repository, place, before, encrypt)
        passing = stack.enter_context(scratch("backup", stores.scratch))
        return _Work(repository, stores, place, before, encrypt, to, passing).backup(chosen)


@dataclass(frozen=True)
class _Work:
    """One run. `before` is the earlier manifest; `to` the recipient, parsed."""

    repository: Repository
    stores: Stores
    place: Place
    before: Manifest | None
    recipient: str | None
    to: Any
    scratch: Path

    def backup(self, chosen: Sequence[Version]) -> Backup:
        """Copy versions: their objects first, then what makes them a backup."""
        inventory = take(self.repository, chosen, self.stores.read)
        sizes, copied = self.objects({md5: found.path for md5, found in inventory.objects.items()})
        done = self.manifest(chosen, sizes)
        return Backup(
            place=self.place.url,
            versions=tuple(done.versions.values()),
            objects=len(sizes),
            size=sum(sizes.values()),
            copied=len(copied),
            copied_size=sum(sizes[md5] for md5 in copied),
            written=done != self.before,
            notes=(*inventory.notes, *_not_committed(self.repository)),
        )

    def objects(self, wanted: Mapping[str, str]) -> tuple[dict[str, int], list[str]]:
        """The bytes of each object in the backup, earlier ones too, and which were copied now.

        Args:
            wanted: a path of every object, by MD5.

        Raises:
            VersionError: no place holds a good copy of some.
        """
        earlier = {} if self.before is None else dict(self.before.objects)
        key = partial(manifest.object_key, sealed=self.to is not None)
        there = self.place.sizes(key("").split("/")[0])
        whole = {
            md5: there[key(md5)]
            for md5 in {*wanted, *earlier}
            if key(md5) in there and there[key(md5)] == earlier.get(md5, there[key(md5)])
        }
        missing = sorted({*wanted, *earlier} - whole.keys())
        sizes = whole | self._copied(missing, wanted)
        return {md5: sizes[md5] for md5 in sorted(sizes)}, missing

    def _copied(self, missing: Sequence[str], paths: Mapping[str, str]) -> dict[str, int]:
        found = dict(zip(missing, each(self._copy, missing, waits=True), strict=True))
        lost = [paths.get(md5, md5) for md5, size in found.items() if size is None]
        if lost:
            what = f"no place holds a good copy of {few(lost)}"
            what += ": the earlier backup stands as it was" if self.before is not None else ""
            raise VersionError(what, run="stemma verify --all")
        return {md5: size for md5, size in found.items() if size is not None}

    def _copy(self, md5: str) -> int | None:
        """Copy an object; its bytes in the backup, None where no place has a good one."""
        for source in self.stores.holding(md5):
            with source.local(places.key(md5), self.scratch) as file:
                return self._put(manifest.object_key(md5, self.to is not None), file, md5)
        return None

    def _put(self, key: str, file: Path, md5: str | None = None) -> int:
        if self.to is None:
            self.place.put(key, file, md5)
            return file.stat().st_size
        with sealing.sealed(file, self.to, self.scratch) as hidden:
            self.place.put(key, hidden)
            return hidden.stat().st_size

    def manifest(self, chosen: Sequence[Version], sizes: Mapping[str, int]) -> Manifest:
        """The new manifest, in place; the bundle is written before it, and an older one removed after it."""
        names = {str(version.commit): version.name for version in chosen}
        earlier = {} if self.before is None else self.before.versions
        moved = set(names.values())  # a branch that was on another commit then
        versions = {commit: commit[:7] if name in moved else name for commit, name in earlier.items()} | names
        named, head = _refs(self.repository, list(versions))
        there = self.place.sizes(manifest.GIT)
        known = self.before is not None and (self.before.refs, self.before.head) == (named, head)
        if self.before is not None and known and self.before.bundle_key in there:
            bundle = self.before.bundle
        else:
            bundle = self._bundled(named)
        done = Manifest(
            top(self.repository.root).name, dict(sorted(versions.items())), named, head, bundle, sizes, self.recipient,
            prefix(self.repository.root),
        )  # fmt: skip
        if done != self.before:
            file = self.scratch / manifest.NAME
            file.write_text(journal.text(done), encoding="utf-8")
            self.place.put(manifest.NAME, file)
        for old in self.place.sizes(manifest.GIT).keys() - {done.bundle_key}:
            self.place.delete(old)
        return done

    def _bundled(self, refs: Mapping[str, str]) -> str:
        """Write the bundle; its SHA-256. A commit that no ref of the repository holds goes by its number."""
        file = self.scratch / "repository.bundle"
        names = [refs[ref] if ref.startswith(KEPT) else ref for ref in refs]
        asked = "".join(f"{name}\n" for name in ["HEAD", *names])
        git(self.repository.root, "-c", "pack.threads=1", "bundle", "create", "-q", str(file), "--stdin", stdin=asked)
        self._check_refs(file, refs)
        sha256 = sha256_of(file)
        self._put(manifest.bundle_key(sha256, self.to is not None), file)
        return sha256

    def _check_refs(self, file: Path, refs: Mapping[str, str]) -> None:
        """Whether a bundle holds refs as they were read; a VersionError where one moved since."""
        listed = git(self.repository.root, "bundle", "list-heads", str(file)).decode().splitlines()
        held = {ref: identity for identity, _, ref in (line.partition(" ") for line in listed)}
        moved = [ref for ref, identity in refs.items() if not ref.startswith(KEPT) and held.get(ref) != identity]
        if moved:
            raise VersionError(f"{few(moved)} moved while Git was copied: the earlier backup stands", "stemma backup")


@contextmanager
def _alone(repository: Repository, place: Folder) -> Iterator[None]:
    """Hold the folder's lock; what a killed run left half-written goes.

    Raises:
        VersionError: another backup writes there, or the folder is no place for one.
    """
    if place.root.is_relative_to(top(repository.root)):
        raise VersionError(f"{place.url} is inside the repository, and would be lost with it: choose another folder")
    with told(f"backup ({place.url})"):
        place.root.mkdir(parents=True, exist_ok=True)
        others = {path.name for path in place.root.iterdir()} - OURS
    if others and not (place.root / manifest.NAME).is_file():
        raise VersionError(f"{place.url} holds other things ({sorted(others)[0]}, ...): choose an empty folder")
    with locks.held(place.root / LOCK, place.url):
        for left in place.root.rglob(f".*{places.PARTIAL}"):
            left.unlink()
        yield


def _is_the_same(repository: Repository, place: Place, before: Manifest | None, recipient: str | None) -> None:
    """Whether a backup goes on where the earlier one ended.

    Raises:
        VersionError: it is of another repository, or is encrypted otherwise; or this is a shallow clone.
    """
    for lack in clone.lacks(repository.root):
        if lack.kind == "history":
            raise VersionError(lack.what, run=lack.run)
    if before is None:
        return
    if before.recipient != recipient:
        how = f"is encrypted for {before.recipient}" if before.recipient else "is not encrypted"
        raise VersionError(f"the backup in {place.url} {how}: do the same, or choose another place")
    if before.project != prefix(repository.root):
        what = f"the backup in {place.url} is of the project in {before.project or 'the top folder'}"
        raise VersionError(f"{what}: choose another place")
    strange = next((commit for commit in before.versions if commit_of(repository.root, commit) is None), None)
    if strange is not None:
        what = f"{place.url} holds commit {strange[:7]}, which this repository does not know: choose another place"
        raise VersionError(what)


def _refs(repository: Repository, versions: Sequence[str]) -> tuple[dict[str, str], str]:
    """Git's refs, with one for each version that none of them holds; and HEAD."""
    own = tuple(f"{EXPERIMENTS}{name}" for name in NO_EXPERIMENTS)  # DVC's own, no experiments
    here = [ref for ref in refs(repository.root, *REFS) if not ref.alias and not ref.name.startswith(own)]
    found = {ref.name: ref.id for ref in here}
    asked_for = "".join(f"{name}\n" for name in [*versions, *(f"^{ref}" for ref in found)])
    loose = set(git(repository.root, "rev-list", "--stdin", stdin=asked_for).decode().split())
    found |= {f"{KEPT}{commit}": commit for commit in versions if commit in loose}
    symbolic = git(repository.root, "rev-parse", "--symbolic-full-name", "HEAD").decode().strip()
    head = symbolic if symbolic != "HEAD" else str(commit_of(repository.root, "HEAD"))
    return dict(sorted(found.items())), head


def _not_committed(repository: Repository) -> list[str]:
    changed = git(repository.root, "status", "--porcelain", "--untracked-files=normal").decode().splitlines()
    changes = counted(len(changed), "change is", "changes are")
    return [f"{changes} not committed, and not in the backup"] if changed else []
