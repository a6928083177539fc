"""Where two versions reason differently: on the same rows, how far answers move without a column's own values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stemma.bundle.limits import answer
from stemma.explain.model import Asked, Model, Table, length
from stemma.explain.permutation import moves
from stemma.metrics import tests
from stemma.metrics.resampling import Difference

if TYPE_CHECKING:
    from stemma.bundle import Bundle

ROWS = 200  # of a table, evenly spread
ROUNDING = 1e-5  # of what moves most: no difference of reasons


@dataclass(frozen=True)
class Column:
    """How far answers of a and of b move, on average, where values of a column come from other rows.

    Args:
        difference: b - a, with its interval and error over the rows.
        corrected: p-value of "both go by it alike", by Holm's method over all columns.
    """

    name: str
    difference: Difference
    corrected: float


@dataclass(frozen=True)
class Reasons:
    """Of the columns that both take, those that differ most surely first."""

    rows: int
    columns: tuple[Column, ...]


def reasons(
    a: "Bundle", b: "Bundle", columns: Mapping[str, Sequence[Any]] | None = None, seed: int = 0
) -> Reasons | None:
    """Of two bundles; None where there are no two rows to ask them about.

    Args:
        columns: of a table; None: the training rows that b, or else a, carries.

    Raises:
        BundleError: a bundle does not take the rows.
    """
    given = (b.background or a.background) if columns is None else columns
    models = [_model(bundle, given) for bundle in (a, b)] if given else []
    if not models or length(models[1].background) < 2:
        return None
    shared = [name for name in models[1].kinds if name in models[0].kinds]
    of_a, of_b = (np.array(answer(lambda m=model: _moved(m, shared, seed))) for model in models)  # type: ignore[misc]
    found = [_difference(*pair) for pair in zip(of_a, of_b, strict=True)]
    corrected = tests.holm([tests.z(each.difference, each.error).p for each in found])
    made = [Column(*each) for each in zip(shared, found, corrected, strict=True)]
    return Reasons(of_b.shape[1], tuple(sorted(made, key=lambda column: column.corrected)))


def _model(bundle: "Bundle", columns: Mapping[str, Sequence[Any]]) -> Model:
    arrays = bundle.signature.arrays(columns)
    count = len(next(iter(arrays.values())))
    kept = np.unique(np.linspace(0, count - 1, min(count, ROWS)).astype(np.int64))

    def predict(rows: Table) -> Any:
        return bundle.run({name: values[:, np.newaxis] for name, values in rows.items()})

    return Model(predict, {name: values[kept, 0] for name, values in arrays.items()}, bundle.signature)


def _moved(model: Model, shared: Sequence[str], seed: int) -> list[list[float]]:
    """How far each answer moves (columns, rows), the mean of the draws."""
    moved = moves(model, model.background, Asked(seed)).mean(axis=0)
    return [moved[[*model.kinds].index(name)].tolist() for name in shared]


def _difference(a: Any, b: Any) -> Difference:
    apart = np.where(np.abs(b - a) > ROUNDING * max(a.max(), b.max()), b - a, 0.0)
    by, error = float(apart.mean()), float(apart.std(ddof=1)) / math.sqrt(len(apart))
    return Difference(float(a.mean()), float(b.mean()), by, by - 1.96 * error, by + 1.96 * error, error)
