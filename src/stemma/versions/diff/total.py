"""D, one number for how far two versions are apart: the weighted mean of its parts, each in [0, 1]."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma.errors import SettingsError
from stemma.evaluation.results import told

FILE = "conf/diff.yaml"
DEFAULT = {"structure": 0.5, "parameters": 0.3, "data": 0.2}


@dataclass(frozen=True)
class Distance:
    total: float | None  # sum of weight x part, in [0, 1]
    # each in [0, 1]; None where a version lacks what the part is computed from: the others share its weight
    parts: Mapping[str, float | None]
    weights: Mapping[str, float]  # as used; they sum to 1
    estimated: tuple[str, ...]  # names of the parts that rest on sketches


def total(parts: Mapping[str, float | None], weights: Mapping[str, float], estimated: tuple[str, ...]) -> Distance:
    """Weigh the parts that are known; None where none is."""
    known = {name: part for name, part in parts.items() if part is not None}
    whole = math.fsum(weights[name] for name in known)
    if not whole:
        return Distance(None, parts, dict.fromkeys(parts, 0.0), estimated)
    used = {name: weights[name] / whole if name in known else 0.0 for name in parts}
    found = math.fsum(used[name] * part for name, part in known.items())
    return Distance(min(max(found, 0.0), 1.0), parts, used, estimated)


def parse(text: str) -> dict[str, float]:
    """Weights from `structure=0.5,parameters=0.3,data=0.2`; a part that is not named weighs 0. Raises as `checked`."""
    return checked(dict(item.partition("=")[::2] for item in text.split(",")), "--weights")


def read(repository: Path) -> dict[str, float]:
    """The weights in conf/diff.yaml, or the default ones where there is no such file; raises as `checked`."""
    path = repository / FILE
    if not path.exists():
        return DEFAULT
    from stemma.conf.hydra_yaml import parse, read_text

    return checked(told(parse(read_text(path), FILE), "weights"), f"`weights` in {FILE}")


def checked(given: Any, where: str) -> dict[str, float]:
    """All three weights, of a mapping of names to numbers.

    Raises:
        SettingsError: one is unknown, negative or no number, or they do not sum to 1.
    """
    try:
        found = {str(name).strip(): float(value) for name, value in given.items()}
    except (TypeError, ValueError, AttributeError):
        found = {}
    sums_to_one = abs(sum(found.values()) - 1) <= 1e-6  # not of NaN
    if not (sums_to_one and found.keys() <= DEFAULT.keys() and min(found.values()) >= 0):
        raise SettingsError(f"{where} must give numbers from 0 that sum to 1 to {', '.join(DEFAULT)}")
    return {name: found.get(name, 0.0) for name in DEFAULT}
