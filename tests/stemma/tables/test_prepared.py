"""data/prepared as the stage prepare writes it, with the page about the table."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sections import described
from stemma import layout, threads
from stemma.errors import DataError
from stemma.report import data as report
from stemma.tables import encode, prepared, profile
from stemma.tables.check import check
from stemma.tables.settings import Table
from tiny import SEASON, SOURCES, SPENT, VISITS
from tiny.params import settled
from worlds import ROOT

FILES = ["encoder.onnx", "profile.json", "test.parquet", "train.parquet", "validation.parquet"]
CONSTANT = "column 'n_0' is 7 in every training row: give it the role drop"


def prepare(data: Table, strict: bool = False) -> None:
    """In the current folder, as the stage does."""
    checked = check(data, SOURCES, strict)
    about = prepared.write(layout.PREPARED, checked, data, settled().prepare)
    report.write(layout.REPORTS, checked.table, data, checked.splits, about, checked.hints)


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(layout.PREPARED.iterdir())}


def told() -> dict[str, bytes]:
    """The report and its pictures."""
    return {path.name: path.read_bytes() for path in sorted(layout.REPORTS.rglob("*.*"))}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def constant(section, here) -> Table:
    """A table with a column that says nothing."""
    (here / "t.csv").write_text("n_0,m,y\n" + "".join(f"7,{row}.5,{'pq'[row % 3 == 0]}\n" for row in range(60)))
    columns = {"n_0": "numeric", "m": "numeric"}
    return section("csv", source="t.csv", target="y", positive="q", columns=columns, ranges={})


@pytest.mark.parametrize("task", [{}, SEASON, SPENT])
def test_every_row_is_in_one_split_whatever_the_task(section, task):
    prepare(section("visits", **task))
    assert sorted(contents()) == FILES
    parts = [pd.read_parquet(layout.PREPARED / f"{name}.parquet") for name in ("train", "validation", "test")]
    assert all(next(iter(part)) == "row" for part in parts)
    assert sorted(pd.concat(parts)["row"]) == list(range(600))


def test_rows_are_those_of_the_source_table_and_a_column_of_that_name_is_kept(section):
    Path("t.csv").write_text("row,y\n" + "\n".join(f"{number},{'pq'[number % 2]}" for number in range(50)))
    prepare(section("csv", source="t.csv", target="y", positive="q", columns={"row": "numeric"}, ranges={}))
    test = pd.read_parquet(layout.PREPARED / "test.parquet")
    assert list(test) == ["_row", "row", "y"]
    assert (test["_row"] == test["row"]).all()
    assert profile.read(layout.PREPARED).row == "_row"


def test_repeated_rows_stay_together_where_settings_say_so_and_hints_go_on_to_the_report(section):
    lines = [f"{number // 4 % 15},{'uvw'[number % 3]},{'pq'[number % 7 == 0]}" for number in range(240)]
    Path("t.csv").write_text("n,c,y\n" + "\n".join(lines))
    columns = {"n": "numeric", "c": "categorical"}
    by_chance = section("csv", source="t.csv", target="y", positive="q", columns=columns, ranges={})
    prepare(by_chance)
    [hint] = profile.read(layout.PREPARED).raw["hints"]
    assert (
        hint.startswith("48 of 48 test rows (100.0%) have the same features")
        and b"48 of 48 test rows" in told()["data.md"]
    )
    prepare(by_chance.model_copy(update={"group": "duplicates"}))
    assert "hints" not in profile.read(layout.PREPARED).raw
    page = told()["data.md"].decode()
    assert "By group `duplicates`: rows of one group stay together." in page and "Not used" not in page
    parts = [pd.read_parquet(layout.PREPARED / f"{name}.parquet") for name in ("train", "validation", "test")]
    kept = [set(map(tuple, part[["n", "c"]].astype("str").to_numpy())) for part in parts]
    assert sum(map(len, kept)) == len(set.union(*kept)) and sum(map(len, parts)) == 240


def test_too_few_different_rows_cannot_be_kept_together(section):
    Path("t.csv").write_text("n,y\n" + "".join(f"{row % 2},{'pq'[row % 3 == 0]}\n" for row in range(60)))
    data = section(
        "csv", source="t.csv", target="y", positive="q", columns={"n": "numeric"}, ranges={}, group="duplicates"
    )
    with pytest.raises(DataError, match=r"has no rows when rows are split by `group` 'duplicates'"):
        prepare(data)


def test_bytes_are_the_same_by_one_thread_and_by_several_in_small_blocks(section, monkeypatch):
    made = []
    for most, block in ((1, 2**18), (4, 7)):
        monkeypatch.setattr(threads, "cores", lambda: 4)
        monkeypatch.setattr(threads, "MOST", most)
        monkeypatch.setattr(threads, "BLOCK", block)
        prepare(
            section(
                "visits", rows=600, group="duplicates", derive={"late": "Minutes > 5", "both": "cat(Month, Browser)"}
            )
        )
        made.append(contents() | told())
    assert made[0] == made[1]


def many() -> None:
    """For another process too."""
    prepare(described(VISITS | {"rows": 40_000}))


@pytest.mark.slow
def test_bytes_are_the_same_in_another_folder_with_another_number_of_threads_and_hash_seed(tmp_path, monkeypatch):
    many()
    before = contents() | told()
    assert {"data.md", "columns.svg", "target.svg"} == told().keys()
    (tmp_path / "there").mkdir()
    paths = os.pathsep.join(map(str, (ROOT / "src", ROOT / "tests", Path(__file__).parent)))
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_IO_THREADS"), "3")
    environment = os.environ | limits | {"PYTHONHASHSEED": "1", "PYTHONPATH": paths}
    command = [sys.executable, "-c", "import test_prepared; test_prepared.many()"]
    subprocess.run(command, cwd=tmp_path / "there", env=environment, check=True)
    monkeypatch.chdir(tmp_path / "there")
    assert contents() | told() == before


def test_another_seed_gives_other_splits_and_another_encoder(section):
    made = []
    for seed in (0, 1):
        prepare(section("visits", split={"test": 0.2, "validation": 0.2, "seed": seed}))
        made.append(contents())
    assert all(made[0][name] != made[1][name] for name in FILES if name != "profile.json")


def test_a_run_that_fails_leaves_the_previous_results(section, here, monkeypatch):
    prepare(section("visits", rows=300))
    before, reported = contents(), told()

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(profile, "write", full)
    with pytest.raises(OSError, match="disk full"):
        prepare(section("visits", rows=400))
    assert (contents(), told()) == (before, reported)
    assert [path.name for path in (here / "data").iterdir()] == ["prepared"]


def test_strict_settings_stop_at_a_hint_and_write_nothing(constant, here):
    with pytest.raises(DataError, match=CONSTANT):
        prepare(constant, strict=True)
    assert [path.name for path in here.iterdir()] == ["t.csv"]


def test_the_page_tells_what_stderr_tells(constant, capsys):
    prepare(constant)
    assert f"hint: {CONSTANT}\n" in capsys.readouterr().err
    assert CONSTANT.replace("_", "\\_") in (layout.REPORTS / "data.md").read_text(encoding="utf-8")


def test_the_real_file_is_prepared(section, real_file):
    prepare(section("csv", source=str(real_file)))
    known = profile.read(layout.PREPARED)
    assert known.task.classes == ("FALSE", "TRUE")
    assert known.raw["splits"]["test"] == {"rows": 2466, "balance": {"FALSE": 2084, "TRUE": 382}}
    encoded = encode.Encoder(layout.PREPARED / "encoder.onnx").encode(pd.read_parquet("data/prepared/test.parquet"))
    assert encoded.shape == (2466, known.encoded_width)
    assert np.isfinite(encoded).all()
