"""The objects of versions into the remotes that must hold them: of any commit, and by this clone's own settings.

`dvc push --all-commits` reads the settings of each commit out of Git, where a remote that is a relative path leads to a
folder at the root of the disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from stemma.errors import VersionError
from stemma.repo import locks, places
from stemma.repo.inventory import Object, take
from stemma.repo.places import Place
from stemma.repo.repository import Repo, opened
from stemma.repo.stores import Stores, undone
from stemma.storage.selection import select
from stemma.text import counted, few
from stemma.threads import each


@dataclass(frozen=True)
class Push:
    versions: tuple[str, ...]  # their names
    objects: int  # how many they need there
    pushed: int  # of these, how many were not there
    size: int  # bytes that were sent
    remotes: tuple[str, ...]  # their names


def push(repo: Repo = ".", revisions: Sequence[str] = (), *, all: bool = False) -> Push:
    """Copy what the remotes lack of versions, out of the cache, each object hashed on its way.

    Args:
        revisions: names; HEAD where neither they nor `all` are given.
        all: every registered version, every stage's holder, every branch's tip.

    Raises:
        VersionError: no remote is configured or it refuses; a name is not known; an object is nowhere.
    """
    repository = opened(repo)
    versions = select(repository, list(revisions) or ([] if all else ["HEAD"]), all=all)
    stores = Stores(repository)
    if stores.default is None:
        raise VersionError("no default DVC remote is set", run="dvc remote add --default NAME URL")
    with locks.dvc(repository):
        inventory = take(repository, versions, stores.read)
        duties = stores.duties(inventory, "remote")
        missing = undone(duties)
        lost = [wanted.path for wanted, _ in missing if stores.cache.size(places.key(wanted.md5)) is None]
        lost += [path for path, _ in inventory.unlisted]
        if lost:
            which = counted(len(lost), "object is", "objects are")
            what = f"{which} neither in the cache nor in the remote ({few(sorted(lost))})"
            raise VersionError(f"{what}: push where they are, or `stemma restore` from a backup; nothing was sent")
        # A listing goes last: DVC takes a folder for pushed once that is there.
        files, listings = ([duty for duty in missing if duty[0].md5.endswith(".dir") is last] for last in (False, True))
        sent = [size for part in (files, listings) for size in each(partial(_sent, stores), part, waits=True)]
    names = dict.fromkeys(place.name for _, place in duties)
    return Push(tuple(version.name for version in versions), len(duties), len(sent), sum(sent), tuple(names))


def _sent(stores: Stores, duty: tuple[Object, Place]) -> int:
    """The bytes of an object that was sent."""
    wanted, place = duty
    places.copy(wanted.md5, stores.cache, place, stores.scratch)
    return stores.cache.size(places.key(wanted.md5)) or 0
