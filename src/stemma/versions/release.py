"""The bundle of a version, as it is handed out: NAME-v1.2.0.zip, with the name of the version in it."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma import layout
from stemma.bundle import archive
from stemma.bundle.archive import MANIFEST, SIGNED
from stemma.bundle.card import CARD, told_version
from stemma.bundle.model import FORMAT, REGISTERED, Bundle
from stemma.files import check_place
from stemma.repo import registry
from stemma.repo.registry import MODEL
from stemma.repo.repository import Repo, Version, opened
from stemma.semver import precedence
from stemma.versions.predictions import bundle_of


@dataclass(frozen=True)
class Released:
    path: Path
    name: str
    version: str | None  # "v1.2.0"; None: the commit is not registered, and the bytes are those that DVC keeps
    commit: str | None
    bytes: int
    sha256: str


def release(repo: Repo = ".", revision: str = "HEAD", output: Path | None = None) -> Released:
    """Write the bundle of a version, out of Git, DVC's cache or its remote; the work tree is not touched.

    Args:
        output: the file, or the folder for it; by default the folder where one stands.

    Raises:
        StemmaError: there is no such version, it has no bundle, or that is out of reach or damaged.
    """
    path = output or Path()
    check_place(path / layout.PACKAGE.name if path.is_dir() else path)
    version = opened(repo).version(revision)
    bundle = bundle_of(version)
    number = _registered(version)
    name = _name(bundle, version)
    if path.is_dir():
        path = path / f"{name}-{number or version.revision.short}.zip"
    archive.write(path, bundle.files if number is None else archive.complete(_named(bundle, version, number)))
    made = path.read_bytes()
    return Released(path, name, number, version.commit, len(made), hashlib.sha256(made).hexdigest())


def _registered(version: Version) -> str | None:
    """The number that the registry gives this commit; the one asked for, else the highest."""
    known = version.repository.registry.registered
    numbers = [number for (model, number), commit in known.items() if (model, commit) == (MODEL, version.commit)]
    asked = registry.parse(version.name)
    if asked is not None and asked.version in numbers:
        return asked.version
    return max(numbers, key=precedence, default=None)


def _named(bundle: Bundle, version: Version, number: str) -> dict[str, bytes]:
    """The files with the version's name among them, in the card too."""
    told = {"format": FORMAT, "version": number, "commit": version.commit}
    files = {name: data for name, data in bundle.files.items() if name not in (MANIFEST, SIGNED)}
    files[REGISTERED] = (json.dumps(told, indent=2, sort_keys=True) + "\n").encode()
    if CARD in files:
        files[CARD] = told_version(files[CARD].decode(errors="replace"), number, str(version.commit)).encode()
    return files


def _name(bundle: Bundle, version: Version) -> str:
    """package.name as a file may be named."""
    named: Any = bundle.record.get("name") or ((version.settings or {}).get("package") or {}).get("name")
    return re.sub(r"[^\w.-]+", "-", str(named or "model")).strip("-.") or "model"
