"""One digest for each room of the toolkit: of its files, and of all that they import in other rooms.

A stage names the rooms that it uses, so a change reruns the stages whose results it can change, and no other.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from stemma.toolkit.distribution import PACKAGE, digest

LEFT_OUT = {  # what cannot change a result, and why
    "__init__.py": "a map",
    "bundle/__main__.py": "reads bundles",
    "bundle/explain.py": "explains bundles that are made",
    "bundle/many.py": "predicts with bundles that are made",
    "cli": "reads and prints",
    "conf": "composes params.yaml, and stages depend on what stands in there",
    "describe": "writes conf/data/NAME.yaml for a person to keep",
    "entries.py": "finds by name",
    "errors.py": "the words of what stops a run",
    "evaluation/check.py": "refuses settings",
    "files.py": "writes bytes that it is handed, whole or not at all",
    "follow": "publishes bundles, which their hashes verify",
    "layout.py": "names of outputs: dvc.yaml would miss one that moved",
    "names.py": "refuses names",
    "registry": "writes tags",
    "report/explanation.py": "tells what was explained",
    "repo": "reads and moves objects, which their hashes verify",
    "rollback": "moves between versions",
    "runners": "hands jobs out: what one gives depends on its arguments alone",
    "search": "tries settings, and stages depend on those that are chosen",
    "serve": "answers with bundles that are made",
    "storage": "keeps objects, which their hashes verify",
    "tables/distance.py": "tells versions, and service, apart",
    "testing": "for tests",
    "text.py": "words, and figures as a person reads them",
    "threads.py": "hands work out, as runners does",
    "toolkit": "tells what the toolkit is",
    "trackers": "tells others how a run goes",
    "training/networks.py": "makes what the settings name",
    "versions": "reads versions; finds the weights to start from, which their hashes verify",
    "watch": "reads what a model in service wrote",
}
SETTINGS = "settings.py"  # of any room: types without defaults, so that every value stands in params.yaml
FOLDERS_OF_ROOMS = ("frameworks",)  # each folder in there is a room
PARTS = {  # of rooms: what a stage depends on that uses no more of them
    "report/data": "prepare's page of the table, beside that of evaluate",
    "tables/arrays": "prepared rows as arrays, as all but prepare read tables",
}


def rooms(package: Path = PACKAGE) -> dict[str, list[str]]:
    """The files of every room that counts."""
    found: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not is_left_out(name):
            found.setdefault(_room(name), []).append(name)
    return found


def is_left_out(name: str) -> bool:
    return name in LEFT_OUT or name.split("/")[0] in LEFT_OUT or name.endswith(SETTINGS)


def _room(name: str) -> str:
    first, *rest = name.removesuffix(".py").split("/")
    return f"{first}/{rest[0]}" if first in FOLDERS_OF_ROOMS and rest[1:] else first


def own(package: Path = PACKAGE) -> dict[str, str]:
    """A digest of the files of each room alone."""
    return {room: _digest(package, files) for room, files in rooms(package).items()}


def digests(package: Path = PACKAGE) -> dict[str, str]:
    """A digest of each room, and of each part that is named, with all that it imports."""
    return {room: _digest(package, files) for room, files in sorted(covered(package).items())}


def covered(package: Path = PACKAGE) -> dict[str, set[str]]:
    """The files that the digest of each room, and of each part, covers."""
    files = rooms(package)
    imported = {name: set(_imports(package, name)) for names in files.values() for name in names}
    starts = {**files, **{part: [f"{part}.py"] for part in PARTS}}
    return {room: _reached(names, imported) for room, names in starts.items()}


def _digest(package: Path, files: Iterable[str]) -> str:
    return digest({name: (package / name).read_bytes() for name in files})[:16]


def _reached(files: Iterable[str], imported: Mapping[str, set[str]]) -> set[str]:
    """The files, and those that lead on from there."""
    todo, seen = [*files], set[str]()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += imported[name]
    return seen


def _imports(package: Path, name: str) -> Iterator[str]:
    """The files that count of what a file imports, inside of functions too."""
    for module in modules(package / name):
        base = Path(*module.split(".")[1:])
        for file in (base.with_suffix(".py"), base / "__init__.py") if base.name else ():
            if (package / file).is_file() and not is_left_out(file.as_posix()):
                yield file.as_posix()


def modules(path: Path) -> frozenset[str]:
    """Every module of the toolkit that a file names in an import, and what may be one."""
    return _named(path.read_bytes())


@cache  # of hundreds of files one was edited since the last look
def _named(source: bytes) -> frozenset[str]:
    import ast

    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(module for module in found if module.split(".")[0] == "stemma")
