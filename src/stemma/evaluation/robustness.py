"""How much worse a network is where rows are worse than those it was made of, as service would see them: raw columns
are changed, the encoder reads them, the network answers.

    noise      normal noise is added to numbers, of this share of a column's deviation
    missing    this share of a column's values is gone
    shift      numbers and dates are all higher, or all lower, by this share of a column's deviation
    unknown    this share of a column's texts is one that was never seen

Each is done to all columns at once and, on fewer of the rows, to each alone.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stemma.evaluation.probe import Probe
from stemma.evaluation.settings import EvaluateSettings, Robustness
from stemma.files import finite
from stemma.metrics.resampling import intervals
from stemma.signature import TYPES

UNKNOWN = "(never seen)"
ALONE, RESAMPLES = 250, 200  # rows, and draws behind an interval: all of it is a tenth of an evaluation
Change = Callable[[pd.Series, float, np.random.Generator], pd.Series]
CHANGES: Mapping[str, tuple[Change, tuple[str, ...]]] = {  # and the roles of the columns that it fits
    "noise": (lambda c, size, draw: c + size * c.std(ddof=0) * draw.normal(size=len(c)), ("numeric",)),
    "missing": (lambda c, size, draw: c.mask(draw.random(len(c)) < size), tuple(TYPES)),
    "shift": (lambda c, size, draw: c + draw.choice([-size, size]) * c.std(ddof=0), ("numeric", "date")),
    "unknown": (lambda c, size, draw: c.astype(object).mask(draw.random(len(c)) < size, UNKNOWN), ("categorical",)),
}


def conditions(settings: Robustness) -> tuple[str, ...]:
    """What the quality gate may ask: fall.CHANGE."""
    return tuple(f"fall.{name}" for name in CHANGES if getattr(settings, name))


def figures(told: Mapping[str, Any]) -> dict[str, float | None]:
    """The falls of a record by these names."""
    return {f"fall.{name}": entry["value"] for name, entry in told.get("changes", {}).items()}


def of(probe: Probe, settings: EvaluateSettings) -> dict[str, Any]:
    """The entry `robustness` of a record: by change, what the main figure loses; none where it is not defined."""
    if not conditions(settings.robustness) or not probe.is_telling:
        return {}
    few = probe.fewer(ALONE)
    every = {
        name: probe.answered(probe.frame.assign(**columns))
        for name in CHANGES
        if (columns := _changed(probe, name, settings))
    }
    lost = partial(probe.lost, every)
    reach = intervals(lost, len(probe.y), min(settings.bootstrap, RESAMPLES), settings.seed)
    told: dict[str, Any] = {}
    for name, value in lost().items():
        low, high = map(_rounded, reach.get(name) or (math.nan, math.nan))
        alone = {c: few.answered(few.frame.assign(**{c: v})) for c, v in _changed(few, name, settings).items()}
        told[name] = {"size": getattr(settings.robustness, name), "value": _rounded(value), "low": low, "high": high}
        told[name] |= {"columns": {column: _rounded(fall) for column, fall in few.lost(alone).items()}}
    return {"robustness": {"rows": len(probe.y), "alone": len(few.y), "changes": told}}


def _changed(probe: Probe, name: str, settings: EvaluateSettings) -> dict[str, pd.Series]:
    """Each column that a change fits, changed."""
    change, roles = CHANGES[name]
    size, place = getattr(settings.robustness, name), list(CHANGES).index(name)
    return {
        column: change(probe.frame[column], size, np.random.default_rng([settings.seed, place, number]))
        for number, (column, role) in enumerate(probe.about.inputs)
        if size and role in roles
    }


def _rounded(value: float) -> Any:
    return finite(float(f"{value:.6g}") + 0.0)  # no -0.0
