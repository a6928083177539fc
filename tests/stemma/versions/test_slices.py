"""Rows cut by the value of a column."""

import numpy as np

from stemma.versions import slices


def sizes(values: list[object]) -> dict[str, int]:
    return {name: int(mask.sum()) for name, mask in slices.cut(values)}


def test_each_text_is_a_slice_the_most_frequent_first() -> None:
    assert list(sizes(["b", "a", "b", "c", "b", "a"]).items()) == [("b", 3), ("a", 2), ("c", 1)]


def test_missing_values_are_a_slice_of_their_own() -> None:
    assert sizes(["a", "", None, float("nan"), " "]) == {"a": 1, "(missing)": 4}


def test_rare_values_beyond_the_twentieth_are_one_slice() -> None:
    values = [str(number) + "x" for number in range(25)] + ["7x"] * 3
    found = sizes(list(values))
    assert len(found) == 21 and found["7x"] == 4 and found["(other)"] == 5


def test_few_different_numbers_are_slices_and_2_is_the_same_in_a_csv_as_in_parquet() -> None:
    assert sizes([1.0, 2.0, 2.0]) == sizes(["1", "2", "2 "]) == {"2": 2, "1": 1}


def test_many_different_numbers_are_cut_at_their_quartiles_and_every_row_is_in_one_slice() -> None:
    generator = np.random.default_rng(0)
    values = [*generator.normal(size=400).tolist(), None]
    found = slices.cut(values)
    assert [int(mask.sum()) for _, mask in found] == [100, 100, 100, 100, 1]
    assert (sum(mask.astype(int) for _, mask in found) == 1).all()


def test_numbers_that_mostly_are_one_give_fewer_slices_and_lose_no_row() -> None:
    found = slices.cut([0.0] * 300 + list(range(1, 30)))
    assert (sum(mask.astype(int) for _, mask in found) == 1).all()
    assert len(found) < 4


def test_booleans_are_two_slices() -> None:
    assert sizes([True, False, True]) == {"True": 2, "False": 1}
