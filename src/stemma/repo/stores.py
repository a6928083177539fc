"""Which places there are: the cache, a remote by its name, any by its URL; and those of a repository together."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from stemma.errors import VersionError
from stemma.repo import places
from stemma.repo.inventory import Inventory, Object
from stemma.repo.objects import RETRIES, file_system, is_object
from stemma.repo.places import Bucket, Folder, Place
from stemma.repo.repository import Repository
from stemma.text import in_one_line
from stemma.threads import each

Side = Literal["cache", "remote"]
INSTALL = 'pip install -c requirements.lock -e ".[s3]"'


class Stores:
    """The cache and the remotes of a repository, opened when first asked for."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.cache = cache(repository)
        self.default = remote(repository)
        self._named: dict[str, Place] = {}

    @property
    def opened(self) -> list[Place]:
        """The cache, the default remote, and those that were asked for by name."""
        return [place for place in (self.cache, self.default, *self._named.values()) if place is not None]

    def remote(self, name: str | None) -> Place | None:
        """A remote that can be asked.

        Raises:
            VersionError: there is none of this name, or it is a folder that is not there.
        """
        if name is None:
            return _there(self.default)
        if name not in self._named:
            place = remote(self.repository, name)
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

    def lacking(self, inventory: Inventory, only: Side | None = None) -> list[Object]:
        """The objects that a place which must hold them does not hold, on the side asked for."""
        return list({wanted.md5: wanted for wanted, _ in undone(self.duties(inventory, only))}.values())

    def holding(self, md5: str) -> Iterator[Place]:
        """The places with a good copy of an object, the nearest first."""
        return (place for place in self.opened if places.digest(place, md5) == md5)

    def read(self, md5: str) -> bytes | None:
        """An object's right bytes, from the first place that has them."""
        for place in self.opened:
            content = places.read(place, places.key(md5))
            if content is not None and is_object(content, md5):
                return content
        return None

    @property
    def scratch(self) -> Path:
        """A folder for what passes through, ignored by Git and DVC."""
        folder = self.repository.root / ".dvc" / "tmp" / "stemma"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def undone(duties: Sequence[tuple[Object, Place]]) -> list[tuple[Object, Place]]:
    """Those of objects and the places that must hold them that do not; nothing is read."""
    sizes = each(lambda duty: duty[1].size(places.key(duty[0].md5)), duties, waits=True)
    return [duty for duty, size in zip(duties, sizes, strict=True) if size is None]


def _there(place: Place | None) -> Place | None:
    if isinstance(place, Folder) and not place.root.is_dir():
        raise VersionError(f"{place.name}: there is no folder {place.url}: mount it, or fill it", run="dvc push")
    return place


def cache(repository: Repository) -> Folder:
    return Folder(repository.objects.places[0], "cache", places.READ_ONLY)


def remote(repository: Repository, name: str | None = None, retries: int = RETRIES) -> Place | None:
    """A remote by its name, by default the default one; None where there is no default.

    Raises:
        VersionError: no remote has the name, or it keeps files under their own names.
    """
    config = repository.objects.config
    name = name or config["core"].get("remote")
    if not name:
        return None
    if name not in config["remote"]:
        known = ", ".join(sorted(config["remote"])) or "none"
        raise VersionError(f"no remote is named {name!r} (there are: {known})", run="dvc remote add NAME URL")
    return _place(config, f"remote {name!r}", {"name": name}, retries)


def at(url: str, name: str, config: Mapping[str, Any] | None = None) -> Place:
    """The place with this URL or path.

    Args:
        config: DVC's; the settings (endpoint, keys, encryption) of its remote in the same bucket are used here too.

    Raises:
        VersionError: DVC knows no such kind of URL, or the package for it is not installed.
    """
    if "://" not in url:
        return Folder(Path(url).resolve(), name)
    return _place(config or {}, name, {**_like(url, config or {}), "url": url})


def _like(url: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the remote in the same bucket."""
    wanted = urlsplit(url)
    for remote in config.get("remote", {}).values():
        there = urlsplit(str(remote.get("url", "")))
        if (there.scheme, there.netloc) == (wanted.scheme, wanted.netloc):
            return {name: value for name, value in remote.items() if name not in ("url", "worktree", "version_aware")}
    return {}


def _place(config: Mapping[str, Any], name: str, which: dict[str, Any], retries: int = RETRIES) -> Place:
    from dvc.exceptions import DvcException
    from dvc.fs import LocalFileSystem, get_cloud_fs
    from dvc_objects.fs.errors import RemoteMissingDepsError

    try:
        kind, settings, path = get_cloud_fs(dict(config), **which)
    except DvcException as error:
        raise VersionError(f"{name}: {in_one_line(error)}") from None
    except ImportError as error:  # of what reaches this kind at all
        raise VersionError(f"{name}: {in_one_line(error)}", run=INSTALL if "dvc-s3" in str(error) else None) from None
    except RemoteMissingDepsError:
        raise VersionError(f"{name}: a package is missing", run=INSTALL) from None
    if settings.get("version_aware") or settings.get("worktree"):
        raise VersionError(f"{name} keeps files under their own names (version_aware or worktree): it has no objects")
    if kind is LocalFileSystem:
        return Folder(Path(path), name)
    url = which.get("url") or str(config["remote"][which["name"]]["url"])
    return Bucket(lambda: file_system(kind, settings, retries), path, name, url)
