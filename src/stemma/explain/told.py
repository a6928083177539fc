"""What a method finds: frozen, plain values alone, so that it is JSON as it stands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """Of a column, in units of the answer: on one answer with its sign, over rows its mean size."""

    column: str
    effect: float
    error: float  # standard error of the estimate
    value: str = ""  # what stands in the row, as a person knows it


@dataclass(frozen=True)
class Reasons:
    """Of one answer, which is its base and all effects together, but for the gap: rounding, or what a fit leaves."""

    row: int  # from 1
    output: str  # the class whose probability it is, or the target
    answer: float
    base: float
    effects: tuple[Effect, ...]
    gap: float


@dataclass(frozen=True)
class Curve:
    """How answers go with a column: at each of its values their mean, its error, and the answers of single rows."""

    column: str
    output: str
    values: tuple[str, ...]
    means: tuple[float, ...]
    errors: tuple[float, ...]
    single: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Rule:
    """Of a tree: where all conditions hold, as they do in a share of the rows, this is answered."""

    conditions: tuple[str, ...]
    answer: str
    share: float
    fidelity: float | None  # share of these rows for which the network says the same; of a regression None


@dataclass(frozen=True)
class Turned:
    """The least change found that turns an answer: columns, their values, and those needed; none where none was."""

    row: int
    answer: str
    instead: str
    changes: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Explanation:
    """What a method found; it fills what it knows."""

    method: str = ""
    rows: int = 0  # how many were explained
    background: int = 0  # how many they were compared with
    seed: int = 0
    effects: tuple[Effect, ...] = ()  # over all rows, the largest first
    reasons: tuple[Reasons, ...] = ()
    curves: tuple[Curve, ...] = ()
    rules: tuple[Rule, ...] = ()
    # of rules: share of rows for which they say what the network says; of a regression R squared
    fidelity: float | None = None
    turned: tuple[Turned, ...] = ()
    related: tuple[tuple[str, str, float], ...] = ()  # pairs of columns that go together, and how strongly, from 0 to 1
