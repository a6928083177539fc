"""What a collection would take: of each place the objects, and of each commit what it would lose."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stemma.errors import VersionError
from stemma.repo import extent, places
from stemma.repo.git import git
from stemma.repo.inventory import listing, take
from stemma.repo.lockfile import LOCK
from stemma.repo.places import Place, Stored
from stemma.repo.repository import Repo, Repository, Revision, Version, opened
from stemma.repo.stores import Stores
from stemma.storage.gc import roots, trash
from stemma.storage.gc.roots import Reachable, Read, Root, Rules
from stemma.text import by_number, counted

OBJECT = re.compile(rf"{places.OBJECTS}/([0-9a-f]{{2}})/([0-9a-f]{{30}}(?:\.dir)?)")


@dataclass(frozen=True)
class Taken:
    place: str
    url: str
    objects: int  # how many the place holds
    size: int  # their bytes, as below
    going: int  # those that would go
    going_size: int
    young: int  # those that nothing needs and that stay, for they are too young
    unknown: int  # those of `going` that no commit of this repository has
    _going: Mapping[str, int]  # bytes by MD5


@dataclass(frozen=True)
class Loss:
    """What a commit would lose. Args: sizes: bytes by place; an object of two commits counts in both."""

    commit: str
    subject: str
    objects: int
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    kept: tuple[Root, ...]  # the commits whose objects stay
    places: tuple[Taken, ...]  # the cache, then remotes
    losses: tuple[Loss, ...]  # the newest commit first
    older_than: float
    fetched: tuple[str, ...]  # what was fetched from Git remotes first, in words
    notes: tuple[str, ...]  # what else is to be known

    @property
    def going(self) -> int:
        """Objects that would go, of all places."""
        return sum(place.going for place in self.places)

    @property
    def going_size(self) -> int:
        return sum(place.going_size for place in self.places)


@dataclass(frozen=True)
class Work:
    """A plan with what its execution needs: what stays, the places, the names of the remotes, what each place holds."""

    plan: Plan
    reachable: Reachable
    places: tuple[Place, ...]
    remotes: tuple[str, ...]
    stored: tuple[Mapping[str, Stored], ...]


def plan(repo: Repo = ".", rules: Rules | None = None) -> Plan:
    """What a collection would take; nothing moves. Tags that a Git remote has and this clone has not are fetched.

    Raises:
        VersionError: this clone does not know enough to decide, or a place cannot be asked.
    """
    repository = opened(repo)
    return prepare(repository, Stores(repository), rules or Rules()).plan


def prepare(repository: Repository, stores: Stores, rules: Rules) -> Work:
    now = time.time()
    chosen = collected(stores, rules)
    fit(repository, stores, rules)
    kept, shared = kept_by_all(repository, stores, rules, now)
    stored = tuple(_objects(place) for place in chosen)
    before = now - rules.older_than.total_seconds()
    parted = [_parted(place, held, shared, before) for place, held in zip(chosen, stored, strict=True)]
    doomed = {place.name: going for place, (going, _) in zip(chosen, parted, strict=True)}
    losses, known = _losses(repository, kept, roots.reader(stores), doomed)
    taken = tuple(
        Taken(
            place=place.name,
            url=place.url,
            objects=len(held),
            size=sum(facts.size for facts in held.values()),
            going=len(going),
            going_size=sum(going.values()),
            young=len(young),
            unknown=len(going.keys() - known),
            _going=going,
        )
        for place, held, (going, young) in zip(chosen, stored, parted, strict=True)
    )
    notes = (*kept.notes, *([] if rules.projects else _shared(taken)))
    made = Plan(kept.commits, taken, losses, rules.older_than.total_seconds(), kept.fetched, notes)
    default = repository.objects.config["core"].get("remote")
    return Work(made, kept, chosen, tuple(dict.fromkeys(str(name or default) for name in rules.remotes)), stored)


def _shared(taken: Sequence[Taken]) -> Iterator[str]:
    """What is to be known of remotes, which another repository may use too."""
    for place in taken[1:]:
        if place.unknown:
            which, are = counted(place.unknown, "object"), by_number(place.unknown, "is", "are")
            what = f"{which} that would go from {place.place} {are} in no commit of this repository"
            yield f"{what}: if another one uses this remote too, name it by --project"


def collected(stores: Stores, rules: Rules) -> tuple[Place, ...]:
    """The places that a collection is about.

    Raises:
        VersionError: a remote is not known or not there, or none is the default.
    """
    found: list[Place] = [stores.cache]
    for name in rules.remotes:
        place = stores.remote(name)
        if place is None:
            raise VersionError("no default remote is set", run="stemma gc --remote NAME")
        if all(place.url != other.url for other in found):
            found.append(place)
    return tuple(found)


def fit(repository: Repository, stores: Stores, rules: Rules) -> None:
    """Whether it is known who uses the cache.

    Raises:
        VersionError: it lies outside the repository, and the rules do not say which others use it.
    """
    trees = [] if rules.projects else roots.work_trees(repository.root)
    folders = [(stores.cache.root / folder).resolve() for folder in (places.OBJECTS, trash.FOLDER)]  # may be links
    if trees and not all(any(map(folder.is_relative_to, trees)) for folder in folders):
        what = f"the cache {stores.cache.root} is outside this repository, others may use it"
        raise VersionError(f"{what}: name each by --project FOLDER", run="stemma gc --project .")


def kept_by_all(repository: Repository, stores: Stores, rules: Rules, now: float) -> tuple[Reachable, frozenset[str]]:
    """What the repository keeps, and the objects that it or another one keeps."""
    kept = roots.find(repository, rules, roots.reader(stores), now)
    shared = set(kept.objects)
    for other in others(repository, rules):
        shared |= roots.find(other, rules, roots.reader(Stores(other)), now).objects
    return kept, frozenset(shared)


def others(repository: Repository, rules: Rules) -> Iterator[Repository]:
    """The other repositories that the rules name, and the projects of this one, which may use the same remote."""
    beside = extent.others(repository.root, "HEAD") if rules.remotes or rules.projects else ()
    for folder in beside:
        if not (repository.root / folder / ".dvc").is_dir():
            what = f"the project in {folder} is not in the work tree, and may use what is collected"
            raise VersionError(what, run=f"git checkout HEAD -- {folder}")
    folders = [*rules.projects, *(repository.root / folder for folder in beside)]
    found = {other.root: other for other in map(Repository, folders)}
    yield from (other for root, other in found.items() if root != repository.root)


def _objects(place: Place) -> dict[str, Stored]:
    """What a place holds, by MD5; other files are nobody's business here."""
    found = {}
    for key, facts in place.stored(places.OBJECTS).items():
        match = OBJECT.fullmatch(key)
        if match is not None:
            found[match[1] + match[2]] = facts
    return found


def _parted(
    place: Place, held: Mapping[str, Stored], kept: frozenset[str], before: float
) -> tuple[dict[str, int], set[str]]:
    """What goes, and what nothing needs but is too young. The files of a folder whose listing stays do so too."""
    spare = {md5: facts for md5, facts in held.items() if md5 not in kept}
    young = {md5 for md5, facts in spare.items() if facts.modified > before}
    for md5 in [md5 for md5 in young if md5.endswith(".dir")]:
        young |= _files(place, md5) & spare.keys()
    return {md5: facts.size for md5, facts in sorted(spare.items()) if md5 not in young}, young


def _files(place: Place, md5: str) -> set[str]:
    """The files of a folder; none where its listing is damaged."""
    try:
        return {file for _, file in listing(places.read(place, places.key(md5)), md5) or ()}
    except VersionError:
        return set()


def _losses(
    repository: Repository, kept: Reachable, read: Read, doomed: Mapping[str, Mapping[str, int]]
) -> tuple[tuple[Loss, ...], set[str]]:
    """What each commit would lose, and all objects that commits have."""
    staying = {each.commit for each in kept.commits}
    found = {commit: subject for commit, subject in _changes(repository) if commit not in staying}
    everything = {md5 for going in doomed.values() for md5 in going}
    if not found or not everything:
        return (), set()
    versions = [Version(repository, Revision(commit, commit)) for commit in found]
    inventory = take(repository, versions, lambda md5: read(md5) if md5 in everything else None, tolerant=True)
    lost: dict[str, list[str]] = {commit: [] for commit in found}
    for md5 in everything & inventory.objects.keys():
        for commit in inventory.objects[md5].versions:
            lost[commit].append(md5)
    losses = [
        Loss(
            commit=commit,
            subject=subject,
            objects=len(lost[commit]),
            sizes={name: sum(going.get(md5, 0) for md5 in lost[commit]) for name, going in doomed.items()},
        )
        for commit, subject in found.items()
        if lost[commit]
    ]
    return tuple(losses), inventory.objects.keys() | {tracked.md5 for tracked in inventory.tracked}


def _changes(repository: Repository) -> list[tuple[str, str]]:
    """The commits, also those that only the reflog has, that changed what DVC keeps: the newest first, with subject."""
    patterns = [f":(glob){start}{name}" for name in (LOCK, "*.dvc") for start in ("", "**/")]
    asked = ("log", "--all", "--reflog", "--full-history", "-m", "--format=%H %s", "--no-patch", "--", *patterns)
    lines = git(repository.root, *asked).decode(errors="replace").splitlines()
    pairs = [line.partition(" ") for line in lines]
    return list({commit: subject for commit, _, subject in pairs}.items())
