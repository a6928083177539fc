"""Awkward tables: small files, each named for its trouble, and what becomes of it.

`TABLES` is the corpus. Each is written by `write(folder)`, described with its target and arguments, and then either
runs through the pipeline or stops with one line at the step that `stops` names.
"""

import bz2
import gzip
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

ROWS = 60  # enough for two classes in every split


@dataclass(frozen=True)
class Awkward:
    """One table.

    Attributes:
        name: its trouble.
        content: of the file.
        ending: of the file.
        target: to predict.
        arguments: of `describe` besides file, target and name.
        line: what the error says after the file's name; empty where the table runs.
        stops: describe or prepare, where it does not run.
        warns: words of the warning that `describe` gives.
        roles: some of the roles that describe finds.
        task: that it finds.
        positive: the class that it finds.
    """

    name: str
    content: bytes
    ending: str = "csv"
    target: str = "y"
    arguments: tuple[str, ...] = ()
    line: str = ""
    stops: str = ""
    warns: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    task: str = "binary"
    positive: str | None = None

    @property
    def runs(self) -> bool:
        return not self.line

    def write(self, folder: Path) -> Path:
        path = folder / f"table.{self.ending}"
        path.write_bytes(self.content)
        return path


def _columns(rows: int = ROWS) -> dict[str, list[str]]:
    """Two features and a target of two classes."""
    return {
        "n": [f"{number * 37 % 101 / 4:.2f}" for number in range(rows)],
        "c": [("red", "green", "blue")[number % 3] for number in range(rows)],
        "y": [("no", "yes")[number * 7 % 11 % 2] for number in range(rows)],
    }


def _csv(columns: dict[str, list[str]], separator: str = ",", header: bool = True, end: str = "\n") -> str:
    """A text without quotes."""
    lines = [separator.join(columns)] if header else []
    lines += [separator.join(row) for row in zip(*columns.values(), strict=True)]
    return end.join(lines) + end


def _with(**changes: list[str]) -> str:
    """The usual table with other or more columns, the target last."""
    columns = _columns() | changes
    return _csv({name: columns[name] for name in columns if name != "y"} | {"y": columns["y"]})


def _named(name: str) -> str:
    """The usual table whose first column has another name, quoted."""
    quoted = '"' + name.replace('"', '""') + '"'
    return _csv(_columns()).replace("n,c,y", f"{quoted},c,y", 1)


def _parquet(columns: dict[str, object]) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _each(*texts: str) -> list[str]:
    """A column that repeats these."""
    return [texts[number % len(texts)] for number in range(ROWS)]


PLAIN = _csv(_columns())
DAYS = [f"2024-{1 + number % 12:02}-{1 + number % 28:02}" for number in range(ROWS)]
NUMBERS = _columns()["n"]
COMMAS = [text.replace(".", ",") for text in NUMBERS]
USUAL = {"n": "numeric", "c": "categorical"}
DATED = USUAL | {"d": "date"}
DROPPED = USUAL | {"x": "drop"}


def _typed() -> bytes:
    days = pd.to_datetime(DAYS)
    return _parquet(
        {
            "n": pa.array(np.arange(ROWS) % 7 / 2, pa.float32()),
            "i": pa.array(np.arange(ROWS) % 40, pa.int8()),
            "b": pa.array(np.arange(ROWS) % 2 == 0),
            "c": pa.array(_each("p", "q", None)).dictionary_encode(),
            "d": pa.array(days, pa.timestamp("ns", "Europe/Rome")),
            "k": pa.array(days.date),
            "list": [[1, 2]] * ROWS,
            "y": pa.array(np.arange(ROWS) % 3 == 0),
        }
    )


WRITTEN = [  # the way a file is written
    Awkward("plain", PLAIN.encode(), roles=USUAL, positive="yes"),
    Awkward("semicolons", _csv(_columns(), ";").encode(), roles=USUAL),
    Awkward("tabs", _csv(_columns(), "\t").encode(), "tsv", roles=USUAL),
    Awkward("bars", _csv(_columns(), "|").encode(), "txt", roles=USUAL),
    Awkward("single spaces", _csv(_columns(), " ").encode(), "txt", roles=USUAL),
    Awkward(
        "columns filled up with spaces", _csv(_columns(), "    ").replace("\n", "\n  ").encode(), "dat", roles=USUAL
    ),
    Awkward("a separator of its own", _csv(_columns(), "^").encode(), arguments=("--separator", "^"), roles=USUAL),
    Awkward(
        "no header",
        _csv(_columns(), header=False).encode(),
        target="c2",
        arguments=("--no-header",),
        roles={"c0": "numeric", "c1": "categorical"},
    ),
    Awkward(
        "carriage returns and no last line end", PLAIN.replace("\n", "\r\n").removesuffix("\r\n").encode(), roles=USUAL
    ),
    Awkward("UTF-8 with a byte order mark", PLAIN.encode("utf-8-sig"), roles=USUAL),
    Awkward("UTF-16 with a byte order mark", PLAIN.replace("red", "röt").encode("utf-16"), roles=USUAL),
    Awkward("UTF-16 without a byte order mark", PLAIN.encode("utf-16-le"), roles=USUAL),
    Awkward(
        "Latin letters of one byte",
        PLAIN.replace("green", "grün").encode("latin-1"),
        roles=USUAL,
        warns="encoding cp1252 is a guess",
    ),
    Awkward(
        "a told encoding",
        PLAIN.replace("green", "zielony ł").encode("cp1250"),
        arguments=("--encoding", "cp1250"),
        roles=USUAL,
    ),
    Awkward("compressed by gzip", gzip.compress(PLAIN.encode(), mtime=0), "csv.gz", roles=USUAL),
    Awkward("compressed by bzip2", bz2.compress(PLAIN.encode()), "csv.bz2", roles=USUAL),
    Awkward("compressed, but named as if not", gzip.compress(PLAIN.encode(), mtime=0), roles=USUAL),
    Awkward("decimal commas", _csv(_columns() | {"n": COMMAS}, ";").encode(), roles=USUAL),
    Awkward("spaces around names and values", PLAIN.replace(",", " ,  ").encode(), roles=USUAL, positive="yes"),
    Awkward(
        "quotes around everything, separators and line ends inside",
        (
            '"'
            + PLAIN.replace("green", "gre,\nen")
            .replace("gre,\nen", "G")
            .replace(",", '","')
            .replace("\n", '"\n"')
            .removesuffix('"')
            .replace("G", 'gr, ""e""\nen')
        ).encode(),
        roles=USUAL,
    ),
    Awkward("empty lines", PLAIN.replace("\n", "\n\n", 5).encode(), roles=USUAL),
]

HELD = [  # what columns hold
    Awkward(
        "blanks, question marks and NA",
        _with(n=_each("1.5", "?", "", "2.25", "NA"), c=_each("a", "", "b")).encode(),
        roles=USUAL,
    ),
    Awkward("a dash for no number", _with(n=_each("1.5", "2.5", "-")).encode(), roles=USUAL),
    Awkward(
        "postal codes with zeros in front",
        _with(zip=_each("01234", "99999", "00501")).encode(),
        roles={"zip": "categorical"},
    ),
    Awkward(
        "zeros and ones, and yes and no",
        _with(b=_each("0", "1"), t=_each("Yes", "NO", "no")).encode(),
        roles={"b": "boolean", "t": "boolean"},
    ),
    Awkward("an empty column", _with(x=[""] * ROWS).encode(), roles=DROPPED),
    Awkward("a constant", _with(x=["7"] * ROWS).encode(), roles=DROPPED),
    Awkward("one value or none", _with(x=_each("7", "")).encode(), roles={"x": "categorical"}),
    Awkward(
        "row numbers in a column without a name",
        "\n".join(f"{row - 1 if row else ''},{line}" for row, line in enumerate(PLAIN.splitlines())).encode(),
        roles={"c0": "drop", "c": "categorical"},
    ),
    Awkward(
        "numbers of customers",
        _with(customerID=[str(900 - row * 7) for row in range(ROWS)]).encode(),
        roles={"customerID": "drop"},
    ),
    Awkward("texts that all differ", _with(x=[f"u{row:x}" for row in range(ROWS)]).encode(), roles=DROPPED),
    Awkward("numbers that all differ", _with(x=[f"{row}.5" for row in range(ROWS)]).encode(), roles={"x": "numeric"}),
    Awkward("dates", _with(d=DAYS).encode(), roles=DATED),
    Awkward(
        "dates with slashes and gaps",
        _with(d=["" if row % 5 == 0 else day.replace("-", "/") for row, day in enumerate(DAYS)]).encode(),
        roles=DATED,
    ),
    Awkward(
        "times with and without a zone",
        _with(d=[f"{day} 10:00:00{zone}" for day, zone in zip(DAYS, _each("", "Z", "+02:00"), strict=True)]).encode(),
        roles=DATED,
    ),
    Awkward(
        "dates of one country",
        _with(x=[f"{1 + row % 28:02}.{1 + row % 12:02}.2024" for row in range(ROWS)]).encode(),
        roles=USUAL | {"x": "date"},
        warns="column 'x' holds texts, which look like dates, but not as 2024-01-31: 01.01.2024: they are read by ",
    ),
    Awkward(
        "only numbers",
        _csv({"a": NUMBERS, "b": NUMBERS[::-1], "y": _columns()["y"]}).encode(),
        roles={"a": "numeric", "b": "numeric"},
    ),
    Awkward("only texts", _csv({"c": _columns()["c"], "y": _columns()["y"]}).encode(), roles={"c": "categorical"}),
    Awkward(
        "Parquet with types of every kind",
        _typed(),
        "parquet",
        positive="TRUE",
        roles={
            "n": "numeric",
            "i": "numeric",
            "b": "boolean",
            "c": "categorical",
            "d": "date",
            "k": "date",
            "list": "drop",
        },
    ),
    Awkward(
        "Parquet with texts",
        _parquet({"n": NUMBERS, "c": _each("a", " b ", "?"), "y": _columns()["y"]}),
        "pq",
        roles=USUAL,
    ),
]

NAMES = [  # what columns are called
    Awkward(
        f"a column named {name!r}",
        _named(name).encode(),
        roles={name: "numeric", "c": "categorical"},
        warns="the first row holds a number" if name == "1" else "",
    )
    for name in (
        "a.b",
        "two words",
        "it's",
        'the "best"',
        "n*",
        "[ab]?",
        "${data.target}",
        "yes",
        "null",
        "1",
        "~",
        "a: b",
        "# no",
        "größe 尺寸",
        "new\nline",
        "x\\${y}",
        "-",
        "???",
        "@n",
        "data",
        "{a}",
        "%s",
    )
]

TARGETS = [  # what is predicted
    Awkward("truth in words", _with(y=_each("TRUE", "FALSE", "FALSE")).encode(), roles=USUAL, positive="TRUE"),
    Awkward("zeros and ones", _with(y=_each("0", "1")).encode(), roles=USUAL, positive="1"),
    Awkward("the rarer class counts", _with(y=_each("bad", "good", "good")).encode(), roles=USUAL, positive="bad"),
    Awkward("three classes", _with(y=_each("a", "b", "c")).encode(), roles=USUAL, task="multiclass"),
    Awkward("classes that are numbers", _with(y=_each("3", "4", "5")).encode(), roles=USUAL, task="multiclass"),
    Awkward("an amount", _with(y=NUMBERS).encode(), roles=USUAL, task="regression"),
    Awkward(
        "an amount with decimal commas",
        _csv(_columns() | {"n": COMMAS, "y": COMMAS[::-1]}, ";").encode(),
        roles=USUAL,
        task="regression",
    ),
    Awkward(
        "a target whose name needs quotes",
        PLAIN.replace("n,c,y", 'n,c,"${y}: [?]"').encode(),
        target="${y}: [?]",
        roles=USUAL,
    ),
]

REFUSED = [  # what no network can learn from
    Awkward("an empty file", b"", stops="describe", line=" is empty"),
    Awkward("a header alone", b"n,c,y\n", stops="describe", line=" has 0 rows: nothing can be learned from that"),
    Awkward(
        "a header without a line end",
        b"n,c,y",
        stops="describe",
        line=" cannot be read as text separated by ',': no row follows the header",
    ),
    Awkward("one row", b"n,c,y\n1,a,b\n", stops="describe", line=" has 1 row: nothing can be learned from that"),
    Awkward(
        "another target",
        PLAIN.encode(),
        target="Y",
        stops="describe",
        line=": the target 'Y' is not a column (did you mean y?) (it has 'n', 'c', 'y')",
    ),
    Awkward(
        "names that appear twice",
        PLAIN.replace("n,c,y", "n,n,y").encode(),
        stops="describe",
        line=": column 'n' appears twice",
    ),
    Awkward(
        "a row with too few fields",
        PLAIN.replace("9.25,green,", "9.25,", 1).encode(),
        stops="describe",
        line=" cannot be read as text separated by ',': row 2: Expected 3 columns, got 2: 9.25,yes",
    ),
    Awkward(
        "a row with too many fields",
        (PLAIN + "1,red,no,\n").encode(),
        stops="describe",
        line=" cannot be read as text separated by ',': row 61: Expected 3 columns, got 4: 1,red,no,",
    ),
    Awkward(
        "an open quote",
        PLAIN.replace("red", '"red', 1).encode(),
        stops="describe",
        line=" cannot be read as text separated by ',': a quote is not closed, or a value is longer than 1,048,576"
        " letters",
    ),
    Awkward(
        "another encoding than told",
        PLAIN.replace("green", "grün").encode("latin-1"),
        stops="describe",
        arguments=("--encoding", "utf-8"),
        line=" cannot be read as text separated by ',': byte 26 (line 3) is 0xfc, which utf-8 does not have:"
        " correct `encoding`",
    ),
    Awkward(
        "an encoding that is none",
        PLAIN.encode(),
        arguments=("--encoding", "utf-9"),
        stops="describe",
        line=": Python knows no encoding 'utf-9': correct `encoding`",
    ),
    Awkward(
        "a workbook",
        b"PK\x03\x04 and so on",
        "xlsx",
        stops="describe",
        line=" is an archive or a workbook: unpack it, or save the sheet as CSV",
    ),
    Awkward(
        "a damaged Parquet file",
        b"PAR1 and no more",
        "parquet",
        stops="describe",
        line=" cannot be read as Parquet: Parquet magic bytes not found in footer. Either the file is corrupted or"
        " this is not a parquet file.",
    ),
    Awkward(
        "a damaged gzip file",
        gzip.compress(PLAIN.encode() * 50, mtime=0)[:-40],
        "csv.gz",
        stops="describe",
        line=" cannot be read as text separated by ',': Truncated compressed stream",
    ),
    Awkward(
        "one class",
        _with(y=["a"] * ROWS).encode(),
        stops="describe",
        line=": the target 'y' is 'a' in every row: nothing can be learned from that",
    ),
    Awkward(
        "no target in any row",
        _with(y=[""] * ROWS).encode(),
        stops="describe",
        line=": the target 'y' has no value in any row",
    ),
    Awkward(
        "texts that are no classes",
        _with(y=[f"u{row:x}" for row in range(ROWS)]).encode(),
        stops="prepare",
        task="multiclass",
        roles=USUAL,
        warns="fewer than 7 rows are of the classes u0, u1, u10, u11, u12, ...",
        line="each class needs at least 7 rows",
    ),
    Awkward(
        "a date as the target",
        _with(y=DAYS).encode(),
        stops="describe",
        line=": the target 'y' is a date or of a type that cannot be predicted (text)",
    ),
    Awkward(
        "nothing to learn from",
        _csv({"id": [str(row) for row in range(ROWS)], "k": ["1"] * ROWS, "y": _columns()["y"]}).encode(),
        stops="describe",
        line=": no column is left to learn from: 'id': identifier: a different whole number in every row, 0 to 59;"
        " 'k': constant: always 1",
    ),
    Awkward("the target alone", b"y\n" + b"a\nb\n" * 30, stops="describe", line=": no column is left to learn from"),
    Awkward(
        "rows without a target",
        _with(y=_each("a", "b", "a", "b", "")).encode(),
        roles=USUAL,
        positive="b",
        warns="the target 'y' has no value in 12 rows: `missing_target: drop` leaves them out",
    ),
    Awkward(
        "a class with one row",
        _with(y=["c", *_columns()["y"][1:]]).encode(),
        stops="prepare",
        task="multiclass",
        warns="fewer than 7 rows are of the class c",
        roles=USUAL,
        line="each class needs at least 7 rows",
    ),
    Awkward(
        "an infinite number",
        _with(n=["inf", *NUMBERS[1:]]).encode(),
        stops="prepare",
        roles=USUAL,
        warns="column 'n' holds a number that is infinite",
        line="column 'n': inf in row 1 is infinite or too large",
    ),
    Awkward(
        "a type that changes half-way",
        _with(n=[*NUMBERS[:58], "n/k", *NUMBERS[59:]]).encode(),
        stops="prepare",
        warns="column 'n' is nearly all numbers, but 1 row holds others, such as 'n/k'",
        roles=USUAL,
        line="column 'n' (numeric) holds 'n/k' in row 59, which is not a finite number",
    ),
    Awkward(
        "a day that no month has",
        _with(d=[*DAYS[:58], "2024-02-30", DAYS[59]]).encode(),
        stops="prepare",
        warns="column 'd' is nearly all dates, but 1 row holds others, such as '2024-02-30'",
        roles=DATED,
        line="column 'd' (date) holds '2024-02-30' in row 59, which is not a date",
    ),
    Awkward(
        "a name that the network has for itself",
        PLAIN.replace("n,c,y", "prediction,c,y").encode(),
        stops="prepare",
        warns="column 'prediction' has the name of an output",
        line="column 'prediction' has the name of an output",
    ),
]

TABLES = (*WRITTEN, *HELD, *NAMES, *TARGETS, *REFUSED)
