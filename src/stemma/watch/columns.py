"""Columns as profile.json describes them: those that a bundle was trained on, and those of a log's rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from stemma.bundle.model import REFERENCE, Bundle, reading
from stemma.tables.distance import shares
from stemma.tables.profile import described
from stemma.text import dated, in_digits
from stemma.watch.answers import Answers

PREDICTION = "prediction"
Column = Mapping[str, Any]  # as profile.json describes it


def trained(bundle: Bundle, answers: Answers) -> dict[str, Column]:
    """The reference of the bundle, for columns that were kept as they came."""
    with reading(REFERENCE):
        inputs = {each.name: "values" if each.type in ("string", "boolean") else "histogram"
                  for each in bundle.signature.inputs if each.name not in answers.treated}  # fmt: skip
        found = {name: bundle.reference[name] for name in inputs if name in bundle.reference}
        if any(inputs[name] not in each or shares(each, each) is None for name, each in found.items()):
            raise ValueError("a column has no distribution")
    return found


@dataclass(frozen=True)
class Part:
    """Rows of a version, with a profile of each column."""

    answers: Answers
    profiles: Mapping[str, Column]
    values: Mapping[str, Any]  # of columns of numbers (rows,), NaN where there is none


def profiled(answers: Answers) -> Part:
    """Each input, and the predictions."""
    profiles, values, table = dict[str, Column](), dict[str, Any](), answers.table
    for column in [name for name in table.column_names if name.startswith("input.")] + [PREDICTION]:
        name, kept = column.removeprefix("input."), table[column].combine_chunks()
        if pa.types.is_string(kept.type) or pa.types.is_boolean(kept.type):
            profiles[name] = of_texts(kept)
        else:
            values[name] = np.sort(plain(kept))  # what follows is twice as fast
            there = values[name][~np.isnan(values[name])].astype(np.float64)
            role = {"role": "date"} if pa.types.is_timestamp(kept.type) else {}
            profiles[name] = {**role, "missing": len(kept) - len(there), **described(there)}
    return Part(answers, profiles, values)


def of_texts(kept: Any) -> Column:
    """The profile of texts or truth values; no text is no value."""
    counts = {pair["values"]: pair["counts"] for pair in compute.value_counts(texts(kept)).to_pylist()}
    missing = counts.pop(None, 0) + counts.pop("", 0)
    return {"missing": missing, "values": counts, "other": 0}


def texts(values: Any) -> Any:
    """Of a column of texts or truth values, which are 0 and 1, as in profile.json."""
    return values.cast(pa.int8()).cast(pa.string()) if pa.types.is_boolean(values.type) else values


def plain(values: Any) -> NDArray[Any]:
    """A column of numbers or dates (seconds since 1970), NaN where there is none."""
    if pa.types.is_timestamp(values.type):
        values = compute.divide(values.cast(pa.int64()).cast(pa.float64()), 1e6)
    return np.asarray(values.to_numpy(zero_copy_only=False))


def shown(column: Column, value: float) -> str:
    """A number or a date, as a person knows it."""
    return (dated if column.get("role") == "date" else in_digits)(value)


def present(column: Column) -> int:
    """Rows with a value."""
    counts = column["values"].values() if "values" in column else column["histogram"]["counts"]
    return int(sum(counts)) + int(column.get("other", 0))


def gone(column: Column) -> float:
    """Share of the rows without a value."""
    return float(column["missing"] / max(1, column["missing"] + present(column)))
