"""Texts for people: the nearest name, figures, and Markdown of strangers' texts."""

import html

import pytest
from markdown_it import MarkdownIt

from stemma import text


@pytest.mark.parametrize(
    ("name", "names", "hint"),
    [
        ("roc_acu", ["rmse", "roc_auc"], " (did you mean roc_auc?)"),
        ("n", ["name", "N"], " (did you mean N?)"),  # the same in other letters comes before what is alike
        ("total pric", ["total price"], " (did you mean 'total price'?)"),
        ("wide", ["wid\x1b[2Je"], r" (did you mean 'wid\x1b[2Je'?)"),
        (7, ["x"], ""),
        ("x", [], ""),
    ],
)
def test_a_hint_names_the_nearest_and_quotes_what_is_not_plain(name: object, names: list[str], hint: str) -> None:
    assert text.nearest(name, names) == hint


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (0.0, "0.0000"),
        (-3.21e-7, "-3.2e-07"),
        (0.5, "0.5000"),
        (-12.34, "-12.3400"),
        (1234.5, "1,234.5"),
        (1234567.8, "1,234,568"),
        (1e13, "1e+13"),
    ],
)
def test_a_figure_has_the_digits_that_say_something(value: float | None, shown: str) -> None:
    assert text.figure(value) == shown


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (7 * 86400, "7 days"),
        (86400, "1 day"),
        (129_600, "1.5 days"),
        (5400, "1.5 hours"),
        (60, "1 minute"),
        (0, "0 seconds"),
    ],
)
def test_a_time_is_told_in_the_largest_unit_that_it_holds(seconds: float, told: str) -> None:
    assert text.lasting(seconds) == told


def test_counts_and_lists_end_as_a_person_writes_them() -> None:
    assert [text.counted(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert text.counted(2, "class", "classes") == "2 classes"
    assert text.few(["a", "b", "c", "d"]) == "a, b, c and 1 more" and text.few(["a"]) == "a"


def test_a_text_of_several_lines_and_with_letters_of_control_is_cut_to_one_line() -> None:
    assert text.short("a\n\tb\x1b[31m", 9) == "a b [31m" and text.short("abcdef", 4) == "abc…"
    assert text.short("abc", 3) == "abc"


@pytest.mark.parametrize("evil", ["*a*", "`a`", "[a](b)", "<b>", "a|b", "# a", "`a`` b` * 2", "~~a~~", "a\nb", "\\"])
def test_nothing_of_a_text_is_markup_or_leaves_its_cell(evil: str) -> None:
    shown = text.escaped(evil)
    assert "\n" not in shown and all(f"\\{letter}" in shown for letter in "*`[<|#~" if letter in evil)
    assert MarkdownIt().renderInline(text.code(evil)) == f"<code>{html.escape(' '.join(evil.split()))}</code>"
    head, _, row = text.table(["a", "b"], [[text.escaped(evil), text.code(evil)]])
    assert head == "| a | b |" and row.replace("\\|", "").count("|") == 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (float("nan"), "-"), (0.0, "0"), (0.123456, "0.1235"), (-3.21e-7, "-3.21e-07"), (9999.4, "9999"),
     (9999.7, "10,000"), (-55_890.1, "-55,890"), (1107000.4, "1,107,000"), (1e13, "1e+13")],
)  # fmt: skip
def test_four_digits_leave_none_out_before_the_point(value: float | None, shown: str) -> None:
    assert text.in_digits(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "+0.0000"), (-0.00004, "-4e-05"), (0.00032, "+0.00032"), (0.001, "+0.0010"), (-0.5, "-0.5000"),
     (-20_000.0, "-20,000.0"), (float("nan"), "-"), (float("-inf"), "-")],
)  # fmt: skip
def test_a_difference_has_its_sign_and_is_nothing_only_if_it_is(value: float, shown: str) -> None:
    assert text.signed(value) == shown


def test_a_table_has_words_to_the_left_and_figures_to_the_right() -> None:
    assert text.table(["a", "b", "c"], [["1", "2", "3"]], left=(0, 2)) == [
        "| a | b | c |",
        "| --- | ---: | --- |",
        "| 1 | 2 | 3 |",
    ]
