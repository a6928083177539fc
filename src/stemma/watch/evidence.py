"""Which rows make a drift, and whether it matters to what is predicted."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from stemma.bundle.model import Bundle
from stemma.watch.answers import Answers
from stemma.watch.columns import Column, plain, texts

ROWS = 1000  # that are permuted


def rows_of(kind: str, values: Any, before: Column, now: Column) -> Any:
    """Those that make a drift of a kind (as of `Shift`), as an Arrow mask of the values of a column."""
    if kind == "missing":
        return (
            compute.fill_null(compute.equal(values, ""), True) if pa.types.is_string(values.type) else values.is_null()
        )
    if "values" in before:
        shown = texts(values)
        known = pa.array(before["values"] if kind == "new" else [grown(before, now)], pa.string())
        found = compute.is_in(shown, known)
        return compute.and_(compute.invert(found), compute.not_equal(shown, "")) if kind == "new" else found
    numbers = plain(values)
    if kind == "range":
        return pa.array((numbers < before["min"]) | (numbers > before["max"]))
    low, high = numbers < before["quantiles"]["5"], numbers > before["quantiles"]["95"]
    return pa.array(low if low.sum() > high.sum() else high)


def grown(before: Column, now: Column) -> str:
    """The text whose share grew most."""
    rows = [max(1, sum(each["values"].values())) for each in (before, now)]
    moved: dict[str, float] = {
        name: count / rows[1] - before["values"].get(name, 0) / rows[0] for name, count in now["values"].items()
    }
    return max(moved, key=lambda name: moved[name])


def importance(bundle: Bundle, answers: Answers) -> dict[str, float]:
    """How much predictions move when a column's values are those of other rows, as a share of all columns' (Breiman,
    Machine Learning 45, 2001; without outcomes, so of the prediction and not of its loss). Nothing where a column was
    not kept as it came."""
    if answers.treated or not len(answers.table):
        return {}
    draw = np.random.default_rng(0)
    table = answers.table.take(draw.permutation(len(answers.table))[:ROWS])
    arrays = {each.name: _array(table[f"input.{each.name}"].combine_chunks(), each.type)
              for each in bundle.signature.inputs if f"input.{each.name}" in table.column_names}  # fmt: skip
    if len(arrays) < len(bundle.signature.inputs):
        return {}
    usual, order = bundle.run(arrays), draw.permutation(len(table))
    moved = {name: float(np.abs(bundle.run(arrays | {name: values[order]}) - usual).mean())
             for name, values in arrays.items()}  # fmt: skip
    total = sum(moved.values())
    return {name: value / total for name, value in moved.items()} if total else {}


def _array(values: Any, kind: str) -> NDArray[Any]:
    """As the graph takes it, (rows, 1)."""
    if kind == "string":
        return np.array(values.fill_null("").to_pylist(), object)[:, None]
    numbers = plain(values.cast(pa.float32()) if kind == "boolean" else values)
    return numbers.astype(np.float64 if kind == "date" else np.float32)[:, None]
