"""A description as conf/data/NAME.yaml, and as a table for the terminal."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stemma.conf.hydra_yaml import flow
from stemma.describe.dialect import Dialect
from stemma.describe.meant import QUOTE
from stemma.describe.roles import Description, Target
from stemma.errors import DataError
from stemma.text import counted
from stemma.values import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 40  # letters before a comment, at most, for the comments to stand below each other
Entry = tuple[str, str, str]  # of YAML: key, value, comment
PARQUET = Dialect(Text())  # what the settings say where nothing counts
OTHERS: list[Entry] = [
    ("ranges", "{}", "lowest and highest value where you know them, such as {Age: [0, 120]}; null is open"),
    ("group", "null", "a column whose equal values stay in one split, such as a customer; duplicates: equal rows"),
    ("time", "null", "a date or number: train on the earliest rows, judge on the latest"),
    ("partition", "null", "a column that already says train, validation or test"),
    ("split", "", ""),
    ("  test", "0.2", "share of all rows"),
    ("  validation", "0.2", "share of the rows that are left"),
    ("  seed", "0", ""),
]
ROLES = "numeric | categorical | boolean | date | drop"


def yaml(description: Description, source: str, name: str | None = None) -> str:
    """The file's text: what Hydra reads, with what was seen as comments; the same for the same table.

    Args:
        source: the table's file as prepare is to find it.
        name: of the package of a network that learns from it; None: the section `package` tells of this table.

    Raises:
        DataError: a text cannot be written so that Hydra reads it back.
    """
    count = f"{counted(description.rows, 'row')}, {counted(len(description.columns) + 1, 'column')}"
    head = (
        f"# {_plain(description.path.name)}: {count}. What was seen stands behind each line: correct what is wrong.\n"
    )
    entries = [*_file(description, source), *_target(description.target), *_columns(description), *OTHERS]
    entries += _package(description, name) if name else []
    return head + "".join(_line(f"{name}: {entry}".rstrip(), note) for name, entry, note in entries)


def _file(description: Description, source: str) -> list[Entry]:
    """Where the table is and how it is written."""
    dialect = description.dialect or PARQUET
    text = dialect.text
    return [
        ("kind", "file", ""),
        ("source", value(source), ""),
        ("separator", value(text.separator, quoted=True), "" if description.dialect else "not used for Parquet"),
        ("header", str(text.header).lower(), "" if text.header else "the columns are c0, c1, ..."),
        ("encoding", value(text.encoding), "a guess" if dialect.guessed else ""),
        ("decimal", value(text.decimal, quoted=True), ""),
        ("missing", *_absent(description.missing)),
        *_missing_in(description),
        *_readings(description),
    ]


def _missing_in(description: Description) -> list[Entry]:
    own = [(f"  {flow(name)}", *_absent(texts)) for name, texts in description.missing_in.items()]
    return [("missing_in", "", "in one column, in the place of `missing`"), *own] if own else []


def _readings(description: Description) -> Iterator[Entry]:
    """How texts of single columns are written, where that is certain."""
    for setting in ("decimal_in", "thousands", "date_format"):
        own = [(name, told[setting]) for name, told in description.readings.items() if setting in told]
        yield from [(setting, "", "")] if own else []
        yield from ((f"  {flow(name)}", value(mark, quoted=True), "") for name, mark in own)


def _absent(missing: dict[str, int]) -> tuple[str, str]:
    """Texts that stand for no value, and how often each was seen."""
    seen = ", ".join(f"{flow(one, QUOTE)} {rows:,}" for one, rows in missing.items() if rows)
    return f"[{', '.join(value(one, quoted=True) for one in missing)}]", f"values: {seen}" if seen else ""


def _target(target: Target) -> list[Entry]:
    positive = "null" if target.positive is None else value(target.positive, quoted=True)
    left_out = counted(target.missing, "row is", "rows are")
    return [
        ("target", value(target.name), target.seen),
        ("task", target.task, "binary | multiclass | regression"),
        ("positive", positive, "the class whose probability is judged" if target.positive is not None else ""),
        *[("missing_target", "drop", f"{left_out} left out; or error")] * bool(target.missing),
    ]


def _columns(description: Description) -> list[Entry]:
    columns = description.columns
    return [("columns", "", ROLES), *((f"  {flow(column.name)}", column.role, column.seen) for column in columns)]


def _package(description: Description, name: str) -> list[Entry]:
    used = sum(column.role != "drop" for column in description.columns)
    told = f"Predicts {description.target.name} from {counted(used, 'column')} of {description.path.name}."
    head = ("package", "", "what a bundle says of itself, in the place of the section package")
    return [head, ("  name", value(name), ""), ("  description", value(told, quoted=True), "")]


def value(text: str, quoted: bool = False) -> str:
    """A text as a value of YAML that Hydra reads back as it is: what looks like an interpolation is none.

    Raises:
        DataError: "???", which Hydra always reads as a value that is missing.
    """
    if text == "???":
        raise DataError(
            "the text '???' cannot be a setting, for Hydra reads it as a missing one: rename it in the table"
        )
    literal = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return flow(literal, '"' if quoted else None)


def table(description: Description) -> "RenderableType":
    """Columns, roles and what was seen, for a terminal; dropped columns are dim."""
    from rich.table import Table
    from rich.text import Text as Styled

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("column", overflow="fold")
    drawn.add_column("role")
    drawn.add_column("seen", overflow="fold")
    target = description.target
    drawn.add_row(Styled(_plain(target.name)), Styled(f"target, {target.task}", "bold"), Styled(target.seen))
    for column in description.columns:
        style = "dim" if column.role == "drop" else ""
        drawn.add_row(Styled(_plain(column.name), style), Styled(column.role, style), Styled(column.seen, style))
    return drawn


def _line(entry: str, note: str) -> str:
    return f"{entry:{WIDTH}} # {_plain(note)}\n" if note else f"{entry}\n"


def _plain(text: str) -> str:
    """A text in one line, without what a terminal or YAML would act upon."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
