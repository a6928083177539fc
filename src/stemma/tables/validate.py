"""Refuses a table that cannot be learned from, with every reason at once."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stemma.layout import SPLITS
from stemma.tables import derive
from stemma.tables.columns import features, range_of, refuse, role_of, splitting
from stemma.tables.settings import Table
from stemma.tables.split import PARTITIONS, incomplete, rows_needed
from stemma.tables.statistics import positive_of
from stemma.text import counted, few, nearest

if TYPE_CHECKING:
    import pandera.pandas as pandera
    from pandera.errors import SchemaError

LARGEST = float(np.finfo(np.float32).max)  # networks compute in float32, where more is infinite
MOST_CATEGORIES = 50_000  # of one column: more is free text, whose values hardly repeat


def check(frame: pd.DataFrame, settings: Table) -> None:
    """Check the ranges and missing values of the columns, the classes of the target and the number of rows.

    Args:
        frame: a canonical table, as `load.table` gives it.

    Raises:
        DataError: names each column that is wrong, with its first wrong value and the row of it (from 1).
    """
    if frame.empty:
        refuse(settings.source, ["the table has no rows"])
    problems = [
        *_wrong_settings(frame, settings),
        *_wrong_values(frame, settings),
        *_wrong_features(frame, settings),
        *_wrong_splitting(frame, settings),
    ]
    problems += (_wrong_classes if settings.predicts.has_classes else _wrong_numbers)(frame, settings)
    refuse(settings.source, problems)


def check_splits(frame: pd.DataFrame, settings: Table, splits: dict[str, np.ndarray]) -> None:
    """Check that every split has rows of every class, or at least two, and that a regression's target varies among
    the training rows.

    Raises:
        DataError: it does not: there is nothing to learn, or nothing to judge by.
    """
    by = "".join(f" when rows are split by `{setting}` {name!r}" for setting, name in splitting(settings).items())
    problems = [reason + by for reason in incomplete(frame[settings.target], splits, settings)]
    target = frame[settings.target].iloc[splits["train"]]
    if not settings.predicts.has_classes and target.nunique() == 1:
        value = f"{target.iloc[0]:g}"
        problems.append(f"the target {settings.target!r} has the same value, {value}, in all training rows")
    refuse(settings.source, problems)


def _schema(frame: pd.DataFrame, settings: Table) -> "pandera.DataFrameSchema":
    """What the numbers of each column, and the target, may be, as a pandera schema."""
    import pandera.pandas as pandera

    roles = {name: role_of(name, settings) for name in frame if name != settings.target}
    numeric = [name for name, role in roles.items() if role in ("numeric", "boolean")]
    columns = {name: _numbers(*range_of(name, settings)) for name in numeric}
    columns |= {name: _numbers(0, 1, nullable=False) for name, role in roles.items() if role == "bayes"}
    if settings.predicts.has_classes:
        columns[settings.target] = pandera.Column(nullable=False)
    else:
        columns[settings.target] = _numbers(*range_of(settings.target, settings), nullable=False)
    return pandera.DataFrameSchema(columns)


def _numbers(low: float | None, high: float | None, nullable: bool = True) -> "pandera.Column":
    """A column whose values a network can take, within these ends."""
    import pandera.pandas as pandera

    check = partial(pandera.Check, n_failure_cases=1)
    checks = [check(lambda values: values.abs() <= LARGEST, error="is infinite or too large for float32")]
    if low is not None:
        checks.append(check(lambda values: values >= low, error=f"is below {low:g}"))
    if high is not None:
        checks.append(check(lambda values: values <= high, error=f"is above {high:g}"))
    return pandera.Column(float, checks, nullable=nullable)


def _wrong_settings(frame: pd.DataFrame, settings: Table) -> Iterator[str]:
    """Settings that would have no effect."""
    for name in settings.ranges:
        if name in frame and frame[name].dtype != float:
            yield f"`ranges` names {name!r}, which is not numeric"
    bayes = [repr(name) for name in frame if name != settings.target and role_of(name, settings) == "bayes"]
    if len(bayes) > 1:
        yield f"{few(bayes, 5)} have the role bayes, which is for one column"
    if bayes and not settings.predicts.has_positive:
        yield f"{few(bayes, 5)} has the role bayes, which is for a binary task: give it another, such as drop"
    if settings.predicts.has_classes and settings.transform_target is not None:
        yield f"`transform_target` is for a regression, and the task is {settings.task}: set it to null"
    if not settings.predicts.has_positive and settings.positive is not None:
        yield f"`positive` is {settings.positive!r}, but only a binary task has a positive class: set it to null"


def _wrong_values(frame: pd.DataFrame, settings: Table) -> Iterator[str]:
    """The first value of each column that fails a check."""
    from pandera.errors import SchemaErrors

    try:
        _schema(frame, settings).validate(frame, lazy=True, inplace=True)
    except SchemaErrors as errors:
        yield from (_wrong_value(error, settings) for error in errors.schema_errors)


def _wrong_value(error: "SchemaError", settings: Table) -> str:
    row, value = (error.failure_cases[name].iloc[0] for name in ("index", "failure_case"))
    if error.reason_code.name != "SERIES_CONTAINS_NULLS":
        return f"column {error.column_name!r}: {value} in row {row + 1} {error.check.error}"
    cure = ": `missing_target: drop` leaves such rows out" if error.column_name == settings.target else ""
    return f"column {error.column_name!r} has no value in row {row + 1}{cure}"


def _wrong_features(frame: pd.DataFrame, settings: Table) -> Iterator[str]:
    """Categories that would make the network's input too wide."""
    for name, role in features(frame.columns, settings):
        if role == "categorical" and len(frame[name].cat.categories) > MOST_CATEGORIES:
            yield (
                f"column {name!r} has {counted(len(frame[name].cat.categories), 'different value')}, more than"
                f" {MOST_CATEGORIES:,}: give it another role, such as drop"
            )


def _wrong_splitting(frame: pd.DataFrame, settings: Table) -> Iterator[str]:
    """A column by which rows cannot be split."""
    for setting, name in splitting(settings).items():
        if name not in frame:  # duplicates
            continue
        values = frame[name]
        missing = (values == "" if isinstance(values.dtype, pd.CategoricalDtype) else values.isna()).to_numpy()
        if missing.any():
            row = frame.index[np.argmax(missing)] + 1
            yield f"column {name!r} has no value in row {row}, and rows are split by it (`{setting}`)"
        elif setting == "partition":
            yield from _wrong_partitions(name, values)
        elif values.nunique() < len(SPLITS):
            count = counted(values.nunique(), "different value")
            yield f"`{setting}` names {name!r}, which has {count}, and at least {len(SPLITS)} are needed"


def _wrong_partitions(name: str, values: pd.Series) -> Iterator[str]:
    """Texts that are no split, and splits that do not occur; validation need not."""
    known = [PARTITIONS.get(text.strip().lower()) for text in values.cat.categories]
    unknown = np.array([part is None for part in known])[values.cat.codes]
    if unknown.any():
        row = values.index[np.argmax(unknown)]
        yield f"column {name!r} holds {values[row]!r} in row {row + 1}, which is none of {', '.join(SPLITS)}"
        return
    for part in ("train", "test"):
        if part not in known:
            yield f"`partition` names {name!r}, which holds no {part!r}"


def _wrong_numbers(frame: pd.DataFrame, settings: Table) -> Iterator[str]:
    """A target that cannot be regressed on."""
    target, needed = frame[settings.target], rows_needed(settings.split, least=2)
    if len(frame) < needed and not splitting(settings):
        yield f"the table has {counted(len(frame), 'row')}, and at least {needed} are needed for two in every split"
    if target.nunique() == 1:
        yield f"the target {settings.target!r} has the same value, {target.dropna().iloc[0]:g}, in every row"
    if settings.transform_target == "log" and not (positive := (target > 0) | target.isna()).all():
        row = positive.idxmin()
        yield (
            f"the target {settings.target!r} is {target[row]:g} in row {row + 1}, which has no logarithm: set "
            "`transform_target` to null, or leave such rows out: "
            f'keep: {{positive: "{derive.written(settings.target)} > 0"}}'
        )


def _wrong_classes(frame: pd.DataFrame, settings: Table) -> Iterator[str]:
    """Classes that cannot be told apart, or not in every split."""
    counts = frame[settings.target].value_counts(sort=False)
    classes, needed = list(counts.index), rows_needed(settings.split)
    if len(classes) < 2:
        yield f"the target {settings.target!r} has {_some(classes)}, and at least 2 classes are needed"
    if settings.predicts.has_positive and len(classes) > 2:
        yield f"the target {settings.target!r} has {_some(classes)}, but a binary task has 2: set `task` to multiclass"
    if settings.predicts.has_positive and settings.positive is not None and positive_of(settings) not in classes:
        hint = nearest(settings.positive, classes)
        yield f"`positive` is {settings.positive!r}{hint}, but the target has {_some(classes)}"
    needed = len(SPLITS) if splitting(settings) else needed  # which split they fall into, `check_splits` looks at
    rare = [f"{name!r} has {rows}" for name, rows in counts.items() if rows < needed]
    if rare:
        yield (
            f"each class needs at least {needed} rows for one in every split: {few(rare, 5)}: "
            "merge some (data.merge), or leave them out (data.keep)"
        )


def _some(classes: list[str]) -> str:
    """The classes, counted and named."""
    return f"{counted(len(classes), 'class', 'classes')} ({few([repr(name) for name in classes], 5)})"
