"""How a report is printed: as text that a pipe gets whole, as Markdown, as JSON."""

import json
import math
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stemma.cli.output import Table, plain, show, show_json

NUMBERS = Table(("name", "value"), [("a", "1"), ("long name", "22.5")])


def test_texts_stand_left_and_numbers_right(capsys: pytest.CaptureFixture[str]) -> None:
    show(["Before.", NUMBERS], markdown=False)
    assert capsys.readouterr().out == "Before.\n\nname       value\na              1\nlong name   22.5\n"


def test_markdown_is_a_table_and_its_bars_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    show([Table(("a|b", "number"), [("x\ny", "1")])], markdown=True)
    assert capsys.readouterr().out == "| a\\|b | number |\n| --- | ---: |\n| x y | 1 |\n"


def test_a_pipe_gets_long_lines_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    show([Table(("a", "b"), [("x" * 50, "y" * 50)])], markdown=False)
    assert "x" * 50 + "  " + "y" * 50 in capsys.readouterr().out


def test_a_terminal_that_is_too_narrow_wraps_inside_the_cells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    show([Table(("a", "b"), [("[red]" + "x" * 30, "1"), ("z", "2")])], markdown=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 30
    assert "".join("".join(lines).split()).replace("1", "").startswith("ab[red]" + "x" * 10)


@dataclass(frozen=True)
class Found:
    when: datetime
    where: Path
    values: tuple[float, ...]
    names: frozenset[str]
    more: dict[str, object]
    _hidden: object = field(default=None)


def test_json_holds_every_public_field_and_no_value_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    when = datetime(2026, 1, 31, 12, tzinfo=UTC)
    show_json(Found(when, Path("a/b"), (1.5, math.nan, math.inf), frozenset("ba"), {"x": (1, None)}), sentence="é")
    out = capsys.readouterr().out
    assert json.loads(out) == {
        "when": "2026-01-31T12:00:00+00:00", "where": "a/b", "values": [1.5, None, None], "names": ["a", "b"],
        "more": {"x": [1, None]}, "sentence": "é",
    }  # fmt: skip
    assert out.isascii()


@dataclass(frozen=True)
class Told:
    a: int
    _secret: int = 0

    @property
    def sentence(self) -> str:
        return f"a is {self.a}"

    @property
    def _more(self) -> int:
        raise AssertionError


def test_json_holds_what_properties_say() -> None:
    assert plain(Told(1)) == {"a": 1, "sentence": "a is 1"}
