"""Which rows of a table are learned from, and as which class: `missing_target`, `keep` and `merge`, in this order."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from stemma.errors import DataError
from stemma.tables import derive
from stemma.tables.columns import conditioned, features, refuse
from stemma.tables.load import category
from stemma.tables.settings import Table
from stemma.tables.statistics import merged
from stemma.text import nearest

MISSING = "missing_target"  # the reason of rows without a target


def select(frame: pd.DataFrame, settings: Table) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows to learn from, numbered as in the source, and how many are left out by reason: the first that holds.

    Args:
        frame: a canonical table, as `load.table` gives it.

    Raises:
        DataError: a condition holds in no row, no row is left, or classes cannot be merged.
    """
    if frame.empty:  # which `validate.check` refuses
        return frame, {}
    kept, left_out = np.ones(len(frame), bool), Counter[str]()
    for reason, holds in _reasons(frame, settings):
        left_out[reason] += int((kept & ~holds).sum())
        kept &= holds
    if not kept.any():
        refuse(settings.source, [f"no row is left of {len(frame):,}: {told(left_out)}"])
    if not kept.all():
        frame = frame[kept]
        texts = frame.select_dtypes("category")
        frame = frame.assign(**{name: texts[name].cat.remove_unused_categories() for name in texts})
    if settings.merge:
        frame = frame.assign(**{settings.target: _merged(frame[settings.target], settings)})
    return frame, {reason: rows for reason, rows in left_out.items() if rows}


def told(left_out: Mapping[str, int]) -> str:
    """Reasons and rows, in a line."""
    return ", ".join(f"{reason} {rows:,}" for reason, rows in left_out.items())


def unheld(frame: pd.DataFrame, settings: Table) -> Iterator[tuple[str, str]]:
    """(column, what is wrong) of each text that expressions compare it with and no row holds."""
    roles = conditioned(dict(features(frame, settings)), settings)
    found = derive.compared([*settings.derive.values(), *settings.keep.values()], roles)
    for name, text in dict.fromkeys(found):
        levels = frame[name].cat.categories
        if text not in levels:
            yield name, f"is compared with {text!r} in an expression, and no row holds that{nearest(text, levels)}"


def _reasons(frame: pd.DataFrame, settings: Table) -> Iterator[tuple[str, np.ndarray]]:
    """Reasons, and the rows that each keeps."""
    if settings.missing_target == "drop":
        yield MISSING, frame[settings.target].notna().to_numpy()
    if not settings.keep:
        return
    roles = conditioned(dict(features(frame, settings)), settings)
    for reason, holds in zip(settings.keep, derive.conditions(frame, settings.keep, roles), strict=True):
        if not holds.any():
            raise DataError(f"data.keep: {reason}: {settings.keep[reason]!r} holds in no row")
        yield reason, holds


def _merged(target: pd.Series, settings: Table) -> pd.Categorical:
    if not settings.predicts.has_classes:
        refuse(settings.source, [f"`merge` is for classes, and the task is {settings.task}"])
    classes, into = list(target.cat.categories), merged(settings)
    named = [text for some in into.values() for text in some]
    problems = [
        f"`merge` names {text!r}, which is no class{nearest(text, classes)}" for text in named if text not in classes
    ]
    problems += [f"`merge` names {text!r} twice" for text, times in Counter(named).items() if times > 1]
    problems += [  # of an outcome that is told later nobody knows which is meant
        f"`merge` makes {name!r} of {text!r}, and {text!r} of others: give what these become another name"
        for name, some in into.items()
        for text in some
        if text in into and text != name
    ]
    refuse(settings.source, problems)
    names = {text: name for name, some in into.items() for text in some}
    return category(target.cat.codes.to_numpy(), [names.get(text, text) for text in classes])
