"""Collect, undo, empty the trash: the functions that move something. Each holds DVC's lock and the registry's."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from stemma.errors import VersionError
from stemma.repo import locks, places
from stemma.repo.git import common_folder
from stemma.repo.places import Place
from stemma.repo.repository import Repo, Repository, opened
from stemma.repo.stores import Stores, undone
from stemma.storage.gc import trash
from stemma.storage.gc.planning import Plan, Work, collected, fit, kept_by_all, others, prepare
from stemma.storage.gc.roots import Rules
from stemma.text import by_number, counted, few
from stemma.threads import each


@dataclass(frozen=True)
class Collected:
    plan: Plan  # what went
    run: str | None  # the name of the run; None where there was nothing to collect
    verified: int  # objects of promoted versions that were looked for afterwards, and hashed in the cache


@dataclass(frozen=True)
class Moved:
    """Objects of a run that came back, or were deleted. Args: place: as messages call it."""

    run: str
    place: str
    objects: int
    size: int


def collect(repo: Repo = ".", rules: Rules | None = None) -> Collected:
    """Move what nothing needs into the trash; then look for every object of the versions that hold a stage.

    Raises:
        VersionError: this clone does not know enough to decide, a place refuses, another process is at work, or a
            promoted version is not whole: then everything is where it was.
    """
    repository = opened(repo)
    rules, stores = rules or Rules(), Stores(repository)
    with _alone(repository, stores, rules):
        work = prepare(repository, stores, rules)
        _complete(work, stores)
        if not work.plan.going:
            return Collected(work.plan, None, 0)
        run = trash.Run(trash.next_name(trash.look(place) for place in work.places), work.remotes)
        try:
            for place in work.places:
                trash.begin(place, run)
            for place, taken in zip(work.places, work.plan.places, strict=True):
                trash.fill(place, run.name, taken._going)
            verified = _verified(work)
        except VersionError as error:
            raise _undone(error, work.places, run.name) from error
    return Collected(work.plan, run.name, verified)


def undo(repo: Repo = ".", remote: str | None = None, *, only_remote: bool = False) -> tuple[Moved, ...]:
    """Bring back what the last run moved: in the cache, and in the remotes that it collected too.

    Args:
        remote, only_remote: the last run in this remote (None: the default one), whoever made it, and nothing else.

    Raises:
        VersionError: there is no run, or a place refuses; what came back until then is back, and the rest can be.
    """
    repository = opened(repo)
    stores = Stores(repository)
    first = collected(stores, Rules(remotes=(remote,)))[-1] if only_remote else stores.cache
    name = trash.look(first).last
    if name is None:
        raise VersionError(f"there is nothing to undo: no run is in the trash of the {first.name}")
    along = [] if only_remote else [stores.remote(other) for other in trash.read(first, name).remotes]
    everywhere = [*(place for place in along if place is not None), first]  # the one that names the others is last
    with _alone(repository, stores, Rules(), everywhere):
        return tuple(Moved(name, place.name, *trash.bring_back(place, name)) for place in everywhere)


def empty(repo: Repo = ".", rules: Rules | None = None, *, older_than: timedelta = timedelta()) -> tuple[Moved, ...]:
    """Delete for good what lies in the trash of the cache, and of the remotes of the rules.

    Args:
        older_than: runs that began later stay.

    Raises:
        VersionError: a version needs an object that is in the trash alone, or a place refuses.
    """
    repository = opened(repo)
    rules, stores = rules or Rules(), Stores(repository)
    chosen = collected(stores, rules)
    with _alone(repository, stores, rules, chosen):
        now = time.time()
        bins = [trash.look(place) for place in chosen]
        fit(repository, stores, rules)
        if any(found.objects for found in bins):
            _, kept = kept_by_all(repository, stores, rules, now)
            for place, found in zip(chosen, bins, strict=True):
                _not_needed(place, found, kept)
        gone = []
        for place, found in zip(chosen, bins, strict=True):
            for run in sorted({**found.objects, **found.journals}):
                if found.journals.get(run, 0.0) <= now - older_than.total_seconds():
                    objects = found.objects.get(run, {})
                    trash.remove(place, run, list(objects))
                    gone.append(Moved(run, place.name, len(objects), sum(objects.values())))
    return tuple(gone)


@contextmanager
def _alone(
    repository: Repository, stores: Stores, rules: Rules, chosen: Sequence[Place] | None = None
) -> Iterator[None]:
    """Hold every lock: DVC's and the registry's of each repository, and those of the trash."""
    users = {user.root: user for user in (repository, *others(repository, rules))}
    registries = {common_folder(user.root): user.root for user in users.values()}  # work trees share one
    with ExitStack() as stack:
        for user in users.values():
            stack.enter_context(locks.dvc(user))
        for root in registries.values():
            stack.enter_context(locks.registry(root))
        stack.enter_context(trash.alone(collected(stores, rules) if chosen is None else chosen))
        yield


def _undone(error: VersionError, chosen: Sequence[Place], run: str) -> VersionError:
    """Bring everything back; the error to raise."""
    try:
        for place in reversed(chosen):
            trash.bring_back(place, run)
    except VersionError as second:
        what = f"{error.what}; not all of it could be brought back ({second.what}), and it is in the trash"
        return VersionError(what, run="stemma gc --undo")
    return VersionError(f"{error.what}; everything is where it was", run=error.run)


# Promoted versions.


def _complete(work: Work, stores: Stores) -> None:
    """Whether each object of a promoted version is in a place.

    Raises:
        VersionError: one is not; nothing was moved.
    """
    somewhere = {md5 for held_there in work.stored for md5 in held_there}
    promoted = work.reachable.promoted
    # Without a remote they are made here.
    elsewhere = {md5: each for md5, each in promoted.objects.items() if each.remotes and md5 not in somewhere}
    duties = stores.duties(replace(promoted, objects=elsewhere), "remote")
    absent = {(wanted.md5, place.name) for wanted, place in undone(duties)}
    found = {wanted.md5 for wanted, place in duties if (wanted.md5, place.name) not in absent}
    lost = [wanted for wanted in elsewhere.values() if wanted.md5 not in found]
    if lost:
        paths = sorted({wanted.path for wanted in lost if wanted.versions.keys() & lost[0].versions.keys()})
        what = f"no place has {few(paths)} of {next(iter(lost[0].versions))}"
        in_trash = lost[0].md5 in trash.look(stores.cache).keys
        run = "stemma gc --undo" if in_trash else "stemma verify --all --repair"
        raise VersionError(f"{what}: nothing is collected before it is back", run=run)


def _verified(work: Work) -> int:
    """Look for every object of promoted versions where it was before, and hash those of the cache; how many.

    Raises:
        VersionError: one is missing or damaged.
    """
    promoted = work.reachable.promoted.objects
    duties = [
        (place, md5)
        for place, before in zip(work.places, work.stored, strict=True)
        for md5 in promoted
        if md5 in before
    ]
    cache = work.places[0]

    def is_good(duty: tuple[Place, str]) -> bool:
        place, md5 = duty
        return places.digest(place, md5) == md5 if place is cache else place.size(places.key(md5)) is not None

    for (place, md5), good in zip(duties, each(is_good, duties, waits=True), strict=True):
        if not good:
            wanted = promoted[md5]
            what = f"{wanted.path} of {next(iter(wanted.versions))} is missing or damaged in the {place.name}"
            raise VersionError(what, run="stemma verify --all --repair")
    return len(duties)


def _not_needed(place: Place, found: trash.Bin, kept: frozenset[str]) -> None:
    """Whether nothing in the trash is needed again, by a version that was registered or committed since.

    Raises:
        VersionError: something is.
    """
    needed = [md5 for objects in found.objects.values() for md5 in objects if md5 in kept]
    if any(place.size(places.key(md5)) is None for md5 in needed):
        where, them = f"in the trash of the {place.name}", by_number(len(needed), "it", "them")
        which = counted(len(needed), f"object {where} is", f"objects {where} are")
        what = f"{which} needed again: bring {them} back first"
        raise VersionError(what, run="stemma gc --undo")
