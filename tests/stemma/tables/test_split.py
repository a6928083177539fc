from math import ceil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

import timing
from stemma.errors import DataError
from stemma.tables import split
from stemma.tables.settings import SplitSettings

shares = st.floats(0.05, 0.6)
seeds = st.integers(0, 2**32 - 1)


def labelled(counts: list[int]) -> pd.DataFrame:
    """Rows of as many classes as counts, in a mixed order."""
    classes = np.repeat([f"class {number}" for number in range(len(counts))], counts)
    return pd.DataFrame({"y": pd.Categorical(np.random.default_rng(0).permutation(classes))})


@examples(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=5), shares, shares, seeds)
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


@examples(deadline=None)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=6), st.floats(0.05, 0.5), seeds)
def test_a_seed_gives_the_rows_that_scikit_learn_would_as_it_did_to_earlier_versions(small, counts, share, seed):
    frame = labelled([*counts, counts[0]])  # equal classes have equal remainders: chance decides
    parts = split.split(frame, small("t.csv", split={"test": share, "validation": share, "seed": seed}))
    by_class = frame["y"] if ceil(len(frame) * share) > len(counts) else None
    rest, test = train_test_split(np.arange(len(frame)), test_size=share, random_state=seed, stratify=by_class)
    assert parts["test"].tolist() == sorted(test)
    assert sorted([*parts["train"], *parts["validation"]]) == sorted(rest)


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


@pytest.mark.parametrize(("share", "needed"), [(0.2, 7), (0.1, 12), (0.5, 4), (1e-9, 1_000_000_002)])
def test_the_rows_that_a_class_needs_follow_from_the_shares(share, needed):
    assert split.rows_needed(SplitSettings(test=share, validation=share, seed=0)) == needed


def with_groups(groups: list[int], classes: list[int] | None = None) -> pd.DataFrame:
    labels = [number % 2 for number in range(len(groups))] if classes is None else classes
    return pd.DataFrame({"g": pd.Categorical([f"g{n}" for n in groups]), "y": pd.Categorical([str(n) for n in labels])})


def repeated(rows: int) -> pd.DataFrame:
    """Each of some rows several times, with classes of their own; a time of no meaning."""
    code = np.random.default_rng(0).integers(0, rows // 5, rows)
    texts = pd.Categorical([f"c{number % 7}" for number in code])
    labels = pd.Categorical(np.random.default_rng(1).choice(["p", "q"], rows))
    return pd.DataFrame({"n": np.where(code % 9, code * 0.5, np.nan), "b": code % 2 * 1.0, "c": texts, "y": labels})


def test_rows_with_the_same_features_stay_together_in_splits_and_folds(small):
    frame, settings = repeated(400), small("t.csv", group="duplicates")
    kept = frame[["n", "b", "c"]].astype("str").fillna("").agg("|".join, axis=1).to_numpy()
    parts = split.split(frame, settings)
    assert {name: round(len(rows) / 400, 2) for name, rows in parts.items()} == {
        "train": 0.64, "validation": 0.16, "test": 0.2
    }  # fmt: skip
    for some in (list(parts.values()), *split.folds(frame, settings, 4)):
        assert covered(some, 400)
        sets = [set(kept[rows]) for rows in some]
        assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])


def test_a_column_called_duplicates_is_a_column(small):
    frame = with_groups([number // 3 for number in range(60)]).rename(columns={"g": "duplicates"})
    same = with_groups([number // 3 for number in range(60)])
    found, wanted = split.split(frame, small("t.csv", group="duplicates")), split.split(same, small("t.csv", group="g"))
    assert all((found[name] == wanted[name]).all() for name in wanted)


def covered(parts, rows: int) -> bool:
    return sorted(np.concatenate(list(parts))) == list(range(rows))


@examples(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 12), min_size=30, max_size=200), shares, shares, seeds)
def test_a_group_is_never_in_two_splits(small, groups, test, validation, seed):
    settings = small("t.csv", group="g", split={"test": test, "validation": validation, "seed": seed})
    frame = with_groups(groups)
    parts = split.split(frame, settings)
    assert covered(parts.values(), len(frame))
    held = [set(frame["g"].iloc[rows]) for rows in parts.values()]
    assert sum(map(len, held)) == len(set(groups))


@pytest.mark.parametrize("largest", [5, 60, 400])
def test_shares_of_rows_and_classes_are_met_although_groups_stay_together(small, largest):
    """Sizes from 1 to `largest`, and in each group another share of the classes."""
    draw = np.random.default_rng(0)
    sizes = np.unique(np.geomspace(1, largest, 300).astype(int), return_index=False)
    groups = np.repeat(np.arange(len(sizes) * 12), np.tile(sizes, 12))
    chance = draw.beta(1, 2, groups.max() + 1)
    frame = with_groups(groups, (draw.random(len(groups)) < chance[groups]).astype(int))
    for rows, share in zip(split.split(frame, small("t.csv", group="g")).values(), (0.64, 0.16, 0.2), strict=True):
        assert len(rows) / len(frame) == pytest.approx(share, abs=0.01)
        assert (frame["y"].iloc[rows] == "1").mean() == pytest.approx((frame["y"] == "1").mean(), abs=0.02)


def test_three_groups_are_enough_and_the_largest_trains(small):
    parts = split.split(with_groups([0] * 50 + [1] * 10 + [2] * 12), small("t.csv", group="g"))
    assert [len(rows) for rows in parts.values()] == [50, 10, 12]


def test_another_seed_gives_other_groups(small):
    frame = with_groups([number // 5 for number in range(200)])
    made = [
        split.split(frame, small("t.csv", group="g", split={"test": 0.2, "validation": 0.2, "seed": seed}))
        for seed in (0, 0, 1)
    ]
    assert (made[0]["test"] == made[1]["test"]).all()
    assert not np.array_equal(made[0]["test"], made[2]["test"])


@examples(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 40), min_size=10, max_size=200), shares, shares, st.booleans())
def test_no_row_is_trained_on_that_is_as_new_as_a_judged_one(small, moments, test, validation, dates):
    moments = [*moments, -1, -2, -3]  # three at least
    settings = small("t.csv", task="regression", time="t", split={"test": test, "validation": validation, "seed": 0})
    times = pd.to_datetime(moments, unit="D").as_unit("us") if dates else np.array(moments, float)
    frame = pd.DataFrame({"t": times, "y": np.arange(len(moments), dtype=float)})
    parts = split.split(frame, settings)
    assert covered(parts.values(), len(frame))
    train, later, last = (frame["t"].iloc[rows] for rows in parts.values())
    assert train.max() < later.min()
    assert later.max() < last.min()


def test_times_are_cut_at_the_shares_where_all_differ(small):
    frame = pd.DataFrame({"t": np.random.default_rng(0).permutation(1000).astype(float), "y": np.arange(1000.0)})
    parts = split.split(frame, small("t.csv", task="regression", time="t"))
    assert [len(rows) for rows in parts.values()] == [640, 160, 200]
    assert sorted(frame["t"].iloc[parts["test"]]) == list(range(800, 1000))


def test_a_column_that_says_the_split_is_followed(small):
    said = ["Train", "TRAINING", "valid", "Val", "dev", "validation ", "test", "Testing"]
    frame = pd.DataFrame({"p": pd.Categorical(said), "y": pd.Categorical(list("abababab"))})
    parts = split.split(frame, small("t.csv", partition="p"))
    assert {name: rows.tolist() for name, rows in parts.items()} == {
        "train": [0, 1],
        "validation": [2, 3, 4, 5],
        "test": [6, 7],
    }


def test_validation_is_cut_from_train_where_the_column_has_none(small):
    frame = pd.DataFrame({"p": pd.Categorical(["train"] * 100 + ["test"] * 20), "y": pd.Categorical(list("ab") * 60)})
    parts = split.split(frame, small("t.csv", partition="p"))
    assert [len(rows) for rows in parts.values()] == [80, 20, 20]
    assert parts["test"].tolist() == list(range(100, 120))
    assert (frame["y"].iloc[parts["validation"]] == "a").sum() == 10


@examples(deadline=None, max_examples=30)
@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_every_row_is_tested_in_one_fold_and_every_fold_holds_every_class(small, k, seed):
    frame = labelled([40, 25, 17])
    settings = small("t.csv", task="multiclass", split={"test": 0.2, "validation": 0.2, "seed": seed})
    made = split.folds(frame, settings, k)
    assert len(made) == k
    assert covered([test for _, _, test in made], len(frame))
    for parts in made:
        assert covered(parts, len(frame))
        assert all(frame["y"].iloc[rows].nunique() == 3 for rows in parts)
        assert abs((frame["y"].iloc[parts[2]] == "class 0").sum() - 40 / k) < 1


@examples(deadline=None, max_examples=30)
@given(st.integers(2, 5), seeds)
def test_no_group_is_in_two_parts_of_a_fold(small, k, seed):
    frame = with_groups(np.random.default_rng(seed).integers(0, 40, 300))
    made = split.folds(frame, small("t.csv", group="g"), k)
    assert covered([test for _, _, test in made], len(frame))
    for parts in made:
        assert covered(parts, len(frame))
        assert sum(frame["g"].iloc[rows].nunique() for rows in parts) == frame["g"].nunique()


def test_folds_in_time_look_back_on_ever_more_rows(small):
    frame = pd.DataFrame({"t": np.arange(700.0)[::-1], "y": np.arange(700.0)})
    made = split.folds(frame, small("t.csv", task="regression", time="t"), 5)
    assert [[len(rows) for rows in parts] for parts in made] == [[100 * n, 100, 100] for n in range(1, 6)]
    for train, validation, test in made:
        assert frame["t"].iloc[train].max() < frame["t"].iloc[validation].min()
        assert frame["t"].iloc[validation].max() < frame["t"].iloc[test].min()
    assert frame["t"].iloc[made[-1][2]].max() == 699


def test_folds_are_refused_where_a_column_says_what_is_tested(small):
    frame = pd.DataFrame({"p": pd.Categorical(["train", "test"] * 20), "y": pd.Categorical(list("aabb") * 10)})
    with pytest.raises(DataError) as error:
        split.folds(frame, small("t.csv", partition="p"), 5)
    assert str(error.value) == (
        "evaluate.folds is 5, but data.partition 'p' says which rows are tested: set one of the two to null"
    )


def test_folds_that_lack_a_class_are_refused(small):
    with pytest.raises(DataError) as error:
        split.folds(labelled([40, 4]), small("t.csv"), 5)
    assert str(error.value) == "t.csv: fold 5 of 5: test has no row of class 'class 1': lower evaluate.folds"


def test_a_million_rows_in_groups_are_split_in_seconds(small):
    groups = np.arange(1_000_000) // 10
    classes = np.random.default_rng(0).integers(0, 2, len(groups)).astype(np.int8)
    assert timing.seconds(lambda: split._grouped(groups, classes, (0.64, 0.16, 0.2), 0), below=10) < 10
    part = split._grouped(groups, classes, (0.64, 0.16, 0.2), 0)
    assert np.bincount(part) / len(part) == pytest.approx([0.64, 0.16, 0.2], abs=0.001)
