"""The request log: what is written, what is kept of it, and what stops nothing."""

import errno
import json
import math
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bundles import DATED
from stemma.errors import SettingsError, StemmaError
from stemma.watch import log
from stemma.watch.log import Options, Request, Writer
from timing import HANGS, until
from watched import MULTICLASS, REGRESSION, START, logged, read, source

EVERYTHING = ("latency", "input", "header", "probability", "prediction")


def rows(folder: Path, columns: Any = EVERYTHING) -> list[dict[str, Any]]:
    kept = log.Log(folder)
    found = [row for part in read(kept, columns) for row in part.table.to_pylist()]
    assert kept.skipped == ()
    return found


def test_a_request_is_read_back_with_its_types_and_without_what_was_missing(tmp_path: Path) -> None:
    inputs = {"Month": np.array(["Nov", ""], object), "PageValues": np.array([0.5, np.nan], np.float32),
              "Weekend": np.array([1.0, np.nan], np.float32)}  # fmt: skip
    headers = [{"user": "ann"}, {}]
    counts = logged(tmp_path, [0.25, 0.75], inputs=inputs, headers=headers, ids=["one", "two"])
    first, second = rows(tmp_path)
    assert counts == {"written": 2}
    assert first["time"].timestamp() == START
    assert {**first, "time": None, "latency": None} == {
        "id": "one", "row": 0, "time": None, "latency": None, "input.Month": "Nov", "input.PageValues": 0.5,
        "input.Weekend": True, "header.user": "ann", "probability.FALSE": 0.75, "probability.TRUE": 0.25,
        "prediction": "FALSE",
    }  # fmt: skip
    assert [second[f"input.{name}"] for name in inputs] == ["", None, None]
    assert (second["prediction"], second["header.user"]) == ("TRUE", None)


def test_rows_of_a_request_are_numbered_and_dates_are_moments(tmp_path: Path) -> None:
    of = source(signature=DATED)
    moments = np.array([[START], [np.nan], [0.5]])
    with closing(Writer(tmp_path)) as writer:
        writer.add(of, Request("a", {"Day": moments}, np.ones((3, 1), np.float32), 0.1))
    found = rows(tmp_path)
    assert [row["row"] for row in found] == [0, 1, 2]
    assert [None if (day := row["input.Day"]) is None else day.timestamp() for row in found] == [START, None, 0.5]
    assert {row["prediction"] for row in found} == {1.0}


def test_logs_of_several_versions_and_signatures_are_read_together(tmp_path: Path) -> None:
    logged(tmp_path, [0.5], of=source("v1"))
    logged(tmp_path, [[0.1, 0.7, 0.2]], of=source("v2", MULTICLASS))
    logged(tmp_path, [3.0], of=source("v3", REGRESSION), headers=[{"user": "x"}])
    parts = {part.source.version: part for part in read(log.Log(tmp_path), ("prediction",))}
    assert {name: part.table["prediction"].to_pylist() for name, part in parts.items()} == {
        "v1": ["TRUE"], "v2": ["b"], "v3": [3.0]
    }  # fmt: skip
    assert parts["v2"].source.signature.classes == ("a", "b", "c")
    assert parts["v3"].table.column_names == ["id", "row", "time", "prediction"]


def test_columns_are_masked_hashed_or_left_out(tmp_path: Path) -> None:
    options = Options(
        columns={"Month": "hash", "PageValues": "mask", "Weekend": "omit", "header.user": "hash"}, key=b"k"
    )
    inputs = {"Month": np.array(["May", "May", "Nov", ""], object), "PageValues": np.array([1, np.nan, 3, 4.0])}
    logged(tmp_path, [0.5] * 4, inputs=inputs, headers=[{"user": "ann"}] * 4, options=options)
    found = rows(tmp_path)
    months = [row["input.Month"] for row in found]
    assert months[0] == months[1] != months[2] and months[3] is None and len(months[0]) == 16
    assert [row["input.PageValues"] for row in found] == ["***", None, "***", "***"]
    assert "input.Weekend" not in found[0]
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"ann" not in content and b"May" not in content
    assert months[0] != Options(key=b"other").digest("May")
    (part,) = read(log.Log(tmp_path), ())
    assert part.treated == dict(options.columns)


def test_hashes_want_a_key_that_nothing_shows() -> None:
    with pytest.raises(SettingsError, match=r"must hold a key"):
        Options(columns={"Month": "hash"})
    with pytest.raises(SettingsError, match=r"cannot be treated by 'hahs': mask, hash or omit"):
        Options(columns={"Month": "hahs"}, key=b"k")  # type: ignore[dict-item]
    assert "secret" not in repr(Options(columns={"Month": "hash"}, key=b"secret"))


def test_a_name_that_would_leave_a_column_in_the_open_is_refused() -> None:
    options = Options(columns={"Mont": "omit", "header.user": "mask"})
    with pytest.raises(SettingsError, match=r"'Mont', which no version takes .did you mean Month"):
        options.check([source()], ["user"])
    Options(columns={"Month": "omit", "header.user": "mask"}).check([source()], ["user"])


def test_a_sample_is_of_the_same_requests_in_every_process(tmp_path: Path) -> None:
    logged(tmp_path / "a", [0.5] * 400, options=Options(sample=0.25))
    logged(tmp_path / "b", [0.5] * 400, options=Options(sample=0.25, rows=30))
    found = [sorted(row["id"] for row in rows(folder, ())) for folder in (tmp_path / "a", tmp_path / "b")]
    assert found[0] == found[1] and 70 < len(found[0]) < 130


def test_files_are_rotated_by_rows_by_bytes_and_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(tmp_path / "rows", [0.5] * 600, options=Options(rows=200))
    assert len([*(tmp_path / "rows").iterdir()]) > 1
    with closing(Writer(tmp_path / "age", Options(seconds=0.05))) as writer:
        writer.add(source(), one())
        until(lambda: writer.counts["written"] == 1)
    monkeypatch.setattr(log, "LARGE", 10)
    with closing(Writer(tmp_path / "bytes")) as writer:
        writer.add(source(), one())
        until(lambda: writer.counts["written"] == 1)


def one(rows: int = 1) -> Request:
    inputs = {"Month": np.full((rows, 1), "May", object), "PageValues": np.ones((rows, 1), np.float32)}
    return Request("a", inputs | {"Weekend": inputs["PageValues"]}, np.full((rows, 2), 0.5, np.float32), 0.1)


def test_what_waits_is_bounded_and_the_rest_is_dropped_and_counted(tmp_path: Path) -> None:
    with closing(Writer(tmp_path, Options(rows=10))) as writer:
        writer.add(source(), one(41))
        writer.add(source(), one(40))
        assert writer.counts["dropped"] == 41
    assert (writer.counts["written"], len(rows(tmp_path))) == (40, 40)


def test_a_disk_that_hangs_holds_no_more_bytes_however_large_rows_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, save = threading.Event(), log.save
    monkeypatch.setattr(log, "LARGE", 10_000)
    monkeypatch.setattr(log, "save", lambda *arguments: (hangs.wait(HANGS), save(*arguments)))
    with closing(Writer(tmp_path, Options(rows=100))) as writer:
        writer.add(source(), one(100))
        until(lambda: not writer._queue)  # they are being written
        for _ in range(10):
            writer.add(source(), replace(one(), size=9000))
        assert writer.counts["dropped"] == 5  # four files, and what is on its way to a fifth
        hangs.set()
    assert (writer.counts["written"], writer._bytes) == (105, 0)


def test_a_full_disk_stops_nothing_and_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what there is room for afterwards is written."""
    save, full = log.save, [True]

    def disk(*arguments: Any) -> None:
        if full:
            full.clear()
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*arguments)

    monkeypatch.setattr(log, "save", disk)
    with closing(Writer(tmp_path, Options(rows=1))) as writer:
        writer.add(source(), one())
        until(lambda: writer.counts["failed"] == 1)
        writer.add(source(), one())
    assert (writer.counts["written"], writer.fault) == (1, "the disk is full: make room")


def test_a_disk_that_takes_no_more_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    counts = logged(tmp_path / "file" / "log", [0.5])
    assert counts == {"failed": 1}


def test_a_request_that_is_none_is_counted_as_lost(tmp_path: Path) -> None:
    with closing(Writer(tmp_path)) as writer:
        writer.add(source(), Request("a", {}, np.ones((2, 2), np.float32), 0.1))
    assert (writer.counts["failed"], writer.fault) == (2, "'Month'")


def test_files_that_are_cut_or_not_ours_are_skipped_in_a_line_each(tmp_path: Path) -> None:
    logged(tmp_path, [0.5] * 3)
    (good,) = tmp_path.iterdir()
    content = good.read_bytes()
    (tmp_path / "requests-a.parquet").write_bytes(content[: len(content) // 2])
    (tmp_path / "requests-b.parquet").write_bytes(b"")
    (tmp_path / "requests-c.parquet").mkdir()
    parquet.write_table(pa.table({"id": ["x"]}), tmp_path / "requests-d.parquet")
    table = parquet.read_table(good)
    facts = json.loads(table.schema.metadata[log.FACTS])
    changes = {"e": {"format": 9}, "f": {"signature": "{}"}, "g": {"signature": 3}, "j": {"treated": 5}}
    for name, change in changes.items():
        told = {log.FACTS: json.dumps(facts | change).encode()}
        parquet.write_table(table.replace_schema_metadata(told), tmp_path / f"requests-{name}.parquet")
    retyped = table.set_column(0, "id", pa.array([1, 2, 3])).replace_schema_metadata(table.schema.metadata)
    parquet.write_table(retyped, tmp_path / "requests-h.parquet")
    parquet.write_table(table.drop_columns("prediction"), tmp_path / "requests-i.parquet")
    told = {log.FACTS: b"[" * 100_000}
    parquet.write_table(table.replace_schema_metadata(told), tmp_path / "requests-k.parquet")
    values = {"l": ("time", None), "m": ("time", 2**62), "n": ("input.PageValues", math.inf)}
    for name, (column, value) in values.items():
        kind = table.schema.field(column).type
        changed = pa.array([value] * 3, pa.int64() if column == "time" else kind).cast(kind)
        place = table.schema.get_field_index(column)
        parquet.write_table(table.set_column(place, column, changed), tmp_path / f"requests-{name}.parquet")
    kept = log.Log(tmp_path)
    found = [*read(kept, ("input",))]
    assert [part.table.num_rows for part in found] == [3]
    names = [line.partition(" is skipped: ")[0][-9:] for line in kept.skipped]
    assert names == [f"{it}.parquet" for it in "abcdefghijklmn"]
    assert all("\n" not in line for line in kept.skipped)


def test_a_folder_without_a_log_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(StemmaError, match=r"holds no request log$"):
        next(read(log.Log(tmp_path / "nowhere"), ()))
    (tmp_path / "requests-a.parquet").write_bytes(b"PAR1")
    with pytest.raises(StemmaError, match=r"holds no request log: .*requests-a.parquet is skipped"):
        next(read(log.Log(tmp_path), ()))


def test_requests_before_a_moment_can_be_left_out(tmp_path: Path) -> None:
    logged(tmp_path, [0.5] * 4, times=[START, START + 1, START + 2, START + 3])
    (part,) = read(log.Log(tmp_path, START + 2), ())
    assert part.table.num_rows == 2


def test_rows_from_before_a_clock_was_set_back_are_found_by_their_time(tmp_path: Path) -> None:
    later = time.time() + 7200
    logged(tmp_path, [0.5] * 2, times=[later, later + 1])
    (part,) = read(log.Log(tmp_path, later - 60), ())
    assert part.table.num_rows == 2


def test_nothing_of_a_file_is_seen_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(log.parquet, "write_table", stops)
    assert logged(tmp_path, [0.5])["failed"] == 1
    assert [*tmp_path.iterdir()] == []
