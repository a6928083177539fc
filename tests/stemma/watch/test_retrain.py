"""What came in service, as a table to train on."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from stemma.errors import StemmaError
from stemma.watch import outcomes
from stemma.watch.log import Options
from stemma.watch.retrain import retrain
from watched import MULTICLASS, REGRESSION, SIGNATURE, START, logged, source


def asked(folder: Path, **options: Options) -> Path:
    """Two versions, of 4 and 3 rows, of which 2 and 3 have an outcome."""
    inputs = {
        "Month": np.array(["May", "", "Nov", "Dec"], object),
        "PageValues": np.array([1, np.nan, 3, 4], np.float32),
    }
    logged(folder, [0.2, 0.8, 0.4, 0.6], of=source("shop@v1.0.0"), inputs=inputs, ids=["a", "b", "c", "d"], **options)
    logged(
        folder, [0.5] * 3, of=source("shop@v1.1.0"), ids=["e", "f", "g"], times=START + 9000 + np.arange(3), **options
    )
    told = {"a": "TRUE", "b": "FALSE", "e": "TRUE", "f": "TRUE", "g": "FALSE"}
    outcomes.Ledger(folder).keep({(id, 0): text for id, text in told.items()}, START)
    return folder


def test_rows_with_outcomes_become_a_table_with_the_names_of_training(tmp_path: Path) -> None:
    table = tmp_path / "data/raw/new.parquet"
    found = retrain(asked(tmp_path / "log"), to=table)
    rows = parquet.read_table(table).to_pylist()
    assert [row["Revenue"] for row in rows] == ["TRUE", "FALSE", "TRUE", "TRUE", "FALSE"]
    assert rows[0] == {"Month": "May", "PageValues": 1.0, "Weekend": True, "Revenue": "TRUE"}
    assert (rows[1]["Month"], rows[1]["PageValues"]) == (None, None)
    assert (found.version, found.rows, found.first) == ("shop@v1.1.0", 5, START)
    assert found.sentence.startswith("5 rows with an outcome from 2025-10-09 08:53 to 2025-10-09 11:23")
    assert found.commands == (
        f"dvc add {table}", f"git add {table}.dvc {table.parent / '.gitignore'}",
        f"dvc exp run -S data.source={table} -S train.init_from=model@v1.1.0",
        "stemma conf adopt", "git commit -am 'Retrain on what came in service'",
        "stemma compare model@v1.1.0 HEAD --on data/prepared/test.parquet --require not-worse",
    )  # fmt: skip
    with pytest.raises(StemmaError, match="is there already"):
        retrain(tmp_path / "log", to=table)


def test_rows_of_another_model_are_none_of_its_table(tmp_path: Path) -> None:
    logged(tmp_path, [0.2, 0.8], of=source("fr@v1.0.0"), ids=["x", "y"])
    outcomes.Ledger(tmp_path).keep({("x", 0): "TRUE", ("y", 0): "TRUE"}, START)
    assert retrain(asked(tmp_path)).rows == 5
    assert retrain(tmp_path, "fr@v1.0.0").rows == 2


def test_without_a_file_nothing_is_written_and_the_command_is_told(tmp_path: Path) -> None:
    found = retrain(asked(tmp_path / "a log"), "shop@v1.0.0")
    written = "--version shop@v1.0.0 --write data/raw/service.parquet"
    assert found.commands[0] == f"stemma watch retrain '{tmp_path / 'a log'}' {written}"
    assert "model@v1.0.0" in found.commands[-1] and not (tmp_path / "data").exists()


def test_a_file_of_the_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (asked(tmp_path) / "requests-0.parquet").write_bytes(b"PAR1")
    (told,) = retrain(tmp_path).skipped
    assert "requests-0.parquet is skipped" in told


def test_values_are_outcomes_too_and_a_version_without_a_number_has_a_commit(tmp_path: Path) -> None:
    logged(tmp_path / "log", [1.5, 2.5], of=source("shop@3", REGRESSION), ids=["a", "b"])
    outcomes.Ledger(tmp_path / "log").keep({("a", 0): "1.25"}, START)
    found = retrain(tmp_path / "log", to=tmp_path / "t.parquet")
    assert parquet.read_table(tmp_path / "t.parquet")["Revenue"].to_pylist() == [1.25]
    assert "train.init_from=COMMIT" in found.commands[2]


def test_classes_and_values_of_one_target_are_no_table(tmp_path: Path) -> None:
    """A text among numbers ended it, and numbers became classes without a word."""
    for version, signature, output, told in (
        ("a", MULTICLASS, [[0.2, 0.2, 0.6]], "b"),
        ("b", REGRESSION, [2.5], "1.5"),
    ):
        logged(tmp_path / "log", output, of=source(version, signature))
        outcomes.Ledger(tmp_path / "log").keep({(f"{version}-0", 0): told}, START)
    for version, told in (("a", "b"), ("b", 1.5)):
        retrain(tmp_path / "log", version, to=tmp_path / f"{version}.parquet")
        assert parquet.read_table(tmp_path / f"{version}.parquet")["Revenue"].to_pylist() == [told]


def test_classes_that_a_version_merges_are_those_of_the_table_again(tmp_path: Path) -> None:
    """Else `merge` of the settings would name classes that the new table does not have, which prepare refuses."""
    merging = source("shop@v1.0.0", MULTICLASS | {"merge": {"c": ["d", "e"]}})
    logged(tmp_path / "log", [[0.2, 0.2, 0.6]] * 3, of=merging, ids=["x", "y", "z"])
    file = tmp_path / "outcomes.csv"
    file.write_text("id,outcome\nx,d\ny, e \nz,a\nx,e\n", encoding="utf-8")
    assert outcomes.take(tmp_path / "log", file).counts["same"] == 1
    retrain(tmp_path / "log", to=tmp_path / "t.parquet")
    assert parquet.read_table(tmp_path / "t.parquet")["Revenue"].to_pylist() == ["d", "e", "a"]


@pytest.mark.parametrize(
    "classes", [["False", "True"], ["false", "true"], ["FALSE", "TRUE"], ["0", "1"], ["no", "Yes"]]
)
def test_true_in_json_is_the_class_however_the_table_of_training_wrote_it(tmp_path: Path, classes: list[str]) -> None:
    """A table that pandas wrote as CSV has True; a service told true, which is TRUE, and it was of no class."""
    of = source(signature=SIGNATURE | {"classes": classes, "positive": classes[1]})
    logged(tmp_path / "log", [0.5, 0.5], of=of, ids=["a", "b"])
    outcomes.Ledger(tmp_path / "log").keep({("a", 0): "TRUE", ("b", 0): classes[0]}, START)
    retrain(tmp_path / "log", to=tmp_path / "t.parquet")
    assert parquet.read_table(tmp_path / "t.parquet")["Revenue"].to_pylist() == [*reversed(classes)]


def test_what_cannot_be_trained_on_is_refused(tmp_path: Path) -> None:
    log = asked(tmp_path / "hashed", options=Options(columns={"Month": "hash"}, key=b"k"))
    with pytest.raises(StemmaError, match="did not keep Month as it came"):
        retrain(log)
    logged(tmp_path / "none", [0.5])
    with pytest.raises(StemmaError, match="has an outcome"):
        retrain(tmp_path / "none")
    with pytest.raises(StemmaError, match="has no version 'x'"):
        retrain(tmp_path / "none", "x")
    with pytest.raises(StemmaError, match=r"end it with \.parquet"):
        retrain(asked(tmp_path / "log"), to=tmp_path / "t.csv")
