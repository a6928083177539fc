"""What a method finds: frozen, plain values alone, so that it is JSON as it stands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """Of a column, in units of the answer.

    Args:
        column: its name; several that go as one are joined by " + ".
        effect: on one answer, with its sign; over rows, its mean size.
        error: standard error of the estimate, for this background and these rows.
        value: what stands in the row, as a person knows it.
    """

    column: str
    effect: float
    error: float
    value: str = ""


@dataclass(frozen=True)
class Reasons:
    """Of one answer, which is its base and all effects together, but for the gap.

    Args:
        row: its number, from 1.
        output: the class whose probability it is, or "prediction".
        gap: what effects do not account for: rounding, or what a linear fit does not fit.
    """

    row: int
    output: str
    answer: float
    base: float
    effects: tuple[Effect, ...]
    gap: float


@dataclass(frozen=True)
class Curve:
    """How answers go with a column: at each of its values their mean, its error, and the answers of some rows.

    Args:
        places: the values as numbers, of a number or a date; None: of categories.
    """

    column: str
    output: str
    values: tuple[str, ...]
    places: tuple[float, ...] | None
    means: tuple[float, ...]
    errors: tuple[float, ...]
    single: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Rule:
    """Of a tree: where all conditions hold, this is answered.

    Args:
        share: of the rows to which it applies.
        fidelity: share of these for which the network says the same; of a regression None.
    """

    conditions: tuple[str, ...]
    answer: str
    share: float
    fidelity: float | None


@dataclass(frozen=True)
class Changed:
    """A column, as it is in a row and as it would have to be."""

    column: str
    value: str
    needed: str


@dataclass(frozen=True)
class Turned:
    """The least change found that turns an answer; without columns none was found."""

    row: int
    answer: str
    instead: str
    columns: tuple[Changed, ...]


@dataclass(frozen=True)
class Explanation:
    """What a method found; it fills what it knows.

    Args:
        rows, background: how many were explained, and compared with.
        effects: over all rows, the largest first.
        fidelity: of rules: share of rows for which they say what the network says; of a regression R squared.
        related: columns that go together, with the strength of that from 0 to 1.
    """

    method: str
    rows: int
    background: int
    seed: int
    effects: tuple[Effect, ...] = ()
    reasons: tuple[Reasons, ...] = ()
    curves: tuple[Curve, ...] = ()
    rules: tuple[Rule, ...] = ()
    fidelity: float | None = None
    turned: tuple[Turned, ...] = ()
    related: tuple[tuple[str, str, float], ...] = ()
