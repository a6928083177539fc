"""Predictions, and `python -m stemma.bundle`."""

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bundles import MULTICLASS, REGRESSION, ROWS, SIGNATURE, contents, graph
from stemma import bundle, signature
from stemma.bundle.predict import predict
from stemma.bundle.rows import batches
from stemma.errors import BundleError, StemmaError

SOURCE = Path(__file__).resolve().parents[3] / "src"


def softmax(score: float) -> float:
    return 1 / (1 + math.exp(-score))


EXPECTED = [softmax(0.5 + 1 + 1), softmax(3 + 2 + 0), softmax(0.25 + 3 + 0.5), softmax(-10 + 0 + 1)]


# Predict.


def test_predictions_are_those_of_onnxruntime_run_by_hand(model: Path) -> None:
    given = bundle.open_bundle(model).predict(ROWS)
    nan = math.nan
    feeds = {
        "Month": np.array([["May"], ["Nov"], [""], ["Xyz"]], dtype=object),
        "PageValues": np.array([[0.5], [3], [nan], [-10]], np.float32),
        "Weekend": np.array([[1], [0], [nan], [1]], np.float32),
    }
    expected = onnxruntime.InferenceSession(graph()).run(["probabilities"], feeds)[0]
    assert given.dtype == np.float32 and np.array_equal(given, expected)
    assert given[:, 1] == pytest.approx(EXPECTED)


def test_a_network_of_three_classes_and_a_regression_predict(multiclass: Path, regression: Path) -> None:
    three = bundle.open_bundle(multiclass)
    assert three.predict(ROWS).shape == (4, 3)
    assert three.signature.labels(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])) == ["b", "a"]
    assert bundle.open_bundle(regression).predict(ROWS).tolist() == [[2.5], [5.0], [3.75], [-9.0]]


def test_values_may_be_numbers_texts_arrays_or_missing(regression: Path) -> None:
    opened = bundle.open_bundle(regression)
    columns = {
        "Month": ["May", None, math.nan, "NA", "null", "None"],
        "PageValues": np.array([1, 2, 3, 4, 5, math.nan], np.float32),
        "Weekend": [True, 0, np.bool_(True), 1.0, None, math.nan],
        "Another": ["ignored"],
    }
    assert opened.predict(columns)[:, 0].tolist() == [3.0, 5.0, 7.0, 8.0, 8.5, 3.75]
    assert opened.predict({"Month": [], "PageValues": [], "Weekend": []}).shape == (0, 1)


NUMBERS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(width=32), st.floats())


@given(st.lists(NUMBERS, min_size=1, max_size=4))
@example([2**24 + 1, 10**400])
@example([1e39])
@example([16777217, None, True, -0.0])
def test_numbers_of_python_taken_at_once_are_those_taken_one_by_one(values: list[Any]) -> None:
    """JSON brings them."""
    known = signature.parse(json.dumps(REGRESSION).encode())
    columns = {"PageValues": values, "Month": ["May"] * len(values), "Weekend": [True] * len(values)}
    try:
        expected = known._array(known.inputs[1], values, 1)
    except BundleError as error:
        with pytest.raises(BundleError, match=re.escape(str(error))):
            known.arrays(columns)
    else:
        given = known.arrays(columns)["PageValues"]
        assert given.dtype == np.float32 and given.shape == expected.shape and given.tobytes() == expected.tobytes()


@pytest.mark.parametrize("text", ["TRUE", "true", "Yes", "y", "T", "1", " 1.0 "])
def test_every_text_for_true_is_true(model: Path, text: str) -> None:
    arrays = bundle.open_bundle(model).signature.arrays({"Month": [""], "PageValues": [0], "Weekend": [text]})
    assert arrays["Weekend"].tolist() == [[1.0]]
    opposite = {"TRUE": "FALSE", "true": "false", "Yes": "No", "y": "n", "T": "F", "1": "0", " 1.0 ": " 0.0"}[text]
    arrays = bundle.open_bundle(model).signature.arrays({"Month": [""], "PageValues": [0], "Weekend": [opposite]})
    assert arrays["Weekend"].tolist() == [[0.0]]


def test_a_number_in_a_column_of_texts_is_written_as_in_a_table(model: Path) -> None:
    values = [2, 2.0, 2.5, np.int64(3), np.float32(0.5), True, "2.0"]
    size = len(values)
    arrays = bundle.open_bundle(model).signature.arrays(
        {"Month": values, "PageValues": [0] * size, "Weekend": [0] * size}
    )
    assert arrays["Month"][:, 0].tolist() == ["2", "2", "2.5", "3", "0.5", "TRUE", "2.0"]
    assert arrays["Month"].dtype == object and arrays["Month"].shape == (size, 1)


def test_the_texts_for_missing_can_be_set_in_the_signature(tmp_path: Path) -> None:
    bundle.build(tmp_path / "m.zip", contents({**SIGNATURE, "missing": ["-", ""]}))
    signature = bundle.open_bundle(tmp_path / "m.zip").signature
    arrays = signature.arrays({"Month": ["-", "None"], "PageValues": ["-", ""], "Weekend": [" - ", ""]})
    assert arrays["Month"][:, 0].tolist() == ["", "None"]
    assert np.isnan(arrays["PageValues"]).all() and np.isnan(arrays["Weekend"]).all()


def test_spaces_around_values_and_names_never_count(model: Path) -> None:
    signature = bundle.open_bundle(model).signature
    columns = {" Month": [" May\t", "\u00a0May", " NA ", " "], "PageValues ": [" 1"] * 4, "Weekend": ["no "] * 4}
    arrays = signature.arrays(columns)
    assert arrays["Month"][:, 0].tolist() == ["May", "May", "", ""]
    assert signature.arrays({**columns, "Month": ["Nov"] * 4})["Month"][0, 0] == "Nov"


def test_dates_are_iso_texts_or_seconds_since_1970(dated: Path) -> None:
    days = {
        "1970-01-02": 1, " 1970-01-02T12:00 ": 1.5, "1969-12-31 18:00:00": -0.25, "1970-01-11T00:00:00Z": 10,
        "1970-01-11T02:00:00+02:00": 10, "NA": -1, "": -1, 86_400: 1, 43_200.0: 0.5, None: -1, math.nan: -1,
    }  # fmt: skip
    opened = bundle.open_bundle(dated)
    assert opened.predict({"Day": list(days)})[:, 0].tolist() == list(days.values())
    arrays = opened.signature.arrays({"Day": ["2024-02-29T12:30:01.000001"]})
    assert arrays["Day"].dtype == np.float64 and arrays["Day"][0, 0] == 1709209801.000001


@pytest.mark.parametrize("value", ["yesterday", "2023-02-29", "31/12/2024", "86400", "inf", True, math.inf])
def test_what_is_no_date_is_named(dated: Path, value: Any) -> None:
    with pytest.raises(BundleError, match=r"column 'Day', row 2: .* is not a date such as 2024-12-31 or 2024-12-31T"):
        bundle.open_bundle(dated).predict({"Day": ["2024-02-29", value]})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("PageValues", "abc", "column 'PageValues', row 8: 'abc' is not a finite number"),
        ("PageValues", "1_000", "'1_000' is not a finite number"),
        ("PageValues", "inf", "'inf' is not a finite number"),
        ("PageValues", 1e39, r"1e\+39 is not a finite number"),
        ("PageValues", 10**400, r"column 'PageValues', row 8: 1000.*\.\.\. is not a finite number"),
        ("PageValues", [1], r"\[1\] is not a finite number"),
        ("Weekend", "maybe", "column 'Weekend', row 8: 'maybe' is not true or false"),
        ("Weekend", 2, "2 is not true or false"),
        ("Month", ["May"], r"column 'Month', row 8: \['May'\] is not a text"),
        ("Month", "\ud800", r"'\\ud800' is not a text"),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_column_and_row(
    model: Path, column: str, value: Any, message: str
) -> None:
    columns: dict[str, list[Any]] = {name: list(values) for name, values in ROWS.items()}
    columns[column][1] = value
    with pytest.raises(BundleError, match=message) as error:
        bundle.open_bundle(model).predict(columns, first_row=7)
    assert len(str(error.value)) < 150


def test_missing_columns_and_columns_of_unequal_length_are_named(model: Path) -> None:
    opened = bundle.open_bundle(model)
    with pytest.raises(BundleError, match="the rows lack the columns 'Month', 'Weekend'"):
        opened.predict({"PageValues": [1]})
    with pytest.raises(BundleError, match="column 'Weekend' has 1 row, and column 'Month' has 4"):
        opened.predict({**ROWS, "Weekend": ["1"]})


def test_the_positive_class_is_predicted_from_the_threshold_on(tmp_path: Path) -> None:
    probabilities = np.array([[0.75, 0.25], [0.7500001, 0.2499999], [0, 1]], np.float32)
    for positive, threshold, expected in (
        ("TRUE", 0.25, ["TRUE", "FALSE", "TRUE"]),
        ("FALSE", 0.75, ["FALSE", "FALSE", "TRUE"]),
        ("TRUE", 1.0, ["FALSE", "FALSE", "TRUE"]),
        ("FALSE", float(np.float32(0.75)) + 1e-9, ["TRUE", "FALSE", "TRUE"]),  # as evaluate decides: in float64
    ):
        bundle.build(tmp_path / "m.zip", contents({**SIGNATURE, "positive": positive, "threshold": threshold}))
        assert bundle.open_bundle(tmp_path / "m.zip").signature.labels(probabilities) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "signature.json has format 2, and this version reads 1"),
        ({"task": "ranking"}, "task 'ranking' is unknown"),
        ({"inputs": []}, "it names no inputs"),
        ({"inputs": [{"name": "a", "type": "image"}]}, "an input is of an unknown type"),
        ({"inputs": [{"name": "a", "type": "number"}] * 2}, "two inputs have one name"),
        ({"inputs": [{"name": 3, "type": "number"}]}, "is not a text"),
        ({"inputs": [{"name": "a"}]}, "KeyError: 'type'"),
        ({"output": "prediction"}, "output 'prediction' does not fit the task"),
        ({"classes": ["a", "b", "c"]}, "the classes do not fit the task"),
        ({"classes": ["a", "a"]}, "the classes do not fit the task"),
        ({"classes": []}, "the classes do not fit the task"),
        ({"positive": "MAYBE"}, "a binary task needs a positive class and a threshold"),
        ({"threshold": 2}, "a binary task needs a positive class and a threshold"),
        ({"threshold": None}, "a binary task needs a positive class and a threshold"),
        ({"task": "multiclass"}, "only a binary task has a positive class"),
        ({"missing": 3}, "TypeError"),
    ],
)
def test_a_signature_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        bundle.build(tmp_path / "m.zip", contents({**SIGNATURE, **change}))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**contents(), "model.onnx": b"no graph"}, r"model\.onnx is damaged \("),
        (contents(MULTICLASS, width=2), r"model\.onnx gives \(4, 2\) values, and signature\.json promises \(4, 3\)"),
        (contents(REGRESSION), r"model\.onnx does not give the output of signature\.json"),
        (
            contents({**SIGNATURE, "inputs": [*SIGNATURE["inputs"][:2], {"name": "Weekday", "type": "boolean"}]}),
            r"model\.onnx does not take the inputs of signature\.json",
        ),
        (
            contents({**SIGNATURE, "inputs": [*SIGNATURE["inputs"][:2], {"name": "Weekend", "type": "string"}]}),
            r"model\.onnx does not take the inputs of signature\.json",
        ),
    ],
)
def test_a_graph_that_does_not_fit_the_signature_is_refused(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    bundle.build(tmp_path / "m.zip", files)
    with pytest.raises(BundleError, match=message) as error:
        bundle.open_bundle(tmp_path / "m.zip").predict({**ROWS, "Weekday": ["1"] * 4})
    assert "\n" not in str(error.value)


def test_a_prediction_that_is_not_finite_is_refused(regression: Path) -> None:
    columns = {"Month": ["May"] * 2, "PageValues": [1.0, 3.4e38], "Weekend": [1, 0]}
    opened = bundle.open_bundle(regression)
    assert opened.predict(columns).shape == (2, 1)
    overflowing = graph("prediction", 1).replace(b"\x00\x00\x80\x3f", b"\x00\x00\x80\x7f", 1)  # May counts infinity
    broken = bundle.Bundle({"model.onnx": overflowing}, opened.signature)
    with pytest.raises(BundleError, match="row 1 gives a prediction that is not finite"):
        broken.predict(columns)


# The command line.

POISON = """
import sys
sys.path[:0] = {path!r}
for name in ("torch", "tensorflow", "keras", "pandas", "pyarrow", "sklearn", "scipy", "dvc", "hydra", "pydantic",
             "safetensors", "onnx", "typer"):
    sys.modules[name] = None
import runpy
runpy.run_module("stemma.bundle", run_name="__main__", alter_sys=True)
"""


def command(*arguments: object, poisoned: bool = True) -> subprocess.CompletedProcess[str]:
    poison = [sys.executable, "-c", POISON.format(path=[str(SOURCE), *sys.path])]
    start = poison if poisoned else ["python", "-m", "stemma.bundle"]
    known = os.environ | {"PYTHONPATH": str(SOURCE)}
    return subprocess.run([*start, *map(str, arguments)], capture_output=True, text=True, env=known)


def failed(*arguments: object) -> str:
    """The one line on stderr of a command that exits with 1."""
    done = command(*arguments, poisoned=False)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """With a byte order mark, quoted fields, an empty line and a column too many."""
    path = tmp_path / "rows.csv"
    text = 'Note,Month,PageValues,Weekend\n"a, b",May,0.5,yes\n,Nov, 3 ,F\n\n"two\nlines","",NA,?\nx,Xyz,-1e1,1\n'
    path.write_text(text, encoding="utf-8-sig", newline="")
    return path


def test_predict_needs_onnxruntime_alone_and_gives_what_it_gives(model: Path, rows: Path) -> None:
    done = command("predict", model, rows)
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(lines[0]) == ["probability_FALSE", "probability_TRUE", "prediction"]
    expected = bundle.open_bundle(model).predict(ROWS)
    assert [np.float32(line["probability_TRUE"]) for line in lines] == expected[:, 1].tolist()
    assert [line["prediction"] for line in lines] == ["TRUE", "TRUE", "TRUE", "FALSE"]


def test_predict_writes_a_file_whole_or_not_at_all(regression: Path, rows: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "predictions.csv"
    done = command("predict", regression, rows, "--output", output, poisoned=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert output.read_bytes() == b"prediction\n2.5\n5.0\n3.75\n-9.0\n"
    rows.write_text("Month,PageValues,Weekend\nMay,1,1\nMay,x,1\n")
    assert "column 'PageValues', row 2: 'x' is not a finite number" in failed(
        "predict", regression, rows, "--output", output
    )
    assert output.read_bytes().startswith(b"prediction\n2.5\n")
    assert [path.name for path in output.parent.iterdir()] == ["predictions.csv"]
    assert "cannot be written" in failed("predict", regression, tmp_path / "rows.csv", "--output", rows / "x.csv")


def test_many_rows_are_read_in_batches_and_numbered_through(regression: Path, tmp_path: Path) -> None:
    path, size = tmp_path / "rows.csv", 2 * bundle.BATCH
    lines = ["Month,PageValues,Weekend", *(f"May,{number},0" for number in range(size))]
    path.write_text("\n".join(lines) + "\n")
    done = command("predict", regression, path, poisoned=False)
    assert done.stdout.split() == ["prediction", *(f"{number + 1.0}" for number in range(size))]
    path.write_text("\n".join([*lines, "May,1", ""]))
    assert f"row {size + 1}: 2 values, and the header has 3" in failed("predict", regression, path)
    path.write_text("\n".join([*lines, "May,1,perhaps"]))
    assert f"column 'Weekend', row {size + 1}: 'perhaps' is not true or false" in failed("predict", regression, path)


def test_another_separator_and_a_decimal_comma_are_options(regression: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("Month; PageValues;Weekend\nMay;0,5;1\nNov; -1e1 ;0\n", encoding="utf-8")
    comma = ("predict", regression, path, "--decimal", ",")
    assert command(*comma, "--separator", ";", poisoned=False).stdout == "prediction\n2.5\n-8.0\n"
    path.write_text(path.read_text().replace(";", "\t"), encoding="utf-8")
    assert command(*comma, "--separator", "\\t", poisoned=False).stdout == "prediction\n2.5\n-8.0\n"
    path.write_text("Month;PageValues;Weekend\nMay;1.234;1\n", encoding="utf-8")
    reason = "column 'PageValues', row 1: '1.234' is not a finite number with the decimal mark ','"
    assert reason in failed(*comma, "--separator", ";")


WRITTEN = {"separator": ";", "decimal": ",", "encoding": "cp1252", "header": True}


def written(folder: Path, **changes: Any) -> Path:
    """A regression's bundle, whose table of training was written otherwise."""
    known = {**REGRESSION, "file": WRITTEN | changes}
    bundle.build(folder / "written.zip", contents(known, output="prediction", width=1))
    return folder / "written.zip"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Name;Month;PageValues;Weekend\nJosé;Nov;1,5;no\n"),
        ("utf-8", "Name;Month;PageValues;Weekend\nJosé;Nov;1,5;no\n"),
        ("utf-8-sig", "Name;Month;PageValues;Weekend\nJosé;Nov;1,5;no\n"),
        ("utf-8", "Name,Month,PageValues,Weekend\nJosé,Nov,1.5,no\n"),
    ],
)
def test_rows_are_read_as_the_table_of_training_was_written_or_plainly(
    encoding: str, text: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
    predict(bundle.open_bundle(written(tmp_path)), bundle.Rows(tmp_path / "rows.csv", keep=("Name",)), tmp_path / "out")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "Name,prediction\nJosé,3.5\n"


def test_what_is_told_of_rows_wins_over_the_table_of_training(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("Month|PageValues|Weekend\nNov|1,5|no\n")
    told = bundle.Rows(tmp_path / "rows.csv", "|", ",", "ascii")
    predict(bundle.open_bundle(written(tmp_path)), told, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "prediction\n3.5\n"
    with pytest.raises(BundleError, match="'1,5' is not a finite number"):
        predict(bundle.open_bundle(written(tmp_path)), bundle.Rows(told.path, "|"))
    for name in ("klingon", "rot13"):
        with pytest.raises(BundleError, match=rf"cannot be read as CSV \(unknown encoding: {name}\)"):
            predict(bundle.open_bundle(written(tmp_path)), bundle.Rows(told.path, encoding=name))


def test_spaces_separate_as_in_training_and_a_header_may_be_missing(tmp_path: Path) -> None:
    inputs = [{"name": f"c{place}", "type": each["type"]} for place, each in enumerate(REGRESSION["inputs"])]
    names = [each["name"] for each in REGRESSION["inputs"]]
    known = signature.parse(json.dumps(REGRESSION | {"inputs": inputs, "file": WRITTEN | {"separator": " "}}).encode())
    values = {"Month": '"May  first"', "PageValues": "0,5", "Weekend": "yes"}
    line = "  ".join(values[name] for name in names)
    (tmp_path / "rows.csv").write_text(f" {' '.join(each['name'] for each in inputs)}\n  {line} \n")
    ((_, with_header, _),) = batches(bundle.Rows(tmp_path / "rows.csv"), known)
    known = replace(known, file=replace(known.file, header=False))
    (tmp_path / "bare.csv").write_text(f"  {line} \n")
    for file in ("rows.csv", "bare.csv"):
        ((first, arrays, _),) = batches(bundle.Rows(tmp_path / file), known)
        assert first == 1 and all(np.array_equal(arrays[name], with_header[name]) for name in arrays)
    assert arrays[f"c{names.index('Month')}"].tolist() == [["May  first"]]


def test_rows_through_a_pipe_are_as_the_table_of_training(tmp_path: Path) -> None:
    model = written(tmp_path, encoding="utf-8")
    given = "\ufeffId;Month;PageValues;Weekend\n7;Nov;1,5;no\n"
    run = ["python", "-m", "stemma.bundle", "predict", str(model), "/dev/stdin", "--keep", "Id"]
    done = subprocess.run(
        run, input=given, capture_output=True, encoding="utf-8", env=os.environ | {"PYTHONPATH": str(SOURCE)}
    )
    assert (done.returncode, done.stdout) == (0, "Id,prediction\n7,3.5\n"), done.stderr


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"separator": ";;"}, "its separator is not one character"),
        ({"separator": 1}, "its separator is not one character"),
        ({"decimal": "x"}, "a decimal mark is unknown"),
        ({"encoding": "hex"}, "LookupError"),
        ({"encoding": "klingon"}, "LookupError"),
        ({"header": "no"}, "its header"),
        ({"colour": "red"}, "TypeError"),
    ],
)
def test_a_file_of_training_that_cannot_be_is_refused(file: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=f"signature.json is damaged .*{message}"):
        signature.parse(json.dumps(REGRESSION | {"file": file}).encode())


# What is kept.


def test_columns_are_kept_as_they_stand_in_the_order_asked_for(model: Path, rows: Path, tmp_path: Path) -> None:
    done = command("predict", model, rows, "--keep", "Note", "--keep", "PageValues")
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(lines[0]) == ["Note", "PageValues", "probability_FALSE", "probability_TRUE", "prediction"]
    assert [(each["Note"], each["PageValues"]) for each in lines] == [
        ("a, b", "0.5"), ("", " 3 "), ("two\nlines", "NA"), ("x", "-1e1")
    ]  # fmt: skip
    every = command("predict", model, rows, "--keep", "*", "--trust").stdout.splitlines()[0]
    assert every == "Note,Month,PageValues,Weekend,probability_FALSE,probability_TRUE,prediction"
    assert "4 rows in " in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("note", "has no column 'note' to keep (did you mean Note?)"),
        ("prediction", "the column 'prediction' cannot be kept: a prediction is called so"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_cannot_be_kept_is_one_line_and_no_file(
    keep: str, message: str, ending: str, regression: Path, tmp_path: Path
) -> None:
    import pyarrow as pa
    from pyarrow import csv as reading
    from pyarrow import parquet

    (tmp_path / "r.csv").write_text("Note,Month,PageValues,Weekend,prediction\na,May,1,no,2\n")
    parquet.write_table(reading.read_csv(tmp_path / "r.csv").cast(pa.schema(
        [("Note", pa.string()), ("Month", pa.string()), ("PageValues", pa.float64()), ("Weekend", pa.string()),
         ("prediction", pa.int64())])), tmp_path / "r.parquet")  # fmt: skip
    with pytest.raises(BundleError, match=re.escape(message)):
        predict(bundle.open_bundle(regression), bundle.Rows(tmp_path / f"r.{ending}", keep=(keep,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".arrows"])
def test_numbers_of_arrow_stay_numbers_and_the_rest_are_texts(ending: str, regression: Path, tmp_path: Path) -> None:
    import datetime
    from decimal import Decimal

    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({
        "id": pa.array([2**60 + 1, None], pa.int64()), "Month": ["May", "Nov"], "PageValues": [0.5, 1.0],
        "Weekend": [True, False], "when": pa.array([datetime.datetime(2024, 2, 29, 12), None], pa.timestamp("ns")),
        "price": [Decimal("1.10"), Decimal("2.00")], "kind": pa.array(["a", None]).dictionary_encode(),
    })  # fmt: skip
    path, keep = tmp_path / f"rows{ending}", ("id", "Weekend", "when", "price", "kind", "PageValues")
    if ending == ".parquet":
        parquet.write_table(table, path)
    else:
        with (pa.ipc.new_file if ending == ".arrow" else pa.ipc.new_stream)(path, table.schema) as writer:
            writer.write_table(table)
    predict(bundle.open_bundle(regression), bundle.Rows(path, keep=keep), tmp_path / "out.parquet")
    made = parquet.read_table(tmp_path / "out.parquet")
    assert made.column_names == [*keep, "prediction"]
    assert (made.schema.field("id").type, made.schema.field("Weekend").type) == (pa.int64(), pa.bool_())
    assert made.column("id").to_pylist() == [2**60 + 1, None]
    assert made.column("when").to_pylist()[0].startswith("2024-02-29 12:00:00") and made["kind"][0].as_py() == "a"
    assert made.column("price").to_pylist() == ["1.10", "2.00"]
    predict(bundle.open_bundle(regression), bundle.Rows(path, keep=("id",)), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == f"id,prediction\n{2**60 + 1},2.5\n,3.0\n"
    predict(bundle.open_bundle(regression), bundle.Rows(path, keep=("*",)), tmp_path / "all.parquet")
    assert parquet.read_schema(tmp_path / "all.parquet").names == [*table.column_names, "prediction"]


@pytest.mark.parametrize(("value", "kind"), [([1], "list<element: int64>"), (b"\xff", "binary")])
def test_a_column_whose_values_have_no_text_is_named_where_it_is_kept(
    value: object, kind: str, regression: Path, tmp_path: Path
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"Month": ["May"], "PageValues": [0.5], "Weekend": [True], "much": [value]}
    parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    message = f"rows.parquet: the column 'much' cannot be kept: values of type {kind} have no text"
    with pytest.raises(BundleError, match=re.escape(message)):
        predict(bundle.open_bundle(regression), bundle.Rows(tmp_path / "rows.parquet", keep=("*",)), tmp_path / "out")


def test_long_work_says_how_far_it_is(
    regression: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stemma.text.EVERY", 0)
    (tmp_path / "rows.csv").write_text("Month,PageValues,Weekend\n" + "May,1,no\n" * (bundle.BATCH + 1))
    predict(bundle.open_bundle(regression), bundle.Rows(tmp_path / "rows.csv"), tmp_path / "out.csv")
    said = re.sub(r"\d+(\.\d)? s", "T", capsys.readouterr().err)
    assert said == "8,192 rows, T\n8,193 rows, T\n8,193 rows in T\n"


def test_a_header_without_rows_gives_a_header(multiclass: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("Month,PageValues,Weekend")
    done = command("predict", multiclass, tmp_path / "rows.csv", poisoned=False)
    assert done.stdout == "probability_a,probability_b,probability_c,prediction\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "rows.csv is empty: its first line must name the columns"),
        (b"May,2,1\nNov,2,0\n", "rows.csv: the rows lack the columns 'Month', 'PageValues', 'Weekend'"),
        (
            b"Month;PageValues;Weekend\nMay;1;1\n",
            "rows.csv: the rows lack the columns 'Month', 'PageValues', 'Weekend'",
        ),
        (b"Month,PageValues\nMay,1\n", "rows.csv: the rows lack the column 'Weekend'"),
        (b"Month,Month,PageValues,Weekend\n", "rows.csv has two columns named 'Month'"),
        (b"Month,PageValues,Weekend\nMay,1\n", "rows.csv, row 1: 2 values, and the header has 3"),
        (b"Month,PageValues,Weekend\nMay,1,1,1\n", "rows.csv, row 1: 4 values, and the header has 3"),
        (b'Month,PageValues,Weekend\n"May,1,1\n', "rows.csv cannot be read as CSV (unexpected end of data)"),
        (b"Month,PageValues,Weekend\n\xff\xfe,1,1\n", "rows.csv cannot be read as CSV ('utf-8' codec"),
        (b"\x00\x01\x02", "rows.csv"),
        (None, "rows.csv is not there"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_with_one_line(
    model: Path, tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "rows.csv").write_bytes(content)
    assert message in failed("predict", model, tmp_path / "rows.csv")


def test_a_folder_is_no_table_and_is_told_without_the_systems_number(model: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=rf"^{tmp_path} cannot be read as CSV \(Is a directory\)$"):
        next(batches(bundle.Rows(tmp_path), bundle.open_bundle(model).signature))


def test_a_wrong_bundle_is_refused_with_one_line(rows: Path, tmp_path: Path) -> None:
    assert "rows.csv is damaged (it is no zip file)" in failed("predict", rows, rows)
    assert failed("predict", tmp_path / "no.zip", rows).endswith("no.zip is not there\n")
    assert "rows.csv is damaged" in failed("verify", rows)


def test_verify_says_that_a_bundle_is_intact(model: Path) -> None:
    done = command("verify", model)
    assert (done.returncode, done.stdout) == (0, f"{model} is intact: 5 files\n"), done.stderr


@pytest.mark.parametrize("arguments", [[], ["predict"], ["predict", "a.zip"], ["guess", "a.zip"], ["verify", "--fast"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = command(*arguments, poisoned=False)
    assert done.returncode == 2 and "usage: python -m stemma.bundle" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["verify", "--help"]])
def test_help_is_there_with_an_example(arguments: list[str]) -> None:
    done = command(*arguments, poisoned=False)
    assert done.returncode == 0
    assert len(arguments) == 1 or "example: python -m stemma.bundle" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has no broken pipes")
def test_a_reader_that_stops_early_gets_no_trace(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("Month,PageValues,Weekend\n" + "May,1,1\n" * 50_000)
    arguments = [sys.executable, "-m", "stemma.bundle", "predict", str(model), str(path)]
    known = os.environ | {"PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=known) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"probability_FALSE,probability_TRUE,prediction\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_rows_pipes_and_devices_are_not_written_over(model: Path, rows: Path, tmp_path: Path) -> None:
    opened, before = bundle.open_bundle(model), rows.read_bytes()
    with pytest.raises(StemmaError, match="holds the rows to predict: name another file"):
        predict(opened, bundle.Rows(rows), rows)
    with pytest.raises(StemmaError, match="holds the bundle: name another file"):
        predict(opened, bundle.Rows(rows), model, model)
    assert rows.read_bytes() == before
    with pytest.raises(StemmaError, match="is no file: name another, or leave it out to write to the terminal"):
        predict(opened, bundle.Rows(rows), tmp_path)
    if hasattr(os, "mkfifo"):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with pytest.raises(StemmaError, match="is no file: name another"):
            predict(opened, bundle.Rows(rows), pipe)
        assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this platform has no full device")
def test_a_full_place_behind_the_terminal_is_one_line(model: Path, rows: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = ["python", "-m", "stemma.bundle", "predict", str(model), str(rows)]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(SOURCE)}
        )
    assert (done.returncode, done.stderr) == (1, "error: standard output: the disk is full: make room\n")


def test_columns_that_are_not_asked_for_are_not_kept(regression: Path, tmp_path: Path) -> None:
    wide = 3_000
    head = ",".join(f"more {number}" for number in range(wide))
    lines = [f"Month,{head}, PageValues ,Weekend", *[f"May,{'abc,' * wide}0.5,yes"] * 500]
    (tmp_path / "wide.csv").write_text("\n".join(lines), encoding="utf-8")
    tracemalloc.start()
    ((first, arrays, _),) = batches(bundle.Rows(tmp_path / "wide.csv"), bundle.open_bundle(regression).signature)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first == 1 and arrays["PageValues"][:, 0].tolist() == [0.5] * 500
    assert most < 5e6  # 1.5 million texts have 80 MB


def test_the_ending_of_parquet_may_be_in_capitals(model: Path, rows: Path, tmp_path: Path) -> None:
    opened = bundle.open_bundle(model)
    predict(opened, bundle.Rows(rows), tmp_path / "out.PARQUET")
    assert (tmp_path / "out.PARQUET").read_bytes()[:4] == b"PAR1"
    with pytest.raises(BundleError, match="lack the columns"):
        predict(opened, bundle.Rows(tmp_path / "out.PARQUET"), tmp_path / "more.csv")
