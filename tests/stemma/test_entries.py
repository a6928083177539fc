"""What is added to a table: found, refused by name, or one line that says what is wrong with it."""

import sys
from pathlib import Path

import pytest

from stemma import entries
from stemma.entries import Entry, added
from stemma.errors import EntryError, MissingExtra


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """module: of a name that no other test imported."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"mine_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text("THING = 3\n", encoding="utf-8")
    yield name
    sys.modules.pop(name, None)


def test_an_entry_gives_what_it_names(module: str) -> None:
    assert Entry(f"{module}:THING").load() == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("import no_such_package\n", "No module named 'no_such_package'"),
        ("OTHER = 1\n", "has no attribute 'THING'"),
        ("raise RuntimeError('one\\ntwo')\n", "RuntimeError: one two"),
    ],
)
def test_a_module_that_does_not_load_is_one_line_that_names_it(
    text: str, told: str, module: str, tmp_path: Path
) -> None:
    (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
    with pytest.raises(EntryError) as raised:
        Entry(f"{module}:THING").load()
    assert f"{module}:THING cannot be loaded" in str(raised.value) and told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_extra_is_named_with_the_command(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("import no_such_package\n", encoding="utf-8")
    with pytest.raises(MissingExtra, match=r"no_such_package is not installed.*\[lift\]"):
        Entry(f"{module}:THING", extra="lift").load()


def test_a_name_of_the_toolkit_is_refused() -> None:
    with pytest.raises(EntryError, match="metrics: the toolkit has a 'roc_auc', so a:B needs another name"):
        added("metrics", {"roc_auc": Entry("a:B")}, ["roc_auc"])


@pytest.mark.parametrize("name", ["", "a.b", "a b", "1st", "../x"])
def test_what_could_not_stand_in_a_file_is_no_name(name: str) -> None:
    with pytest.raises(EntryError, match="is no name"):
        added("metrics", {name: Entry("a:B")}, [])


def test_an_installed_package_brings_its_lines(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thing = f"from stemma.entries import Entry\nLIFT, NONE = Entry('{module}:THING'), 4\nTHING = 3\n"
    (tmp_path / f"{module}.py").write_text(thing, encoding="utf-8")
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n", encoding="utf-8")
    points = f"[stemma.metrics]\nlift = {module}:LIFT\n[stemma.formats]\nnone = {module}:NONE\n"
    (about / "entry_points.txt").write_text(points, encoding="utf-8")
    entries._points.cache_clear()
    try:
        own = {"mine": Entry("a:B")}
        assert added("metrics", own, []) == {"lift": Entry(f"{module}:THING"), **own}
        with pytest.raises(EntryError, match=":NONE is no Entry"):
            added("formats", {}, [])
    finally:
        monkeypatch.undo()
        entries._points.cache_clear()
