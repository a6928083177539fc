"""D, one number for how far two versions are apart: the weighted mean of its parts, each in [0, 1]."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stemma.errors import SettingsError

FILE = "conf/diff.yaml"
DEFAULT = {"structure": 0.5, "parameters": 0.3, "data": 0.2}


@dataclass(frozen=True)
class Distance:
    """D and its parts."""

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
    """Weights from `structure=0.5,parameters=0.3,data=0.2`; a part that is not named weighs 0.

    Raises:
        SettingsError: it names something else, holds no number, or does not sum to 1.
    """
    given = {}
    for item in text.split(","):
        name, _, value = item.partition("=")
        try:
            given[name.strip()] = float(value)
        except ValueError:
            raise SettingsError(f"--weights holds {item.strip()!r}, not NAME=NUMBER") from None
    return checked(given, "--weights")


def read(repository: Path) -> dict[str, float]:
    """The weights in conf/diff.yaml, or the default ones where there is no such file; raises as `parse`."""
    path = repository / FILE
    if not path.exists():
        return DEFAULT
    from stemma.conf.hydra_yaml import parse, read_text

    try:
        content = parse(read_text(path), FILE)
        given = {str(name): float(value) for name, value in content["weights"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SettingsError(f"{FILE} does not hold `weights:` with a number for each of {', '.join(DEFAULT)}") from None
    return checked(given, FILE)


def checked(given: Mapping[str, float], where: str) -> dict[str, float]:
    """All three weights; a SettingsError where one is unknown, negative or no number, or they do not sum to 1."""
    for name, value in given.items():
        if name not in DEFAULT:
            raise SettingsError(f"{where} names {name!r}; the parts of D are {', '.join(DEFAULT)}")
        if not 0 <= value <= 1:
            raise SettingsError(f"{where} gives {name} the weight {value:g}, which is not in [0, 1]")
    if abs(math.fsum(given.values()) - 1) > 1e-6:
        raise SettingsError(f"the weights of {where} sum to {math.fsum(given.values()):g}, not to 1")
    return {name: given.get(name, 0.0) for name in DEFAULT}
