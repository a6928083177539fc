"""profile.json, written and read: what later stages need to know of a prepared table. `statistics.make` makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemma import layout, task
from stemma.errors import DataError
from stemma.files import finite, read_json, write_json
from stemma.task import Task

if TYPE_CHECKING:
    from stemma.tables.settings import Role

FORMAT = 1
FILE = layout.PROFILE.name
QUANTILES = (5, 25, 50, 75, 95)
BINS = 10


@dataclass(frozen=True)
class Block:
    """Neighbouring numbers of an encoded row, of one kind, that came from one column of the table."""

    name: str  # of the column
    # numeric (any number), binary (0 or 1: one-hot, boolean, an indicator of missing values), or code (one whole number
    # from 0 to size - 1, for the network to embed; 0 is a rare or unknown level)
    kind: str
    start: int  # where they stand
    width: int
    size: int = 0  # number of codes; 0 unless a code


@dataclass(frozen=True)
class Profile:
    """What a stage needs to know of the table it works on."""

    task: Task  # its classes are in the order of the network's outputs; of two, the positive one is the last
    target: str  # the column to predict
    features: tuple[tuple[str, "Role"], ...]  # (name, role) in the order of the table
    encoded_width: int  # numbers per encoded row
    blocks: tuple[Block, ...]  # what these numbers are; together they cover the row, in order
    bayes: str | None  # the column of the true probabilities; None where they are not known
    row: str  # the column that numbers the rows of the source table from 0, in the split files
    raw: dict[str, Any]  # the whole of profile.json
    derive: Mapping[str, str] = field(default_factory=dict)  # the expressions of those that are made of others

    @property
    def inputs(self) -> tuple[tuple[str, "Role"], ...]:
        """The features that a row must bring: those that are not derived."""
        return tuple((name, role) for name, role in self.features if name not in self.derive)


def write(folder: Path, made: Mapping[str, Any]) -> None:
    """Keys sorted, numbers that are not finite as null."""
    write_json(folder / FILE, finite(made))


def read(folder: Path) -> Profile:
    """The profile in a folder, data/prepared as a rule.

    Raises:
        DataError: it is not there, damaged or of another format.
    """
    path = Path(folder) / FILE
    try:
        raw = read_json(path)
    except FileNotFoundError:
        raise DataError(f"{path} is not there", run="dvc repro prepare") from None
    except ValueError:
        raise DataError(f"{path} is damaged", run="dvc repro --force prepare") from None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise DataError(f"{path} is not of format {FORMAT}", run="dvc repro --force prepare")
    train = raw["splits"]["train"]
    names = {"mean": "target_mean", "deviation": "target_std", "log": "target_log"}
    spread: dict[str, Any] = {} if raw["classes"] else {name: raw.get(key) for name, key in names.items()}
    features = tuple((feature["name"], feature["role"]) for feature in raw["features"])
    share = {} if raw["positive"] is None else {"share": train["balance"][raw["positive"]] / max(1, train["rows"])}
    return Profile(
        task=task.of(raw["task"], raw["classes"], raw["positive"], **spread, **share),
        target=raw["target"],
        features=features,
        encoded_width=raw["encoded_width"],
        blocks=tuple(Block(**block) for block in raw["blocks"]),
        bayes=raw["bayes"],
        row=raw["row"],
        raw=raw,
        # One may use those above it, and JSON keeps names in another order.
        derive={name: raw["derive"][name] for name, _ in features if name in raw.get("derive", {})},
    )


def described(present: NDArray[np.float64]) -> dict[str, Any]:
    """Moments, quantiles and a histogram of numbers; null where there are none."""
    if not len(present):
        empty = dict.fromkeys(("mean", "std", "min", "max"))
        return empty | {"quantiles": dict.fromkeys(map(str, QUANTILES)), "histogram": {"edges": [], "counts": []}}
    low, high = float(present.min()), float(present.max())
    counts, edges = np.histogram(present, BINS, span(low, high, BINS))
    quantiles = np.quantile(present, np.array(QUANTILES) / 100)
    return {
        "mean": float(present.mean()),
        "std": float(present.std()),
        "min": low,
        "max": high,
        "quantiles": {str(percent): float(value) for percent, value in zip(QUANTILES, quantiles, strict=True)},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def span(low: float, high: float, bins: int) -> tuple[float, float]:
    """The outer edges of a histogram: wider than [low, high] where these are too close to be cut into bins, as 0.3 and
    0.1 + 0.2 are."""
    if (high - low) / bins > 4 * np.spacing(max(abs(low), abs(high))):
        return low, high
    reach = max(0.5 if low == high else 0.0, 1e-9 * max(abs(low), abs(high), 1.0))
    return low - reach, high + reach
