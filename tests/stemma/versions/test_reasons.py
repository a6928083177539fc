"""Where two versions reason differently."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from judged import packaged, version
from stemma.cli.compare import _reasons as shown
from stemma.cli.output import Table
from stemma.versions.compare import Comparison, Options, compare

PACKAGE = "models/package/model.zip"
INPUTS = ("x", "y", "z")


def drawn(rows: int = 100) -> dict[str, list[float]]:
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=rows).tolist() for name in INPUTS}


def between(folder: Path, *bundles: bytes, task: str = "binary", **options: Any) -> Comparison:
    plain = version("a", folder, task)
    a, b = (replace(plain, files=plain.files | {PACKAGE: each}) for each in bundles)
    return compare(folder, a, b, Options(**{"resamples": 20} | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_column_that_one_goes_by_and_the_other_ignores_is_found_and_no_other(tmp_path: Path, task: str) -> None:
    a = packaged(tmp_path / "a.zip", task, [2.0, 1.0, 0.0], inputs=INPUTS)
    b = packaged(tmp_path / "b.zip", task, [2.0, 0.0, 0.0], inputs=INPUTS, background=drawn())
    found = between(tmp_path, a, b, task=task)
    told = {each.column: each for each in found.reasons}
    assert found.reasons[0].column == "y" and found.reasons[0].rows == 100 and told["y"].corrected < 1e-6
    assert told["y"].difference.a > 0 == told["y"].difference.b and told["y"].difference.high < 0
    assert told["z"].corrected == 1 and told["z"].difference.difference == 0
    assert (task == "regression") == (told["x"].corrected == 1)  # of classes, answers by x alone are more extreme
    table = shown(found)[0]
    assert isinstance(table, Table) and table.rows[0][0] == "y" and "z" not in [row[0] for row in table.rows]


def test_a_version_reasons_as_it_does(tmp_path: Path) -> None:
    one = packaged(tmp_path / "a.zip", "binary", 1.0, inputs=INPUTS, background=drawn())
    found = between(tmp_path, one, one)
    assert found.reasons and all(each.difference.difference == 0 for each in found.reasons)
    assert shown(found) == ["Answers of both go by the same columns, as far as 100 rows can tell."]


def test_what_differs_by_rounding_alone_reasons_alike(tmp_path: Path) -> None:
    a = packaged(tmp_path / "a.zip", "regression", [1.0, 1.0, 1.0], inputs=INPUTS)
    b = packaged(tmp_path / "b.zip", "regression", [1.0, 1.0, 1.000001], inputs=INPUTS, background=drawn())
    found = between(tmp_path, a, b, task="regression")
    assert found.reasons and all(each.corrected > 0.05 for each in found.reasons)


def test_where_no_rows_or_other_columns_are_at_hand_nothing_is_told_or_a_line(tmp_path: Path) -> None:
    bare = packaged(tmp_path / "a.zip", "binary", 1.0, inputs=INPUTS)
    found = between(tmp_path, bare, bare)
    assert found.reasons == () and found.notes == () and shown(found) == []
    carrying = packaged(tmp_path / "b.zip", "binary", 1.0, inputs=INPUTS, background=drawn())
    other = packaged(tmp_path / "c.zip", "binary", 1.0, inputs=("w",))
    found = between(tmp_path, other, carrying)
    assert found.reasons == ()
    assert found.notes == (
        "where they reason differently is not known: the bundle's own rows cannot be read "
        "(the rows lack the column 'w'): give others",
    )
    damaged = packaged(tmp_path / "d.zip", "binary", 1.0, inputs=INPUTS, background={"x": [1.0]})
    assert between(tmp_path, bare, damaged).notes[0].endswith("(the rows lack the columns 'y', 'z'): give others")
    assert between(tmp_path, carrying, carrying, latency=False).reasons == ()  # no bundle is read for it


def test_on_a_table_both_are_asked_about_its_rows(tmp_path: Path) -> None:
    import pandas as pd

    rows = pd.DataFrame(drawn(500)).assign(Revenue="TRUE")
    rows.loc[::2, "Revenue"] = "FALSE"
    rows.to_csv(tmp_path / "new.csv", index=False)
    a = packaged(tmp_path / "a.zip", "binary", [2.0, 1.0, 0.0], inputs=INPUTS)
    b = packaged(tmp_path / "b.zip", "binary", [2.0, 0.0, 1.0], inputs=INPUTS)
    found = between(tmp_path, a, b, on=tmp_path / "new.csv", latency=False)
    assert found.reasons[0].rows == 200
    assert {each.column for each in found.reasons if each.corrected < 0.05} >= {"y", "z"}
