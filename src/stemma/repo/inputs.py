"""What a stage was started with. DVC hashes what a stage depends on when it has ended: code, data or settings that are
edited while it runs would stand in dvc.lock as what made its results.

    before = inputs.of(root, "train")     the stage starts
    before.edited()                       it has ended: what is no longer as it was
    inputs.stale(root, "train")           what the stages before it ran with that is another one by now
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma import files
from stemma.repo import lockfile

SMALL, MANY = 2**20, 1000  # bytes of a file, files of a folder: of more the system is asked when they changed
REFERENCE = re.compile(r"\$\{([^${}]+)\}")
SETTINGS, LOCK = "params.yaml", "dvc.lock"
Content = tuple[Any, ...]  # of a file: its MD5; or when it changed, its size and number


@dataclass(frozen=True)
class Inputs:
    """The dependencies of a stage, at one moment."""

    folder: Path  # that paths are from
    contents: Mapping[str, Mapping[str, Content]]  # by path as dvc.yaml has it, and by the file's path in there
    values: Mapping[str, Mapping[str, Any]]  # by file, and by the value's key in there

    def edited(self) -> list[str]:
        """What is another one now, as a person calls it."""
        now = self._now()
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
            if repr(value) != repr(now.values[file][key])  # NaN is not equal to itself, and 1 is to True
        ]
        return places + keys

    def _now(self) -> "Inputs":
        contents = {path: _contents(self.folder / path) for path in self.contents}
        values = {file: _values(self.folder / file, list(keys)) for file, keys in self.values.items()}
        return Inputs(self.folder, contents, values)

    def put_into(self, noted: dict[str, Any]) -> bool:
        """Make an entry of dvc.lock, of now, tell what there was before; False where that is not known to the byte."""
        now, params = self._now(), noted.get("params", {})
        deps = {entry["path"]: entry for entry in noted["deps"]}
        if set(deps) != set(self.contents) or set(params) != set(self.values):  # dvc.yaml is another one, too
            return False
        for path, before in self.contents.items():
            if before != now.contents[path]:
                deps[path]["md5"] = _md5(before)
        for file, values in self.values.items():
            if repr(values) != repr(now.values[file]):
                params[file] |= values.get("", values)
        return all(entry["md5"] for entry in deps.values())


@dataclass(frozen=True)
class _Asked:
    """What dvc.yaml says that a stage depends on."""

    folder: Path  # that paths are from
    paths: list[str]
    keys: Mapping[str, list[str]]  # of values, by file
    frozen: bool  # DVC does not look whether it ran with these


def of(root: Path, stage: str) -> Inputs:
    """As dvc.yaml names them, now. Names that only DVC can make out, such as `${item.path}`, are not among them."""
    asked = _asked(root, stage)
    return Inputs(
        asked.folder,
        {path: _contents(asked.folder / path) for path in asked.paths},
        {file: _values(asked.folder / file, keys) for file, keys in asked.keys.items()},
    )


def _asked(root: Path, stage: str) -> _Asked:
    pipeline = _loaded(root / "dvc.yaml")
    told = (pipeline.get("stages") or {}).get(stage.partition("@")[0]) or {}
    frozen = bool(told.get("frozen"))
    told = told.get("do", told)
    known = _known(root, pipeline.get("vars") or ())
    folder = root / _filled(told.get("wdir", "."), known)
    paths = [_filled(next(iter(each)) if isinstance(each, dict) else each, known) for each in told.get("deps") or ()]
    keys: dict[str, list[str]] = {}
    for each in told.get("params") or ():
        for file, asked in each.items() if isinstance(each, dict) else [(SETTINGS, [each])]:
            keys.setdefault(_filled(file, known), []).extend(_filled(key, known) for key in asked or [""])
    return _Asked(folder, paths, keys, frozen or bool(told.get("frozen")))


def stale(root: Path, stage: str) -> Iterator[str]:
    """What the stages before this one ran with, by dvc.lock, and is another one now, as a person calls it.

    DVC looked when it came to each of them, or not at all (`dvc repro --single-item`): what this stage makes would be
    half of these settings, half of those.
    """
    ran = _loaded(root / LOCK).get("stages") or {}
    makers = {out["path"]: name for name, entry in ran.items() for out in entry.get("outs") or ()}
    apart = mixed(ran)
    todo, seen = [stage], {stage}
    while todo:
        name = todo.pop()
        asked = _asked(root, name)
        if asked.frozen or asked.folder != root:
            continue
        if name != stage:
            other = [path for path in apart[name] if path in asked.paths]
            other += _moved(root, asked, ran[name])
            yield from (f"{each} ({name} ran with another one)" for each in other)
        for path in asked.paths:
            found = {maker for out, maker in makers.items() if path == out or path.startswith(f"{out}/")} - seen
            todo += found
            seen |= found


def mixed(ran: Mapping[str, Any]) -> dict[str, list[str]]:
    """Of each stage of a dvc.lock, what it ran with that is not what another stage is said to have made."""
    made = {path: md5 for entry in ran.values() for path, md5 in _hashes(entry, "outs")}
    deps = {name: _hashes(entry, "deps") for name, entry in ran.items()}
    return {name: [path for path, md5 in found if made.get(path, md5) != md5] for name, found in deps.items()}


def _hashes(entry: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
    """Path and hash of an entry of dvc.lock, as DVC 3 writes it: an older one is not comparable."""
    yield from ((each["path"], each.get("md5")) for each in entry.get(kind) or () if each.get("hash") == "md5")


def _moved(root: Path, asked: _Asked, entry: Mapping[str, Any]) -> Iterator[str]:
    """The values that are not those of an entry of dvc.lock; none that DVC takes for equal."""
    for file, keys in asked.keys.items():
        noted, whole = (entry.get("params") or {}).get(file) or {}, _loaded(root / file)
        for key in keys:
            now = _at(whole, key)
            if key in noted and noted[key] != now and repr(noted[key]) != repr(now):  # NaN is not equal to itself
                yield f"{key} of {file}"


def _known(root: Path, told: Any) -> dict[str, Any]:
    """What `${...}` stands for."""
    known: dict[str, Any] = _loaded(root / SETTINGS)
    for each in told:
        known = known | (each if isinstance(each, dict) else _loaded(root / each.partition(":")[0]))
    return known


def _filled(text: Any, known: Any) -> str:
    return REFERENCE.sub(lambda found: str(_at(known, found[1].strip(), found[0])), str(text))


def _at(values: Any, key: str, otherwise: Any = None) -> Any:
    """The value at a key such as `train.epochs`."""
    for step in key.split("."):
        values = values.get(step, otherwise) if isinstance(values, dict) else otherwise
    return values


def _values(file: Path, keys: list[str]) -> dict[str, Any]:
    """Of each key; of "", and where keys are not looked up in a file of that form, the whole file."""
    whole = _loaded(file)
    return {key: _at(whole, key) if whole and key else whole or _content(file) for key in keys}


def _loaded(file: Path) -> dict[str, Any]:
    """Empty where it is no mapping in YAML: what is wrong with it DVC tells."""
    try:
        found = lockfile.load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _contents(path: Path) -> dict[str, Content]:
    """Of a file by the name "", of a folder's files by their paths in it: not of what editors and Python put there."""
    if not path.is_dir():
        return {"": _content(path)}
    inside = [
        Path(above, name)
        for above, _, names in os.walk(path)
        for name in names
        if not name.startswith(".") and not name.endswith(("~", ".pyc"))
    ]
    return {file.relative_to(path).as_posix(): _content(file, len(inside) < MANY) for file in inside}


def _content(file: Path, read: bool = True) -> Content:
    state = files.state(file)
    if state is None or not read or state[1] > SMALL:
        return state or ()
    return (hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest(),)


def _md5(contents: Mapping[str, Content]) -> str:
    """As DVC hashes a file, or a folder; nothing where a file was not read."""
    if any(len(content) != 1 for content in contents.values()):
        return ""
    if "" in contents:
        return str(contents[""][0])
    listing = [{"md5": contents[name][0], "relpath": name} for name in sorted(contents)]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
