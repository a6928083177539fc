"""What ran again, asked the same as in HEAD, and gave something else: last digits, or more (docs/rebuild.md)."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from stemma import layout
from stemma.repo import lockfile
from stemma.repo.repository import Version
from stemma.text import few
from stemma.versions.doctor.finding import Finding, Skipped

LAST = 1e-9  # relative: what is nearer differs in its last digits
SMALL = 1e-3  # figures below it are compared as if they were so large
RETELL = {
    str(path) for path in (layout.PACKAGE, layout.PICTURES, layout.PLOTS, layout.PAGE, layout.PAGE.with_suffix(".md"))
}  # reports
REMEDY = "run `git restore dvc.lock reports` and `dvc checkout` (in a new clone `dvc pull`) for HEAD's, or commit these"

Stages = Mapping[str, Any]


def results_are_those_of_head(version: Version) -> Iterator[Finding]:
    """Stages with the code and settings of HEAD gave what HEAD has."""
    if version.commit is not None:
        raise Skipped("the workspace is compared with HEAD")
    head = version.repository.version("HEAD")
    if version.lock is None or head.lock is None:
        raise Skipped("dvc.lock is not in both the workspace and HEAD")
    paths = [path for path in _otherwise(version.lock["stages"], head.lock["stages"]) if path not in RETELL]
    gaps = {path: _apart(version.json(path), head.json(path)) if path.endswith(".json") else math.inf for path in paths}
    real = [path for path, gap in gaps.items() if gap > LAST]
    if real:
        what = "the same code and settings gave other results than HEAD has"
        yield Finding("warning", "rebuilt", what, few(real), f"see docs/rebuild.md; {REMEDY}")
    elif gaps:
        shown = few([f"{path} by {gap:.0e}" for path, gap in gaps.items()])
        yield Finding("warning", "rebuilt", "results differ from HEAD's in their last digits alone", shown, REMEDY)


def _otherwise(here: Stages, there: Stages) -> list[str]:
    """Outputs that differ of stages that nothing new was asked of, nor of one that they use."""
    outputs = {path for stage in here.values() for path in _files(stage, "outs")}
    asked: set[str] = set()  # outputs that something new was asked of
    before = -1
    while len(asked) > before:  # until no more follow from these
        before = len(asked)
        for name, stage in here.items():
            if _is_asked_anew(stage, there.get(name, {}), outputs, asked):
                asked |= _files(stage, "outs").keys()
    return [
        path
        for name, stage in here.items()
        for path, md5 in _files(stage, "outs").items()
        if path not in asked and md5 != _files(there[name], "outs").get(path)
    ]


def _is_asked_anew(stage: Stages, before: Stages, outputs: set[str], asked: set[str]) -> bool:
    if any(stage.get(key) != before.get(key) for key in ("cmd", "params")):
        return True
    known = _files(before, "deps")
    moved = [path for path, md5 in _files(stage, "deps").items() if md5 != known.get(path)]
    return any((maker := _maker(path, outputs)) is None or maker in asked for path in moved)


def _maker(path: str, outputs: set[str]) -> str | None:
    """The output that a dependency is, or lies in."""
    return next((out for out in outputs if lockfile.is_in(path, [out])), None)


def _files(stage: Stages, key: str) -> dict[str, Any]:
    """Path -> hash."""
    return {file["path"]: file.get("md5") for file in stage.get(key, ())}


def _apart(a: Any, b: Any) -> float:
    """The greatest relative difference of two figures; infinite where anything else differs."""
    if isinstance(a, Mapping) and isinstance(b, Mapping) and a.keys() == b.keys():
        return max((_apart(a[key], b[key]) for key in a), default=0.0)
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return max(map(_apart, a, b), default=0.0)
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) / max(abs(a), abs(b), SMALL)
    return 0.0 if a == b else math.inf
