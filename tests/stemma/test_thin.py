"""Fewer of many rows."""

import pytest

from stemma.thin import evenly


@pytest.mark.parametrize(
    ("count", "most", "kept"), [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (2, 9, [0, 1]), (10, 4, [0, 3, 6, 9])]
)
def test_the_first_and_the_last_are_kept_and_no_row_twice(count: int, most: int, kept: list[int]) -> None:
    assert evenly(count, most).tolist() == kept
