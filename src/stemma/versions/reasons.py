"""Where two versions reason differently: on the same rows, how far answers move with a column's values from others."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma.bundle import Bundle, Rows
from stemma.bundle.explain import Subject, explained
from stemma.bundle.model import BACKGROUND
from stemma.metrics import tests
from stemma.metrics.resampling import Difference


@dataclass(frozen=True)
class Reason:
    """How far answers of a and of b move, on average."""

    column: str
    difference: Difference  # b - a; its error is that of the draws
    rows: int  # that both were asked about
    corrected: float  # p-value of "both go by the column alike", by Holm's method over all columns


def reasons(a: Bundle, b: Bundle, on: Path | None = None) -> tuple[Reason, ...]:
    """Of each column that both take, those that differ most surely first; none where there are no rows to ask about.

    Args:
        on: a table; None: the training rows that b carries.

    Raises:
        StemmaError: a bundle does not take the rows.
    """
    carried = {name: b.files[name] for name in (BACKGROUND,) if on is None and name in b.files}
    if on is None and not carried:
        return ()
    subject = Subject(background=None if on is None else Rows(on))
    of_a, of_b = (explained(Bundle.of({**each.files, **carried}), ["permutation"], subject)[0] for each in (a, b))
    others = {each["column"]: each for each in of_b["effects"]}
    found = {e["column"]: _difference(e, others[e["column"]]) for e in of_a["effects"] if e["column"] in others}
    corrected = tests.holm([tests.z(each.difference, each.error).p for each in found.values()])
    made = [Reason(*each, of_b["rows"], p) for each, p in zip(found.items(), corrected, strict=True)]
    return tuple(sorted(made, key=lambda each: each.corrected))


def _difference(a: Any, b: Any) -> Difference:
    by, error = b["effect"] - a["effect"], math.hypot(a["error"], b["error"])
    return Difference(a["effect"], b["effect"], by, by - 1.96 * error, by + 1.96 * error, error)
