"""The page of measurements, bench/README.md: a section for each table, with the command that makes it.

A program of this folder ends with `page.main(TABLES)`: functions by name, whose first docstring becomes the text.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PAGE = Path(__file__).resolve().parent / "README.md"
TITLE = """# Measured

Each table names the command that makes it. Ratios are of one run, on 2 cores; seconds depend on the machine.
"""
Table = tuple[list[str], list[list[str]]]  # column names, rows


def main(tables: Mapping[str, Callable[[], Table]]) -> None:
    """Measure the tables that the command line names, else all; print each, and put it into the page."""
    names = sys.argv[1:] or list(tables)
    unknown = [name for name in names if name not in tables]
    if unknown:
        print(f"error: no such table: {unknown[0]} (there are {', '.join(tables)})", file=sys.stderr)
        raise SystemExit(2)
    for name in names:
        made = section(name, " ".join((tables[name].__doc__ or "").split()), tables[name]())
        print(made, flush=True)
        update(name, made)


def section(name: str, text: str, table: Table, arguments: str | None = None) -> str:
    """Args: arguments: of the command that makes it, where the name is none."""
    columns, rows = table
    command = f"python bench/{Path(sys.argv[0]).name} {name if arguments is None else arguments}".rstrip()
    command = f"Made by `{command}`."
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join([f"## {name}", "", text, command, "", *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def update(name: str, made: str) -> None:
    """Put a section into the page; the others stay, in their order."""
    old = PAGE.read_text(encoding="utf-8").split("\n## ")[1:] if PAGE.exists() else []
    sections = {text.split("\n")[0]: f"## {text.rstrip()}\n" for text in old} | {name: made}
    PAGE.write_text("\n".join([TITLE, *sections.values()]), encoding="utf-8")
