"""All places of a repository together: its cache and its remotes, opened when first asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from stemma.errors import VersionError
from stemma.repo import places
from stemma.repo.inventory import Inventory, Object
from stemma.repo.objects import is_object
from stemma.repo.parallel import each
from stemma.repo.places import Folder, Place
from stemma.repo.repository import Repository

Side = Literal["cache", "remote"]


class Stores:
    """The cache and the remotes of a repository, opened when first asked for."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.cache = places.cache(repository)
        self.default = places.remote(repository)
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

    def lacking(self, inventory: Inventory, only: Side | None = None) -> list[Object]:
        """The objects that a place which must hold them does not hold, on the side asked for; nothing is read."""
        duties = self.duties(inventory, only)
        sizes = each(lambda duty: duty[1].size(places.key(duty[0].md5)), duties)
        found = {wanted.md5: wanted for (wanted, _), size in zip(duties, sizes, strict=True) if size is None}
        return list(found.values())

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


def _there(place: Place | None) -> Place | None:
    if isinstance(place, Folder) and not place.root.is_dir():
        raise VersionError(f"{place.name}: there is no folder {place.url}: mount it, or fill it", run="dvc push")
    return place
