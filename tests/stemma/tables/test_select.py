"""Rows that are kept, classes that are merged, and what is told of it as far as the bundle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from stemma import signature, task
from stemma.bundle.card import _chosen
from stemma.bundle.contents import describe
from stemma.errors import DataError
from stemma.tables import arrays, check, prepared, profile, statistics
from stemma.watch import outcomes
from tiny import SOURCES
from tiny.params import settled

CITIES = ("Köln", "Bonn", "2.0")
ROWS = [
    f"{row % 60},{CITIES[row % 3]},{('North', 'South', 'East', 'West')[row % 4] if row % 12 else ''},{row % 50 - 5}"
    for row in range(240)
]
TEXT = "age,city of it,y,price\n" + "\n".join(ROWS) + "\n"
COLUMNS = {"age": "numeric", "city of it": "categorical", "price": "numeric"}
PRICED = {"target": "price", "task": "regression", "columns": COLUMNS | {"y": "categorical"}}
PRICED["columns"].pop("price")


@pytest.fixture
def checked(small: Any, table_file: Any) -> Any:
    """What is found of the table, with these settings, and the settings."""

    def run(**changes: Any) -> tuple[check.Checked, Any]:
        changes = {"task": "multiclass", "columns": COLUMNS, "missing_target": "drop"} | changes
        data = small(table_file(TEXT), **changes)
        return check.check(data, SOURCES, strict=False), data

    return run


def profiled(found: check.Checked, data: Any, folder: Path) -> profile.Profile:
    prepared.write(folder, found, data, settled().prepare)
    return profile.read(folder)


def test_rows_are_left_out_for_the_first_reason_and_keep_their_numbers(checked: Any, tmp_path: Path) -> None:
    keep = {"adult": "age >= 18", "known": "y != 'West' and `city of it` in ('Köln', '2')"}
    found, data = checked(keep=keep)
    frame = pd.read_csv(Path(data.source), keep_default_na=False)
    there, adult = frame["y"] != "", frame["age"] >= 18
    known = (frame["y"] != "West") & frame["city of it"].isin(["Köln", "2.0"])
    assert found.left_out == {
        "missing_target": (~there).sum(), "adult": (there & ~adult).sum(), "known": (there & adult & ~known).sum()
    }  # fmt: skip
    wanted = frame.index[there & adult & known]
    assert found.table.index.tolist() == wanted.tolist()
    assert found.table["y"].cat.categories.tolist() == ["East", "North", "South"]
    assert "without missing_target 20, adult" in check.told(found, data)
    about = profiled(found, data, tmp_path / "prepared")
    assert about.raw["left_out"] == found.left_out and about.raw["rows"] == len(wanted)
    rows = [arrays.read_frame(tmp_path / "prepared", name)["row"] for name in found.splits]
    assert sorted(pd.concat(rows)) == wanted.tolist()


def test_a_wrong_value_is_named_by_its_row_in_the_source(checked: Any) -> None:
    with pytest.raises(DataError, match=r"'age': 59.0 in row 60 is above 58"):
        checked(keep={"adult": "age >= 18"}, ranges={"age": (None, 58)})
    found, data = checked(keep={"adult": "age >= 18"}, columns=COLUMNS | {"price": "drop"})
    (repeated,) = (hint.text for hint in found.hints if hint.kind == "repeated")
    row = int(repeated.split("the first in row ")[1].split()[0]) - 1
    assert row in found.table.index[found.splits["test"]] and pd.read_csv(data.source)["age"][row] >= 18


def test_a_condition_that_is_missing_does_not_hold_and_a_derived_column_may_be_in_one(checked: Any) -> None:
    found, _ = checked(derive={"half": "age / 2"}, keep={"some": "where(half > 10, half, 0 / 0) < 20"})
    assert found.table["age"].between(21, 39).all()
    found, _ = checked(keep={"some": "fill(where(age > 10, age, 0 / 0) < 40, True)"})
    assert found.table["age"].max() == 39 and found.table["age"].min() == 1


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"keep": {"adult": "age"}}, "data.keep: adult: it is no condition, such as Age >= 18"),
        ({"keep": {"adult": "agee > 3"}}, r"data.keep: adult: 'agee' is no column \(did you mean age\?\)"),
        ({"keep": {"cheap": "price > 3"}, "columns": COLUMNS | {"price": "drop"}}, "'price' is dropped: give it a"),
        ({"keep": {"adult": "age > 300"}}, "data.keep: adult: 'age > 300' holds in no row"),
        ({"keep": {"old": "age > 50", "young": "age < 5"}}, "no row is left of 240: missing_target 20, old 1"),
        ({"merge": {"other": ["Wst"]}}, r"`merge` names 'Wst', which is no class \(did you mean West\?\)"),
        ({"merge": {"a": ["West"], "b": ["West"]}}, "`merge` names 'West' twice"),
        ({"merge": {"East": ["West"], "b": ["East"]}}, "`merge` makes 'b' of 'East', and 'East' of others: give what"),
        (PRICED | {"merge": {"a": ["1"]}}, "`merge` is for classes, and the task is regression"),
        ({"transform_target": "log"}, "`transform_target` is for a regression, and the task is multiclass"),
        (PRICED | {"transform_target": "log"}, r"'price' is -5 in row 1.*keep: {positive: \"price > 0\"}"),
        ({"missing_target": "error"}, "column 'y' has no value in row 1: `missing_target: drop` leaves"),
    ],
)
def test_what_cannot_be_is_one_line(checked: Any, changes: Any, what: str) -> None:
    with pytest.raises(DataError, match=what) as error:
        checked(**changes)
    assert "\n" not in str(error.value)


def test_a_table_of_names_alone_has_no_rows_whatever_is_asked_of_them(small: Any, table_file: Any) -> None:
    asked = {"derive": {"half": "age / 2"}, "keep": {"adult": "age >= 18"}, "merge": {"other": ["East"]}}
    data = small(table_file(TEXT.splitlines(keepends=True)[0]), task="multiclass", columns=COLUMNS, **asked)
    with pytest.raises(DataError, match="the table has no rows"):
        check.check(data, SOURCES, strict=False)


@pytest.mark.parametrize(
    "changes",
    [{"derive": {"": "age / 2"}}, {"keep": {" ": "age > 2"}}, {"merge": {"": ["East"]}}, {"merge": {"a": []}}],
)
def test_a_name_that_is_blank_and_a_class_of_nothing_are_refused_before_anything_is_read(
    checked: Any, changes: Any
) -> None:
    with pytest.raises(ValidationError, match=r"a name in it is blank|at least 1 item"):
        checked(**changes)


def test_a_text_that_no_row_holds_is_a_hint_with_the_nearest(checked: Any) -> None:
    expressions = {"derive": {"here": "`city of it` == 'Koln'"}, "keep": {"one": "y in ('North', 'Suoth', 'East')"}}
    found, _ = checked(**expressions)
    told = [hint.text for hint in found.hints if hint.kind == "unheld"]
    assert told == [
        "column 'city of it' is compared with 'Koln' in an expression, and no row holds that (did you mean Köln?)",
        "column 'y' is compared with 'Suoth' in an expression, and no row holds that (did you mean South?)",
    ]
    found, _ = checked(keep={"one": "y != 'West'"})
    assert "unheld" not in {hint.kind for hint in found.hints}


def test_merged_classes_are_one_in_the_bundle_and_outcomes_are_told_in_the_tables_own(
    checked: Any, tmp_path: Path
) -> None:
    found, data = checked(merge={"sideways": ["East", "West"]}, keep={"adult": "age >= 18"})
    about = profiled(found, data, tmp_path / "prepared")
    assert about.task.classes == ("North", "South", "sideways")
    contract = describe(about, None)
    assert (contract["merge"], contract["keep"]) == ({"sideways": ["East", "West"]}, {"adult": "age >= 18"})
    known = signature.parse(json.dumps(contract).encode())
    assert [outcomes.spelled(known, text) for text in ("West", " North ", "sideways", "Up")] == [
        "sideways", "North", "sideways", None
    ]  # fmt: skip
    told = " ".join(_chosen(about.raw))
    assert "`age >= 18` (adult)" in told and "The class `sideways` is `East`, `West` too." in told
    assert "`adult`" in told


def test_names_that_differ_by_capital_letters_are_one_class_where_those_do_not_count(checked: Any) -> None:
    found, _ = checked(merge={"Side": ["East"], "side": ["West"]}, fold_case=["y"])
    assert found.table["y"].cat.categories.tolist() == ["north", "side", "south"]


def test_merged_into_two_classes_a_task_is_binary(checked: Any) -> None:
    found, data = checked(merge={"up": ["North"], "else": ["South", "East", "West"]}, task="binary", positive="up")
    assert statistics.classes(found.table["y"], data) == ["else", "up"]


def test_a_logarithm_is_learned_and_told_of_in_the_targets_own_units(checked: Any, tmp_path: Path) -> None:
    found, data = checked(**PRICED, transform_target="log", keep={"dear": "price > 0"})
    about = profiled(found, data, tmp_path / "prepared")
    train = arrays.read(tmp_path / "prepared", "train")
    assert train.y.tolist() == found.table["price"].iloc[found.splits["train"]].tolist()
    assert (about.task.mean, about.task.deviation) == pytest.approx((train.y.mean(), train.y.std()))
    assert about.task.log == pytest.approx(task.moments(np.log(train.y)))
    assert about.task == about.task.fitted(train.y)
    assert "in the target's own units" in " ".join(_chosen(about.raw))


def test_without_these_settings_nothing_is_written_of_them(checked: Any, tmp_path: Path) -> None:
    found, data = checked(**PRICED)
    about = profiled(found, data, tmp_path / "prepared")
    assert not {"keep", "left_out", "merge", "target_log"} & about.raw.keys() and about.task.log is None
