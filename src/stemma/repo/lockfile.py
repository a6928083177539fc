"""What dvc.lock says of a stage's outputs, DVC's listing of a folder, and YAML as DVC and Hydra read it.

Loading a whole dvc.lock takes 5 ms; a history has hundreds. `outputs` reads just the lists of outputs, in the form in
which DVC writes them, and loads the whole file where it has another form.
"""

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stemma import names
from stemma.text import in_one_line

LOCK, PIPELINE, PARAMS = "dvc.lock", "dvc.yaml", "params.yaml"
FIRST = "settings"  # the stage that every change of a setting begins with
FLOAT, BOOL = "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool"
CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})", re.MULTILINE)  # that Git left
MARKS = "Git left the marks of a merge in it: `stemma docs versions` tells how to settle it"
OUTS = re.compile(r"^    outs:\n((?:    - .*\n|      .*\n)+)", re.MULTILINE)
METHOD = re.compile(r"^        compress:\n(?:          .*\n)*?          method: (\w+)$", re.MULTILINE)
FIELD = re.compile(r"(?:    - |      )([a-z0-9_]+): ([^\s'\"|>&*!%@`{\[](?:[^#\n]*[^#\s])?)")


@dataclass(frozen=True)
class Entry:
    """An output as dvc.lock names it, or a .dvc file."""

    path: str
    md5: str | None  # of the file, or of a folder's listing, ending in ".dir"; None where DVC keeps it in another way
    size: int | None
    files: int | None  # number of files of a folder; None for a file
    legacy: bool = False  # hashed as DVC 2 did, with line ends changed

    @property
    def is_folder(self) -> bool:
        return self.files is not None or (self.md5 or "").endswith(".dir")


def outputs(text: str) -> dict[str, Entry]:
    """The outputs of all stages by path; a ValueError where it is not YAML, or is no dvc.lock."""
    if not text.endswith("\n"):
        text += "\n"
    blocks = OUTS.findall(text)
    whole = text.startswith("schema:") and not CONFLICT.search(text)
    if whole and blocks and len(blocks) == len(re.findall(r"^\s*outs:", text, re.MULTILINE)):
        items = [_fields(item) for block in blocks for item in re.split(r"^(?=    - )", block, flags=re.MULTILINE)[1:]]
        if all(item is not None and "path" in item for item in items):
            return _entries(item for item in items if item is not None)
    return _entries(out for stage in stages(text).values() for out in stage.get("outs", ()))


def stages(text: str) -> dict[str, dict[str, Any]]:
    """What dvc.lock or dvc.yaml says of each stage; a ValueError where it is not YAML, or is neither."""
    content = load(text)
    found = (content.get("stages") if isinstance(content, dict) else content) or {}
    if not isinstance(found, dict):
        raise ValueError("it is no mapping")
    return {str(name): stage for name, stage in found.items() if isinstance(stage, dict)}


def ran(root: Path) -> dict[str, dict[str, Any]]:
    """What the dvc.lock in a folder says of each stage; of none where it cannot be read."""
    try:
        return stages((root / LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # nothing ran, or a merge left marks in it
        return {}


def is_in(path: str, outputs: Iterable[str]) -> bool:
    """Whether a file is one of the outputs, or in a folder that is."""
    return any(path == output or path.startswith(f"{output}/") for output in outputs)


def method(text: str) -> str:
    """What the network is compressed by, where a stage was asked with the section `compress`; else "none"."""
    found = METHOD.search(text)
    return "none" if found is None else found[1]


def tracked(text: str, path: str = "") -> dict[str, Entry]:
    """What `path`.dvc tracks, by path, relative to its folder without one; a ValueError where it is no .dvc file."""
    content = load(text)
    if not isinstance(content, dict) or not isinstance(content.get("outs"), list):
        raise ValueError("it has no outs")
    folder = path.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    return _entries({**out, "path": f"{prefix}{out['path']}"} for out in content["outs"])


def listing(content: bytes) -> dict[str, tuple[str, int | None]]:
    """MD5 and, where it says so, size of each file of a folder, by its path there.

    Raises:
        ValueError: it is no listing, or a path leads out of the folder, is there twice, or is a file and a folder.
    """
    try:
        listed: list[Any] = json.loads(content)
        found = [(str(file["relpath"]), names.md5(file["md5"]), file.get("size")) for file in listed]
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if not isinstance(listed, list):
        raise ValueError("it is no list")
    files = {path: (md5, size) for path, md5, size in found}
    above = {str(folder) for path in files for folder in PurePosixPath(path).parents}
    for path, _, _ in found:
        if not names.inside(path) or path in above:
            raise ValueError(f"{path[:80]!r} is no path of a file in it")
    if len(files) < len(found):
        raise ValueError("a path is there twice")
    return files


def folder_md5(files: Mapping[str, str]) -> str:
    """As DVC hashes a folder: that of its listing, from the MD5 of each file by its path there."""
    text = json.dumps([{"md5": files[path], "relpath": path} for path in sorted(files)], sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def load(text: str) -> Any:
    """YAML as DVC and Hydra read it: 1e-3 is a number, `off` and dates are text; a ValueError where it is none."""
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, TypeError, AttributeError, IndexError, RecursionError) as error:  # of `!!int ""`, too
        raise ValueError(MARKS if is_merged(text) else in_one_line(error, None)) from None


@functools.cache
def _loader() -> Any:
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C library is ten times faster, and not everywhere

    class Loader(base):  # type: ignore[misc, valid-type]
        yaml_implicit_resolvers = {  # noqa: RUF012 - how PyYAML is configured
            first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":float", ":bool", ":timestamp"))]
            for first, resolvers in base.yaml_implicit_resolvers.items()
        }

    digits, exponent = "[0-9][0-9_]*", "[eE][-+]?[0-9]+"
    number = rf"[-+]?(?:{digits}\.[0-9_]*(?:{exponent})?|{digits}{exponent}|\.{digits}(?:{exponent})?)"
    special = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    truth = "[tT]rue|TRUE|[fF]alse|FALSE"
    Loader.add_implicit_resolver(FLOAT, re.compile(f"^(?:{number}|{special})$"), list("-+0123456789."))
    Loader.add_implicit_resolver(BOOL, re.compile(f"^(?:{truth})$"), list("tTfF"))
    return Loader


def is_merged(text: str) -> bool:
    """Whether Git left marks in it where two sides had other lines."""
    return re.search(r"^<{7} ", text, re.MULTILINE) is not None


def _fields(item: str) -> dict[str, str] | None:
    """The keys of one output; None where a line has another form than `key: value`."""
    found = [FIELD.fullmatch(line) for line in item.splitlines()]
    return {match[1]: match[2] for match in found if match} if all(found) else None


def _entries(outs: Iterable[dict[str, Any]]) -> dict[str, Entry]:
    return {
        str(out["path"]): Entry(
            path=_one_line(str(out["path"])),
            md5=None if out.get("md5") is None else names.md5(str(out["md5"])),
            size=None if out.get("size") is None else int(out["size"]),
            files=None if out.get("nfiles") is None else int(out["nfiles"]),
            legacy=out.get("hash") is None,
        )
        for out in outs
    }


def _one_line(path: str) -> str:
    """A path that Git can be asked for; it may lead out, for a stage may run in another folder than dvc.yaml's."""
    if "\n" in path or "\0" in path:
        raise ValueError(f"{path[:80]!r} is no path")
    return path
