"""DVC's objects by their hash: from the cache, else from a remote that is a folder.

They are read and never kept: neither the cache nor the work tree changes. `dvc fetch` is the command that keeps them.
What lies in another kind of remote is read by path, through DVCFileSystem, by `repository`.
"""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stemma.errors import VersionError


class Objects:
    """The objects that the repository in `root` can reach on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def places(self) -> tuple[Path, ...]:
        """Folders that hold objects: the cache, then remotes, the default one first."""
        config = self.config
        cache = Path(config["cache"].get("dir") or self._root / ".dvc" / "cache")
        default = config["core"].get("remote")
        remotes = sorted(config["remote"].items(), key=lambda item: item[0] != default)
        folders = [_folder(remote) for _, remote in remotes]
        return cache, *(folder for folder in folders if folder is not None)

    @property
    def remotes(self) -> bool:
        """Whether any remote is configured."""
        return bool(self.config["remote"])

    @property
    def elsewhere(self) -> bool:
        """Whether a remote is configured that is no folder."""
        return len(self.places) - 1 < len(self.config["remote"])

    def path(self, md5: str) -> Path | None:
        """The file of an object, unread; None where it is in no place."""
        return next((path for path in self._paths(md5) if path.is_file()), None)

    def read(self, md5: str) -> tuple[bytes | None, Path | None]:
        """An object's bytes, and a file that should hold them and holds others, if one was met."""
        damaged = None
        for path in self._paths(md5):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            if is_object(content, md5):
                return content, damaged
            damaged = damaged or path
        return None, damaged

    def _paths(self, md5: str) -> list[Path]:
        return [place / "files" / "md5" / md5[:2] / md5[2:] for place in self.places]

    @cached_property
    def config(self) -> dict[str, Any]:
        """DVC's configuration in the work tree, its paths made whole.

        Raises:
            VersionError: it cannot be read.
        """
        from dvc.config import Config, ConfigError

        try:
            return dict(Config(dvc_dir=str(self._root / ".dvc"), validate=False))
        except ConfigError as error:
            told = " ".join(str(error).split())
            raise VersionError(f"DVC's configuration in {self._root} cannot be read ({told:.200})") from None


def is_object(content: bytes, md5: str) -> bool:
    """Whether these are the bytes that the hash names."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == md5.removesuffix(".dir")


def _folder(remote: dict[str, Any]) -> Path | None:
    """Where a remote keeps its objects; None where it is no folder, or keeps files under their own names."""
    url = str(remote.get("url", ""))
    if any(str(remote.get(key, "false")).lower() == "true" for key in ("worktree", "version_aware")):
        return None
    if url.startswith("file://"):
        from urllib.request import url2pathname  # with a client of HTTP

        return Path(url2pathname(urlsplit(url).path))
    return Path(url) if url and "://" not in url else None
