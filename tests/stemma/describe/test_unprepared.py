"""From a table that nobody prepared to one that can be learned from; bench/unprepared.py goes on to the package."""

from pathlib import Path

import pytest

from sections import described
from stemma.tables import check
from stemma.tables.settings import FILES
from unprepared import TABLES, Unprepared
from worlds import stemma


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_that_nobody_prepared_is_learned_from_or_the_message_names_the_edit(
    table: Unprepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from omegaconf import OmegaConf

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    stemma("describe", str(table.write(tmp_path)), "--target", table.target, "--name", "mine", *table.arguments)
    said = capsys.readouterr().err
    assert all(edit in said for edit in table.edits), said
    text = table.edited(Path("conf/data/mine.yaml").read_text(encoding="utf-8"))
    data = described(OmegaConf.to_container(OmegaConf.create(text), resolve=True))
    assert data.task == table.task
    found = check.check(data, FILES, strict=False)
    assert {hint.kind for hint in found.hints} <= {"imbalance", "missing"}
    assert found.left_out.keys() == ({"missing_target"} if "missing_target: drop" in said else set())


def test_of_twelve_tables_nine_need_no_edit() -> None:
    assert len(TABLES) == 12 and sum(not table.edits for table in TABLES.values()) == 9
