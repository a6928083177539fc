"""Where collected objects wait: a folder in the same place, so that nothing is copied and a disk needs no room.

    stemma-trash/RUN/journal.json      that there is a run, and where else; written before the first object moves
    stemma-trash/RUN/objects/MD5       each by its hash, which says where it came from

The journal is small, for a full disk is when one collects. It is there from before the first move until after the
last way back: a run that was killed can be undone, or simply be followed by another one. What is deleted for good loses
its journal first.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from stemma.errors import VersionError
from stemma.files import scratch
from stemma.repo import journal, locks, places
from stemma.repo.places import Folder, Place
from stemma.repo.trouble import told
from stemma.threads import each

FOLDER = "stemma-trash"
JOURNAL = "journal.json"
KEY = re.compile(rf"{FOLDER}/([0-9]{{4,}}-[0-9a-f]{{8}})/(?:{JOURNAL}|objects/([0-9a-f]{{32}}(?:\.dir)?))")


@dataclass(frozen=True)
class Run:
    """What the journal says. Args: name: "0003-1f2e3d4c", the number counts; remotes: that the run is about, too."""

    name: str
    remotes: tuple[str, ...]


@dataclass(frozen=True)
class Bin:
    objects: Mapping[str, Mapping[str, int]]  # bytes by MD5, by the name of the run
    journals: Mapping[str, float]  # when each run began, in seconds since 1970

    @property
    def keys(self) -> dict[str, str]:
        """Where each object lies, by MD5."""
        return {md5: trashed(run, md5) for run, objects in self.objects.items() for md5 in objects}

    @property
    def last(self) -> str | None:
        return max(self.journals, default=None, key=_number)


def trashed(run: str, md5: str) -> str:
    return f"{FOLDER}/{run}/objects/{md5}"


def look(place: Place) -> Bin:
    objects: dict[str, dict[str, int]] = {}
    journals = {}
    for key, facts in place.stored(FOLDER).items():
        match = KEY.fullmatch(key)
        if match is None:
            continue
        if match[2] is None:
            journals[match[1]] = facts.modified
        else:
            objects.setdefault(match[1], {})[match[2]] = facts.size
    return Bin(objects, journals)


def next_name(bins: Iterable[Bin]) -> str:
    """A name for a run that comes after those in the bins."""
    numbers = [_number(run) for found in bins for run in {**found.objects, **found.journals}]
    return f"{max(numbers, default=0) + 1:04}-{secrets.token_hex(4)}"


def read(place: Place, name: str) -> Run:
    """The journal of a run; a VersionError where it cannot be read."""
    content = places.read(place, f"{FOLDER}/{name}/{JOURNAL}")
    try:
        return journal.parsed(content or b"", Run)
    except ValueError as error:
        where = f"{place.url}/{FOLDER}/{name}"
        raise VersionError(f"{where}/{JOURNAL} cannot be read ({error}): the objects are beside it, by hash") from None


def begin(place: Place, run: Run) -> None:
    """Write the journal, once it is known that the place lets what is written be removed again.

    Raises:
        VersionError: the place refuses; nothing was moved.
    """
    with scratch("trash") as folder:
        file = folder / JOURNAL
        file.write_text(journal.text(run), encoding="utf-8")
        probe = f"{FOLDER}/{run.name}/probe"
        place.put(probe, file)
        place.delete(probe)
        place.put(f"{FOLDER}/{run.name}/{JOURNAL}", file)


def fill(place: Place, run: str, objects: Iterable[str]) -> None:
    """Move objects into the trash.

    The listings of folders go first: DVC takes a folder whose listing is in a remote for whole.
    """
    for part in _parted(objects):
        each(lambda md5: place.move(places.key(md5), trashed(run, md5)), part, waits=True)


def bring_back(place: Place, run: str) -> tuple[int, int]:
    """Move the objects of a run to where they were, the listings of folders last; how many, and their bytes.

    One that was written again since stays as it is.
    """
    found = look(place)
    there = found.objects.get(run, {})
    again = place.sizes(places.OBJECTS).keys()

    def back(md5: str) -> None:
        if places.key(md5) in again:
            place.delete(trashed(run, md5))
        else:
            place.move(trashed(run, md5), places.key(md5))

    listings, files = _parted(there)
    for part in (files, listings):
        each(back, part, waits=True)
    if run in found.journals:
        place.delete(f"{FOLDER}/{run}/{JOURNAL}")
    _tidy(place, run)
    return len(there), sum(there.values())


def remove(place: Place, run: str, objects: Sequence[str]) -> None:
    """Delete a run for good. Its journal goes first: from then on it cannot be brought back in half."""
    place.delete(f"{FOLDER}/{run}/{JOURNAL}")
    each(lambda md5: place.delete(trashed(run, md5)), objects, waits=True)
    _tidy(place, run)


def _tidy(place: Place, run: str) -> None:
    """Remove the folders that are empty now."""
    if isinstance(place, Folder):
        with told(f"{place.name} ({place.url})"):
            for folder in (place.root / FOLDER / run / "objects", place.root / FOLDER / run):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()


@contextmanager
def alone(stores: Iterable[Place]) -> Iterator[None]:
    """Hold the lock of the trash of each folder; a bucket knows no locks.

    Raises:
        VersionError: another process collects there.
    """
    with ExitStack() as stack:
        for place in stores:
            if isinstance(place, Folder):
                stack.enter_context(locks.held(place.root / FOLDER / ".lock", f"{place.name} ({place.url})"))
        yield


def _parted(objects: Iterable[str]) -> tuple[list[str], list[str]]:
    """Listings of folders, and files."""
    objects = sorted(objects)
    listings = [md5 for md5 in objects if md5.endswith(".dir")]
    return listings, [md5 for md5 in objects if not md5.endswith(".dir")]


def _number(run: str) -> int:
    return int(run.partition("-")[0])
