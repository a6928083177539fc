import pytest

from stemma.errors import DataError
from stemma.tables import columns


def test_an_exact_name_wins_over_a_pattern_and_the_first_pattern_over_a_later_one(small):
    settings = small("t.csv", columns={"*_id": "drop", "n*": "numeric", "n_3": "categorical"})
    assert columns.roles(["n_3", "n_id", "n_4", "y"], settings) == {
        "n_3": "categorical",
        "n_id": "drop",
        "n_4": "numeric",
    }


def test_names_that_look_like_patterns_are_taken_as_they_are_first(small):
    settings = small("t.csv", columns={"n*": "categorical", "n[1]": "numeric"})
    assert columns.roles(["n[1]", "y"], settings) == {"n[1]": "numeric"}


def test_the_target_is_never_a_feature_even_where_a_pattern_names_it(small):
    settings = small("t.csv", columns={"b": "boolean", "*": "numeric"})
    assert columns.features(["n1", "y", "b"], settings) == (("n1", "numeric"), ("b", "boolean"))


def test_a_dropped_column_may_be_absent_unless_a_pattern_would_take_what_it_means(small):
    settings = small("t.csv", columns={"id": "drop", "n": "numeric"})
    assert columns.roles(["n", "y"], settings) == {"n": "numeric"}
    with pytest.raises(DataError, match=r"`columns` names 'idd', which matches no column \(did you mean id\?\)"):
        columns.roles(["id", "n", "y"], small("t.csv", columns={"idd": "drop", "*": "numeric"}))


def test_dropped_and_bayes_columns_are_no_features(small):
    settings = small("t.csv", columns={"id": "drop", "p": "bayes", "*": "numeric"})
    assert columns.features(["id", "p", "x", "y"], settings) == (("x", "numeric"),)


def test_a_range_is_found_by_name_or_pattern(small):
    settings = small("t.csv", ranges={"n1": [0, 1], "n*": [None, 5]})
    assert columns.range_of("n1", settings) == (0, 1)
    assert columns.range_of("n2", settings) == (None, 5)
    assert columns.range_of("c", settings) == (None, None)


def test_every_column_that_does_not_fit_is_named_at_once_with_the_nearest_name(small):
    settings = small("t.csv", target="Revenue", columns={"Month": "categorical", "Regoin": "numeric", "p_*": "numeric"})
    with pytest.raises(DataError) as error:
        columns.roles(["Month", "Region", "revenue", ""], settings.model_copy(update={"ranges": {"Mont": (0, 1)}}))
    assert str(error.value).splitlines() == [
        "t.csv cannot be used for 8 reasons:",
        "  column 4 has no name",
        "  the target 'Revenue' is not a column (did you mean revenue?)",
        "  `columns` names 'Regoin', which matches no column (did you mean Region?)",
        "  `columns` names 'p_*', which matches no column",
        "  `ranges` names 'Mont', which matches no column (did you mean Month?)",
        "  column 'Region' has no role in the settings (did you mean Regoin?)",
        "  column 'revenue' has no role in the settings",
        "  column '' has no role in the settings",
    ]


def test_a_column_that_appears_twice_is_refused(small):
    with pytest.raises(DataError, match=r"^t.csv: column 'n' appears twice$"):
        columns.roles(["n", "n", "b", "c", "y"], small("t.csv"))


def test_a_table_without_a_feature_is_refused(small):
    message = r"^t.csv: no column is a feature: give one the role numeric, categorical, boolean or date$"
    with pytest.raises(DataError, match=message):
        columns.roles(["n", "y"], small("t.csv", columns={"*": "drop"}))


def test_a_column_that_splits_the_rows_is_no_feature_whatever_its_role(small):
    for setting in ("group", "partition"):
        assert columns.features(["n", "b", "c", "y"], small("t.csv", **{setting: "c"})) == (
            ("n", "numeric"),
            ("b", "boolean"),
        )


def test_a_column_that_splits_the_rows_needs_no_role(small):
    roles = {"n": "numeric"}
    for setting in ("group", "time", "partition"):
        settings = small("t.csv", columns=roles, **{setting: "id"})
        assert columns.roles(["id", "n", "y"], settings) == {"id": "drop", "n": "numeric"}


def test_a_time_with_a_role_stays_a_feature(small):
    assert ("n", "numeric") in columns.features(["n", "b", "c", "y"], small("t.csv", time="n"))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"group": "b", "time": "n"}, "`group` and `time` are both given: rows are split by one of them"),
        ({"group": "N"}, "`group` names 'N', which is not a column (did you mean n?)"),
        ({"partition": "y"}, "`partition` names 'y', which is the target"),
        ({"time": "c"}, "`time` names 'c', which is categorical: give it the role date, numeric or drop"),
    ],
)
def test_settings_by_which_no_rows_can_be_split_are_refused(small, changes, line):
    with pytest.raises(DataError) as error:
        columns.roles(["n", "b", "c", "y"], small("t.csv", **changes))
    assert str(error.value) == f"t.csv: {line}"
