"""DVC's objects by their hash: from the cache, else from a remote that is a folder.

They are read and never kept: neither the cache nor the work tree changes. `dvc fetch` is the command that keeps them.
What other kinds of remotes hold under the same names is fetched into memory.
"""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stemma.errors import VersionError
from stemma.files import open_plain, read_plain
from stemma.repo import trust
from stemma.repo.git import checked_out
from stemma.repo.trouble import is_without_bucket

RETRIES = 2
SILENCE = 30  # seconds that the server of a bucket may take to answer


class Objects:
    """The objects that the repository in `root` can reach on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._opened: dict[str, tuple[Any, str]] = {}

    @cached_property
    def places(self) -> tuple[Path, ...]:
        """Folders that hold objects: the cache, then remotes, the default one first."""
        cache = Path(self.config["cache"].get("dir") or self._root / ".dvc" / "cache")
        folders = map(_folder, self._remotes.values())
        return cache, *(folder for folder in folders if folder is not None)

    @property
    def remotes(self) -> bool:
        return bool(self.config["remote"])

    @property
    def elsewhere(self) -> bool:
        """Whether a remote is configured that is no folder."""
        return len(self.places) - 1 < len(self.config["remote"])

    @property
    def under_own_names(self) -> bool:
        """Whether a remote keeps files under their own names: `dvc fetch` alone finds them there."""
        return any(map(_is_by_name, self.config["remote"].values()))

    def fetch(self, md5: str) -> bytes | None:
        """An object's bytes, unchecked, from the first remote behind a network that holds it.

        Raises:
            Exception: none gave it, and the first of them that failed had this reason.
        """
        trouble: Exception | None = None
        for name, remote in self._remotes.items():
            if _is_by_name(remote) or _folder(remote) is not None:
                continue
            try:
                fs, root = self._bucket(name)
                return bytes(fs.cat_file(f"{root}/files/md5/{md5[:2]}/{md5[2:]}"))
            except FileNotFoundError as error:
                trouble = trouble or (error if is_without_bucket(error) else None)
            except Exception as error:  # the libraries of each kind of remote have no common error
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        return None

    def path(self, md5: str) -> Path | None:
        """The file of an object, unread; None where it is in no place."""
        return next((path for path in self._paths(md5) if path.is_file()), None)

    def read(self, md5: str) -> tuple[bytes | None, Path | None]:
        """An object's bytes, and a file that should hold them and holds others, if one was met."""
        damaged = None
        for path in self._paths(md5):
            try:
                content = read_plain(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise VersionError(f"{path} cannot be read ({error.strerror or error})") from None
            if is_object(content, md5):
                return content, damaged
            damaged = damaged or path
        return None, damaged

    def _paths(self, md5: str) -> list[Path]:
        return [place / "files" / "md5" / md5[:2] / md5[2:] for place in self.places]

    @property
    def _remotes(self) -> dict[str, Any]:
        """The settings of each remote, the default one first."""
        default = self.config["core"].get("remote")
        return dict(sorted(self.config["remote"].items(), key=lambda item: bool(item[0] != default)))

    def _bucket(self, name: str) -> tuple[Any, str]:
        """A remote's file system, and where its objects begin in it."""
        from dvc.fs import get_cloud_fs

        if name not in self._opened:
            kind, settings, path = get_cloud_fs(self.config, name=name)
            self._opened[name] = (file_system(kind, settings), path.rstrip("/"))
        return self._opened[name]

    @cached_property
    def config(self) -> dict[str, Any]:
        """DVC's settings in the work tree, as far as `trust` lets them count, their paths made whole; raises as it."""
        return dict(trust.config(self._root))


def file_system(kind: Any, settings: dict[str, Any], retries: int = RETRIES) -> Any:
    """fsspec's file system, of one of DVC's kinds. A server that it reaches by SSH never gets the user's agent.

    That of S3 gives up on a silent server after a while unless the settings say otherwise.
    Each layer of it tries again by itself: left alone, a server that fails keeps one waiting for minutes.
    Before an upload botocore asks whether the server will have it, and aiohttp waits for the answer without end, though
    some servers give none: so it does not ask.
    """
    if kind.protocol != "s3":
        return kind(**settings, **({"agent_forwarding": False} if kind.protocol == "ssh" else {})).fs
    from aiobotocore.session import AioSession
    from botocore.handlers import add_expect_header

    session = AioSession(profile=settings.get("profile"))
    session.unregister("before-call.s3", add_expect_header)
    wrapped = kind(**{"connect_timeout": 10, "read_timeout": SILENCE, **settings})
    wrapped.fs_args.setdefault("config_kwargs", {})["retries"] = {"max_attempts": retries}
    wrapped.fs_args |= {"use_listings_cache": False, "skip_instance_cache": True, "session": session}
    wrapped.fs.retries = 1
    return wrapped.fs


def md5_of(path: Path) -> str:
    """The MD5 of a file, every byte read; raises as `open_plain`."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_object(content: bytes, md5: str) -> bool:
    """Whether these are the bytes that the hash names."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == md5.removesuffix(".dir")


def is_kept(root: Path, path: str, blob: str, content: bytes, md5: str) -> bool:
    """Whether a file that Git keeps is the one that the hash names, as it lies there or as it is checked out."""
    return is_object(content, md5) or is_object(checked_out(root, path, blob), md5)


def _is_by_name(remote: dict[str, Any]) -> bool:
    return any(str(remote.get(key, "false")).lower() == "true" for key in ("worktree", "version_aware"))


def _folder(remote: dict[str, Any]) -> Path | None:
    """Where a remote keeps its objects; None where it is no folder, or keeps files under their own names."""
    url = str(remote.get("url", ""))
    if _is_by_name(remote):
        return None
    if url.startswith("file://"):
        from urllib.request import url2pathname  # with a client of HTTP

        return Path(url2pathname(urlsplit(url).path))
    return Path(url) if url and "://" not in url else None
