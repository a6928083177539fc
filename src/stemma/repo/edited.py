"""Files of a version that are not what its dvc.lock says: stages ran with others, or made others, and somebody edited
them since, or a merge did. `mixed` looks at a dvc.lock by itself.

    edited.of(version)["train"].ran     paths that `train` ran with, and that the version holds otherwise
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import md5
from pathlib import PurePosixPath
from typing import Any

from stemma.errors import VersionError
from stemma.names import inside
from stemma.repo import inventory, lockfile, trust
from stemma.repo.git import POINTER, checked_out, contents, fields, git, run, tree
from stemma.repo.lockfile import FIRST, is_in
from stemma.repo.mixed import hashes
from stemma.repo.repository import Version
from stemma.repo.trouble import told

CONF = "conf"  # all that FIRST is asked about: it looks at the settings, which are composed by then


@dataclass(frozen=True)
class Edited:
    """Of a stage, the paths that are others now."""

    ran: tuple[str, ...] = ()  # that it ran with, but for what other stages made
    made: tuple[str, ...] = ()  # that it made
    is_kept: bool = False  # DVC keeps some of these, and may have those that it made; asked of the work tree alone

    def __bool__(self) -> bool:
        return bool(self.ran or self.made)


def of(version: Version) -> dict[str, Edited]:
    """By stage; those with none are left out. What is not there at all is told elsewhere, as is what DVC's cache lacks.

    Raises:
        VersionError: dvc.lock cannot be read, or DVC cannot open the work tree.
    """
    if version.commit is None:
        found = dict(_in_work_tree(version))
    else:
        held = _Commit(version)
        found = {name: held.of(name, entry) for name, entry in held.stages.items()}
    return {name: each for name, each in found.items() if each}


def _in_work_tree(version: Version) -> Iterator[tuple[str, Edited]]:
    """As DVC sees it, which remembers what it hashed."""
    from dvc.stage.utils import split_params_deps

    root = version.repository.root
    places = [
        *(root / name for name in fields(git(root, "ls-files", "-z"))),
        *(root / path for path in version.outputs),
    ]
    for file in (file for place in places for file in (place, *(place.rglob("*") if place.is_dir() else ()))):
        if file.exists() and not file.is_file() and not file.is_dir():
            raise VersionError(f"{file.relative_to(root)} is no plain file, and DVC would read it without end")
    with told(str(root)), trust.repo(root) as repo:
        stages = [stage for stage in repo.index.stages if stage.cmd and str(stage.wdir) == str(root)]
        outs = [out.def_path for stage in stages for out in stage.outs]
        for stage in stages:
            deps = [dep for dep in split_params_deps(stage)[1] if not is_in(dep.def_path, outs)]
            ran, made = _others(deps if stage.name != FIRST else ()), _others(stage.outs)
            kept = any(out.use_cache for out in made)
            yield stage.name, Edited(tuple(x.def_path for x in ran), tuple(x.def_path for x in made), kept)


def _others(some: Iterable[Any]) -> list[Any]:
    return [each for each in some if each.is_in_repo and each.hash_info and each.exists and each.workspace_status()]


class _Commit:
    """The files of a commit, beside its dvc.lock."""

    def __init__(self, version: Version) -> None:
        self.version, self.root = version, version.repository.root
        self._files = cache(self._found)  # several stages depend on one path
        said = (version.lock or {}).get("stages") or {}
        elsewhere = {name for name, entry in self._defined.items() if "wdir" in entry.get("do", entry)}
        self.stages = {name: entry for name, entry in said.items() if name not in elsewhere}

    @cached_property
    def _defined(self) -> dict[str, dict[str, Any]]:
        """What dvc.yaml says of each stage; of none where it cannot be read."""
        path = lockfile.PIPELINE
        try:
            return lockfile.stages(self.version.text(path)) if self.version.has(path) else {}
        except ValueError:
            return {}

    @cached_property
    def _tree(self) -> dict[str, list[str]]:
        return tree(self.root, str(self.version.commit))

    @cached_property
    def _contents(self) -> dict[str, bytes | None]:
        """Of the files that stages ran with or made, by Git's id, asked at once."""
        paths = {path for name, entry in self.stages.items() for some in self._told(name, entry) for path in some}
        names = sorted({identity for path in paths for identity in self._files(path).values()})
        return dict(zip(names, contents(self.root, names), strict=True))

    def of(self, name: str, entry: Mapping[str, Any]) -> Edited:
        ran, made = (
            tuple(path for path, wanted in some.items() if self._is_other(path, wanted))
            for some in self._told(name, entry)
        )
        return Edited(ran, tuple(path for path in made if not self._is_dvcs(path, name, entry)))

    def _is_dvcs(self, path: str, stage: str, entry: Mapping[str, Any]) -> bool:
        """Whether DVC keeps an output, whose files Git was forced to take: `dvc exp save` does, of plots."""
        said = inventory.of_outputs(self._defined.get(stage, {})).get(path)
        if said is not None and not said.cached:  # Git keeps it, whatever the work tree ignores
            return False
        name = f"{path}/" if str(dict(hashes(entry, "outs"))[path]).endswith(".dir") else path
        return run(self.root, "check-ignore", "--quiet", "--no-index", "--", name).returncode == 0

    def _told(self, name: str, entry: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The hashes of what a stage ran with, but for what others made, and of what it made and Git keeps, by path."""
        deps = {path: wanted for path, wanted in hashes(entry, "deps") if name != FIRST or path == CONF}
        ran = {path: wanted for path, wanted in deps.items() if not is_in(path, self.version.outputs)}
        return ran, {path: wanted for path, wanted in hashes(entry, "outs") if self._files(path)}

    def _found(self, path: str) -> dict[str, str]:
        """Git's id of a file, by the name "", or of the files of a folder by their paths in it."""
        found = {
            name.removeprefix(path).lstrip("/"): facts for name, facts in self._tree.items() if is_in(name, [path])
        }
        plain = all(mode.startswith("100") for mode, *_ in found.values())  # DVC follows a link, wherever it leads
        return {name: identity for name, (_, _, identity) in found.items()} if plain else {}

    def _is_other(self, path: str, wanted: str | None) -> bool:
        """False too where nothing can be said: of a link, of what lies outside, or in a folder that DVC keeps."""
        files = self._files(path)
        if not files:
            kept = self.version.output(path)  # by a .dvc file
            if kept is not None:
                return None not in (kept.md5, wanted) and kept.md5 != wanted
            above = [str(folder) for folder in PurePosixPath(path).parents]
            is_known = path in self._tree or any(f"{folder}.dvc" in self._tree for folder in above)
            return inside(path) and not is_known
        if any(name.startswith(f"{path}/") for name in self.version.outputs) or self._has_dvc_files(path):
            return False
        read = {name: self._contents[identity] for name, identity in files.items()}
        if any(content is None or POINTER.fullmatch(content) for content in read.values()):
            return False
        plain = {name: content or b"" for name, content in read.items()}
        if wanted == _md5(plain) or wanted == _md5(counts := self._counted(path, plain)):
            return False
        paths = {name: f"{path}/{name}".rstrip("/") for name in counts}
        return wanted != _md5({name: checked_out(self.root, full, files[name]) for name, full in paths.items()})

    def _has_dvc_files(self, path: str) -> bool:
        return any(name.endswith(".dvc") and name.startswith(f"{path}/") for name in self._tree)

    def _counted(self, path: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """Without what .dvcignore names, by the rules of the work tree."""
        asked = ("ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.dvcignore", "--", path)
        ignored = fields(git(self.root, "--literal-pathspecs", *asked))
        return {name: content for name, content in files.items() if f"{path}/{name}" not in ignored}


def _md5(files: Mapping[str, bytes]) -> str:
    """As DVC hashes a file, or a folder."""
    each = {name: md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    return each[""] if "" in each else lockfile.folder_md5(each)
