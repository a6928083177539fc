"""What of a repository counts on this machine, and what waits for its user's trust. All that is read goes through here.

Who clones a repository gets its `.dvc/config`, and plain DVC obeys it: `configpath` of a remote names a file, and that
file a program to start. Here the settings that Git carries count only as far as the tables in `allowed` have them: they
choose a storage and how to speak to it, and can neither start anything nor name a file of this machine. The user's own
levels count whole: DVC's system and global ones, the environment, and `.dvc/config.local` as long as Git does not track
it.

All else, and running the repository's own code, needs `stemma trust`. That is noted in a file of the user's, which no
clone and no copied folder can hold, by the repository's place and by the digest of what was trusted: other settings,
or code of commits that are not part of the trusted one, ask anew.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemma.errors import VersionError
from stemma.files import state_folder, write_text
from stemma.repo.allowed import Claim, claim_of, parted, place
from stemma.repo.git import commit_of, contents, fields, git, tree
from stemma.text import few, in_one_line, say_once

RUN = "stemma trust"
LEVELS = {"repo": ".dvc/config", "local": ".dvc/config.local"}  # that a clone or a commit can bring
PLUGINS = "hydra_plugins"  # a package of this name is imported by Hydra, wherever it finds it
CODE = "src"  # what a stage of the project runs
SHOWN = 6


@dataclass(frozen=True)
class Trust:
    """What the user said of a repository: `settings` are the digests of claims; `commit` was HEAD."""

    path: str
    settings: tuple[str, ...]
    commit: str | None


@dataclass(frozen=True)
class State:
    """What a repository asks for now, and whether that is trusted."""

    path: str
    trusted: bool
    claims: tuple[Claim, ...]
    commit: str | None


# What is read through here.


def config(root: Path, *, validate: bool = False, whole: bool = False) -> Any:
    """DVC's configuration in the work tree, its paths made whole, without what the repository may not decide.

    What was left out is told in a line on stderr, once.

    Args:
        validate: as DVC does, which turns texts into truth values and numbers.
        whole: leave nothing out; for what already runs as the repository's code.

    Raises:
        VersionError: it cannot be read, or Git carries a link where DVC writes.
    """
    from dvc.config import Config, ConfigError
    from voluptuous import Invalid

    own, links = _carried(root)
    if links is not None and not whole and links.digest not in _settings(root):
        what = f"Git carries {few(links.keys, SHOWN)}, a link or a repository where DVC reads and writes"
        raise VersionError(f"{what}: look at it, and if it is meant", run=RUN)
    ignored: list[Claim] = []

    class Judged(Config):  # type: ignore[misc]  # DVC has no types
        def _load_config(self, level: str) -> dict[str, Any]:
            said: dict[str, Any] = super()._load_config(level)
            if whole or level not in LEVELS or (level == "local" and own):
                return said
            kept, claim = parted(root, LEVELS[level], said)
            if claim is not None and claim.digest in _settings(root):
                return said
            ignored.extend([claim] if claim else [])
            return kept

    try:
        found = Judged(dvc_dir=str(root / ".dvc"), validate=validate)
    except (ConfigError, Invalid, OSError) as error:
        raise VersionError(f"DVC's configuration in {root} cannot be read ({in_one_line(error)})") from None
    _tell(ignored)
    return found


def repo(root: Path, *, whole: bool = False) -> Any:
    """DVC's own view of the repository, with the settings of `config`, whatever commit it looks at.

    Raises:
        VersionError: as `config`, and as `stage_files` of the work tree.
        DvcException: DVC cannot open it.
    """
    from dvc.repo import Repo

    if not whole:
        stage_files(root, None)

    class Bounded(Repo):  # type: ignore[misc]
        # instead of DVC's own, which reads every level of the commit looked at
        config = config(root, validate=True, whole=whole)

    return Bounded(str(root))


def stage_files(root: Path, commit: str | None) -> None:
    """Nothing, if no .dvc file has settings of its own for a storage: DVC obeys them when it opens the file.

    Args:
        commit: None for the work tree, where what Git tracks counts.

    Raises:
        VersionError: one has, and the code of the commit is not trusted.
    """
    if commit is None:
        listed = [name for name in fields(git(root, "ls-files", "-z")) if name.endswith(".dvc")]
        found: dict[str, bytes | None] = {
            name: (root / name).read_bytes() for name in listed if (root / name).is_file()
        }
    else:
        blobs = {name: facts[2] for name, facts in tree(root, commit).items() if name.endswith(".dvc")}
        found = dict(zip(blobs, contents(root, list(blobs.values())), strict=True))
    for name, content in found.items():
        if content is not None and _asks_of_dvc(content):
            what = f"{name} has settings of its own (fs_config), or cannot be read: DVC, which obeys it,"
            code(root, commit, what)


def plugins(root: Path, path: str = "", *, whole: bool = False) -> Path | None:
    """The folder in which Hydra may look for plugins, which it imports; None where there are none that count.

    Args:
        path: as `hydra.plugins_path` says; whole: as for `config`.
    """
    claim = _plugins(root, path)
    if claim is None or whole or claim.digest in _settings(root):
        return None if claim is None else root / path
    _tell([claim])
    return None


def code(root: Path, commit: str | None, what: str) -> None:
    """Nothing, if the repository's own code, as a commit has it, may run on this machine.

    A commit is trusted with all that the trusted one is made from, and one with the very same code too: a model that
    was trained anew asks for nothing.

    Args:
        commit: None for the work tree, whose edits are the user's own: HEAD counts.

    Raises:
        VersionError: `what` needs trust.
    """
    commit = commit or commit_of(root, "HEAD")
    if not _is_trusted(root, claims(root), commit):
        which = f" of {commit[:7]}" if commit else ""
        raise VersionError(f"{what} runs what this repository brings{which}: read it, and if you trust it", run=RUN)


# What the command does.


def claims(root: Path) -> tuple[Claim, ...]:
    """All that the repository asks for now and may not decide, trusted or not.

    Raises:
        VersionError: its configuration cannot be read.
    """
    from dvc.config import Config, ConfigError

    own, links = _carried(root)
    found = [links]
    path = "."
    for level, name in LEVELS.items():
        if (level == "local" and own) or not (root / name).is_file():
            continue
        try:
            said = Config.load_file(str(root / name))
        except ConfigError as error:
            raise VersionError(f"{name} cannot be read ({in_one_line(error)})") from None
        hydra = said.get("hydra")
        path = str(hydra.get("plugins_path", path)) if isinstance(hydra, dict) else path
        found.append(parted(root, name, said)[1])
    found += [_plugins(root, where) for where in dict.fromkeys((".", str(Path(path))))]
    return tuple(claim for claim in found if claim is not None)


def state(root: Path) -> State:
    """What the repository asks for, and whether the user trusts just that."""
    noted, asked = _noted(root), claims(root)
    return State(place(root), _is_trusted(root, asked, _head(root)), asked, noted.commit if noted else None)


def trust(root: Path) -> State:
    """Note that the user trusts the repository as it stands."""
    noted = Trust(place(root), tuple(claim.digest for claim in claims(root)), _head(root))
    file = _file(root)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_text(file, json.dumps(asdict(noted), indent=2) + "\n")
    return state(root)


def undo(root: Path) -> bool:
    """Forget it; whether there was anything to forget."""
    there = _file(root).is_file()
    _file(root).unlink(missing_ok=True)
    return there


# What was noted.


def _file(root: Path) -> Path:
    return state_folder() / "trusted" / f"{hashlib.sha256(os.fsencode(place(root))).hexdigest()[:32]}.json"


def _noted(root: Path) -> Trust | None:
    file = _file(root)
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        noted = Trust(str(said["path"]), tuple(map(str, said["settings"])), said["commit"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise VersionError(f"{file} cannot be read ({in_one_line(error, 100)})", run=RUN) from None
    return noted if noted.path == place(root) else None


def _settings(root: Path) -> tuple[str, ...]:
    noted = _noted(root)
    return () if noted is None else noted.settings


def _head(root: Path) -> str | None:
    try:
        return commit_of(root, "HEAD")
    except VersionError:
        if any((folder / ".git").exists() for folder in (root, *root.parents)):  # and is refused
            raise
        return None  # a folder without Git has settings all the same


def _is_trusted(root: Path, asked: Sequence[Claim], commit: str | None) -> bool:
    noted = _noted(root)
    if noted is None or {claim.digest for claim in asked} - {*noted.settings}:
        return False
    return _covers(root, noted.commit, commit)


def _covers(root: Path, trusted: str | None, commit: str | None) -> bool:
    """Whether a commit is the trusted one, is in its history, or has its code."""
    if trusted == commit:
        return True
    if trusted is None or commit is None or commit_of(root, trusted) is None:
        return False
    if not git(root, "rev-list", "-n1", commit, f"^{trusted}", "--").strip():
        return True
    code, known = (git(root, "ls-tree", "-r", "-z", each, "--", CODE) for each in (commit, trusted))
    plain = all(line.startswith(b"100") for line in code.split(b"\0") if line)  # a link leads to what is not listed
    return bool(code) and plain and code == known


# What a repository says.


def _carried(root: Path) -> tuple[bool, Claim | None]:
    """Whether `.dvc/config.local` is the user's own, and the links below .dvc that Git carries."""
    try:
        listed = fields(git(root, "ls-files", "--stage", "-z", "--", ":(icase).dvc"))
    except VersionError:
        return False, None  # without Git nothing tells what is the user's own
    files = [entry.partition("\t")[::2] for entry in listed]
    own = LEVELS["local"] not in {name.lower() for _, name in files}
    links = {name: facts for facts, name in files if not facts.startswith("100")}
    return own, claim_of(root, ".dvc", links) if links else None


def _plugins(root: Path, path: str) -> Claim | None:
    folder = root / path / PLUGINS
    files = {str(file.relative_to(root)): "" for file in folder.rglob("*") if file.suffix != ".pyc" and file.is_file()}
    return claim_of(root, str(Path(path) / PLUGINS), files) if folder.is_dir() else None


def _asks_of_dvc(content: bytes) -> bool:
    """Whether a .dvc file has `fs_config`, as far as anyone can tell."""
    from stemma.repo import lockfile

    try:
        said = lockfile.load(content.decode())
        return any("fs_config" in entry for part in ("deps", "outs") for entry in said.get(part) or ())
    except (ValueError, TypeError, AttributeError):
        return True  # DVC may read what we cannot


# What is told.


def _tell(ignored: Sequence[Claim]) -> None:
    if ignored:
        said = "; ".join(f"{few(claim.keys, SHOWN)} in {claim.source}" for claim in ignored)
        say_once(f"note: this repository may not decide {said}: ignored; if you trust it, run `{RUN}`")
