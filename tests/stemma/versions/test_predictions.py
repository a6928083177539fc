"""A table to compare versions on is read as the rows of a bundle are."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from stemma.bundle.rows import Rows, batches
from stemma.signature import Input, Signature
from stemma.versions.predictions import table

DAYS = [date(1976, 4, 21), None, date(2026, 2, 28)]
MOMENTS = [datetime(1969, 12, 31, 23, 59, 59, 250_000), None, datetime(2026, 2, 28, 12)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date", pa.array(DAYS, pa.date32())),
        ("date", pa.array(DAYS, pa.date64())),
        *(("date", pa.array(MOMENTS, pa.timestamp(unit))) for unit in ("ms", "us", "ns")),
        ("date", pa.array([None if each is None else each.replace(tzinfo=UTC) for each in MOMENTS])),
        ("number", pa.array(["1.25", None, "-3"]).cast(pa.decimal128(9, 2))),
        ("string", pa.array(["1.25", None, "2.00"]).cast(pa.decimal128(9, 2))),
        ("boolean", pa.array([True, None, False])),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [{}, {"x": "%d.%m.%Y"}])
def test_what_parquet_holds_is_what_a_bundle_is_given(
    kind: str, values: Any, form: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"x": values}), path)
    known = Signature(
        "regression", "y", (Input("x", kind),), "prediction", (), None, None, date_format=form, by_value=True
    )
    ((_, arrays, _),) = batches(Rows(path), known)
    np.testing.assert_array_equal(known.arrays(table(path, known))["x"], arrays["x"])
