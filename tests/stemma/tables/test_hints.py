"""Every hint, by its exact line, and beside it what must not be hinted at."""

import warnings

import numpy as np
import pandas as pd
import pytest

import timing
from stemma.tables import hints, load, split
from stemma.tables.settings import FILES

ROWS = 400
PARTS = {"train": np.arange(240), "validation": np.arange(240, 300), "test": np.arange(300, 400)}


def texts(values: object) -> pd.Categorical:
    return pd.Categorical([str(value) for value in values])


def table(**columns: object) -> pd.DataFrame:
    """A table with nothing to hint at, with some columns replaced or added."""
    draw = np.random.default_rng(0)
    base = {
        "n": draw.standard_normal(ROWS),
        "b": draw.integers(0, 2, ROWS) * 1.0,
        "c": texts(draw.choice(["u", "v", "w"], ROWS)),
        "y": texts(draw.choice(["p", "q"], ROWS)),
    }
    return pd.DataFrame(base | columns)


def noise(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(ROWS)


@pytest.fixture
def told(small):
    """The lines about a table."""

    def find(frame: pd.DataFrame, parts=PARTS, **changes: object) -> list[str]:
        return [hint.text for hint in hints.find(frame, small("t.csv", **changes), parts)]

    return find


def is_positive(frame: pd.DataFrame) -> np.ndarray:
    return (frame["y"] == "q").to_numpy()


def test_nothing_is_said_of_a_good_table(told):
    assert told(table()) == []


def test_the_real_file_has_a_text_never_seen_and_rows_repeated_in_test(section, real_file):
    settings = section("csv", source=str(real_file))
    frame = load.table(settings, FILES)
    assert [hint.text for hint in hints.find(frame, settings, split.split(frame, settings))] == [
        "column 'Browser' holds '9' in row 285, which no training row holds",
        "32 of 2,466 test rows (1.3%) have the same features as a training row, the first in row 133 (7,830 of 7,891"
        " training rows differ): remove repeated rows, or keep them together with `group: duplicates`",
    ]


LEAK = "alone predicts the target (ROC-AUC 1.0000): if it is known only afterwards, give it the role drop"


def test_a_number_that_gives_the_class_away_is_named(told):
    frame = table()
    assert told(frame.assign(n=is_positive(frame) * 5 + noise() / 10)) == [f"column 'n' {LEAK}"]


def test_a_number_that_gives_the_class_away_by_lying_between_two_values_is_named(told):
    frame = table()
    apart = np.where(noise() > 0, 3, -3) * ~is_positive(frame)
    assert told(frame.assign(n=apart + noise(2) / 10)) == [f"column 'n' {LEAK}"]


def test_a_text_that_gives_the_class_away_is_named(told):
    frame = table()
    shops = np.random.default_rng(1).integers(0, 5, ROWS) + 5 * is_positive(frame)
    assert told(frame.assign(c=texts(f"shop {number}" for number in shops))) == [f"column 'c' {LEAK}"]


def test_that_a_value_is_missing_may_give_the_class_away(told):
    frame = table()
    roles = {"n": "numeric", "m": "numeric", "b": "boolean", "c": "categorical"}
    partly = frame.assign(n=np.where(is_positive(frame), np.nan, noise()), m=noise(2))
    assert told(partly, columns=roles) == [f"column 'n' {LEAK}"]


def test_a_date_that_gives_the_class_away_is_named(told):
    frame = table()
    seconds = is_positive(frame) * 1e9 + np.random.default_rng(1).integers(0, 10**8, ROWS)
    roles = {"n": "date", "b": "boolean", "c": "categorical"}
    dated = frame.assign(n=pd.to_datetime(seconds, unit="s").as_unit("us"))
    assert told(dated, columns=roles) == [f"column 'n' {LEAK}"]


def test_a_rare_class_given_away_is_found_among_many_rows(small):
    draw = np.random.default_rng(0)
    rare = draw.random(100_000) < 0.002
    frame = pd.DataFrame({"n": draw.standard_normal(100_000) + 9 * rare, "y": texts(rare)})
    found = hints.find(
        frame, small("t.csv", columns={"n": "numeric"}), {"train": np.arange(90_000), "test": np.arange(0)}
    )
    assert [hint.kind for hint in found] == ["leakage", "imbalance"]


def test_of_several_classes_each_must_be_given_away(told):
    draw = np.random.default_rng(3)
    y = draw.integers(0, 4, ROWS)
    frame = table(y=texts(y))
    one = "column 'n' alone predicts the target (ROC-AUC 1.0000): if it is known only afterwards, give it the role drop"
    assert told(frame.assign(n=y + noise() / 100), task="multiclass") == [one]
    assert told(frame.assign(n=(y == 0) + noise() / 100), task="multiclass") == []


def test_of_many_classes_scikit_learn_says_nothing_about_the_few_rows_that_are_tried(told):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert told(table(y=texts(np.arange(ROWS) % 20)), task="multiclass") == []


def test_a_number_from_which_a_regression_target_follows_is_named(told):
    y = np.exp(2 * noise())
    assert told(table(y=y, n=1000 - 3 * y), task="regression") == [
        "column 'n' alone predicts the target (R2 of the ranks 0.9987): if it is known only afterwards, give it the"
        " role drop"
    ]
    assert told(table(y=y, n=np.log(y) + noise(2)), task="regression") == []


def test_a_column_that_predicts_well_but_with_faults_is_no_leak(told):
    frame = table()
    assert told(frame.assign(n=is_positive(frame) * 2 + noise())) == []


def test_in_few_rows_chance_alone_predicts(told):
    frame = table()
    parts = {"train": np.arange(90), "validation": np.arange(90, 95), "test": np.arange(95, 100)}
    assert told(frame.assign(n=is_positive(frame) * 5 + noise() / 10)[:100], parts) == []


def test_test_rows_that_repeat_training_rows_are_counted(told):
    frame = table()
    frame.iloc[310:315] = frame.iloc[10:15]
    assert told(frame) == [
        "5 of 100 test rows (5.0%) have the same features as a training row, the first in row 311 (240 of 240 training"
        " rows differ): remove repeated rows, or keep them together with `group: duplicates`"
    ]
    [only] = told(frame, time="when")
    assert only.endswith("training rows differ): remove repeated rows")  # rows are split by one thing


def test_where_most_rows_repeat_it_says_so_too(told):
    assert told(table(n=1.0 * np.random.default_rng(1).integers(0, 4, ROWS))) == [
        "100 of 100 test rows (100.0%) have the same features as a training row, the first in row 301 (24 of 240"
        " training rows differ): remove repeated rows, or keep them together with `group: duplicates`"
    ]


def test_a_split_that_keeps_repeats_together_has_nothing_to_hint_at(told, small):
    frame = table(n=1.0 * np.random.default_rng(1).integers(0, 40, ROWS))
    settings = small("t.csv", group="duplicates")
    assert [line for line in told(frame) if "same features" in line]
    assert told(frame, split.split(frame, settings), group="duplicates") == []


def test_texts_that_nearly_all_differ_look_like_an_identifier(told):
    names = [f"user {number:04}" for number in range(ROWS)]
    names[7] = names[8]
    assert told(table(c=texts(names))) == [
        "column 'c' has 399 different texts in 400 rows, it looks like an identifier: give it the role drop"
    ]


IDENTIFIER = (
    "column 'n' holds a different whole number in every row, it looks like an identifier: give it the role drop"
)


@pytest.mark.parametrize(
    "numbers",
    [np.arange(ROWS), 9000 - 7 * np.arange(ROWS), np.random.default_rng(0).permutation(ROWS + 50)[:ROWS]],
    ids=["rising", "falling", "shuffled"],
)
def test_whole_numbers_that_all_differ_look_like_an_identifier(told, numbers):
    assert told(table(n=numbers * 1.0)) == [IDENTIFIER]


@pytest.mark.parametrize(
    "numbers",
    [np.arange(ROWS) + 0.5, np.arange(ROWS) // 2, np.random.default_rng(0).permutation(10**6)[:ROWS]],
    ids=["fractions", "pairs", "far apart"],
)
def test_other_numbers_do_not(told, numbers):
    assert told(table(n=numbers * 1.0)) == []


def test_a_column_without_any_value_in_training_is_named(told):
    late = np.where(np.arange(ROWS) < 240, np.nan, noise())
    assert told(table(n=late)) == ["column 'n' has no value in any training row: give it the role drop"]


def test_a_column_with_one_value_in_training_is_named(told):
    assert told(table(b=0.0, c=texts(["u"] * 240 + ["v"] * 160))) == [
        "column 'b' is 0 in every training row: give it the role drop",
        "column 'c' is 'u' in every training row: give it the role drop",
    ]


def test_a_column_that_is_mostly_missing_is_named(told):
    gaps = np.where(np.arange(ROWS) % 20 == 0, noise(), np.nan)
    columns = {"n": "numeric", "m": "numeric", "b": "boolean", "c": "categorical"}
    assert told(table(n=gaps, m=noise(2)), columns=columns) == ["column 'n' has no value in 95.0% of the training rows"]


def test_a_text_that_training_has_never_seen_is_named_by_row_and_value(told):
    values = list(table()["c"])
    values[250] = "new"
    assert told(table(c=texts(values))) == ["column 'c' holds 'new' in row 251, which no training row holds"]
    values[260] = "new"
    assert told(table(c=texts(values)))[0].endswith("'new' in row 251, which no training row holds (2 rows)")
    values[399] = "newer"
    assert told(table(c=texts(values))) == [
        "column 'c' holds 'new' in row 251, which no training row holds (2 such texts in 3 rows)"
    ]
    values[245] = ""
    assert told(table(c=texts(values)))[0].startswith("column 'c' holds no value in row 246, which no training row")


def test_columns_with_the_same_content_are_named(told):
    frame = table()
    roles = {"n": "numeric", "b": "boolean", "c": "categorical", "d": "categorical", "m": "numeric"}
    twins = frame.assign(d=frame["c"], m=frame["n"])
    assert told(twins, columns=roles) == [
        "columns 'n' and 'm' hold the same in every row: give one of them the role drop",
        "columns 'c' and 'd' hold the same in every row: give one of them the role drop",
    ]
    twins.loc[399, "m"] += 1
    assert len(told(twins, columns=roles)) == 1


def test_columns_that_differ_only_far_down_are_not_the_same(small):
    rows = 3 * hints.SAMPLE
    few = np.zeros((rows, 2))
    few[rows - 5 :, 0], few[: rows - 5 : 500, :], few[-1, 1] = 1, 2, 3
    frame = pd.DataFrame({"n": few[:, 0], "m": few[:, 1], "y": texts(np.arange(rows) % 2)})
    settings = small("t.csv", columns={"n": "numeric", "m": "numeric"})
    assert not [hint for hint in hints.find(frame, settings, split.split(frame, settings)) if hint.kind == "identical"]


def test_a_type_that_changes_half_way_is_named_by_row_and_value(told):
    draw = np.random.default_rng(5)
    values = [str(value) for value in [*draw.integers(0, 3, 200), *draw.choice(["low", "high"], 200)]]
    change = table(c=texts(values))
    parts = {name: np.arange(start, 400, 3) for start, name in enumerate(PARTS)}
    assert told(change, parts) == [
        f"column 'c' changes half-way from numbers to texts: {values[200]!r} in row 201, {values[199]!r} before it"
    ]


def test_numbers_that_float32_makes_few_of_are_named_and_so_is_such_a_target(told):
    large = 1e12 + 100 * noise()
    frame = table(n=large)
    steps = "which networks round to steps of 65536, for they compute in float32; their deviation is"
    assert [steps in line and line.startswith("column 'n' holds numbers near 1e+12") for line in told(frame)] == [True]
    [line] = told(frame.assign(n=noise(2), y=large), task="regression", positive=None)
    assert line.startswith("the target 'y' holds numbers near 1e+12") and steps in line
    assert told(table(n=np.random.default_rng(0).integers(0, 10**12, ROWS) * 1.0)) == []
    assert told(table(n=1.7e9 + 1e5 * noise())) == []  # steps of 128


def test_a_few_texts_among_numbers_are_named_by_row_and_value(told):
    values = [str(number) for number in np.random.default_rng(5).integers(0, 5, ROWS)]
    values[17], values[250] = "unknown", "unknown"
    assert told(table(c=texts(values))) == [
        "column 'c' holds 'unknown' in row 18, and 99.5% of its values are numbers: is it a text for no value?"
    ]


def test_texts_and_numbers_in_any_order_are_no_change_of_type(told):
    assert told(table(c=texts(np.random.default_rng(5).choice(["1", "2", "a", "b"], ROWS)))) == []


def test_a_class_far_below_its_share_is_named(told):
    classes = ["p"] * ROWS
    classes[3] = classes[270] = classes[350] = "q"
    assert told(table(y=texts(classes))) == [
        "class 'q' has 1 of 240 training rows (0.42%): read pr_auc and recall, not accuracy, and try"
        " train.class_weight=balanced"
    ]


def test_a_number_that_splits_by_time_and_is_learned_from_is_named(told):
    times = np.sort(np.random.default_rng(1).random(ROWS))
    assert told(table(n=times), time="n") == [
        "column 'n' splits the rows by time and is a feature: every test row lies beyond what was learned: give it the"
        " role drop"
    ]


def test_of_many_hints_of_one_kind_the_first_are_told():
    found = [hints.Hint("constant", f"c{number}", f"line {number}") for number in range(9)]
    found += [hints.Hint("repeated", None, "rows")]
    assert hints.lines(found) == [*(f"line {number}" for number in range(5)), "4 more columns: constant", "rows"]
    assert len(hints.lines(found[:6])) == 6


def test_a_wide_table_is_searched_in_seconds(small):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.standard_normal((20_000, 100)), columns=[f"c{number}" for number in range(100)])
    frame["y"] = texts(frame["c0"] > draw.standard_normal(20_000))
    settings = small("t.csv", columns={"c*": "numeric"})
    parts = split.split(frame, settings)
    assert hints.find(frame, settings, parts) == ()
    assert timing.seconds(lambda: hints.find(frame, settings, parts), below=5) < 5
