"""Whether a clone elsewhere can get a version, every object of it, asked of the remote that must hold it; and whether
what it gets is what made the model."""

from stemma.errors import VersionError
from stemma.repo.inventory import take
from stemma.repo.repository import Version
from stemma.repo.stores import Stores
from stemma.text import counted, few, say


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
    lacking = stores.lacking(inventory, "cache" if local else "remote")
    names = sorted({wanted.path for wanted in lacking} | {path for path, _ in inventory.unlisted})
    if not names:
        return
    where = "the cache" if local else "the remote"
    what = f"{where} lacks {len(names)} of {counted(len(inventory.objects), 'object')} of {version.name}: {few(names)}"
    raise VersionError(what, run="dvc repro" if local else f"stemma push {version.name}")


def tell_untrue(version: Version) -> None:
    """A line on stderr where a version holds other files or settings than made its model."""
    from stemma.versions.doctor import untrue

    if found := untrue(version):
        say(f"note: in {version.name} {'; '.join(found)}: run `stemma doctor {version.name}`", error=True)
