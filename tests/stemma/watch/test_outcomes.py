"""Outcomes: taken once, by the requests' ids, whenever they are told."""

import json
from pathlib import Path

import pytest
from pyarrow import parquet

from stemma.errors import BundleError, DataError, StemmaError
from stemma.watch import answers, log, outcomes
from watched import DAY, MULTICLASS, REGRESSION, START, logged, read, source


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ids a, b, c of two classes, asked one, two and nine days ago; d of a regression."""
    folder = tmp_path / "requests"
    monkeypatch.setattr("time.time", lambda: START)
    logged(folder, [0.5, 0.5, 0.5], ids=["a", "b", "c"], times=[START - days * DAY for days in (1, 2, 9)])
    logged(folder, [2.0], ids=["d"], of=source("other", REGRESSION), times=[START])
    return folder


def csv(folder: Path, text: str) -> Path:
    file = folder.parent / "outcomes.csv"
    file.write_text(text, encoding="utf-8")
    return file


def counted(folder: Path) -> dict[str, str]:
    """The outcome that counts, by request."""
    table = answers.read(log.Log(folder), answers.PREDICTED)["model@v1.0.0"].judged.table
    return dict(zip(table["id"].to_pylist(), table["outcome"].to_pylist(), strict=True))


def test_what_is_late_doubled_unknown_or_no_outcome_is_told_each(requests: Path) -> None:
    text = "id,outcome\na,TRUE\na,TRUE\na,FALSE\nc, FALSE \nd,3.50\nnobody,TRUE\nb,MAYBE\nd,nan\nb,\nd,1_0\nd,1e999\n"
    found = outcomes.take(requests, csv(requests, text))
    assert found.counts == {"taken": 3, "kept": 0, "late": 1, "same": 1, "contradicting": 1, "unknown": 1, "wrong": 5}
    assert found.examples == {"same": ("a",), "contradicting": ("a",), "unknown": ("nobody",), "wrong": ("b", "d", "b")}
    assert found.sentence.endswith("outcomes.csv: 3 of 11 outcomes taken")
    assert outcomes.read(log.Log(requests)) == {("a", 0): "TRUE", ("c", 0): "FALSE", ("d", 0): "3.50"}


def test_taking_a_file_again_changes_nothing(requests: Path) -> None:
    file = csv(requests, "id,outcome\na,TRUE\nb,FALSE\n")
    outcomes.take(requests, file)
    before = sorted(requests.iterdir())
    assert outcomes.take(requests, file).counts["same"] == 2
    assert sorted(requests.iterdir()) == before


def test_each_file_of_a_log_is_searched_once(requests: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thrice, as it was, took a minute of 300,000 outcomes and 120 files."""
    searched = []
    search = outcomes.compute.is_in
    monkeypatch.setattr(outcomes.compute, "is_in", lambda *given: searched.append(given) or search(*given))
    outcomes.take(requests, csv(requests, "id,outcome\na,TRUE\n"))
    assert len(searched) == len(log.Log(requests).files()) + 1  # the outcomes of before


def test_of_several_outcomes_the_first_that_was_told_counts(requests: Path) -> None:
    """Also where a server, which looks at nothing, kept them all."""
    outcomes.Ledger(requests).keep({("a", 0): "FALSE"}, START + 5)
    outcomes.Ledger(requests).keep({("a", 0): "TRUE"}, START)
    outcomes.Ledger(requests).keep({("a", 0): "FALSE"}, START + 9)
    assert counted(requests) == {"a": "TRUE"}
    assert outcomes.take(requests, csv(requests, "id,outcome\na,FALSE\n")).counts["contradicting"] == 1


def test_a_ledger_begins_another_file_when_one_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "LARGE", 3)
    ledger = outcomes.Ledger(tmp_path)
    for number in range(7):
        ledger.keep({(f"{number}", 0): "TRUE"}, START + number)
    assert len([*tmp_path.iterdir()]) == 3
    assert outcomes.read(log.Log(tmp_path)) == {(f"{number}", 0): "TRUE" for number in range(7)}
    assert outcomes.read(log.Log(tmp_path), {"5"}) == {("5", 0): "TRUE"}


def test_rows_of_a_request_have_outcomes_of_their_own(requests: Path) -> None:
    logged(requests, [[0.2, 0.3, 0.5]], of=source("several", MULTICLASS), ids=["m"])
    found = outcomes.take(requests, csv(requests, "row,id,outcome\n0,m,c\n1,m,c\n"))
    assert (found.counts["taken"], found.counts["unknown"]) == (1, 1)


@pytest.mark.parametrize("row", ["-1", "x", "1.5", "²", "", "99999999999"])
def test_a_row_that_is_no_number_is_named(requests: Path, row: str) -> None:
    with pytest.raises(DataError, match=r"row 2: .* in column 'row'"):
        outcomes.take(requests, csv(requests, f"id,row,outcome\na,0,TRUE\na,{row},TRUE\n"))


@pytest.mark.parametrize("text", ["", "id\na\n", "name,outcome\na,TRUE\n", "id,outcome\na\n", 'id,outcome\n"a,TRUE\n'])
def test_a_file_that_is_no_table_of_outcomes_is_refused_in_a_line(requests: Path, text: str) -> None:
    with pytest.raises((DataError, BundleError), match=r"outcomes\.csv") as error:
        outcomes.take(requests, csv(requests, text))
    assert "\n" not in str(error.value)
    assert outcomes.read(log.Log(requests)) == {}


def test_hostile_outcomes_are_texts_and_nothing_more(requests: Path) -> None:
    text = 'id,outcome\n"=cmd()\x1b[31m",TRUE\n../../etc,TRUE\na,"TRUE\x1b"\n' + "x" * 100_000 + ",TRUE\n"
    found = outcomes.take(requests, csv(requests, text))
    assert (found.counts["unknown"], found.counts["wrong"], found.counts["taken"]) == (3, 1, 0)


def test_a_damaged_file_of_outcomes_is_skipped_in_a_line(requests: Path) -> None:
    outcomes.take(requests, csv(requests, "id,outcome\na,TRUE\n"))
    (requests / "outcomes-z.parquet").write_bytes(b"PAR1 and no more")
    kept = log.Log(requests)
    assert outcomes.read(kept) == {("a", 0): "TRUE"}
    assert len(kept.skipped) == 1 and "outcomes-z.parquet is skipped" in kept.skipped[0]


def test_without_a_log_nothing_is_taken(tmp_path: Path) -> None:
    with pytest.raises(StemmaError, match=r"no request log"):
        outcomes.take(tmp_path / "none", csv(tmp_path / "none", "id,outcome\na,TRUE\n"))


def test_the_log_knows_nothing_of_outcomes(requests: Path) -> None:
    outcomes.take(requests, csv(requests, "id,outcome\na,TRUE\n"))
    assert sum(part.table.num_rows for part in read(log.Log(requests), ())) == 4
    (file,) = requests.glob("outcomes-*.parquet")
    assert json.loads(parquet.read_schema(file).metadata[log.FACTS]) == {"format": 1, "kind": "outcomes"}


def test_spaces_around_an_outcome_that_is_awaited_make_it_no_other(requests: Path) -> None:
    told = [(("new", 0), text) for text in (" TRUE ", " TRUE ", "TRUE")]
    kept: dict[outcomes.Key, str] = {}
    tellings, keep = {"told": told}, lambda new, now: kept.update(new)
    (found,) = outcomes.join(requests, tellings, outcomes.LATE, keep, awaited=lambda id: True)
    assert (found.counts["kept"], found.counts["same"], found.counts["contradicting"]) == (1, 2, 0)
    assert kept == {("new", 0): "TRUE"}


def test_an_outcome_that_its_version_does_not_predict_is_none_though_it_was_kept(requests: Path) -> None:
    """Told before its request was on the disk it shut out every later one, and the row counted nowhere."""
    tellings, ledger = {"told": [(("new", 0), "perhaps")]}, outcomes.Ledger(requests)
    (found,) = outcomes.join(requests, tellings, outcomes.LATE, ledger.keep, awaited=lambda id: True)
    assert found.counts["kept"] == 1
    logged(requests, [0.5], ids=["new"], times=[START])
    assert counted(requests) == {}
    told = outcomes.take(requests, csv(requests, "id,outcome\nnew,perhaps\nnew,TRUE\nnew,FALSE\n"))
    assert [told.counts[what] for what in ("wrong", "taken", "contradicting")] == [1, 1, 1]
    assert counted(requests) == {"new": "TRUE"}
    assert outcomes.take(requests, csv(requests, "id,outcome\nnew,TRUE\n")).counts["same"] == 1
