"""Where a stage is read: a repository, a clone whose Git remote is asked, or a Git URL, of which a clone is kept."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stemma.errors import VersionError
from stemma.files import state_folder, write_bytes
from stemma.registry.tags import Remote
from stemma.repo import registry
from stemma.repo.git import at, contents, git, remotes
from stemma.repo.registry import MODEL
from stemma.repo.repository import Repository
from stemma.text import few, visible, without_password

BRANCH = "refs/heads/followed"
FETCHED = (f"+HEAD:{BRANCH}", *(f"+refs/tags/{MODEL}{mark}*:refs/tags/{MODEL}{mark}*" for mark in "@#"))
CONFIG = ".dvc/config"


def plain(source: str) -> str:
    """A source as logs and files name it: a whole path, or a URL without the password that it may hold."""
    return visible(Path(source).resolve() if Path(source).exists() else without_password(source))


def place(source: str) -> Path:
    """The folder of this machine's user in which a source's clone, and what is published of it, are kept."""
    digest = hashlib.sha256(plain(source).encode()).hexdigest()
    return state_folder() / "follow" / digest[:16]


def folder_of(source: str, stage: str, name: str | None = None) -> Path:
    """The folder for the versions of a stage, which is named as the model, by default as the repository."""
    return place(source) / stage / (name or re.split(r"[/:]", plain(source))[-1].removesuffix(".git"))


def opened(source: str, warn: Callable[[str], None]) -> Repository:
    """The repository, with the events that its Git remote has now: those of a clone that the remote lacks do not count,
    were they never pushed, or deleted there. A repository without a remote has its own.

    Args:
        warn: is told of such events; and of a DVC remote that is a folder and is not there, as a relative path is
            beside the clone of a URL.

    Raises:
        VersionError: it is no DVC repository, its Git remote cannot be asked, or has another event of the same name.
    """
    if not _is_project(Path(source)):
        repository = Repository(_cloned(source))
        for place in repository.objects.places[1:]:
            if not place.is_dir():
                warn(f"the DVC remote {place} is not there: of a URL's clone, name it by a whole path or a URL")
        return repository
    repository = Repository(source)
    if remotes(repository.root):
        remote = Remote(repository.root, registry.tag(repository.root, MODEL))
        there, known = remote.fetch(), repository.registry
        lacks = [event.tag for event in known.events if event.says.model == MODEL and event.tag not in there]
        if lacks:
            cure = f"git push {remote.name} '{lacks[0]}'` or `git tag -d '{lacks[0]}'"
            warn(f"{few(lacks)}: not on {remote.name} (never pushed, or deleted there), and not followed: run `{cure}`")
        repository.registry = replace(known, events=tuple(each for each in known.events if each.tag not in lacks))
    return repository


def _is_project(path: Path) -> bool:
    start = path.resolve()
    return path.is_dir() and any((folder / ".dvc").is_dir() for folder in (start, *start.parents))


def _cloned(url: str) -> Path:
    """A clone with Git's objects, and of files DVC's configuration alone, as HEAD has it now."""
    if url.startswith("-"):
        raise VersionError(f"{url!r} is no folder and no Git URL")
    root = place(url) / "clone"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    git(root, "init", "--quiet", "--template=")
    git(root, "config", "remote.origin.url", str(Path(url).resolve()) if Path(url).exists() else url)
    git(root, "fetch", "--quiet", "--no-tags", "--prune", "--update-head-ok", "origin", *FETCHED)
    git(root, "symbolic-ref", "HEAD", BRANCH)
    git(root, "read-tree", BRANCH)
    content = contents(root, [at(BRANCH, CONFIG)])[0]
    if content is None:
        raise VersionError(f"{plain(url)} is no DVC repository: it has no {CONFIG}")
    (root / CONFIG).parent.mkdir(exist_ok=True)
    write_bytes(root / CONFIG, content)
    return root
