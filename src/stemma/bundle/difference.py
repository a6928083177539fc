"""Two bundles side by side: files, inputs and outputs, layers, weights, data, settings, figures, packages."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stemma.bundle.archive import MANIFEST, SIGNATURE, SIGNED
from stemma.bundle.model import RECORD, Bundle, reading

DATA = ("source", "task", "target", "rows", "features", "classes", "splits", "content")


@dataclass(frozen=True)
class Change:
    """A value by its name; None on the side that lacks it."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class BundleDifference:
    """What differs, with what each bundle is called."""

    a: str
    b: str
    files: tuple[Change, ...]  # their bytes, but for the manifest and the signature, which follow from the others
    signature: tuple[Change, ...]  # what goes in and what comes out
    structure: tuple[Change, ...]  # layers by name
    tensors: tuple[str, ...]  # by name, those whose values or shapes differ
    data: tuple[Change, ...]
    settings: tuple[Change, ...]
    metrics: tuple[Change, ...]
    environment: tuple[Change, ...]

    @property
    def is_same(self) -> bool:
        return not self.files


@reading(RECORD)
def difference(a: Bundle, b: Bundle, names: tuple[str, str]) -> BundleDifference:
    """What changed from bundle a to bundle b, which are called by these names.

    Raises:
        BundleError: a record is damaged or of another format.
    """
    before, after = a.record, b.record
    metrics = _changes(before.get("metrics"), after.get("metrics"))
    return BundleDifference(
        *names,
        files=tuple(_files(a.files, b.files)),
        signature=_changes(json.loads(a.files[SIGNATURE]), json.loads(b.files[SIGNATURE])),
        structure=tuple(_layers(before, after)),
        tensors=tuple(_tensors(before, after)),
        data=_changes(*({key: _part(each, "data").get(key) for key in DATA} for each in (before, after))),
        settings=_changes(_settings(before), _settings(after)),
        metrics=tuple(each for each in metrics if _is_number(each.a) and _is_number(each.b)),
        environment=_changes(_part(before, "environment"), _part(after, "environment")),
    )


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is neither mapping nor list of mappings, by its dotted name; a list by its items' names."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from leaves(value[key], f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for place, each in enumerate(value):
            label = each.get("name", place)
            rest = {key: item for key, item in each.items() if key != "name"}
            yield from leaves(rest, f"{name}.{label}" if name else str(label))
    else:
        yield name, value


def _changes(a: Any, b: Any) -> tuple[Change, ...]:
    before, after = dict(leaves(a)), dict(leaves(b))
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    )


def _files(a: Mapping[str, bytes], b: Mapping[str, bytes]) -> Iterator[Change]:
    for name in sorted((a.keys() | b.keys()) - {MANIFEST, SIGNED}):
        before, after = a.get(name), b.get(name)
        if before != after:
            yield Change(name, None if before is None else len(before), None if after is None else len(after))


def _layers(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    before, after = (_part(each, "structure") for each in (a, b))
    if before.get("framework") != after.get("framework"):
        yield Change("framework", before.get("framework"), after.get("framework"))
    layers = [
        {each.get("name"): _layer(each) for each in side.get("architecture") or () if isinstance(each, Mapping)}
        for side in (before, after)
    ]
    for name in dict.fromkeys([*layers[0], *layers[1]]):
        if layers[0].get(name) != layers[1].get(name):
            yield Change(str(name), layers[0].get(name), layers[1].get(name))


def _layer(entry: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key}={value}" for key, value in sorted((entry.get("settings") or {}).items()))
    return f"{entry.get('kind')}({settings})"


def _tensors(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    before, after = ({each["name"]: each for each in side.get("weights") or ()} for side in (a, b))
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    process = _part(record, "process")
    sections = {key: process.get(key) for key in ("model", "train")}
    own = {key: record.get(key) for key in ("name", "description", "intended_use", "limits", "licence")}
    evaluate = _part(record, "evaluation").get("evaluate")
    return {**_part(record, "settings"), **sections, "evaluate": evaluate, "package": own}


def _part(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    return dict(found) if isinstance(found, Mapping) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
