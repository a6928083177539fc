"""Stages that ran apart: what one made goes on beside other settings or files than made it.

mixed.stale(root, "train")     what the stages before it ran with that is another one by now
mixed.within(stages)           the same of a dvc.lock by itself
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stemma.repo import inputs, lockfile


def stale(root: Path, stage: str) -> Iterator[str]:
    """What the stages before this one ran with, by dvc.lock, and is another one now, as a person calls it.

    DVC looked when it came to each of them, or not at all (`dvc repro --single-item`): what this stage makes would be
    half of these settings, half of those. A frozen stage is not looked at, as by DVC.
    """
    ran = lockfile.ran(root)
    told = inputs.loaded(root / lockfile.PIPELINE).get("stages") or {}
    makers = {out["path"]: name for name, entry in ran.items() for out in entry.get("outs") or ()}
    apart = within(ran)
    todo, seen = [stage], {stage}
    while todo:
        name = todo.pop()
        named = None if (told.get(name) or {}).get("frozen") else inputs.named(root, name)
        if named is None or named[0] != root:
            continue
        _, paths, keys = named
        if name != stage:
            other = [path for path in apart[name] if path in paths]
            other += _moved(root, keys, ran[name])
            yield from (f"{each} ({name} ran with another one)" for each in other)
        for path in paths:
            found = {maker for out, maker in makers.items() if lockfile.is_in(path, [out])} - seen
            todo += found
            seen |= found


def within(ran: Mapping[str, Any]) -> dict[str, list[str]]:
    """Of each stage of a dvc.lock, what it ran with that is not what another stage is said to have made."""
    made = {path: md5 for entry in ran.values() for path, md5 in hashes(entry, "outs")}
    deps = {name: hashes(entry, "deps") for name, entry in ran.items()}
    return {name: [path for path, md5 in found if made.get(path, md5) != md5] for name, found in deps.items()}


def hashes(entry: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
    """Path and hash of an entry of dvc.lock, as DVC 3 writes it: an older one is not comparable."""
    yield from ((each["path"], each.get("md5")) for each in entry.get(kind) or () if each.get("hash") == "md5")


def _moved(root: Path, keys: Mapping[str, list[str]], entry: Mapping[str, Any]) -> Iterator[str]:
    """The values that are not those of an entry of dvc.lock; none that DVC takes for equal."""
    for file, asked in keys.items():
        noted, whole = (entry.get("params") or {}).get(file) or {}, inputs.loaded(root / file)
        for key in asked:
            now = inputs.at(whole, key, None)
            if key in noted and noted[key] != now and repr(noted[key]) != repr(now):  # NaN is not equal to itself
                yield f"{key} of {file}"
