import numpy as np
import pandas as pd
import pytest

from stemma.errors import DataError
from stemma.tables import load, split, validate
from stemma.tables.settings import FILES

CURE = ": `missing_target: drop` leaves such rows out"


def table(rows: int = 40, **columns: object) -> pd.DataFrame:
    """A table that is accepted, with some columns replaced."""
    base = {
        "n": np.linspace(0, 1, rows),
        "b": np.arange(rows) % 2 * 1.0,
        "c": pd.Categorical(["u", "v"] * (rows // 2)),
        "y": pd.Categorical(["p", "q"] * (rows // 2)),
    }
    return pd.DataFrame(base | columns)


def with_value(value: float, row: int, rows: int = 40) -> np.ndarray:
    """Numbers, one of them replaced."""
    values = np.linspace(0, 1, rows)
    values[row] = value
    return values


@pytest.fixture
def problems(small):
    """The reasons for which a table is refused."""

    def found(frame, **changes) -> list[str]:
        with pytest.raises(DataError) as error:
            validate.check(frame, small("t.csv", **changes))
        lines = str(error.value).splitlines()
        return [line.strip() for line in lines[1:]] or [lines[0].removeprefix("t.csv: ")]

    return found


def test_a_good_table_is_accepted(small):
    validate.check(table(), small("t.csv", ranges={"n": [0, 1]}))


def test_columns_without_values_or_with_one_value_are_accepted(small):
    validate.check(table(n=np.full(40, np.nan), b=1.0, c=pd.Categorical([""] * 40)), small("t.csv"))


def test_the_real_file_is_accepted(section, real_file):
    settings = section("csv", source=str(real_file))
    validate.check(load.table(settings, FILES), settings)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_infinite_values_are_named_by_column_row_and_value(problems, value):
    assert problems(table(n=with_value(value, 7))) == [
        f"column 'n': {value} in row 8 is infinite or too large for float32"
    ]


@pytest.mark.parametrize(("value", "reason"), [(-0.5, "-0.5 in row 4 is below 0"), (1.5, "1.5 in row 4 is above 1")])
def test_values_out_of_range_are_named_by_column_row_and_value(problems, value, reason):
    assert problems(table(n=with_value(value, 3)), ranges={"n": [0, 1]}) == [f"column 'n': {reason}"]


def test_an_open_range_has_one_end(small, problems):
    validate.check(table(n=with_value(1e6, 3)), small("t.csv", ranges={"n": [0, None]}))
    assert problems(table(n=with_value(-1, 3)), ranges={"n*": [0, None]}) == ["column 'n': -1.0 in row 4 is below 0"]


def test_a_range_without_effect_is_refused(problems):
    assert problems(table(), ranges={"c": [0, 1]}) == ["`ranges` names 'c', which is not numeric"]


def test_the_range_of_a_dropped_column_is_no_problem(small):
    frame = table().drop(columns=["b", "c"])
    validate.check(frame, small("t.csv", columns={"n": "numeric", "b": "drop", "c": "drop"}, ranges={"b": [0, 1]}))


def test_a_target_without_a_value_is_named_by_row(problems):
    assert problems(table(y=pd.Categorical(["p", "q"] * 19 + ["p", None]))) == [
        f"column 'y' has no value in row 40{CURE}"
    ]


def test_one_class_is_refused(problems):
    assert problems(table(y=pd.Categorical(["p"] * 40))) == [
        "the target 'y' has 1 class ('p'), and at least 2 classes are needed"
    ]


def test_a_binary_task_has_two_classes(problems):
    assert problems(table(60, y=pd.Categorical(["p", "q", "r"] * 20))) == [
        "the target 'y' has 3 classes ('p', 'q', 'r'), but a binary task has 2: set `task` to multiclass"
    ]


def test_the_positive_class_occurs(problems):
    assert problems(table(), positive="P") == [
        "`positive` is 'P' (did you mean p?), but the target has 2 classes ('p', 'q')"
    ]
    assert problems(table(y=pd.Categorical(["TRUE", "FALSE"] * 20)), positive="True") == [
        "`positive` is 'True' (did you mean TRUE?), but the target has 2 classes ('FALSE', 'TRUE')"
    ]


def test_only_a_binary_task_has_a_positive_class(problems):
    assert problems(table(), task="multiclass", positive="p") == [
        "`positive` is 'p', but only a binary task has a positive class: set it to null"
    ]


def test_classes_too_rare_for_every_split_are_named(problems):
    rare = pd.Categorical(["p"] * 30 + ["q"] * 6 + ["r"] * 4)
    assert problems(table(y=rare), task="multiclass") == [
        "each class needs at least 7 rows for one in every split: 'q' has 6, 'r' has 4: "
        "merge some (data.merge), or leave them out (data.keep)"
    ]


def test_of_very_many_classes_the_first_are_named(problems):
    told = problems(table(y=pd.Categorical([f"{row:02}" for row in range(40)])))
    assert told[0].startswith("the target 'y' has 40 classes ('00', '01', '02', '03', '04' and 35 more), but a binary")


def test_a_table_without_rows_is_refused(problems):
    assert problems(table()[:0]) == ["the table has no rows"]


def test_a_regression_needs_a_target_that_varies_and_enough_rows(problems):
    assert problems(table(10, y=3.0), task="regression") == [
        "the table has 10 rows, and at least 13 are needed for two in every split",
        "the target 'y' has the same value, 3, in every row",
    ]


def test_a_regression_target_is_a_finite_number(problems):
    assert problems(table(y=with_value(np.nan, 2)), task="regression") == [f"column 'y' has no value in row 3{CURE}"]
    assert problems(table(y=with_value(np.inf, 2)), task="regression") == [
        "column 'y': inf in row 3 is infinite or too large for float32"
    ]


def test_more_categories_than_a_network_can_take_are_refused(problems):
    rows = validate.MOST_CATEGORIES + 2
    frame = table(rows, c=pd.Categorical([str(row) for row in range(rows)]))
    assert problems(frame) == [
        "column 'c' has 50,002 different values, more than 50,000: give it another role, such as drop"
    ]


def test_true_probabilities_are_probabilities_of_a_binary_task(problems):
    roles = {"n": "bayes", "b": "boolean", "c": "categorical"}
    assert problems(table(n=with_value(1.5, 0)), columns=roles) == ["column 'n': 1.5 in row 1 is above 1"]
    assert problems(table(n=with_value(np.nan, 0)), columns=roles) == ["column 'n' has no value in row 1"]
    assert problems(table(), columns=roles, task="multiclass") == [
        "'n' has the role bayes, which is for a binary task: give it another, such as drop"
    ]
    assert problems(table(), columns=roles | {"b": "bayes"}) == [
        "'n', 'b' have the role bayes, which is for one column"
    ]


def test_all_problems_are_told_at_once(problems):
    frame = table(n=with_value(np.inf, 1), y=pd.Categorical(["p"] * 40))
    assert len(problems(frame, ranges={"c": [0, 1]}, positive="z")) == 4


def test_a_regression_target_that_is_constant_in_training_is_refused(small):
    """The table as a whole varies, so only the split can tell."""
    settings = small("t.csv", task="regression", positive=None)
    rows = {"train": np.arange(30), "validation": np.arange(30, 35), "test": np.arange(35, 40)}
    target = np.where(np.arange(40) < 30, 7.0, np.arange(40))
    with pytest.raises(DataError, match=r"the target 'y' has the same value, 7, in all training rows"):
        validate.check_splits(table(y=target), settings, rows)
    validate.check_splits(table(y=np.arange(40.0)), settings, rows)


def refused(frame, settings) -> list[str]:
    with pytest.raises(DataError) as error:
        validate.check_splits(frame, settings, split.split(frame, settings))
    return [line.strip().removeprefix("t.csv: ") for line in str(error.value).splitlines()]


def test_a_date_is_accepted_with_and_without_values(small):
    dates = pd.date_range("2024-01-01", periods=40, unit="us").to_series(index=range(40))
    dates[3] = pd.NaT
    validate.check(table(n=dates), small("t.csv", columns={"n": "date", "b": "boolean", "c": "categorical"}))


@pytest.mark.parametrize("setting", ["group", "partition"])
def test_a_row_without_a_value_to_split_by_is_named(problems, setting):
    frame = table(c=pd.Categorical(["train", "test"] * 19 + ["train", ""]))
    assert problems(frame, **{setting: "c"}) == [
        f"column 'c' has no value in row 40, and rows are split by it (`{setting}`)"
    ]


def test_a_row_without_a_time_to_split_by_is_named(problems):
    assert problems(table(n=with_value(np.nan, 4)), time="n") == [
        "column 'n' has no value in row 5, and rows are split by it (`time`)"
    ]


def test_two_groups_or_moments_are_too_few(problems):
    assert problems(table(), group="c") == [
        "`group` names 'c', which has 2 different values, and at least 3 are needed"
    ]
    assert problems(table(n=1.0), time="n") == [
        "`time` names 'n', which has 1 different value, and at least 3 are needed"
    ]


def test_a_partition_that_is_none_of_the_splits_is_named(problems):
    frame = table(c=pd.Categorical(["train"] * 20 + ["test"] * 19 + ["holdout"]))
    assert problems(frame, partition="c") == [
        "column 'c' holds 'holdout' in row 40, which is none of train, validation, test"
    ]
    assert problems(table(c=pd.Categorical(["train"] * 40)), partition="c") == [
        "`partition` names 'c', which holds no 'test'"
    ]


def test_a_split_without_a_class_is_named(small):
    frame = table(y=pd.Categorical(["p"] * 30 + ["q"] * 10), n=np.arange(40.0))
    assert refused(frame, small("t.csv", time="n")) == [
        "t.csv cannot be used for 2 reasons:",
        "train has no row of class 'q' when rows are split by `time` 'n'",
        "test has no row of class 'p' when rows are split by `time` 'n'",
    ]


def test_a_split_with_too_few_rows_for_a_regression_is_named(small):
    frame = table(y=np.arange(40.0), c=pd.Categorical(["train"] * 39 + ["test"]))
    settings = small("t.csv", task="regression", partition="c")
    validate.check(frame, settings)
    assert refused(frame, settings) == [
        "test has 1 row, and at least 2 are needed when rows are split by `partition` 'c'"
    ]


def test_rows_split_by_a_column_need_not_be_as_many_as_by_chance(small):
    frame = table(12, c=pd.Categorical(["train", "train", "val", "val", "test", "test"] * 2))
    settings = small("t.csv", partition="c")
    validate.check(frame, settings)
    validate.check_splits(frame, settings, split.split(frame, settings))
