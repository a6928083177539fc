"""`stemma check`, from a file to the lines a person sees."""

from pathlib import Path

import numpy as np
import pytest

from stemma.errors import DataError
from stemma.tables import check
from stemma.tables.settings import FILES
from tiny.params import conf, settle
from worlds import fresh_project, stemma


def lines(rows: int = 300) -> list[str]:
    """A table with an identifier that groups, a day, and a text that tells the split."""
    draw = np.random.default_rng(0)
    made = ["id,day,part,n,c,y"]
    for row in range(rows):
        part = ("train", "train", "train", "val", "test")[row % 5]
        day = f"2024-{row // 28 % 12 + 1:02}-{row % 28 + 1:02}"
        made.append(f"k{row // 4},{day},{part},{draw.standard_normal():.6f},{'uvw'[row % 3]},{'pq'[draw.integers(2)]}")
    return made


ROLES = {"id": "drop", "day": "drop", "part": "drop", "n": "numeric", "c": "categorical"}


@pytest.fixture
def checked(section, table_file):
    """What is found in a table of these lines."""

    def run(text: list[str], strict: bool = False, **changes: object) -> check.Checked:
        base = {
            "source": str(table_file("\n".join(text))),
            "target": "y",
            "positive": "q",
            "columns": ROLES,
            "ranges": {},
        }
        return check.check(section("csv", **(base | changes)), FILES, strict)

    return run


def test_a_group_is_read_although_its_role_is_drop_and_is_no_feature(checked):
    found = checked(lines(), group="id")
    assert list(found.table) == ["id", "n", "c", "y"]
    held = [set(found.table["id"].iloc[rows]) for rows in found.splits.values()]
    assert sum(map(len, held)) == 75


def test_a_time_is_read_as_a_date_although_its_role_is_drop(checked):
    found = checked(lines(), time="day")
    assert found.table["day"].dtype == "datetime64[us]"
    train, _, test = (found.table["day"].iloc[rows] for rows in found.splits.values())
    assert train.max() < test.min()


def test_a_time_is_read_as_a_number_where_it_is_one(checked):
    text = [line.replace("2024-", "").replace("-", "", 1) if line[:1] == "k" else line for line in lines()]
    assert checked(text, time="day").table["day"].dtype == float


def test_a_partition_is_followed_although_its_role_is_drop(checked):
    found = checked(lines(), partition="part")
    assert [len(rows) for rows in found.splits.values()] == [180, 60, 60]


def with_leak() -> list[str]:
    """As `lines`, with a column that is 9 for q and 1 for p."""
    first, *rest = lines()
    return [first.replace(",y", ",x,y"), *(f"{line[:-1]}{9 if line.endswith('q') else 1},{line[-1]}" for line in rest)]


LEAK = "column 'x' alone predicts the target (ROC-AUC 1.0000): if it is known only afterwards, give it the role drop"


def test_hints_are_lines_on_stderr(checked, capsys):
    found = checked(with_leak(), columns=ROLES | {"x": "numeric"})
    assert [hint.text for hint in found.hints] == [LEAK]
    assert capsys.readouterr() == ("", f"hint: {LEAK}\n")


def test_strict_turns_hints_into_errors(checked):
    with pytest.raises(DataError) as error:
        checked(with_leak(), strict=True, columns=ROLES | {"x": "numeric"})
    assert str(error.value).endswith(f"table.csv: {LEAK}")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and a table that leaks, the current one; no code of a project."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "t.csv").write_text("\n".join(with_leak()), encoding="utf-8")

    own = {"source": "t.csv", "target": "y", "positive": "q", "ranges": {}, "columns": ROLES | {"x": "numeric"}}
    monkeypatch.chdir(settle(tmp_path, data=conf("data/csv") | own))
    return tmp_path


def stops(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        stemma("check", *arguments)
    return int(end.value.code or 0)


def test_the_command_tells_what_it_found_and_writes_nothing(project, monkeypatch, capsys):
    before = sorted(project.rglob("*"))
    monkeypatch.chdir(project / ".dvc")
    stemma("check")
    told = "t.csv: 300 rows (192 train, 48 validation, 60 test), 3 features, 1 hint\n"
    assert capsys.readouterr() == (told, f"hint: {LEAK}\n")
    assert sorted(project.rglob("*")) == before


def test_the_command_is_as_strict_as_it_is_told(project, capsys):
    assert stops("--strict") == 1
    assert capsys.readouterr() == ("", f"error: t.csv: {LEAK}\n")


def test_wrong_settings_of_the_table_are_named_and_others_do_not_count(project, capsys):
    settle(project, data=conf("data/csv") | {"taget": "y", "header": "yes"}, model={"name": "of nobody"})
    assert stops() == 1
    told = capsys.readouterr().err
    assert told.startswith("error: params.yaml: 2 settings are wrong:\n")
    assert "data.taget: no such setting (did you mean target?)" in told and "data.header: 'yes'" in told


def test_other_arguments_are_refused(capsys):
    assert stops("--stern") == 2


@pytest.mark.slow
def test_rows_from_code_are_checked_by_the_code_of_the_project_once_it_is_trusted(tmp_path):
    project = fresh_project(tmp_path / "p", "data.rows=300")
    refused = project.run("stemma", "check")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: stemma check of the source simulated runs what this repository brings")
    assert refused.stderr.endswith("run `stemma trust`\n")
    project.ok("stemma", "trust")
    assert project.ok("stemma", "check").startswith("src/purchase_intent/sources/simulated.py: 300 rows (")
    project.replace("params.yaml", "bayes", "numeric")
    done = project.run("stemma", "check", "--strict")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
