"""A registry of bundles that serve: on a Git server, with two clones of it."""

from dataclasses import dataclass
from pathlib import Path

import bundles
import stemma
from registered_worlds import clones, make_registered
from stemma.bundle import archive
from stemma.follow import Asked
from stemma.registry.promote import roll_back
from stemma.registry.writing import Tagging
from version_worlds import World

PUSHED = Tagging(push=True)


@dataclass(frozen=True)
class Followed:
    """`origin` has the DVC remote's folder beside it; `anne` promotes, `bob` serves; `url` is the Git server's."""

    origin: World
    anne: World
    bob: World
    folder: Path

    @property
    def url(self) -> str:
        return str(self.origin.folder.with_name("server.git"))

    def asked(self, source: str | None = None, **more: bool) -> Asked:
        return Asked(source or self.url, "prod", self.folder, **more)

    # Anne's words, on the Git server too.

    def promote(self, version: str, stage: str = "prod") -> None:
        stemma.promote(self.anne.folder, version, stage, tagging=PUSHED)

    def roll_back(self) -> None:
        roll_back(self.anne.folder, "prod", tagging=PUSHED)

    def demote(self) -> None:
        stemma.demote(self.anne.folder, "prod", tagging=PUSHED)

    def numbers(self) -> list[str]:
        """What a server sees, in any order."""
        return sorted(each.name for each in self.folder.iterdir() if not each.name.startswith(".") and each.is_dir())


def make_registered_bundles(folder: Path) -> World:
    """Versions v1.0.0, v1.1.0 and v2.0.0 of which the bundles differ in their threshold: 0.1, 0.2, 0.3."""
    made = []
    for threshold in (0.1, 0.2, 0.3, 0.4):
        archive.build(folder / "model.zip", bundles.contents(bundles.SIGNATURE | {"threshold": threshold}))
        made.append((folder / "model.zip").read_bytes())
    return make_registered(folder / "world", tuple(made))


def followed_by_two(registered: World, folder: Path) -> Followed:
    """A copy of that world behind a Git server, in a folder."""
    origin = registered.copy(folder / "world")
    remote = origin.remote  # by its whole path: clones lie elsewhere
    origin.write(".dvc/config", f"[core]\n    remote = disk\n['remote \"disk\"']\n    url = {remote}\n")
    origin.commit("Name the remote by its whole path")
    return Followed(origin, *clones(origin), folder / "served" / "shop")
