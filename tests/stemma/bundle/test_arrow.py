"""Parquet in and out: the same predictions as from texts, by the rules of stemma.signature."""

import dataclasses
import datetime
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bundles import ROWS
from stemma import bundle
from stemma.bundle import arrow
from stemma.bundle.predict import predict
from stemma.bundle.rows import Rows, batches
from stemma.errors import BundleError
from stemma.signature import Input, Signature

INPUTS = (Input("n", "number"), Input("b", "boolean"), Input("d", "date"), Input("s", "string"))
KNOWN = Signature("regression", "y", INPUTS, "prediction", (), None, None)
TEXTS = st.sampled_from(["", " May", "May", "NA", "x y", "null", "\u00a0é ", "2.0"]) | st.text(max_size=4)
NUMBERS = st.sampled_from(["1", " 2.5 ", "-1e3", "NA", "", "nan"])
FLAGS = st.sampled_from(["yes", "F", " TRUE", "0", "?", ""])
DATES = st.sampled_from(["2024-02-29", "1969-12-31T23:59:59.5", "2024-01-01T00:00:00+02:00", "NA", ""])
FLOATS = st.floats(width=32, allow_infinity=False)
COLUMNS = {
    "n": [
        (pa.float32(), FLOATS), (pa.float64(), FLOATS), (pa.int8(), st.integers(-128, 127)),
        (pa.bool_(), st.booleans()), (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pa.uint64(), st.integers(0, 2**64 - 1)),
        (pa.string(), NUMBERS), (pa.dictionary(pa.int8(), pa.string()), NUMBERS), (pa.null(), st.none()),
    ],
    "b": [
        (pa.bool_(), st.booleans()), (pa.int32(), st.integers(0, 1)),
        (pa.float32(), st.sampled_from([0.0, 1.0, math.nan])),
        (pa.string(), FLAGS), (pa.dictionary(pa.int32(), pa.large_string()), FLAGS),
    ],
    "d": [(pa.string(), DATES), (pa.float64(), FLOATS), (pa.int32(), st.integers(-(2**31), 2**31 - 1))],
    "s": [
        (pa.string(), TEXTS), (pa.large_string(), TEXTS), (pa.dictionary(pa.int32(), pa.string()), TEXTS),
        (pa.int16(), st.integers(-9, 9)), (pa.float64(), FLOATS), (pa.bool_(), st.booleans()),
    ],
}  # fmt: skip


def same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape
        np.testing.assert_array_equal(a[name], b[name])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_arrow_columns_become_the_arrays_that_their_values_become(data: Any) -> None:
    size = data.draw(st.integers(0, 6))
    columns = {}
    for name, kinds in COLUMNS.items():
        kind, values = data.draw(st.sampled_from(kinds))
        columns[name] = pa.array(data.draw(st.lists(st.none() | values, min_size=size, max_size=size)), kind)
    batch = pa.RecordBatch.from_pydict(columns)
    where = arrow.names(KNOWN, batch.schema.names)
    same(arrow.arrays(batch, KNOWN, where, 1), KNOWN.arrays(batch.to_pydict()))


MOMENT = datetime.datetime(1969, 12, 31, 23, 59, 59, 500_000)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_are_seconds_since_1970_and_those_with_a_zone_are_taken_to_utc(unit: str, zone: str | None) -> None:
    values = pa.array([MOMENT, None], pa.timestamp(unit)).cast(pa.timestamp(unit, zone))
    assert arrow.array(INPUTS[2], values, KNOWN, 1).tolist()[0] == -0.5
    assert math.isnan(arrow.array(INPUTS[2], values, KNOWN, 1)[1])


def test_dates_are_midnights_and_a_nanosecond_before_1970_is_floored() -> None:
    for kind in (pa.date32(), pa.date64()):
        values = pa.array([datetime.date(1970, 1, 2), None], kind)
        assert arrow.array(INPUTS[2], values, KNOWN, 1)[0] == 86400
    assert arrow.array(INPUTS[2], pa.array([-1], pa.timestamp("ns")), KNOWN, 1)[0] == -1e-6
    assert arrow.array(INPUTS[2], pa.array([2], pa.timestamp("s")), KNOWN, 1)[0] == 2


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("n", pa.array([1.0, math.inf, 2.0]), "column 'n', row 12: inf is not a finite number"),
        ("n", pa.array([1.0, 1e300]), r"column 'n', row 12: 1e\+300 is not a finite number"),
        ("n", pa.array(["1", None, "x", "y", "x"]), "column 'n', row 13: 'x' is not a finite number"),
        ("n", pa.array(["1", "1e39"]), "column 'n', row 12: '1e39' is not a finite number"),
        ("n", pa.array([MOMENT]), r"column 'n' holds timestamp\[us\], which is not a finite number"),
        ("n", pa.array([[1.0]]), "column 'n' holds list<.*>, which is not a finite number"),
        ("b", pa.array([0, 1, 2]), "column 'b', row 13: 2 is not true or false"),
        ("b", pa.array(["yes", "perhaps"]), "column 'b', row 12: 'perhaps' is not true or false"),
        ("d", pa.array([True]), "column 'd' holds bool, which is not a date such as"),
        ("d", pa.array(["2024-02-30"]), "column 'd', row 11: '2024-02-30' is not a date such as"),
        ("s", pa.array([MOMENT]), r"column 's' holds timestamp\[us\], which is not a text"),
        ("s", pa.array([b"x"]), "column 's' holds binary, which is not a text"),
        ("s", pa.array([b"x"]).dictionary_encode(), "column 's' holds dictionary<.*>, which is not a text"),
    ],
)
def test_what_does_not_fit_is_named_by_column_and_row(name: str, values: Any, message: str) -> None:
    column = next(each for each in INPUTS if each.name == name)
    with pytest.raises(BundleError, match=message):
        arrow.array(column, values, KNOWN, 11)


def test_a_value_of_the_dictionary_that_no_row_has_does_not_count() -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array(["1", "not a number"]))
    assert arrow.array(INPUTS[0], values, KNOWN, 1).tolist() == [1, 1]


LONG = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2**13, np.int16)), pa.array(["x" * 2**20]))


def test_a_long_text_that_all_rows_share_is_not_copied_to_each(model: Path) -> None:
    """It would be 8 GiB."""
    with pytest.raises(BundleError, match="column 'n', row 1: 'xxx"):
        arrow.array(INPUTS[0], LONG, KNOWN, 1)
    with pytest.raises(BundleError, match="more than 268,435,456 letters"):
        bundle.open_bundle(model).run(dict.fromkeys(ROWS, arrow.array(INPUTS[3], LONG, KNOWN, 1).reshape(-1, 1)))


def test_a_type_that_does_not_fit_is_told_before_a_value_of_it_is_unpacked(model: Path, tmp_path: Path) -> None:
    file, long = tmp_path / "rows.parquet", pa.DictionaryArray.from_arrays(LONG.indices, pa.array([b"x" * 2**16]))
    parquet.write_table(pa.table(dict.fromkeys(ROWS, long)), file, store_schema=False)
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(BundleError, match="column 'Month' holds binary"):
        list(batches(Rows(file), bundle.open_bundle(model).signature))
    assert pa.default_memory_pool().max_memory() < before + 2**24


def test_a_decimal_is_a_number_and_spaces_around_names_do_not_count() -> None:
    values = pa.array(["1.25", None]).cast(pa.decimal128(5, 2))
    assert arrow.array(INPUTS[0], values, KNOWN, 1)[0] == 1.25
    alone = dataclasses.replace(KNOWN, inputs=INPUTS[:1])
    assert arrow.names(alone, [" n ", "s"]) == {"n": " n "}
    assert arrow.names(alone, [" n ", "n"]) == {"n": "n"}
    with pytest.raises(BundleError, match="the rows lack the columns 'b', 'd', 's'"):
        arrow.names(KNOWN, ["n"])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"Another": [[1]] * 4, **ROWS}), path)
    return path


@pytest.mark.parametrize("which", ["model", "multiclass", "regression"])
def test_parquet_gives_what_csv_gives(which: str, rows: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    opened = bundle.open_bundle(request.getfixturevalue(which))
    predict(opened, bundle.Rows(rows), tmp_path / "out.parquet")
    predict(opened, bundle.Rows(rows), tmp_path / "out.csv")
    found = parquet.read_table(tmp_path / "out.parquet")
    expected = opened.predict(ROWS)
    names = [f"probability_{name}" for name in opened.signature.classes] or ["prediction"]
    assert np.column_stack([found.column(name).to_numpy() for name in names]).tolist() == expected.tolist()
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0].split(",") == found.column_names and len(lines) == 5
    if opened.signature.classes:
        assert found.column("prediction").to_pylist() == opened.signature.labels(expected)
    again = tmp_path / "again.parquet"
    predict(opened, bundle.Rows(rows), again)
    assert again.read_bytes() == (tmp_path / "out.parquet").read_bytes()


def test_many_rows_are_numbered_through_and_none_give_an_empty_table(regression: Path, tmp_path: Path) -> None:
    opened, size = bundle.open_bundle(regression), 2 * bundle.BATCH + 5
    table = pa.table({"Month": ["May"] * size, "PageValues": np.arange(size) * 1.0, "Weekend": [False] * size})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=bundle.BATCH - 1)
    predict(opened, bundle.Rows(tmp_path / "rows.parquet"), tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet").column("prediction").to_numpy()
    assert (found == np.arange(size) + 1).all()
    values = table.column("PageValues").to_numpy().copy()
    values[-1] = np.inf
    parquet.write_table(table.set_column(1, "PageValues", pa.array(values)), tmp_path / "rows.parquet")
    with pytest.raises(BundleError, match=rf"rows\.parquet: column 'PageValues', row {size}: inf is not a finite"):
        predict(opened, bundle.Rows(tmp_path / "rows.parquet"), tmp_path / "out.parquet")
    assert parquet.read_metadata(tmp_path / "out.parquet").num_rows == size  # the old one
    parquet.write_table(table.slice(0, 0), tmp_path / "rows.parquet")
    predict(opened, bundle.Rows(tmp_path / "rows.parquet"), tmp_path / "out.parquet")
    assert parquet.read_table(tmp_path / "out.parquet").num_rows == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "rows.parquet"]


def test_parquet_that_cannot_be_read_is_one_line(model: Path, rows: Path, tmp_path: Path) -> None:
    opened = bundle.open_bundle(model)
    content = rows.read_bytes()
    for broken in (b"", b"PAR1", b"Month,PageValues,Weekend\n", content[:-9], content[len(content) // 2 :]):
        rows.write_bytes(broken)
        with pytest.raises(BundleError, match=r"rows\.parquet cannot be read as Parquet") as error:
            predict(opened, bundle.Rows(rows), tmp_path / "out.csv")
        assert "\n" not in str(error.value)
    with pytest.raises(BundleError, match=r"no\.parquet is not there"):
        predict(opened, bundle.Rows(tmp_path / "no.parquet"), tmp_path / "out.csv")
    parquet.write_table(pa.table({"Month": ["May"]}), rows)
    with pytest.raises(BundleError, match=r"rows\.parquet: the rows lack the columns 'PageValues', 'Weekend'"):
        predict(opened, bundle.Rows(rows), tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.parquet"]


def test_without_pyarrow_csv_works_and_parquet_names_what_is_missing(model: Path, rows: Path) -> None:
    code = "import sys; sys.modules['pyarrow'] = None; from stemma.bundle import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", model, rows], capture_output=True, text=True
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1, "error: pyarrow is not installed, and Parquet needs it: run `pip install pyarrow`\n",
    )  # fmt: skip
