"""Which column plays which role, by its name or by a pattern such as "pixel_*"."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from stemma.errors import DataError
from stemma.tables import derive
from stemma.tables.encode.graph import Graph
from stemma.tables.settings import Role, Table
from stemma.text import counted, nearest

FEATURES = ("numeric", "categorical", "boolean", "date")  # roles that a model sees
DUPLICATES = "duplicates"  # a group of no column: rows with the same features
Range = tuple[float | None, float | None]


def roles(names: Iterable[str], settings: Table) -> dict[str, Role]:
    """The role of every column but the target, in the order of the table.

    Raises:
        DataError: a column has no name or role, appears twice, or is named in the settings but not in the table; the
            target is not there; no column is a feature. All of it at once.
    """
    names = list(names)
    made = [f"`derive` names {name!r}, which is a column of the table" for name in settings.derive if name in names]
    refuse(settings.source, made)  # its role is not that of the column
    others = [name for name in names if name != settings.target]
    found = {name: role_of(name, settings) for name in others}
    told = settings.columns
    # None misses what is dropped, such as the log of a service; but a misspelled name leaves its column to a pattern.
    needed = [
        name for name in told if told[name] != "drop" or any(fnmatchcase(name, key) for key in told if key != name)
    ]
    problems = [f"column {name!r} appears twice" for name, times in sorted(Counter(names).items()) if times > 1]
    if "" in names:
        problems.append(f"column {names.index('') + 1} has no name")
    if settings.target not in names:
        problems.append(f"the target {settings.target!r} is not a column{nearest(settings.target, names)}")
    problems += [
        line
        for section, wanted in (("columns", needed), ("ranges", settings.ranges))
        for line in absent(wanted, [*names, *settings.derive], section)
    ]
    problems += [*_wrong_splitting(names, settings), *_wrong_derived(names, settings)]
    problems += [
        f"column {name!r} has no role in the settings{nearest(name, settings.columns)}"
        for name in others
        if found[name] is None
    ]
    if not problems and not any(role in FEATURES for role in found.values()):
        problems.append(f"no column is a feature: give one the role {', '.join(FEATURES[:-1])} or {FEATURES[-1]}")
    refuse(settings.source, problems)
    return {name: role for name, role in found.items() if role is not None}


def features(names: Iterable[str], settings: Table) -> tuple[tuple[str, Role], ...]:
    """(name, role) of the columns that a model sees, in the order of the canonical table."""
    found = {name: role_of(name, settings) for name in names if name != settings.target}
    return tuple((name, role) for name, role in found.items() if role in FEATURES)


def role_of(name: str, settings: Table) -> Role | None:
    """The role of one column that is not the target. A column by which rows are split is `drop`, so no feature; one of
    time may have another; one that is derived has that of its values."""
    if name in settings.derive:
        return derived(settings).get(name)
    if name in (settings.group, settings.partition):
        return "drop"
    return _find(name, settings.columns) or ("drop" if name == settings.time else None)


def derived(settings: Table) -> dict[str, Role]:
    """The roles of the derived columns, of which no expression may be wrong."""
    named = dict.fromkeys(name for text in settings.derive.values() for name in derive.names(text))
    found = {name: role_of(name, settings) for name in named if name not in settings.derive}
    return derive.roles(settings.derive, {name: role for name, role in found.items() if role in FEATURES})


def conditioned(roles: Mapping[str, Role | None], settings: Table) -> dict[str, Any]:
    """The role of each column that a condition of `keep` may use: of the features, and the target's."""
    return {**roles, settings.target: "categorical" if settings.predicts.has_classes else "numeric"}


def _wrong_derived(names: list[str], settings: Table) -> Iterator[str]:
    """Expressions of columns that are not there, have no use, or do not fit."""
    found = {name: role_of(name, settings) for name in names}
    others = {name: "is dropped: give it a role" for name, role in found.items() if role not in FEATURES}
    others[settings.target] = "is the target"
    usable = {name: role for name, role in found.items() if name not in others}
    try:
        usable |= derive.roles(settings.derive, usable, others)
        del others[settings.target]
        derive.add_conditions(Graph(names), settings.keep, conditioned(usable, settings), others)
    except DataError as error:
        yield str(error)


def splitting(settings: Table) -> dict[str, str]:
    """The column, or DUPLICATES, by which rows are split, under the name of its setting: group, time or partition;
    none as a rule."""
    named = {"group": settings.group, "time": settings.time, "partition": settings.partition}
    return {setting: name for setting, name in named.items() if name is not None}


def range_of(name: str, settings: Table) -> Range:
    """The lowest and highest value that a column may have; None is open."""
    return _find(name, settings.ranges) or (None, None)


def absent(wanted: Iterable[str], names: Iterable[str], section: str) -> list[str]:
    """One line for each name or pattern in `section` that matches no column."""
    names = dict.fromkeys(names)  # a set in order
    return [
        f"`{section}` names {key!r}, which matches no column{nearest(key, names)}"
        for key in wanted
        if key not in names and not any(fnmatchcase(name, key) for name in names)
    ]


def refuse(where: str, problems: list[str]) -> None:
    """Raise one DataError for all problems, if there are any."""
    if len(problems) == 1:
        raise DataError(f"{where}: {problems[0]}")
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise DataError(f"{where} cannot be used for {counted(len(problems), 'reason')}:{lines}")


def _wrong_splitting(names: list[str], settings: Table) -> Iterator[str]:
    """Settings by which no rows can be split."""
    given = splitting(settings)
    if len(given) > 1:
        yield f"{' and '.join(f'`{setting}`' for setting in given)} are both given: rows are split by one of them"
    for setting, name in given.items():
        if name not in (*names, DUPLICATES if setting == "group" else ""):
            yield f"`{setting}` names {name!r}, which is not a column{nearest(name, [*names, DUPLICATES])}"
        elif name == settings.target:
            yield f"`{setting}` names {name!r}, which is the target"
        elif setting == "time" and (role := role_of(name, settings)) not in ("date", "numeric", "drop"):
            yield f"`time` names {name!r}, which is {role}: give it the role date, numeric or drop"


def _find(name: str, table: Mapping[str, Any]) -> Any:
    """The value of the exact name, else of the first pattern that matches, else None."""
    if name in table:
        return table[name]
    return next((value for pattern, value in table.items() if fnmatchcase(name, pattern)), None)
