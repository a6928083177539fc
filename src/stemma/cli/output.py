"""How a command prints what it found: one frozen object as text, Markdown or JSON.

    def report(found) -> Report:                     # texts and tables, in order
        return [f"{found.sentence}.", Table(("metric", "a", "b"), rows)]

    def command(..., as_json: AsJson = False, as_md: AsMarkdown = False) -> None:
        found = versions.compare(...)
        answer(found, lambda: report(found), as_json, as_md)

In a pipe or a pager nothing is cut, wrapped or coloured. On a terminal, tables that are too wide for it are wrapped
inside their cells. Texts and cells are plain text, whoever wrote it: in Markdown nothing of them is markup.
"""

import dataclasses
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from stemma.cli.options import flag
from stemma.errors import StemmaError, told_by_system
from stemma.text import escaped, say, visible
from stemma.text import table as markdown_table

if TYPE_CHECKING:
    from stemma.report.document import Document

AsJson = Annotated[bool, flag("--json", "Print JSON.")]
AsMarkdown = Annotated[bool, flag("--md", "Print Markdown.")]


@dataclass(frozen=True)
class Table:
    """Headers and rows of text."""

    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    # how many of the first columns are text; the others are numbers and stand to the right. None: all are text
    left: int | None = 1

    @property
    def texts(self) -> int:
        return len(self.headers) if self.left is None else self.left


class Heading(str):
    """Of what follows: `Name:`, in Markdown `### Name`."""


Report = Sequence["str | Table"]


def answer(found: Any, report: Callable[[], Report], as_json: bool, as_md: bool = False, **more: Any) -> None:
    """Print what a command found: itself, and `more`, as JSON; else its report."""
    if as_json:
        show_json(found, **more)
    else:
        show(report(), as_md)


@contextmanager
def done(what: str) -> Iterator[None]:
    """What was done is told even where the rest cannot be."""
    try:
        yield
    except StemmaError as error:
        raise StemmaError(f"{what}; but {error}") from error
    except OSError as error:
        raise StemmaError(f"{what}; but {told_by_system(error)}") from error


def show(parts: Report, markdown: bool) -> None:
    """Print texts and tables, an empty line between them."""
    say("\n\n".join(_text(part, markdown) for part in parts))


def of_document(told: "Document") -> Report:
    """The texts and tables of a page, without its pictures."""
    from stemma.report.document import Chart

    parts: list[str | Table] = [told.lead, *(text for text, _ in told.badges)]
    for section in told.sections:
        parts.append(Heading(section.title))
        for part in section.parts:
            if isinstance(part, str | Chart):
                parts.append(part if isinstance(part, str) else f"{part.caption}:")
            else:
                parts.append(Table(part.head, part.rows, left=1 + len(part.words)))
    return parts


def show_json(found: Any, **more: Any) -> None:
    """Print a frozen object, and `more`, in ASCII, which no terminal obeys; numbers that are not finite are null."""
    say(json.dumps(plain(found) | plain(more), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """A frozen object as JSON has it: its fields, then its properties, but for names that start with an underscore."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = [named for kind in type(value).__mro__ for named in vars(kind).items()]
        properties = [name for name, what in found if isinstance(what, property)]
        names = [*(field.name for field in dataclasses.fields(value)), *properties]
        return {name: plain(getattr(value, name)) for name in names if not name.startswith("_")}
    if hasattr(value, "model_dump"):  # a section
        return plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def titled(sections: Iterable[tuple[str, Table]]) -> list[str | Table]:
    """Tables under their names; those without rows are left out."""
    return [part for title, table in sections if table.rows for part in (Heading(title), table)]


def in_thousands(count: int | None) -> str:
    """`1,000`; a dash where there is none."""
    return "-" if count is None else f"{count:,}"


def in_bytes(size: int | None) -> str:
    """Bytes for people."""
    from rich.filesize import decimal

    return "-" if size is None else decimal(size)


def _text(part: "str | Table", markdown: bool) -> str:
    if isinstance(part, Table):
        return "\n".join(_lines(part, markdown))
    if isinstance(part, Heading):
        return f"### {_marked(part)}" if markdown else f"{part}:"
    return "\n".join(map(_marked, part.split("\n"))) if markdown else part


def _marked(text: str) -> str:
    return escaped(text, names=True)


def _lines(part: Table, markdown: bool) -> list[str]:
    if markdown:
        head, *rows = (tuple(map(_marked, cells)) for cells in (part.headers, *part.rows))
        return markdown_table(head, rows, range(part.texts))
    lines = aligned(part)
    wide = max(map(len, lines)) > shutil.get_terminal_size().columns
    return _wrapped(part) if wide and sys.stdout.isatty() else lines


def aligned(table: Table) -> list[str]:
    """The lines of a table, the headers first."""
    rows = [tuple(map(visible, cells)) for cells in (table.headers, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_placed(row, widths, table.texts)).rstrip() for row in rows]


def _placed(row: tuple[str, ...], widths: Sequence[int], texts: int) -> list[str]:
    return [
        cell.ljust(width) if place < texts else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _wrapped(table: Table) -> list[str]:
    """For a terminal that is too narrow for the table."""
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
    for place, header in enumerate(table.headers):
        drawn.add_column(Text(visible(header)), justify="left" if place < table.texts else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(visible(cell)) for cell in row))
    console = Console(width=shutil.get_terminal_size().columns, color_system=None)
    with console.capture() as captured:
        console.print(drawn)
    return [line.rstrip() for line in captured.get().splitlines()]
