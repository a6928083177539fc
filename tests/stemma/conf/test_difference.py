"""Two trees compared, leaf by leaf."""

import math
from typing import Any

import pytest

from stemma.conf.difference import Difference, compare


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (1, True), (0, False), (1, "1"), (None, "null"), ([1], [1.0])])
def test_values_of_another_type_differ(left: Any, right: Any) -> None:
    assert [one.key for one in compare({"a": {"b": left}}, {"a": {"b": right}})] == ["a.b"]


@pytest.mark.parametrize(
    ("left", "right"),
    [({"x": 1, "y": 2}, {"y": 2, "x": 1}), (math.nan, math.nan), ([{"x": 1, "y": 2}], [{"y": 2, "x": 1}]), ({}, {})],
)
def test_the_order_of_keys_makes_no_difference_and_nan_is_nan(left: Any, right: Any) -> None:
    assert compare({"a": left}, {"a": right}) == ()


def test_a_difference_reads_as_key_conf_params() -> None:
    found = compare(
        {"a": {"b": "relu", "c": [1, None], "gone": "1"}, "e": {}}, {"a": {"b": "x: y", "c": [1], "new": 0.5}, "e": 1}
    )
    assert [str(one) for one in found] == [
        "a.b: relu -> 'x: y'",
        "a.c: [1, null] -> [1]",
        "a.gone: '1' -> (none)",
        "e: {} -> 1",
        "a.new: (none) -> 0.5",
    ]
    assert found[2].as_dict() == {"key": "a.gone", "conf": "1"}
    assert Difference(("k",), math.nan, [math.inf, 1]).as_dict() == {
        "key": "k",
        "conf": "NaN",
        "params": ["Infinity", 1],
    }


def test_a_long_value_is_cut_in_messages() -> None:
    text = str(Difference(("k",), list(range(1000)), 1))
    assert text.startswith("k: [0, 1, 2, ") and text.endswith("... -> 1") and len(text) < 100
