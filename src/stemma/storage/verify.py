"""Every object of a version, hashed again where it lies; what is missing or damaged is fetched from the other side."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from stemma.repo import locks, places
from stemma.repo.git import POINTER, contents
from stemma.repo.inventory import Inventory, Object, take
from stemma.repo.objects import is_kept
from stemma.repo.places import Place
from stemma.repo.repository import WEIGHTS, Repo, Repository, Version, no_model, opened
from stemma.repo.stores import Side, Stores
from stemma.storage.selection import select
from stemma.threads import each

ALONE = "no default remote is set: the cache alone counts"


@dataclass(frozen=True)
class Fault:
    path: str  # where a version has it
    versions: tuple[str, ...]  # all that need it
    md5: str
    place: str  # "cache", "remote 'NAME'" or "Git"
    state: Literal["missing", "corrupt"]  # corrupt: other bytes than its name says
    repaired: bool = False  # whether a good copy from another place is there now


@dataclass(frozen=True)
class Verification:
    versions: tuple[str, ...]  # their names
    objects: int  # how many were looked for
    size: int  # bytes hashed, in all places together
    places: tuple[str, ...]  # those that were looked at
    repair: bool  # whether mending was asked for
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]  # what was left out

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong any more."""
        return all(fault.repaired for fault in self.faults)


def verify(
    repo: Repo = ".",
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
        VersionError: a name is not known, none that is named holds a model, a place cannot be reached, or another
            process holds DVC's lock (`repair`).
    """
    repository = opened(repo)
    chosen = list(revisions) or ([] if all or experiments else ["HEAD"])
    versions = select(repository, chosen, all=all, experiments=experiments)
    stores = Stores(repository)
    with locks.dvc(repository) if repair else nullcontext():
        inventory = take(repository, versions, stores.read)
        if chosen and not (inventory.objects or inventory.tracked):
            raise no_model(versions[0])
        duties = stores.duties(inventory, only)
        found = each(_looked_at, duties, waits=True)
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
        notes=(*inventory.notes, *_bare(repository, versions), *([] if stores.default else [ALONE])),
    )


def _bare(repository: Repository, versions: Sequence[Version]) -> Iterator[str]:
    """The registered versions without a model."""
    registered = {*repository.registry.registered.values()}
    for version in versions:
        if version.commit in registered and version.output(WEIGHTS) is None:
            yield f"{version.name} is registered, and holds no trained model"


def _looked_at(duty: tuple[Object, Place]) -> tuple[Fault | None, int]:
    """The fault of an object in its place, if any, and the bytes read."""
    wanted, place = duty
    found, size = places.weighed(place, wanted.md5)
    if found == wanted.md5:
        return None, size
    state: Literal["missing", "corrupt"] = "missing" if found is None else "corrupt"
    return Fault(wanted.path, tuple(wanted.versions), wanted.md5, place.name, state), size


def _repaired(fault: Fault, stores: Stores) -> Fault:
    """Put a good copy in place; the damaged one stays until the good one has been verified."""
    target = next(place for place in stores.opened if place.name == fault.place)
    for source in stores.holding(fault.md5):
        places.copy(fault.md5, source, target, stores.scratch)
        return replace(fault, repaired=places.digest(target, fault.md5) == fault.md5)
    return fault


def _in_git(repository: Repository, inventory: Inventory) -> Iterator[Fault]:
    """Outputs that Git keeps and that are not what dvc.lock says."""
    root = repository.root
    files = contents(root, [kept.blob for kept in inventory.tracked])
    for kept, content in zip(inventory.tracked, files, strict=True):
        fault = partial(Fault, kept.path, (kept.version,), kept.md5, "Git")
        if content is None or POINTER.fullmatch(content):
            yield fault("missing")
        elif not is_kept(root, kept.path, kept.blob, content, kept.md5):
            yield fault("corrupt")
