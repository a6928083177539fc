"""The page that a person shows to a colleague, and its pictures."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import timing
from stemma.report import data as report
from stemma.tables import hints, statistics
from stemma.tables.profile import Block
from stemma.tables.split import split

BLOCKS = (Block("n", "numeric", 0, 1),)
ROWS = 300


def table(**columns: object) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    base = {
        "id": pd.Categorical([f"k{row // 3}" for row in range(ROWS)]),
        "n": np.where(np.arange(ROWS) % 10 == 0, np.nan, draw.standard_normal(ROWS)),
        "b": draw.integers(0, 2, ROWS) * 1.0,
        "c": pd.Categorical(draw.choice(["u", "v", ""], ROWS)),
        "d": pd.date_range("2024-01-01", periods=ROWS, freq="D", unit="us"),
        "y": pd.Categorical(draw.choice(["p", "q"], ROWS)),
    }
    return pd.DataFrame(base | columns)


ROLES = {"id": "drop", "gone": "drop", "n": "numeric", "b": "boolean", "c": "categorical", "d": "date"}


@pytest.fixture
def written(tmp_path, small):
    """Write the report of a table; its page."""

    def write(frame: pd.DataFrame, found=(), **changes: object) -> str:
        settings = small("t.csv", **({"columns": ROLES, "group": "id", "positive": "q"} | changes))
        parts = split(frame, settings)
        about = statistics.make(frame, settings, parts, BLOCKS)
        report.write(tmp_path, frame, settings, parts, about, found)
        return (tmp_path / "data.md").read_text(encoding="utf-8")

    return write


def rows_of(page: str) -> dict[str, list[str]]:
    """The cells of each line of a table, by its first cell."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines}


def is_picture(path: Path) -> bool:
    return ElementTree.parse(path).getroot().tag.endswith("svg")  # noqa: S314  (we wrote it)


def test_the_page_tells_of_rows_splits_classes_and_columns(written):
    frame = table()
    page = written(frame)
    assert "300 rows and 4 features of `t.csv`, to predict `y` (binary, positive: `q`)." in page
    assert "By group `id`: rows of one group stay together." in page
    told = rows_of(page)
    assert told["test"][:2] == ["60", "20.0%"]
    assert sum(int(told[name][3].split()[0]) for name in ("train", "validation", "test")) == (frame["y"] == "q").sum()
    assert told["`n`"][0].endswith("%")
    assert told["`d`"][1].startswith("2024-0")
    assert told["`c`"][:1] == ["categorical"]
    assert told["`c`"][2] == "2"
    assert told["`b`"][3].count("%") == 2
    assert "`true`" in told["`b`"][3]


def test_the_page_tells_what_is_not_used_and_why(written):
    page = written(table())
    assert "- `id`: rows are split by it (`group`)\n- `gone`: its role is `drop`\n" in page


def test_hints_are_told_as_they_are_and_no_markup_of_theirs_counts(written):
    page = written(table(), [hints.Hint("unseen", "c", "column 'a*b_c|<i>' holds `x`")])
    assert r"- column 'a\*b\_c\|\<i\>' holds \`x\`" in page
    assert "## Hints\n\nNone." in written(table())
    many = [hints.Hint("constant", f"c{place}", f"line {place}") for place in range(report.MOST_LINES + 3)]
    assert "- line 199\n- and 3 more\n" in written(table(), many)


def test_the_page_tells_of_a_regression(written, tmp_path):
    page = written(table(y=np.arange(ROWS) * 1.0), task="regression", positive=None, group=None)
    assert "By chance (seed 0)." in page
    assert rows_of(page)["split"] == ["rows", "share", "mean"]
    assert is_picture(tmp_path / "data/target.svg")


def test_the_page_tells_of_every_way_to_split(written):
    assert "By time `d`: the oldest rows to train, the newest to test." in written(table(), group=None, time="d")
    parts = pd.Categorical(["train", "train", "val", "test"] * (ROWS // 4))
    assert "By partition `id`: as the column says." in written(table(id=parts), group=None, partition="id")
    assert "By chance, every class in the same share (seed 0)." in written(table(), group=None)


def test_the_name_of_the_target_is_no_markup(written):
    page = written(table().rename(columns={"y": "[y](x) <b>"}), target="[y](x) <b>")
    assert r"![\[y\](x) \<b\> in each split](data/target.svg)" in page


def test_odd_names_and_texts_break_neither_the_page_nor_the_picture(written, tmp_path):
    odd = "名 |$x$ `<b>&\n\x00"
    frame = table().rename(columns={"c": odd})
    frame[odd] = pd.Categorical(np.resize(["a|b", "<i>", "$y$", "\x07", "line\nbreak"], ROWS))
    page = written(frame, columns={"id": "drop", "n": "numeric", "b": "boolean", odd: "categorical", "d": "date"})
    assert "| `` 名 \\|$x$ `<b>& `` |" in page
    for name in ("columns", "target"):
        assert is_picture(tmp_path / f"data/{name}.svg")


def test_many_classes_with_long_names_are_drawn_as_far_as_told_and_stand_apart(written, tmp_path):
    classes = pd.Categorical([f"department number {number % 12:02}" for number in range(ROWS)])
    assert "The first 10 of 12 classes." in written(table(y=classes), task="multiclass", positive=None, group=None)
    assert (tmp_path / "data/target.svg").read_text(encoding="utf-8").count("rotate(-45") == 10


def test_columns_without_values_or_with_one_are_drawn(written, tmp_path):
    page = written(table(n=np.nan, b=1.0, c=pd.Categorical([""] * ROWS), d=pd.Series([pd.NaT] * ROWS, dtype="M8[us]")))
    assert rows_of(page)["`n`"] == ["100.0%", "", "", "", "", "", "0.000"]
    assert is_picture(tmp_path / "data/columns.svg")


def test_numbers_that_hardly_differ_are_drawn(written, tmp_path):
    written(table(n=np.resize([0.3, 0.1 + 0.2], ROWS), y=np.resize([1e37, 1.0000000000000001e37], ROWS)),
            task="regression", positive=None)  # fmt: skip
    assert is_picture(tmp_path / "data/columns.svg")
    assert is_picture(tmp_path / "data/target.svg")


def test_the_same_table_gives_the_same_bytes_whatever_the_style_of_the_person(written, tmp_path):
    made = []
    for size in (8, 20):
        with matplotlib.rc_context({"font.size": size, "axes.facecolor": "black", "svg.hashsalt": None}):
            written(table())
        made.append([path.read_bytes() for path in sorted(tmp_path.rglob("*.*"))])
    assert made[0] == made[1]
    assert len(made[0]) == 3
    assert b"<dc:date>" not in b"".join(made[0])
    assert b"font-family: 'DejaVu Sans', sans-serif" in made[0][0]


def test_a_picture_is_laid_out_once(written, monkeypatch):
    """matplotlib's layout engine draws each picture twice."""
    drawn = []
    monkeypatch.setattr(Figure, "draw", lambda self, renderer, draw=Figure.draw: drawn.append(draw(self, renderer)))
    written(table())
    assert len(drawn) == 2


def test_of_many_columns_the_page_draws_and_tells_a_part(written, tmp_path):
    draw = np.random.default_rng(0)
    many = pd.DataFrame({f"c{place}": draw.standard_normal(ROWS) for place in range(report.MOST_LINES + 5)})
    page = written(table().join(many), columns=ROLES | {"c*": "numeric"})
    # two of the lines that are told are those of n and d
    assert "And 7 more: `profile.json` has them all." in page
    assert "The 24 features with the most drift" in page
    assert (tmp_path / "data/columns.svg").stat().st_size < 300_000


def test_the_report_of_a_table_as_large_as_the_default_one_takes_less_than_three_seconds(small, tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({f"n{number}": draw.standard_normal(12_000) for number in range(10)})
    frame = frame.assign(**{f"c{n}": pd.Categorical(draw.choice([*"uvwxyz"], 12_000)) for n in range(7)})
    frame["y"] = pd.Categorical(draw.choice(["p", "q"], 12_000))
    settings = small("t.csv", columns={"n*": "numeric", "c*": "categorical"})
    parts = split(frame, settings)
    about = statistics.make(frame, settings, parts, BLOCKS)
    assert timing.seconds(lambda: report.write(tmp_path, frame, settings, parts, about, ()), below=3) < 3
