"""Every object of a version, hashed again where it lies; what is missing or damaged is fetched from the other side."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stemma.errors import VersionError
from stemma.versions.git import contents
from stemma.versions.keeping import places
from stemma.versions.keeping.inventory import Inventory, Object, take
from stemma.versions.keeping.locking import locked
from stemma.versions.keeping.parallel import each
from stemma.versions.keeping.places import Folder, Place
from stemma.versions.keeping.selection import select
from stemma.versions.objects import is_object
from stemma.versions.repository import Repository, opened

Side = Literal["cache", "remote"]


@dataclass(frozen=True)
class Fault:
    """An object that a place does not hold as it should.

    Args:
        path: where a version has it; versions: all that need it.
        place: "cache", "remote 'NAME'" or "Git".
        state: "missing", or "corrupt" for other bytes than its name says.
        repaired: whether a good copy from another place is there now.
    """

    path: str
    versions: tuple[str, ...]
    md5: str
    place: str
    state: Literal["missing", "corrupt"]
    repaired: bool = False


@dataclass(frozen=True)
class Verification:
    """
    Args:
        versions: their names; objects: how many were looked for; size: bytes hashed, in all places together.
        places: those that were looked at; repair: whether mending was asked for; notes: what was left out.
    """

    versions: tuple[str, ...]
    objects: int
    size: int
    places: tuple[str, ...]
    repair: bool
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong any more."""
        return all(fault.repaired for fault in self.faults)


def verify(
    repo: Repository | Path | str = ".",
    revisions: Sequence[str] = (),
    *,
    all: bool = False,
    experiments: bool = False,
    repair: bool = False,
    only: Side | None = None,
) -> Verification:
    """Hash every object of versions again, in the cache and in the remote.

    Args:
        revisions: names; HEAD where neither they nor `all` nor `experiments` are given.
        all: every registered version, every stage's holder, every branch's tip.
        experiments: every experiment too.
        repair: put a verified copy from another place where one is missing or damaged.
        only: look at this side alone; a repair still takes from the other.

    Raises:
        VersionError: a name is not known, a place cannot be reached, or another process holds DVC's lock (`repair`).
    """
    repository = opened(repo)
    chosen = list(revisions) or ([] if all or experiments else ["HEAD"])
    versions = select(repository, chosen, all=all, experiments=experiments)
    stores = Stores(repository)
    with locked(repository) if repair else nullcontext():
        inventory = take(repository, versions, stores.read)
        duties = stores.duties(inventory, only)
        found = _hashed(duties)
        faults = [fault for fault, _ in found if fault is not None]
        if repair:
            faults = [_repaired(fault, stores) for fault in faults]
    return Verification(
        versions=tuple(version.name for version in versions),
        objects=len(inventory.objects),
        size=sum(size for _, size in found),
        places=tuple(dict.fromkeys(place.name for _, place in duties)),
        repair=repair,
        faults=(*faults, *_in_git(repository, inventory)),
        notes=(*inventory.notes, *([] if stores.default else ["no default remote is set: the cache alone counts"])),
    )


class Stores:
    """The cache and the remotes of a repository, opened when first asked for."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.cache = places.cache(repository)
        self.default = places.remote(repository)
        self._named: dict[str, Place] = {}

    def remote(self, name: str | None) -> Place | None:
        """A remote that can be asked.

        Raises:
            VersionError: there is none of this name, or it is a folder that is not there.
        """
        if name is None:
            return _there(self.default)
        if name not in self._named:
            place = places.remote(self.repository, name)
            same = self.default is not None and place is not None and place.url == self.default.url
            self._named[name] = self.default if same else place  # type: ignore[assignment]  # a named one is not None
        return _there(self._named[name])

    def duties(self, inventory: Inventory, only: Side | None) -> list[tuple[Object, Place]]:
        """Which place must hold which object, on the side asked for."""
        found: dict[tuple[str, str], tuple[Object, Place]] = {}
        for wanted in inventory.objects.values():
            required: list[Place | None] = [] if only == "remote" else [self.cache]
            if only != "cache":
                required += [self.remote(name) for name in sorted(wanted.remotes, key=str)]
            for place in required:
                if place is not None:
                    found[wanted.md5, place.name] = (wanted, place)
        return list(found.values())

    def holding(self, md5: str) -> Iterator[Place]:
        """The places with a good copy of an object, the nearest first."""
        for place in (self.cache, self.default, *self._named.values()):
            if place is not None and places.digest(place, md5) == md5:
                yield place

    def read(self, md5: str) -> bytes | None:
        """An object's right bytes, from the first place that has them."""
        for place in (self.cache, self.default, *self._named.values()):
            content = None if place is None else places.read(place, places.key(md5))
            if content is not None and is_object(content, md5):
                return content
        return None

    @property
    def scratch(self) -> Path:
        """A folder for what passes through, ignored by Git and DVC."""
        return self.repository.root / ".dvc" / "tmp" / "stemma"


def _there(place: Place | None) -> Place | None:
    if isinstance(place, Folder) and not place.root.is_dir():
        raise VersionError(f"{place.name}: there is no folder {place.url}: mount it, or fill it", run="dvc push")
    return place


def _hashed(duties: Sequence[tuple[Object, Place]]) -> list[tuple[Fault | None, int]]:
    """The fault of each object in its place, if any, and the bytes read."""
    return list(each(_looked_at, duties))


def _looked_at(duty: tuple[Object, Place]) -> tuple[Fault | None, int]:
    wanted, place = duty
    found, size = places.weighed(place, wanted.md5)
    if found == wanted.md5:
        return None, size
    state: Literal["missing", "corrupt"] = "missing" if found is None else "corrupt"
    return Fault(wanted.path, tuple(wanted.versions), wanted.md5, place.name, state), size


def _repaired(fault: Fault, stores: Stores) -> Fault:
    """Put a good copy in place; the damaged one stays until the good one has been verified."""
    known = [stores.cache, stores.default, *stores._named.values()]
    target = next(place for place in known if place is not None and place.name == fault.place)
    for source in stores.holding(fault.md5):
        places.copy(fault.md5, source, target, stores.scratch)
        return replace(fault, repaired=places.digest(target, fault.md5) == fault.md5)
    return fault


def _in_git(repository: Repository, inventory: Inventory) -> Iterator[Fault]:
    """Outputs that Git keeps and that are not what dvc.lock says."""
    files = contents(repository.root, [kept.blob for kept in inventory.tracked])
    for kept, content in zip(inventory.tracked, files, strict=True):
        if content is None or not is_object(content, kept.md5):
            yield Fault(kept.path, (kept.version,), kept.md5, "Git", "missing" if content is None else "corrupt")
