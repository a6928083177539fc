import bz2
import gzip
import json
import re
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from pydantic import TypeAdapter, ValidationError

from stemma import bundle, task
from stemma.bundle.contents import describe as contract
from stemma.bundle.rows import Rows, batches
from stemma.errors import BundleError, DataError
from stemma.signature import Input, Signature, parse
from stemma.tables import load, statistics
from stemma.tables.settings import Code
from stemma.values import level, seconds, writing
from tiny import SOURCES, visits
from worlds import stemma

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
SMALL = 'n,b,c,y\n1.5,yes,"a, b",p\n,No,,q\n-2e3,,01,p\n'


def zstd(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content, asbytes=True)


@pytest.fixture
def refused(small):
    """The message with which a table is refused."""

    def message(path, **changes) -> str:
        with pytest.raises(DataError) as error:
            load.table(small(path, **changes), SOURCES)
        return str(error.value).replace(str(path), "FILE")

    return message


def test_each_role_has_its_canonical_form(small, table_file):
    table = load.table(small(table_file(SMALL)), SOURCES)
    assert list(table) == ["n", "b", "c", "y"]
    np.testing.assert_array_equal(table["n"], [1.5, np.nan, -2000])
    np.testing.assert_array_equal(table["b"], [1, 0, np.nan])
    assert table["c"].tolist() == ["a, b", "", "01"]
    assert table["y"].tolist() == ["p", "q", "p"]
    assert table["n"].dtype == table["b"].dtype == np.float64
    assert table["c"].cat.categories.tolist() == ["", "01", "a, b"]


@pytest.mark.parametrize(
    "content",
    [
        SMALL.replace("\n", "\r\n").encode(),
        SMALL.removesuffix("\n").encode(),
        SMALL.encode("utf-8-sig"),
        SMALL.replace("\n", "\r\n").removesuffix("\r\n").encode("utf-8-sig"),
        SMALL.replace("1.5,yes", " 1.5 ,  YES ").encode(),
        SMALL.replace("-2e3,,", "-2e3,NA,").encode(),
    ],
    ids=["CRLF", "no final newline", "byte order mark", "all three", "spaces", "another text for no value"],
)
def test_the_way_a_file_is_written_does_not_matter(small, table_file, content):
    plain = load.table(small(table_file(SMALL)), SOURCES)
    pd.testing.assert_frame_equal(load.table(small(table_file(content)), SOURCES), plain)


@pytest.mark.parametrize("text", ["", ";;", "é", '"', "\n", "\r", "\0"])
def test_what_cannot_separate_fields_is_refused_in_the_settings(small, tmp_path, text):
    with pytest.raises(ValueError, match="is not one ASCII character that can separate fields"):
        small(tmp_path / "t.csv", separator=text)


def test_a_table_in_the_place_of_code_is_refused_and_not_passed_over():
    """`-S data.source=new.parquet` alone trained on the rows that the code makes."""
    code = TypeAdapter(Code)
    assert code.validate_python("src/shop/sources/drawn.py")
    with pytest.raises(ValidationError, match="is no code, which these rows come from"):
        code.validate_python("data/raw/new.parquet")


def test_the_separator_is_that_of_the_settings(small, table_file):
    table = load.table(small(table_file("n;b;c;y\n1;t;x,y;p\n"), separator=";"), SOURCES)
    assert table["c"].tolist() == ["x,y"]


def test_a_field_may_hold_line_ends(small, table_file):
    assert load.table(small(table_file('n,b,c,y\n1,t,"one\ntwo",p\n')), SOURCES)["c"].tolist() == ["one\ntwo"]


def test_booleans_are_read_in_any_case(small, table_file):
    truths, falsehoods = ["true", "TRUE", "Yes", "t", "Y", "1"], ["false", "False", "NO", "f", "n", "0"]
    rows = "".join(f"1,{text},x,p\n" for text in truths + falsehoods)
    assert load.table(small(table_file("n,b,c,y\n" + rows)), SOURCES)["b"].tolist() == [1.0] * 6 + [0.0] * 6


def test_dropped_columns_are_left_out_whatever_they_hold(small, table_file):
    roles = {"id": "drop", "n": "numeric"}
    table = load.table(small(table_file("id,n,y\nx,1,p\n"), columns=roles), SOURCES)
    assert list(table) == ["n", "y"]


def test_a_regression_has_a_target_of_numbers(small, table_file):
    table = load.table(
        small(table_file(SMALL.replace("p\n", "1\n").replace("q\n", "2.5\n")), task="regression"), SOURCES
    )
    assert table["y"].tolist() == [1.0, 2.5, 1.0]


def test_a_missing_class_stays_missing(small, table_file):
    assert load.table(small(table_file(SMALL.replace("q\n", "\n"))), SOURCES)["y"].isna().tolist() == [
        False,
        True,
        False,
    ]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_are_read_exactly(small, tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("numbers") / "t.csv"
    path.write_text("n,y\n" + "".join(f"{number!r},p\n" for number in numbers))
    assert load.table(small(path, columns={"n": "numeric"}), SOURCES)["n"].tolist() == numbers


def test_a_parquet_file_gives_the_table_of_the_csv_file(small, table_file, tmp_path):
    typed = pa.table(
        {
            "n": pa.array([1.5, None, -2000], pa.float32()),
            "b": [True, False, None],
            "c": pa.array(["a, b", "NA", "01"]).dictionary_encode(),
            "y": ["p", "q", "p"],
        }
    )
    parquet.write_table(typed, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(
        load.table(small(tmp_path / "t.parquet"), SOURCES), load.table(small(table_file(SMALL)), SOURCES)
    )


def test_types_of_a_parquet_file_become_the_text_that_a_csv_file_would_hold(small, tmp_path):
    typed = pa.table({"i": [1, None, 3], "f": [1.0, None, 2.5], "t": ["1", "?", "x"], "y": [True, False, True]})
    parquet.write_table(typed, tmp_path / "t.parquet")
    table = load.table(small(tmp_path / "t.parquet", columns={"*": "categorical"}), SOURCES)
    assert table["i"].tolist() == ["1", "", "3"]
    assert table["f"].tolist() == ["1", "", "2.5"]
    assert table["t"].tolist() == ["1", "", "x"]
    assert table["y"].tolist() == ["TRUE", "FALSE", "TRUE"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_may_have_any_of_its_arrow_types(small, tmp_path, kind):
    texts = {"a.b": pa.array(["1.5", "NA"], kind), "t": pa.array(["x", "?"], kind), "y": pa.array(["p", "q"], kind)}
    parquet.write_table(pa.table(texts), tmp_path / "t.parquet")
    table = load.table(small(tmp_path / "t.parquet", columns={"a.b": "numeric", "t": "categorical"}), SOURCES)
    assert table["a.b"][0] == 1.5
    assert np.isnan(table["a.b"][1])
    assert table["t"].tolist() == ["x", ""]


def test_numbers_may_be_text_decimals_or_integers_in_a_parquet_file(small, tmp_path):
    typed = pa.table({"t": ["1.5", "NA"], "d": pa.array([2, 3], pa.decimal128(5, 1)), "i": [4, None], "y": ["p", "q"]})
    parquet.write_table(typed, tmp_path / "t.parquet")
    table = load.table(small(tmp_path / "t.parquet", columns={"*": "numeric"}), SOURCES)
    np.testing.assert_array_equal(table[["t", "d", "i"]].to_numpy(), [[1.5, 2, 4], [np.nan, 3, np.nan]])


def test_values_that_do_not_fit_are_named_for_every_column_at_once(refused, table_file):
    path = table_file("n,b,c,y\n1,yes,x,p\n" + "abc,no,x,p\n" * 3 + "2,maybe,x,q\n")
    assert refused(path).splitlines() == [
        "FILE cannot be used for 2 reasons:",
        "  column 'n' (numeric) holds 'abc' in row 2, which is not a finite number",
        "  column 'b' (boolean) holds 'maybe' in row 5, which is not true or false",
    ]


def test_the_first_wrong_number_of_a_long_column_is_found(refused, table_file):
    path = table_file("n,b,c,y\n" + "1,t,x,p\n" * 5000 + "1 000,t,x,p\n" + "1,t,x,p\n" * 5000 + "zero,t,x,p\n")
    assert refused(path) == "FILE: column 'n' (numeric) holds '1 000' in row 5001, which is not a finite number"


def test_types_without_numbers_or_text_are_refused(refused, tmp_path):
    typed = pa.table({"n": pa.array([0], pa.timestamp("s")), "b": [2], "c": [[1, 2]], "y": ["p"]})
    parquet.write_table(typed, tmp_path / "t.parquet")
    assert refused(tmp_path / "t.parquet").splitlines()[1:] == [
        "  column 'n' (numeric) holds values of type timestamp[ms], not numbers",
        "  column 'b' (boolean) holds 2 in row 1, which is not true or false",
        "  column 'c' (categorical) holds values of type list<element: int64>, which have no text",
    ]


def test_a_file_that_is_not_there_is_named_with_what_to_do(refused, tmp_path):
    told = refused(tmp_path / "none.csv")
    assert told == "FILE is not there: copy the table to that place, or correct `source` in conf/data/"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"n,b,c,y\n1,t,x,p\n1,t\n", "row 2: Expected 4 columns, got 2: 1,t"),
        (b"n,b,c,y\n1,t,x,p\n1,t,x,p,5\n", "row 2: Expected 4 columns, got 5: 1,t,x,p,5"),
        (b"n,b,c,y\n1,t,x,p\n1,t,\xff,p\n", "byte 21 (line 3) is 0xff, which utf-8 does not have: correct `encoding`"),
        (
            b'n,b,c,y\n1,t,"' + b"1,t,x,p\n" * 1_200_000,
            "a quote is not closed, or a row is longer than 4,194,304 bytes",
        ),
        (b"n,b,c,y", "no row follows the header"),
    ],
    ids=["a short row", "a long row", "not UTF-8", "an open quote", "no row"],
)
def test_a_file_that_is_no_table_is_refused_with_the_row(refused, table_file, content, reason):
    told = refused(table_file(content))
    assert told == f"FILE cannot be read as text separated by ',': {reason}"


def test_a_damaged_parquet_file_is_refused(refused, tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    assert refused(tmp_path / "t.parquet").startswith("FILE cannot be read as Parquet: Parquet magic bytes not found")


def test_columns_that_do_not_fit_the_settings_are_refused(refused, table_file):
    assert refused(table_file("n,b,c,d,y\n1,t,x,1,p\n")) == "FILE: column 'd' has no role in the settings"


def test_a_table_is_the_same_from_code_and_from_a_file(section, tmp_path):
    settings = section("visits")
    drawn, (frame,) = load.table(settings, SOURCES), visits(settings)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    for ending in ("csv", "parquet"):
        file = section("csv", source=str(tmp_path / f"t.{ending}"), columns=dict(settings.columns), ranges={})
        pd.testing.assert_frame_equal(load.table(file, SOURCES), drawn)


def test_the_real_file_loads(section, real_file):
    table = load.table(section("csv", source=str(real_file)), SOURCES)
    assert table.shape == (12330, 18)
    assert (table["Revenue"] == "TRUE").sum() == 1908
    assert table["Browser"].cat.categories.tolist()[:3] == ["1", "10", "11"]
    assert not table.isna().any(axis=None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "iso8859-15"])
def test_the_encoding_is_that_of_the_settings(small, table_file, encoding):
    table = load.table(small(table_file("n,b,c,y\n1,t,größe,p\n".encode(encoding)), encoding=encoding), SOURCES)
    assert table["c"].tolist() == ["größe"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstd], ids=["gzip", "bz2", "zstd"])
def test_a_compressed_file_is_known_by_its_first_bytes(small, table_file, pack):
    pd.testing.assert_frame_equal(
        load.table(small(table_file(pack(SMALL.encode()))), SOURCES), load.table(small(table_file(SMALL)), SOURCES)
    )


def test_columns_without_a_header_are_numbered(small, table_file):
    roles = {"c0": "numeric", "c1": "boolean", "c2": "categorical"}
    path = table_file(SMALL.removeprefix("n,b,c,y\n"))
    table = load.table(small(path, header=False, columns=roles, target="c3"), SOURCES)
    assert table["c3"].tolist() == ["p", "q", "p"]
    assert table["c0"][0] == 1.5


def test_without_a_header_rows_are_counted_from_the_first(refused, table_file):
    path = table_file("1,t,x,p\n1,t\n")
    told = refused(path, header=False, columns={"*": "categorical"}, target="c3")
    assert told.endswith("row 2: Expected 4 columns, got 2: 1,t")


def test_a_decimal_comma_is_read_where_the_settings_say_so(small, table_file):
    path = table_file("n;b;c;y\n1,5;t;2,5;p\n-,25;f;x;q\n1e3;f;x;q\n")
    table = load.table(small(path, separator=";", decimal=","), SOURCES)
    assert table["n"].tolist() == [1.5, -0.25, 1000]
    assert table["c"].tolist() == ["2,5", "x", "x"]


def test_a_point_is_no_part_of_a_number_where_the_comma_is_decimal(refused, table_file):
    told = refused(table_file("n;b;c;y\n1.500;t;x;p\n"), separator=";", decimal=",")
    assert (
        told
        == "FILE: column 'n' (numeric) holds '1.500' in row 1, which is not a finite number with the decimal mark ','"
    )


def test_spaces_around_names_values_and_classes_do_not_count(small, table_file):
    table = load.table(small(table_file(" n , b,c , y\n 1 ,t , x y , p\n NA , ? , ? ,q \n2,f,x y,p\n")), SOURCES)
    assert list(table) == ["n", "b", "c", "y"]
    np.testing.assert_array_equal(table["n"], [1, np.nan, 2])
    np.testing.assert_array_equal(table["b"], [1, np.nan, 0])
    assert table["c"].tolist() == ["x y", "", "x y"]
    assert table["y"].cat.categories.tolist() == ["p", "q"]


def test_any_number_of_spaces_may_separate_fields(small, table_file):
    table = load.table(small(table_file('  n b   c y\n1   t "a  b" p\n  2 f x   q  \n'), separator=" "), SOURCES)
    assert table["c"].tolist() == ["a  b", "x"]
    assert table["y"].tolist() == ["p", "q"]


def test_a_column_without_a_name_is_called_by_its_place(small, table_file):
    table = load.table(small(table_file(",b,c,y\n1,t,x,p\n"), columns={"c0": "numeric", "*": "categorical"}), SOURCES)
    assert table["c0"].tolist() == [1]


DATES = ["2024-02-29", "2024/02/29 01:02:03.5", "2024-02-29T01:02:03Z", "2024-02-29 01:02:03+02:00", "", " 1066-10-14 "]
INSTANTS = [
    "2024-02-29", "2024-02-29T01:02:03.5", "2024-02-29T01:02:03", "2024-02-28T23:02:03", "NaT", "1066-10-14",
]  # fmt: skip


def test_dates_are_read_with_or_without_time_and_zone(small, table_file):
    path = table_file("d,y\n" + "".join(f"{text},p\n" for text in DATES))
    dates = load.table(small(path, columns={"d": "date"}), SOURCES)["d"]
    assert dates.dtype == "datetime64[us]"
    np.testing.assert_array_equal(dates.to_numpy(), np.array(INSTANTS, "datetime64[us]"))


def test_seven_digits_of_a_second_are_cut_to_six(small, table_file):
    table = load.table(small(table_file("d,y\n2024-02-29 01:02:03.1234567,p\n"), columns={"d": "date"}), SOURCES)
    assert table["d"][0].isoformat() == "2024-02-29T01:02:03.123456"


def test_dates_of_a_parquet_file_become_those_of_the_csv_file(small, tmp_path):
    stamp = pd.Timestamp("2024-02-29 01:02:03", tz="UTC")
    typed = pa.table(
        {
            "day": pa.array([stamp.date(), None]),
            "local": pa.array([stamp.tz_localize(None), None], pa.timestamp("ns")),
            "zone": pa.array([stamp, None], pa.timestamp("s", "Europe/Rome")),
            "text": ["2024-02-29 01:02:03", "?"],
            "y": ["p", "q"],
        }
    )
    parquet.write_table(typed, tmp_path / "t.parquet")
    table = load.table(small(tmp_path / "t.parquet", columns={"*": "date"}), SOURCES)
    for name, time in [("day", "00:00:00"), ("local", "01:02:03"), ("zone", "01:02:03"), ("text", "01:02:03")]:
        expected = np.array([f"2024-02-29T{time}", "NaT"], "datetime64[us]")
        np.testing.assert_array_equal(table[name].to_numpy(), expected)


def test_a_text_or_a_number_that_is_no_date_is_named(refused, table_file, tmp_path):
    told = refused(table_file("d,y\n2024-02-29,p\n29.2.2024,p\n"), columns={"d": "date"})
    assert told.startswith("FILE: column 'd' (date) holds '29.2.2024' in row 2, which is not a date such as 2024-12-31")
    parquet.write_table(pa.table({"d": [20240229], "y": ["p"]}), tmp_path / "t.parquet")
    told = refused(tmp_path / "t.parquet", columns={"d": "date"})
    assert told == "FILE: column 'd' (date) holds values of type int64, not dates"


def test_a_wrong_encoding_is_named_with_the_byte_and_its_line(refused, table_file):
    path = table_file("n,b,c,y\n1,t,x,p\n1,t,\u20ac,p\n".encode())
    assert refused(path, encoding="ascii").endswith(
        "byte 21 (line 3) is 0xe2, which ascii does not have: correct `encoding`"
    )
    for name in ("klingon", "rot13", "hex", "punycode", "undefined"):  # the others are Python's, and not of texts
        assert refused(path, encoding=name) == f"FILE: Python knows no encoding '{name}': correct `encoding`"


# A level is a value, whoever wrote the file.

CODES = st.lists(st.one_of(st.none(), st.integers(-3, 12)), min_size=4, max_size=30).filter(
    lambda codes: len({code for code in codes if code is not None}) > 1
)


BEFORE = Signature("binary", "y", (Input("c", "string"),), "probabilities", ("p", "q"), "q", 0.5)


def written_by(codes, folder):
    """The same column of codes by every writer: name -> file."""
    texts = [None if code is None else str(code) for code in codes]
    rows = {"n": np.arange(len(codes)) + 0.5, "y": ["p", "q"] * (len(codes) // 2) + ["p"] * (len(codes) % 2)}
    decimals = [None if code is None else Decimal(code).quantize(Decimal("0.00")) for code in codes]
    columns = {
        "integer": pa.array(codes, pa.int64()), "float": pa.array(codes, pa.float64()),
        "single": pa.array(codes, pa.float32()), "text": pa.array(texts), "decimal": pa.array(decimals),
        "dictionary": pa.array(texts).dictionary_encode(), "nullable": pa.array(pd.array(codes, dtype="Int64")),
    }  # fmt: skip
    for name, column in columns.items():
        parquet.write_table(pa.table({"n": rows["n"], "c": column, "y": rows["y"]}), folder / f"{name}.parquet")
    plain = pd.DataFrame(rows | {"c": pd.array(codes, dtype="Int64")})[["n", "c", "y"]]
    plain.to_csv(folder / "plain.csv", index=False)
    plain.astype({"c": "float64"}).to_csv(folder / "float.csv", index=False)
    plain.astype({"c": "float64"}).to_csv(folder / "padded.csv", index=False, float_format="%.3f")
    plain.astype({"c": "float64"}).to_csv(folder / "comma.csv", index=False, sep=";", decimal=",")
    return sorted(folder.glob("*.*"))


@settings(max_examples=15, deadline=None)
@given(CODES)
def test_every_writer_gives_the_same_levels_for_training_and_in_service(small, codes):
    wanted = ["" if code is None else str(code) for code in codes]
    served = replace(BEFORE, by_value=True)
    with tempfile.TemporaryDirectory() as name:
        for path in written_by(codes, Path(name)):
            comma = path.name == "comma.csv"
            marks = {"separator": ";", "decimal": ","} if comma else {}
            chosen = small(path, columns={"n": "numeric", "c": "categorical"}, **marks)
            assert load.table(chosen, SOURCES)["c"].tolist() == wanted, path.name
            rows = Rows(path, ";", ",") if comma else Rows(path)
            found = [text for _, arrays, _ in batches(rows, served) for text in arrays["c"][:, 0]]
            assert found == wanted, path.name
        values = [*codes, *(float(code) for code in codes if code is not None)]
        given = served.arrays({"c": values})["c"][:, 0].tolist()
        assert given == wanted + [text for text in wanted if text]


@pytest.mark.parametrize("text", ["01", "1.10", "3.5", "1e0", "+1", "1.0.0", ".0", "x", "", "1_0", "\u0661"])
def test_a_level_that_is_no_whole_number_stays_as_it_is(text):
    assert level(text) == text


@pytest.mark.parametrize(
    ("text", "one"), [("1.0", "1"), ("-2.00", "-2"), ("0.0", "0"), ("-0", "0"), ("-0.0", "0"), ("7.", "7")]
)
def test_a_whole_number_is_one_level(text, one):
    assert level(text) == level(one) == one


def test_classes_and_the_positive_one_are_values_too(small, table_file):
    file = table_file("n,y\n1.5,1.0\n2.5,0.0\n3.5,1\n")
    table = small(file, task="binary", positive="1.0", columns={"n": "numeric"})
    frame = load.table(table, SOURCES)
    assert frame["y"].tolist() == ["1", "0", "1"]
    assert statistics.classes(frame["y"], table) == ["0", "1"]


# How single columns are written holds in training and in service alike.

WRITTEN = [  # settings of x, its role, texts, values
    (
        {"thousands": {"x": "."}},
        "numeric",
        ["950", "1.250,5-", "-12.500,75", "(1.250,5)"],
        [950, -1250.5, -12500.75, -1250.5],
    ),
    ({"thousands": {"x": ","}}, "numeric", ["1,234.5", "12,34,567", "\u22121,234", "7"], [1234.5, 1234567, -1234, 7]),
    ({"thousands": {"x": " "}}, "numeric", ["1 234.5", "1\u00a0234", "9"], [1234.5, 1234, 9]),
    ({"thousands": {"x": "\u2019"}, "decimal_in": {"x": ","}}, "numeric", ["1\u2019234,5", "2"], [1234.5, 2]),
    ({"decimal_in": {"x": ","}}, "numeric", ["94,44", "-,5", "3"], [94.44, -0.5, 3]),
    ({}, "numeric", ["1.50-", "(1.50)", "1\u00a0234.5-", "2"], [-1.5, -1.5, -1234.5, 2]),
    ({"decimal_in": {"x": ".,"}}, "numeric", ["94,44", "0.0"], [94.44, 0]),
    ({"decimal_in": {"x": ","}}, "categorical", ["1,0", "1", "2,5"], ["1", "1", "2,5"]),
    ({"date_format": {"x": "%d.%m.%Y"}}, "date", ["26.09.2023", "1.2.1969"], ["2023-09-26", "1969-02-01"]),
    ({"date_format": {"x": "%m/%d/%y %H:%M"}}, "date", ["02/01/24 13:30", ""], ["2024-02-01T13:30", "NaT"]),
    ({"date_format": {"x": "%Y%m%d"}}, "date", ["20230926", "99991231"], ["2023-09-26", "9999-12-31"]),
]


def in_service(found, role):
    """A signature as a bundle of this table has it, read back."""
    raw = {"missing": list(found.missing), **statistics._where_set(found)}
    about = SimpleNamespace(inputs=[("x", role)], task=task.of("binary", ["p", "q"], "q"), target="y", raw=raw)
    return parse(json.dumps(contract(about, 0.5)).encode())


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()], ids=str)
@pytest.mark.parametrize("coded", [False, True])
def test_levels_that_are_no_whole_numbers_are_the_same_in_parquet_and_in_json(small, tmp_path, kind, coded):
    """0.1 of float32 was 0.1 in training and 0.10000000149011612 in service: a level that nobody had seen."""
    values = [0.1, 2.5, 1e-5, 1e16, 3.0, None]
    column = pa.array(values).cast(kind)
    rows = pa.table({"x": column.dictionary_encode() if coded else column, "y": [*"ppqpqq"]})
    parquet.write_table(rows, tmp_path / "t.parquet")
    settings = small(tmp_path / "t.parquet", columns={"x": "categorical"})
    wanted = ["0.1", "2.5", "1e-05", "10000000000000000", "3", ""]
    assert load.table(settings, SOURCES)["x"].tolist() == wanted
    served = in_service(settings, "categorical")
    ((_, arrays, _),) = batches(Rows(tmp_path / "t.parquet"), served)
    assert arrays["x"][:, 0].tolist() == wanted == served.arrays({"x": values})["x"][:, 0].tolist()


@pytest.mark.parametrize("text", ["20240131", "1612010101234", "2024-01-31+02:00", "2024-W05-1"])
def test_dates_that_other_readers_take_otherwise_are_refused(refused, table_file, text):
    """JSON and Parquet hold 20240131 as a number, and so of seconds; a zone behind a day was taken for its hour."""
    told = refused(table_file(f"x,y\n2024-01-31,p\n{text},q\n"), columns={"x": "date"})
    assert told.startswith(f"FILE: column 'x' (date) holds {text!r} in row 2, which is not a date such as 2024-12-31")


@pytest.mark.parametrize(("chosen", "role", "texts", "values"), WRITTEN)
def test_a_column_is_read_as_its_settings_say_in_training_and_in_service(small, tmp_path, chosen, role, texts, values):
    wanted = np.array(values, "datetime64[us]") if role == "date" else np.array(values)
    rows = pd.DataFrame({"x": [f" {text} " for text in texts], "y": [*"pq" * 2][: len(texts)]})
    rows.to_csv(tmp_path / "t.csv", index=False, sep=";")
    rows.to_parquet(tmp_path / "t.parquet")
    for path in (tmp_path / "t.csv", tmp_path / "t.parquet"):
        found = small(path, separator=";", columns={"x": role}, **chosen)
        np.testing.assert_array_equal(load.table(found, SOURCES)["x"].to_numpy(), wanted)
        served = in_service(found, role)
        seen = wanted if role == "categorical" else seconds(wanted) if role == "date" else wanted.astype("float32")
        ((_, of_file, _),) = batches(Rows(path, ";"), served)
        of_request = served.arrays({"x": texts})
        for arrays in (of_file, of_request):
            np.testing.assert_array_equal(arrays["x"][:, 0], seen)


@pytest.mark.parametrize(
    ("chosen", "role", "text", "told"),
    [
        ({"thousands": {"x": ","}}, "numeric", "12,5", "a finite number and ',' between thousands"),
        (
            {"thousands": {"x": "."}},
            "numeric",
            "1.5",
            "a finite number with the decimal mark ',' and '.' between thousands",
        ),
        ({"decimal_in": {"x": ","}}, "numeric", "1.250", "a finite number with the decimal mark ','"),
        ({"decimal_in": {"x": ".,"}}, "numeric", "1.234,5", "a finite number with the decimal mark '.,'"),
        ({"date_format": {"x": "%d.%m.%Y"}}, "date", "2023-09-26", "a date written as %d.%m.%Y"),
        ({"date_format": {"x": "%d.%m.%Y"}}, "date", "31.02.2023", "a date written as %d.%m.%Y"),
    ],
)
def test_what_is_written_otherwise_is_refused_in_training_and_in_service(
    refused, small, table_file, chosen, role, text, told
):
    path = table_file(f"x;y\n;p\n{text};q\n")
    wrong = f"holds {text!r} in row 2, which is not {told}"
    assert refused(path, separator=";", columns={"x": role}, **chosen) == f"FILE: column 'x' ({role}) {wrong}"
    served = in_service(small(path, separator=";", columns={"x": role}, **chosen), role)
    with pytest.raises(BundleError, match=re.escape(f"column 'x', row 2: {text!r} is not a ")):
        list(batches(Rows(path, ";"), served))


def test_whole_numbers_are_dates_where_a_format_says_so(small, tmp_path):
    frame = pd.DataFrame({"x": [20230926, 20240131, 20240201], "z": [1.0, 2.0, 3.0], "y": ["p", "q", "p"]})
    wanted = np.array(["2023-09-26", "2024-01-31", "2024-02-01"], "datetime64[us]")
    for kind in ("int64", "float64"):
        frame.astype({"x": kind}).to_parquet(tmp_path / "t.parquet")
        found = small(tmp_path / "t.parquet", columns={"x": "date", "z": "numeric"}, date_format={"x": "%Y%m%d"})
        np.testing.assert_array_equal(load.table(found, SOURCES)["x"].to_numpy(), wanted)
        ((_, arrays, _),) = batches(Rows(tmp_path / "t.parquet"), in_service(found, "date"))
        np.testing.assert_array_equal(arrays["x"][:, 0], seconds(wanted))


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"thousands": {"nn": ","}}, "`thousands` names 'nn', which is no column (did you mean n?)"),
        ({"date_format": {"n": "%Y"}}, "`date_format` names 'n', which is numeric: give it the role date"),
        ({"thousands": {"c": ","}}, "`thousands` names 'c', which is categorical: give it the role numeric"),
        (
            {"thousands": {"n": ","}, "decimal_in": {"n": ","}},
            "`thousands` and `decimal_in` both give 'n' the mark ','",
        ),
    ],
)
def test_a_setting_of_a_column_that_says_nothing_is_refused(refused, table_file, chosen, told):
    assert refused(table_file(SMALL), **chosen).startswith(f"FILE: {told}")


@pytest.mark.parametrize("text", ["%d.%m", "%H:%M", "DD.MM.YYYY", "%d.%m.%Q", "%", ""])
def test_what_is_no_format_of_a_date_is_no_setting(small, tmp_path, text):
    with pytest.raises(ValueError, match=r"is no format of a date such as %d\.%m\.%Y"):
        small(tmp_path / "t.csv", date_format={"n": text})


@pytest.mark.parametrize(
    "wrong", [{"thousands": {"x": "(a+)+"}}, {"decimal_in": {"x": "]"}}, {"date_format": {"x": "%d"}}, {"thousands": 3}]
)
def test_a_signature_with_other_marks_is_damaged(small, tmp_path, wrong):
    told = {"format": 1, "task": "regression", "target": "y", "output": "prediction"}
    told |= {"inputs": [{"name": "x", "type": "number"}]}
    assert writing(parse(json.dumps(told).encode()), "x").decimal == "."
    with pytest.raises(BundleError, match=r"signature\.json is damaged"):
        parse(json.dumps(told | wrong).encode())


def test_bundles_made_before_compare_texts(tmp_path):
    (tmp_path / "rows.csv").write_text("c\n1.0\n1\n")
    ((_, arrays, _),) = batches(Rows(tmp_path / "rows.csv"), BEFORE)
    assert arrays["c"][:, 0].tolist() == ["1.0", "1"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.csv", POINTER, "a pointer of Git LFS, .*`git lfs pull`"),
        ("t.parquet", POINTER, "a pointer of Git LFS, .*`git lfs pull`"),
        ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "a workbook of an old Excel: save the sheet as CSV"),
        (
            "t.xls",
            b"\xef\xbb\xbf\r\n<HTML><table><tr><td>n</td></tr></table>",
            "a page of HTML .*save the table as CSV",
        ),
        ("t.csv", b"<?xml version='1.0'?><Workbook/>", "a page of HTML or XML"),
        ("t.csv.xz", b"\xfd7zXZ\x00\x00\x04", "is compressed in a way that is not read: unpack it"),
        ("t.jsonl", b'{"n": 1, "c": "red", "y": "p"}\n', "is JSON: write its rows as CSV or Parquet"),
        ("t.csv", b"n,c,y\n1,1,red,p\n2,2,red,q\n", r"has 3 fields, and most have 4: name the column that it lacks"),
        ("t.csv", POINTER.replace(b"\n", b"\r\n"), "a pointer of Git LFS, .*`git lfs pull`"),
        ("t.xls", "<html><table></table></html>".encode("utf-16"), "a page of HTML"),
        ("t.xls", b"<!-- saved --><table><tr><td>n</td></tr></table>", "a page of HTML"),
        ("t.csv", b"sep=;\nn;c;y\n1;red;p\n2;red;q\n", "its first line, sep=;, speaks to Excel alone: take it out"),
        ("t.csv", b'"sep=;"\nn;c;y\n1;red;p\n2;red;q\n', "its first line, .*, speaks to Excel alone: take it out"),
        ("t.csv", b"SEP=\t\nn\tc\ty\n1\tred\tp\n2\tred\tq\n", "its first line, .*, speaks to Excel alone: take it out"),
        ("t.csv", b"// by LIMS\nn,c,y\n1,red,p\n", r"first line \('// by LIMS'\) has 1 field, and most have 3: take"),
        ("t.csv", b"Sales of May\n\nn,c,y\n1,red,p\n", r"line \('Sales of May'\) has 1 field, and most have 3: take"),
        (
            "t.csv",
            b"# unit: mg/l\n# by LIMS\nn,c,y\n1,red,p\n",
            r"its first line \('# unit: mg/l'\) has 3 fields, and most have 1: take out what is above",
        ),
    ],
)
def test_what_is_no_table_is_named_with_what_to_do(tmp_path, name, content, told, monkeypatch, capsys):
    path = tmp_path / name
    path.write_bytes(content)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        stemma("describe", str(path), "--target", "y", "--name", "mine")
    said = capsys.readouterr().err
    assert re.search(told, said) and said.count("\n") == 1


def test_rows_to_predict_that_are_a_pointer_say_so(tmp_path):
    (tmp_path / "rows.csv").write_bytes(POINTER)
    with pytest.raises(BundleError, match="a pointer of Git LFS, not the file: run `git lfs pull`"):
        list(batches(Rows(tmp_path / "rows.csv"), BEFORE))


def test_a_bundle_that_is_a_pointer_says_so(tmp_path):
    (tmp_path / "model.zip").write_bytes(POINTER)
    with pytest.raises(BundleError, match="a pointer of Git LFS, not the file: run `git lfs pull`"):
        bundle.open_bundle(tmp_path / "model.zip")
