"""What a stage was started with. DVC hashes what a stage depends on when it has ended: code, data or settings that are
edited while it runs would stand in dvc.lock as what made its results.

    before = inputs.of(root, "train")     the stage starts
    before.edited()                       it has ended: what is no longer as it was

What the stages before it ran with: `stemma.repo.mixed`.
"""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from pprint import saferepr
from typing import Any

from stemma import files
from stemma.errors import StemmaError
from stemma.repo import lockfile, trust
from stemma.repo.lockfile import PARAMS, PIPELINE
from stemma.repo.trouble import told
from stemma.text import visible

SMALL, MANY = 2**20, 1000  # bytes of a file, files of a folder: of more the system is asked when they changed
REFERENCE = re.compile(r"\$\{([^${}]+)\}")
FORMS: dict[str, Callable[[str], Any]] = {  # of files that are no YAML, as DVC goes by their names
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".py": lambda _: None,  # such a file counts whole
}
Content = tuple[Any, ...]  # of a file: its MD5; or when it changed, its size and number
Named = tuple[Path, list[str], dict[str, list[str]]]  # the folder that paths are from, paths, and keys by file


@dataclass(frozen=True)
class Inputs:
    """The dependencies of a stage, at one moment."""

    folder: Path  # that paths are from
    contents: Mapping[str, Mapping[str, Content]]  # by path as dvc.yaml has it, and by the file's path in there
    values: Mapping[str, Mapping[str, Any]]  # by file, and by the value's key in there

    def edited(self, now: "Inputs | None" = None) -> list[str]:
        """What is another one now, as a person calls it."""
        now = now or self.now()
        places = [
            f"{path}/{name}" if name else path
            for path, before in self.contents.items()
            for name in sorted({*before, *now.contents[path]})
            if before.get(name) != now.contents[path].get(name)
        ]
        keys = [
            f"{key} of {file}" if key else file
            for file, before in self.values.items()
            for key, value in before.items()
            if saferepr(value) != saferepr(now.values[file][key])  # NaN is not equal to itself, and 1 is to True
        ]
        return [visible(each) for each in places + keys]

    def now(self) -> "Inputs":
        """The same dependencies, looked at anew: of 100,000 files that takes a second."""
        contents = {path: _contents(self.folder / path) for path in self.contents}
        values = {file: _values(self.folder / file, list(keys)) for file, keys in self.values.items()}
        return Inputs(self.folder, contents, values)

    def put_into(self, noted: dict[str, Any], now: "Inputs") -> bool:
        """Make an entry of dvc.lock, of now, tell what there was before.

        False where that is not known to the byte, or what is read here is not what DVC reads: of a folder with hidden
        files, say. An entry that is not true would bring back results that other inputs made.
        """
        params = noted.get("params", {})
        deps = {entry["path"]: entry for entry in noted.get("deps", ())}
        if set(deps) != set(self.contents) or set(params) != set(self.values):  # dvc.yaml is another one, too
            return False
        for path, before in self.contents.items():
            if before != (after := now.contents[path]):
                if not _md5(before) or _md5(after) != deps[path].get("md5"):
                    return False
                deps[path]["md5"] = _md5(before)
                for fact in ("size", "nfiles"):  # of now; nothing asks for them
                    deps[path].pop(fact, None)
        for file, values in self.values.items():
            if "" not in values and set(params[file]) != set(values):
                return False
            if saferepr(values) != saferepr(after := now.values[file]):
                is_read_alike = after.get("", after) == params[file]
                if not is_read_alike or any(isinstance(value, tuple) for value in values.values()):
                    return False
                params[file] = values.get("", values)
        return True


def of(root: Path, stage: str) -> Inputs:
    """As dvc.yaml in that folder names them, now; none where it cannot be read, which DVC tells."""
    try:
        folder, paths, keys = named(root, stage) or _named_by_dvc(root, stage)
    except StemmaError:
        return Inputs(root, {}, {})
    return Inputs(
        folder,
        {path: _contents(folder / path) for path in paths},
        {file: _values(folder / file, asked) for file, asked in keys.items()},
    )


def named(root: Path, stage: str) -> Named | None:
    """What a stage depends on; None where only DVC can make out a name, such as `${item.path}`."""
    pipeline = loaded(root / PIPELINE)
    entry = (pipeline.get("stages") or {}).get(stage)
    if not isinstance(entry, dict):  # one of those that an entry with `foreach` or `matrix` makes
        return None
    known = _known(root, pipeline.get("vars") or ())
    folder = root / _filled(entry.get("wdir", "."), known)
    paths = [_filled(next(iter(each)) if isinstance(each, dict) else each, known) for each in entry.get("deps") or ()]
    keys: dict[str, list[str]] = {}
    for each in entry.get("params") or ():
        for file, asked in each.items() if isinstance(each, dict) else [(PARAMS, [each])]:
            keys.setdefault(_filled(file, known), []).extend(_filled(key, known) for key in asked or [""])
    return None if "${" in repr((folder, paths, keys)) else (folder, paths, keys)


def _named_by_dvc(root: Path, stage: str) -> Named:
    """The same as DVC has it, which takes half a second to open; a VersionError where it cannot read dvc.yaml."""
    from dvc.stage.utils import split_params_deps

    with told(str(root)), trust.repo(root, whole=True) as repo:
        found = repo.stage.load_one(str(root / PIPELINE), stage)
        params, deps = split_params_deps(found)
        keys = {each.def_path: each.params or [""] for each in params}
        return Path(found.wdir), [each.def_path for each in deps], keys


def _known(root: Path, told: Any) -> dict[str, Any]:
    """What `${...}` stands for, as far as that is plain: DVC also puts sections of one name together."""
    known = loaded(root / PARAMS)
    for each in told:
        if isinstance(each, dict):
            known = known | each
            continue
        path, _, chosen = each.partition(":")
        whole = loaded(root / path)
        known = known | ({key: whole[key] for key in chosen.split(",") if key in whole} if chosen else whole)
    return known


def _filled(text: Any, known: Any) -> str:
    """With the texts and whole numbers that it refers to: DVC writes other values in its own way."""

    def value(reference: re.Match[str]) -> str:
        found = at(known, reference[1].strip(), None)
        return str(found) if type(found) in (str, int) else reference[0]

    return REFERENCE.sub(value, str(text))


def at(values: Any, key: str, otherwise: Any) -> Any:
    """The value at a key such as `train.epochs`."""
    for step in key.split("."):
        values = values.get(step, otherwise) if isinstance(values, dict) else otherwise
    return values


def _values(file: Path, keys: list[str]) -> dict[str, Any]:
    """Of each key; of "" the whole file, and of a key that only DVC finds, as of a list, the file's content."""
    whole, content = loaded(file), _content(file)
    return {key: at(whole, key, content) if key else whole or content for key in keys}


def loaded(file: Path) -> dict[str, Any]:
    """Empty where it is no mapping: what is wrong with it DVC tells."""
    try:
        found = _parsed(file.suffix.lower(), file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _parsed(form: str, text: str) -> Any:
    return FORMS.get(form, lockfile.load)(text)


def _contents(path: Path) -> dict[str, Content]:
    """Of a file by the name "", of a folder's files by their paths in it: not of what editors and Python put there."""
    if not path.is_dir():
        return {"": _content(path)}
    inside: list[Path] = []
    for above, folders, names in os.walk(path):
        folders[:] = [name for name in folders if _counts(name)]
        inside += [Path(above, name) for name in names if _counts(name)]
    return {file.relative_to(path).as_posix(): _content(file, len(inside) < MANY) for file in inside}


def _counts(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(("~", ".pyc", "__pycache__"))


def _content(file: Path, read: bool = True) -> Content:
    state = files.state(file)
    if state is None or not read or state[1] > SMALL:
        return state or ()
    try:
        return (hashlib.md5(files.read_plain(file), usedforsecurity=False).hexdigest(),)
    except OSError:  # it is a pipe, or may not be read: DVC leaves it out, or tells
        return state


def _md5(contents: Mapping[str, Content]) -> str:
    """As DVC hashes a file, or a folder; nothing where a file was not read."""
    if any(len(content) != 1 for content in contents.values()):
        return ""
    if "" in contents:
        return str(contents[""][0])
    return lockfile.folder_md5({name: content[0] for name, content in contents.items()})
