"""Whether a clone elsewhere can get a version: every object of it, asked of the remote that must hold it."""

from stemma.errors import VersionError
from stemma.repo.inventory import Object, take
from stemma.repo.parallel import each
from stemma.repo.places import Place, key
from stemma.repo.repository import Version
from stemma.repo.stores import Stores
from stemma.words import few


def check(version: Version, *, local: bool = False) -> None:
    """Nothing, if every object of a version is there.

    Args:
        local: look in the cache instead; for a project that has no remote.

    Raises:
        VersionError: no remote is configured, it cannot be asked, or it lacks objects; `local` in spite of a remote.
    """
    repository = version.repository
    default = repository.objects.config["core"].get("remote")
    if local and default:
        raise VersionError(f"--local is for a project without a DVC remote, and this one has {default!r}: leave it out")
    if not local and not default:
        what = f"no default DVC remote is set, and {version.name} is on this machine alone"
        raise VersionError(f"{what}: give --local if that is meant", run="dvc remote add --default NAME URL")
    stores = Stores(repository)
    inventory = take(repository, [version], stores.read)
    needed = list(inventory.objects.values())
    duties = [(wanted, place) for wanted in needed for place in _places(stores, wanted, local)]
    absent = {
        wanted.path for wanted, place in duties if wanted.md5.endswith(".dir") and stores.read(wanted.md5) is None
    }
    held = each(lambda duty: duty[1].size(key(duty[0].md5)) is not None, duties)
    absent |= {wanted.path for (wanted, _), there in zip(duties, held, strict=True) if not there}
    if not absent:
        return
    names = sorted(absent)
    where = "the cache" if local else "the remote"
    what = f"{where} lacks {len(names)} of {len(needed)} objects of {version.name}: {few(names)}"
    raise VersionError(what, run="dvc repro" if local else "dvc push --all-commits")


def _places(stores: Stores, wanted: Object, local: bool) -> list[Place]:
    """Where an object must be."""
    found = [stores.cache] if local else [stores.remote(name) for name in sorted(wanted.remotes, key=str)]
    return [place for place in found if place is not None]
