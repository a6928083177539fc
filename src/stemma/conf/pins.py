"""Settings that name something outside the commit: what they name stays what it is, or the setting is refused.

A file that `data.source` names needs no rule: DVC notes its content.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stemma import layout
from stemma.errors import SettingsError, VersionError

VERSIONS = {"train": ("init_from", "teacher")}  # settings that name a version, by section
COMMIT = re.compile(r"[0-9a-f]{7,40}", re.IGNORECASE)


def check(root: Path, settings: Mapping[str, Any]) -> None:
    """Nothing, if what settings name cannot move.

    Raises:
        SettingsError: a version is named by a branch, a stage or HEAD, or a table by a URL; with what to name instead.
        VersionError: there is no such version.
    """
    for section, names in VERSIONS.items():
        for name in names:
            if isinstance(revision := part(settings, section).get(name), str):
                _check_version(root, f"{section}.{name}", revision)
    source = part(settings, "data").get("source")
    if isinstance(source, str) and "://" in source:
        file = f"data/raw/{source.rpartition('/')[2] or 'table'}"
        raise SettingsError(f"data.source: {source} is no file; name {file}", run=f"dvc import-url {source} {file}")


def part(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section; empty where it is none, which its type tells."""
    found = settings.get(name)
    return found if isinstance(found, Mapping) else {}


def _check_version(root: Path, key: str, name: str) -> None:
    from stemma.repo import registry
    from stemma.repo.repository import Repository

    says = registry.parse(name)
    if (says and (says.version or says.counter)) or (COMMIT.fullmatch(name) and len(name) == 40):
        return
    commit = Repository(layout.home(root)).resolve(name).commit  # where names are
    if commit is None:
        raise SettingsError(f"{key}: {name} is no version: commit it, and name the commit", run="git commit -a")
    if not (COMMIT.fullmatch(name) and commit.startswith(name.lower())):
        was = _noted(root, key, name)
        then = (
            f"was {was[:10]} when {layout.TRAINING} was made and is {commit[:10]} now" if was else f"is {commit[:10]}"
        )
        told = f"{key}: {name} {then}, and moves: name the commit, or a registered version"
        raise SettingsError(told, run=f"dvc exp run -S {key}={was or commit}")


def _noted(root: Path, key: str, name: str) -> str | None:
    """What the name stood for when the network in the work tree was trained."""
    from stemma.repo.repository import WORKSPACE, Repository

    noted: Mapping[str, Any] = {}
    with suppress(VersionError):  # a hint is lost, no more
        noted = part(Repository(root).version(WORKSPACE).training or {}, key.rpartition(".")[2])
    commit = noted.get("commit") if noted.get("revision") == name else None
    return commit if isinstance(commit, str) else None
