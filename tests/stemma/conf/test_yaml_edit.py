"""One value changes, every other byte stays."""

import copy
import difflib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemma.conf.hydra_yaml import flow, parse
from stemma.conf.yaml_edit import reach, remove, set_value

TEXT = """\
# Top.
plain: 40              # at most
quoted: "TRUE"   # "the" class
single: 'a'
empty:   # nothing yet
none: {}     # no entries
hidden: [64,  32]        # units
wide: [
  "",    # empty
  "NA",  # not available
]
block:   # a list
  - 1    # one
  - 2    # two

  # about the next
after: &name text
nested:
    deep:
        only: 1   # alone
    other: *name
words: |   # kept
  two
  lines

last: x"""


def changed(edited: str, text: str = TEXT) -> tuple[list[str], list[str]]:
    """The lines taken away and the lines added."""
    lines = difflib.ndiff(text.splitlines(), edited.splitlines())
    lines = [line for line in lines if line[0] in "+-"]
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


@pytest.mark.parametrize(
    ("path", "value", "old", "away", "added"),
    [
        ("plain", 7, None, ["plain: 40              # at most"], ["plain: 7              # at most"]),
        ("plain", 10**9, None, ["plain: 40              # at most"], ["plain: 1000000000              # at most"]),
        ("plain", None, None, ["plain: 40              # at most"], ["plain: null              # at most"]),
        ("quoted", "FALSE", None, ['quoted: "TRUE"   # "the" class'], ['quoted: "FALSE"   # "the" class']),
        ("quoted", 1.5, None, ['quoted: "TRUE"   # "the" class'], ['quoted: 1.5   # "the" class']),
        ("single", "it's", None, ["single: 'a'"], ["single: 'it''s'"]),
        ("empty", 3, None, ["empty:   # nothing yet"], ["empty: 3   # nothing yet"]),
        ("none.key", [0, None], None, ["none: {}     # no entries"], ["none: {key: [0, null]}     # no entries"]),
        ("hidden", [128], [64, 32], ["hidden: [64,  32]        # units"], ["hidden: [128]        # units"]),
        ("hidden", [64, 8], [64, 32], ["hidden: [64,  32]        # units"], ["hidden: [64,  8]        # units"]),
        ("wide", ["", "x"], ["", "NA"], ['  "NA",  # not available'], ['  "x",  # not available']),
        ("wide", [""], ["", "NA"], ['  "NA",  # not available'], []),
        ("block", [1, 3], [1, 2], ["  - 2    # two"], ["  - 3    # two"]),
        ("block", [1, 2, 3], [1, 2], [], ["  - 3"]),
        ("block", [1], [1, 2], ["  - 2    # two"], []),
        ("block", [], [1, 2], ["block:   # a list", "  - 1    # one", "  - 2    # two"], ["block: []   # a list"]),
        ("nested.other", "own", None, ["    other: *name"], ["    other: own"]),
        ("after", "new", None, ["after: &name text"], ["after: &name new"]),
        ("words", "one", None, ["words: |   # kept", "  two", "  lines"], ["words: one"]),
        ("words", "a\nb", None, ["words: |   # kept", "  two", "  lines"], ['words: "a\\nb"']),
        ("last", "1e-3", None, ["last: x"], ["last: '1e-3'"]),
        ("nested.deep", 5, None, ["    deep:", "        only: 1   # alone"], ["    deep: 5"]),
        ("nested.deep.more", {"a": {"b": 1}}, None, [], ["        more:", "          a:", "            b: 1"]),
        ("new.a", 1, None, [], ["new:", "  a: 1"]),
    ],
)
def test_setting_a_value_changes_its_own_lines_alone(
    path: str, value: Any, old: Any, away: list[str], added: list[str]
) -> None:
    edited = set_value(TEXT, tuple(path.split(".")), value, old)
    assert changed(edited) == (away, added)
    tree = parse(edited, "the edited text")
    for key in path.split("."):
        tree = tree[key]
    assert tree == value


@pytest.mark.parametrize(
    ("path", "away", "added"),
    [
        (("plain",), ["plain: 40              # at most"], []),
        (("wide", 0), ['  "",    # empty'], []),
        (("wide", 1), ['  "NA",  # not available'], []),
        (("hidden", 0), ["hidden: [64,  32]        # units"], ["hidden: [32]        # units"]),
        (("hidden", 1), ["hidden: [64,  32]        # units"], ["hidden: [64]        # units"]),
        (("block",), ["block:   # a list", "  - 1    # one", "  - 2    # two"], []),
        (("block", 0), ["  - 1    # one"], []),
        (("nested", "deep", "only"), ["    deep:", "        only: 1   # alone"], ["    deep: {}"]),
        (("nested", "other"), ["    other: *name"], []),
        (("words",), ["words: |   # kept", "  two", "  lines"], []),
        (("last",), ["last: x"], []),
        (("not", "there"), [], []),
    ],
)
def test_removing_an_entry_takes_its_own_lines_alone(path: tuple[Any, ...], away: list[str], added: list[str]) -> None:
    assert changed(remove(TEXT, path)) == (away, added)


def test_a_path_ends_where_a_scalar_or_an_alias_stands_in_its_way() -> None:
    assert reach(TEXT, ("nested", "other", "x")) == ("nested", "other")
    assert reach(TEXT, ("plain", "x", "y")) == ("plain",)
    assert reach(TEXT, ("nested", "deep", "new", "x")) == ("nested", "deep", "new", "x")


def test_windows_line_ends_stay() -> None:
    text = TEXT.replace("\n", "\r\n") + "\r\n"
    edited = set_value(set_value(text, ("new",), {"a": 1}), ("plain",), 7)
    assert edited == text.replace("40 ", "7 ") + "new:\r\n  a: 1\r\n"
    assert remove(text, ("single",)) == text.replace("single: 'a'\r\n", "")


def test_an_empty_text_takes_its_first_entry() -> None:
    assert set_value("", ("a",), 1) == "a: 1\n"
    assert set_value("# only this\n", ("a", "b"), "x") == "# only this\na:\n  b: x\n"
    assert set_value("{}", ("a",), 1) == "{a: 1}"


def test_what_a_merge_key_brings_is_overridden_beside_it() -> None:
    text = "base: &base {a: 1}   # shared\nuser:\n  <<: *base\n"
    assert set_value(text, ("user", "a"), 2) == text + "  a: 2\n"


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8),
    st.sampled_from(["1e-3", "0o17", "on", "null", "~", "", " x", "a: b", "# no", "é", "1_000", "[x]", "-", "${a}"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=3),
    max_leaves=5,
)
TREES = st.dictionaries(st.sampled_from("abcdef"), VALUES, min_size=1, max_size=4)


@given(VALUES)
def test_flow_is_one_line_that_reads_back_as_the_same_value(value: Any) -> None:
    text = flow(value)
    assert "\n" not in text
    assert repr(parse(f"x: {text}   # a comment\n", "x")["x"]) == repr(value)
    assert repr(parse(f"x: [{text}, 1]", "x")["x"][0]) == repr(value)


def lines_of(tree: dict[str, Any], draw: Any, indent: int = 0, above: tuple[Any, ...] = ()) -> list[tuple[Any, str]]:
    """The tree laid out in ways drawn at random: (path, line)."""
    found: list[tuple[Any, str]] = []
    step = draw(st.sampled_from([2, 4]))
    for key, value in tree.items():
        path, start = (*above, key), f"{' ' * indent}{key}:"
        comment = draw(st.sampled_from(["", "  # a comment", " # 'x': [1"]))
        if draw(st.booleans()):
            found.append(((*above, "#"), f"{' ' * indent}# above {key}"))
        if isinstance(value, dict) and value and draw(st.booleans()):
            found += [(path, f"{start}{comment}"), *lines_of(value, draw, indent + step, path)]
        elif isinstance(value, list) and value and draw(st.booleans()):
            items = [((*path, at), f"{' ' * indent}- {flow(item)}{comment}") for at, item in enumerate(value)]
            found += [(path, f"{start}{comment}"), *items]
        else:
            found.append((path, f"{start} {flow(value, draw(st.sampled_from([None, chr(34)])))}{comment}"))
    return found


def paths_of(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(tree, dict):
        return [above]
    return [above, *(path for key, value in tree.items() for path in paths_of(value, (*above, key)))]


@settings(deadline=None, max_examples=200)
@given(st.data(), TREES)
def test_any_edit_gives_the_tree_that_was_meant_and_keeps_the_other_lines(data: st.DataObject, tree: Any) -> None:
    lines = lines_of(tree, data.draw)
    text = "".join(f"{line}\n" for _, line in lines)
    assert repr(parse(text, "text")) == repr(tree)
    path = data.draw(st.sampled_from(paths_of(tree)[1:]))
    expected = copy.deepcopy(tree)
    parent = expected
    for key in path[:-1]:
        parent = parent[key]
    action = data.draw(st.sampled_from(["set", "add", "remove"]))
    if action == "remove":
        del parent[path[-1]]
        edited = remove(text, path)
    else:
        path = path if action == "set" else (*path[:-1], "added")
        value, old = data.draw(VALUES), parent.get(path[-1])
        parent[path[-1]] = value
        edited = set_value(text, path, value, old)
    assert repr(parse(edited, "edited") or {}) == repr(expected)
    kept = [line for at, line in lines if at != path[: len(at)] and at[: len(path)] != path]
    remaining = iter(edited.splitlines())
    assert all(line in remaining for line in kept)
