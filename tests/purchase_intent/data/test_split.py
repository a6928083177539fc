import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purchase_intent.config import SplitSettings
from purchase_intent.data import split

shares = st.floats(0.05, 0.6)


def labelled(counts: list[int]) -> pd.DataFrame:
    """Rows of as many classes as counts, in a mixed order."""
    classes = np.repeat([f"class {number}" for number in range(len(counts))], counts)
    return pd.DataFrame({"y": pd.Categorical(np.random.default_rng(0).permutation(classes))})


@given(st.lists(st.integers(0, 30), min_size=2, max_size=5), shares, shares, st.integers(0, 2**32 - 1))
def test_splits_are_disjoint_cover_all_rows_and_hold_every_class(small, extra, test, validation, seed):
    settings = small("t.csv", split={"test": test, "validation": validation, "seed": seed})
    needed = split.rows_needed(settings.split)
    frame = labelled([needed + more for more in extra])
    parts = split.split(frame, settings)
    assert list(parts) == list(split.SPLITS)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(frame)))
    for rows in parts.values():
        assert (np.diff(rows) > 0).all()
        assert frame["y"].iloc[rows].nunique() == len(extra)


def test_every_split_has_the_classes_in_the_same_shares(small):
    frame = labelled([1000, 200, 37])
    for rows in split.split(frame, small("t.csv")).values():
        counts = frame["y"].iloc[rows].value_counts(sort=False)
        assert (abs(counts - np.array([1000, 200, 37]) * len(rows) / 1237) < 1.01).all()


def test_test_is_a_share_of_all_and_validation_of_the_rest(small):
    parts = split.split(labelled([500, 500]), small("t.csv", split={"test": 0.3, "validation": 0.1, "seed": 0}))
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 630, "validation": 70, "test": 300}


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(small):
    frame = labelled([50, 50])
    first, again, other = (
        split.split(frame, small("t.csv", split={"test": 0.2, "validation": 0.2, "seed": seed}))["test"].tolist()
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_a_regression_is_split_without_classes(small):
    parts = split.split(pd.DataFrame({"y": np.arange(100.0)}), small("t.csv", task="regression"))
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 64, "validation": 16, "test": 20}


@pytest.mark.parametrize(("share", "needed"), [(0.2, 7), (0.1, 12), (0.5, 4)])
def test_the_rows_that_a_class_needs_follow_from_the_shares(share, needed):
    assert split.rows_needed(SplitSettings(test=share, validation=share, seed=0)) == needed
