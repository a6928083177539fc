"""Two trees of settings compared, leaf by leaf.

compare(conf, params)    the settings that differ, as data; str() of one is `key: conf -> params`
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stemma.conf.hydra_yaml import flow

WIDTH = 80  # characters of a value in a message
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "(none)"})()  # the side of a difference without a value


@dataclass(frozen=True)
class Difference:
    """One setting whose value in the composition of conf/ is not its value in params.yaml."""

    path: tuple[Any, ...]
    conf: Any  # MISSING where conf/ does not have it
    params: Any  # MISSING where params.yaml does not have it

    @property
    def key(self) -> str:
        """Dotted."""
        return dotted(self.path)

    @property
    def sides(self) -> tuple[Any, Any]:
        return self.conf, self.params

    def __str__(self) -> str:
        return f"{self.key}: {shown(self.conf)} -> {shown(self.params)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: a side without a value is left out; NaN and infinity, which JSON does not have, are text."""
        sides = {"conf": self.conf, "params": self.params}
        text = json.dumps({side: value for side, value in sides.items() if value is not MISSING}, default=str)
        return {"key": self.key, **json.loads(text, parse_constant=str)}


def compare(conf: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The settings that differ, in the order of `conf`. 1, 1.0 and True differ, NaN equals NaN, keys have no order."""
    left, right = leaves(conf), leaves(params)
    paths = [*left, *(path for path in right if path not in left)]
    sides = [(path, left.get(path, MISSING), right.get(path, MISSING)) for path in paths]
    return tuple(Difference(path, a, b) for path, a, b in sides if not same(a, b))


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Path -> value; mappings are walked through, lists and empty mappings are values."""
    if not isinstance(tree, dict) or (not tree and path):
        return {path: tree}
    return {at: value for key, below in tree.items() for at, value in leaves(below, (*path, key)).items()}


def same(left: Any, right: Any) -> bool:
    """Whether two values are one: of equal type and value, mappings in any order."""
    return repr(_ordered(left)) == repr(_ordered(right))


def shown(value: Any) -> str:
    """A value as messages show it, cut where it is long."""
    text = repr(value) if value is MISSING else flow(value)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


def dotted(path: Sequence[Any]) -> str:
    return ".".join(str(name) for name in path)


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((repr(key), repr(_ordered(below))) for key, below in value.items())
    return [_ordered(item) for item in value] if isinstance(value, list) else value
