"""Sections of settings: frozen, typed, checked at load.

A project composes its sections in a class of `Section`. `load` reports every wrong setting at once, with the file to
correct and the nearest valid name.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from stemma import conf
from stemma.conf.hydra_yaml import parse as parse  # other settings are written as those of conf/
from stemma.entries import Entry
from stemma.errors import SettingsError
from stemma.text import counted, nearest

Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
NAME = "[key]"  # by which pydantic tells the name of a value from the value


class Section(BaseModel):
    """A part of params.yaml: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Whole = TypeVar("Whole", bound=Section)
Chosen = tuple[str, Mapping[str, Entry]]  # the setting that names a line of a table, and the table
Check = Callable[[Mapping[str, Any], Mapping[str, Chosen]], list[str]]


def load(
    whole: type[Whole],
    path: str | Path,
    chosen: Mapping[str, Chosen],
    checks: Iterable[Check] = (),
    *,
    part: bool = False,
) -> Whole:
    """Read and check params.yaml.

    Args:
        whole: its sections.
        chosen: the sections whose type is that of the entry they name.
        checks: what else can be wrong with the values, in a line each.
        part: the file has other sections too, which do not count.

    Raises:
        SettingsError: the file is missing or not YAML, or settings are wrong: all of them, one per line.
    """
    path = Path(path)
    values = conf.params(path.parent)
    values = {name: values[name] for name in values if name in whole.model_fields or not part}
    types = _section_types(whole, values, chosen)
    sections, faults = {}, _unknown_and_missing(values, types)
    told = [fault for check in checks for fault in check(values, chosen)]
    faults += [fault + _origin(fault.partition(":")[0], path.parent) for fault in told]
    for name in types.keys() & values.keys():
        if fault := _wrong_choice(name, values, chosen):
            faults.append(fault + _origin(name, path.parent))
            continue
        try:
            # In JSON a list may stand for a tuple, which strict mode refuses from Python.
            sections[name] = types[name].validate_json(json.dumps(values[name], default=str))
        except ValidationError as error:
            lines = _told({name: values[name]}, types[name], error, name)
            faults += [f"{line}{_origin(key, path.parent)}" for key, line in lines.items()]
    if faults:
        count = counted(len(faults), "setting is", "settings are")
        listed = "".join(f"\n  {fault}" for fault in sorted(faults))
        raise SettingsError(f"{path}: {count} wrong:{listed}\ncorrect the file named, then", run="stemma conf sync")
    return whole.model_construct(**sections)


def checked(kind: type[Whole], values: Mapping[str, Any], where: str) -> Whole:
    """Settings that no params.yaml holds.

    Args:
        where: what holds them, for messages.

    Raises:
        SettingsError: some are wrong: all of them, one per line.
    """
    try:
        return kind.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        faults = sorted(_told(values, TypeAdapter(kind), error).values())
        lines = "".join(f"\n  {fault}" for fault in faults)
        raise SettingsError(f"{where}: {counted(len(faults), 'setting is', 'settings are')} wrong:{lines}") from None
    except (ValueError, TypeError, RecursionError):
        raise SettingsError(f"{where} cannot be read: a part of it holds itself, or a name is no text") from None


def _section_types(
    whole: type[Section], values: Mapping[str, Any], chosen: Mapping[str, Chosen]
) -> dict[str, TypeAdapter[Any]]:
    """The type of each section; one that names an entry is of the entry's type."""
    hints = get_type_hints(whole, include_extras=True)
    types = {name: hints[name] for name in whole.model_fields}
    for name, (key, entries) in chosen.items():
        entry = entries.get(str(values[name].get(key))) if isinstance(values.get(name), dict) else None
        types[name] = entry.settings if entry and entry.settings else types[name]
    return {name: TypeAdapter(kind) for name, kind in types.items()}


def _unknown_and_missing(values: dict[str, Any], types: dict[str, Any]) -> list[str]:
    faults = [f"{name}: no such section{nearest(name, types)} (in conf/config.yaml)" for name in values.keys() - types]
    return faults + [f"{name}: this section is missing (in conf/config.yaml)" for name in types.keys() - values]


def _wrong_choice(section: str, values: Mapping[str, Any], chosen: Mapping[str, Chosen]) -> str | None:
    """The one line for a section that names no entry: what its other settings are is not known then."""
    if section not in chosen or not isinstance(values[section], dict):
        return None
    key, entries = chosen[section]
    name = values[section].get(key)
    if isinstance(name, str) and name in entries:
        return None
    return f"{section}.{key}: {name!r} is none of {', '.join(entries)}{nearest(name, entries)}"


def _told(values: Mapping[str, Any], kind: TypeAdapter[Any], error: ValidationError, *section: str) -> dict[str, str]:
    """By key a line: the key, its value, what is allowed. Where several types are, pydantic tells of each."""
    by_key: dict[str, list[ErrorDetails]] = {}
    for fault in error.errors():
        if fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]:
            continue  # values in it are wrong, and told of
        key = _key([*section, *fault["loc"]], values, missing=fault["type"] == "missing")
        by_key.setdefault(key, []).append(fault)
    return {key: f"{key.removesuffix(f'.{NAME}')}: {_wrong(key, faults, kind)}" for key, faults in by_key.items()}


def _key(loc: Iterable[Any], values: Any, *, missing: bool) -> str:
    """The names of a setting in what was written; pydantic puts the type it tried of several (`float`) among them."""
    parts, found = [str(part) for part in loc], list[str]()
    for part in parts:
        if isinstance(values, dict) and part in values:
            values = values[part]
        elif isinstance(values, list) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        elif part != NAME:
            continue
        found.append(part)
    return ".".join([*found, parts[-1]] if missing else found)


def _wrong(key: str, faults: Sequence[ErrorDetails], kind: TypeAdapter[Any]) -> str:
    fault = faults[0]
    match fault["type"]:
        case "extra_forbidden":
            name, known = fault["loc"][-1], _keys(kind)  # of parts too: the same name may be one of them
            return f"no such setting{'' if name in known else nearest(name, known)}"
        case "missing":
            return "this setting is missing"
        case "too_short":
            return f"{fault['input']!r}: should have at least {counted(fault['ctx']['min_length'], 'item')}"
        case "value_error":  # of a check of ours: its words alone, for its input may be a whole section
            return str(fault["ctx"]["error"])
        case _:
            first, *others = (_as_yaml_has_it(f"{each['msg'][0].lower()}{each['msg'][1:]}") for each in faults)
            others = [each.removeprefix("input should be ") for each in others]
            wanted = " or ".join([first, *(each for each in others if not first.endswith(each))])
            if fault["type"] == "string_type" and isinstance(fault["input"], bool | int | float):  # yes is True in YAML
                wanted += ": put it in quotes"
            return f"{fault['input']!r}: {wanted}{_whole(key.rpartition('.')[2], fault['input'], _keys(kind))}"


def _as_yaml_has_it(message: str) -> str:
    """In the words of YAML, not in those of JSON."""
    for theirs, ours in (("a valid array", "a list"), ("a valid dictionary", "a mapping"), ("an object", "a mapping")):
        message = message.replace(theirs, ours)
    return message


def _whole(name: str, given: Any, known: Collection[str]) -> str:
    """A hint where a name of somebody's own, as `fall.noise`, was taken apart at its point."""
    if not isinstance(given, dict) or not given or name in known:
        return ""
    while isinstance(given, dict) and given:
        part, given = next(iter(given.items()))
        name = f"{name}.{part}"
    return f" (a name with a point is written whole: {{{name}: {given}}})"


def _origin(key: str, root: Path) -> str:
    file = conf.origin(root, key) if (root / "conf").is_dir() else None
    return f" (in {file})" if file else ""


def _keys(kind: TypeAdapter[Any]) -> list[str]:
    """The valid names in a section, nested ones too, for the nearest one to a typo."""
    schema = kind.json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for part in parts for key in part.get("properties", {})})
