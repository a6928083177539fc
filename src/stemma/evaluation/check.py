"""What the section `evaluate` asks that cannot be had: said before anything is trained."""

import math
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from stemma import layout, metrics
from stemma.conf.pins import part
from stemma.entries import Entry
from stemma.errors import SettingsError, StemmaError
from stemma.evaluation.settings import EvaluateSettings
from stemma.settings import Chosen, checked
from stemma.task import Task, of
from stemma.text import nearest

BETTER_THAN = "better_than"


def faults(
    own: Mapping[str, Entry], others: Mapping[str, Entry], values: Mapping[str, Any], _: Mapping[str, Chosen]
) -> list[str]:
    """What is wrong with the section `evaluate` beside the task of `data`; a project adds metrics and baselines."""
    try:
        task = of(part(values, "data")["task"])
        settings = checked(EvaluateSettings, values.get("evaluate") or {}, "evaluate")
    except (KeyError, TypeError, SettingsError):
        return []  # what these sections lack, their types tell
    found = [*_of_slices(part(values, "data"), settings), *_of_decision(task, settings)]
    return [*found, *_of_gate(task, settings, own, others)]


def slices(columns: Iterable[str], rows: Iterable[str], number: str) -> None:
    """Nothing, if these are columns of the prepared rows.

    Args:
        rows: their columns; number: the one that only numbers them.

    Raises:
        SettingsError: names one that is not, and the nearest.
    """
    offered = [name for name in rows if name != number]
    for name in columns:
        if name not in offered:
            raise SettingsError(
                f"evaluate.slices: {name!r} is not a column of {layout.PREPARED}{nearest(name, offered)}"
            )


def _of_slices(data: Mapping[str, Any], settings: EvaluateSettings) -> Iterator[str]:
    """Columns that the table cannot have: each but these has a role, by its name or a pattern; `slices` knows all."""
    tables = (data.get(key) for key in ("columns", "derive"))
    named = [name for table in tables if isinstance(table, dict) for name in table]
    named += [name for key in ("target", "group", "time", "partition") if isinstance(name := data.get(key), str)]
    for name in settings.slices if data.get("columns") else ():
        if not any(fnmatchcase(name, each) for each in named):
            yield f"evaluate.slices: {name!r} is no column of the table{nearest(name, named)}"


def _of_decision(task: Task, settings: EvaluateSettings) -> Iterator[str]:
    """A rule for the threshold without two classes, or a calibration without classes."""
    rule, by = settings.threshold, settings.calibration
    if isinstance(rule, str) and rule != "auto" and not task.has_positive:
        yield f"evaluate.threshold: the rule {rule} needs two classes, data.task is {task.kind}"
    if by != "none" and not task.has_classes:
        yield f"evaluate.calibration: {by} needs classes, data.task is {task.kind}"


def _of_gate(
    task: Task, settings: EvaluateSettings, own: Mapping[str, Entry], others: Mapping[str, Entry]
) -> Iterator[str]:
    """Names of the gate that no figure, gap, fall or baseline has."""
    if not settings.minimum:
        return
    from stemma.evaluation import baselines, fairness, robustness  # with pandas, which other checks do without

    try:
        measured = {each.name: each for each in metrics.of_task(task.kind, metrics.added_to(own))}
        offered = (*baselines.names(task), *baselines.lines(others))
    except StemmaError as error:
        yield f"evaluate.minimum: {error}"
        return
    more = fairness.conditions(task, settings.slices) + robustness.conditions(settings.robustness)
    known = (*measured, *more, BETTER_THAN)
    for name, needed in settings.minimum.items():
        if name not in known:
            what = "no gap of evaluate.slices and no fall of evaluate.robustness" if "." in name else "no metric"
            yield f"evaluate.minimum: {name!r} is {what} of a {task.kind} task{nearest(name, known)}"
        elif name == BETTER_THAN and needed not in offered:
            near = nearest(needed, offered)
            yield f"evaluate.minimum.{BETTER_THAN}: {needed!r} is none of {', '.join(offered)}{near}"
        elif name != BETTER_THAN and isinstance(needed, str):
            yield f"evaluate.minimum.{name}: {needed!r} is not a number"
        elif not isinstance(needed, str):
            least, most = (measured[name].least, measured[name].most) if name in measured else (-math.inf, math.inf)
            if name.startswith("gap.") and task.has_classes:  # of rates, or of what is added to them
                least, most = 0, 2 if name.startswith("gap.calibration.") else 1
            if not least <= needed <= most:
                near = f" (did you mean {needed / 100:g}?)" if most == 1 and 1 < needed <= 100 else ""
                yield f"evaluate.minimum.{name}: {needed:g} is outside of what it can be, {least:g} to {most:g}{near}"
