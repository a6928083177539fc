"""Why a bundle answers as it does, by the methods of `stemma.explain`; its graph runs as rows are predicted."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from stemma.bundle.limits import LIMITS, Limits, answer
from stemma.bundle.model import Bundle
from stemma.bundle.rows import Rows, batches
from stemma.errors import BundleError, StemmaError
from stemma.explain import ASKED, Asked, Model, Table, explain, length, method, taken
from stemma.thin import evenly

MOST = 200  # rows of a background, evenly drawn where there are more
PART = 100  # rows that one method explains in the time of a batch


@dataclass(frozen=True)
class Subject:
    """What is explained, beside what."""

    rows: Rows | None = None  # of which the first `count` are explained; None: those of the background
    count: int = MOST
    background: Rows | None = None  # None: that of the bundle


WHOLE = Subject()


def explained(
    bundle: Bundle, names: Sequence[str], subject: Subject = WHOLE, asked: Asked = ASKED, limits: Limits = LIMITS
) -> list[dict[str, Any]]:
    """What each of these methods finds, as JSON has it, apart from this process unless the bundle is trusted.

    Raises:
        StemmaError: a method, a column or a class is none, rows cannot be read, or there is nothing to compare with.
    """
    for name in names:
        method(name).load()  # what is not installed is told here

    def work() -> list[dict[str, Any]]:
        model = model_of(bundle, subject.background)
        table = model.background if subject.rows is None else _read(bundle, subject.rows, subject.count)
        return [asdict(explain(name, model, taken(table, slice(subject.count)), asked)) for name in names]

    longest = replace(limits, seconds=limits.seconds * len(names) * -(-subject.count // PART))
    found: list[dict[str, Any]] = work() if bundle.trusted else answer(work, longest)
    return found


def model_of(bundle: Bundle, background: Rows | None = None) -> Model:
    """What methods explain.

    Args:
        background: None: that of the bundle.

    Raises:
        BundleError: there are no rows to compare with.
    """
    known = bundle.signature
    rows = _own(bundle) if background is None else _read(bundle, background)
    if not length(rows):
        hint = ": give some by --background, or make it with package.background" * (background is None)
        what = "the bundle" if background is None else str(background.path)
        raise BundleError(f"{what} holds no rows to explain answers against{hint}")
    drawn = evenly(length(rows), MOST)
    return Model(lambda table: bundle.run({n: v[:, np.newaxis] for n, v in table.items()}), taken(rows, drawn), known)


def _own(bundle: Bundle) -> dict[str, Any]:
    """The rows that a bundle brings, which may be a stranger's."""
    try:
        return flat(bundle.signature.arrays(bundle.background or {each.name: () for each in bundle.signature.inputs}))
    except StemmaError as error:
        raise BundleError(f"the bundle's own rows cannot be read ({error}): give others") from error


def _read(bundle: Bundle, rows: Rows, most: int | None = None) -> dict[str, Any]:
    """The first rows; None: all."""
    parts: list[Table] = []
    for first, arrays, _ in batches(rows, bundle.signature):
        parts.append(flat(arrays))
        if most is not None and first + length(parts[-1]) > most:
            break
    return {name: np.concatenate([part[name] for part in parts])[:most] for name in parts[0]}


def flat(arrays: Table) -> dict[str, Any]:
    """The arrays (N, 1) of a graph as columns (N,)."""
    return {name: values[:, 0] for name, values in arrays.items()}
