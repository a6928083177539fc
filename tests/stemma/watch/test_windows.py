"""A log is read window by window: its length costs no memory."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stemma.watch import log, windows
from stemma.watch.answers import versions
from watched import DAY, logged, source

MONDAY = 7 * DAY * 2900


def days(folder: Path, count: int, rows: int, version: str = "v1") -> None:
    """A file of each day, a row each minute."""
    for day in range(count):
        ids = [f"{version}-{day}-{n}" for n in range(rows)]
        logged(folder, [0.5] * rows, of=source(version), times=MONDAY + DAY * day + 60 * np.arange(rows), ids=ids)


def seen(folder: Path, seconds: float, files: list[Path]) -> "list[tuple[str, float, int, int, int]]":
    """(version, day, rows, rows that are held, files that were read until then)."""

    class Read(log.Log):
        def rows(self, file: log.File, columns: Collection[str]) -> Iterator[Any]:
            files.append(file.path)
            return super().rows(file, columns)

    kept = Read(folder)
    its = versions(kept.files())
    return [
        (each.answers.version, (each.first - MONDAY) / DAY, each.rows, len(each.answers.table), len(files))
        for each in windows.windows(kept, its, seconds, ())
    ]


def test_a_window_is_given_when_no_file_that_follows_has_rows_of_it(tmp_path: Path) -> None:
    days(tmp_path, 4, 10)
    assert seen(tmp_path, 2 * DAY, files := []) == [("v1", 0, 20, 20, 2), ("v1", 2, 20, 20, 4)]
    assert len(files) == len(set(files)) == 4


def test_files_that_overlap_windows_and_versions_are_read_once(tmp_path: Path) -> None:
    days(tmp_path, 2, 30)
    logged(tmp_path, [0.5] * 72, of=source("v2"), times=MONDAY + 3600 * np.arange(72))
    found = seen(tmp_path, DAY, files := [])
    assert [each[:4] for each in found] == [("v1", 0, 30, 30), ("v2", 0, 24, 24), ("v1", 1, 30, 30), ("v2", 1, 24, 24),
                                            ("v2", 2, 24, 24)]  # fmt: skip
    assert len(files) == len(set(files)) == 3


def test_of_many_rows_a_sample_is_held_in_which_each_has_the_same_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "MOST", 100)
    days(tmp_path, 6, 500)
    assert [each[2:4] for each in seen(tmp_path, 7 * DAY, [])] == [(3000, 100)]
    kept = log.Log(tmp_path)
    (asked,) = windows.windows(kept, versions(kept.files()), 7 * DAY, ())
    by_day = np.bincount(((asked.answers.times - MONDAY) // DAY).astype(int), minlength=6)
    assert by_day.min() >= 5 and by_day.max() <= 30


def test_a_window_holds_the_same_sample_whatever_was_written_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hourly look of a guard reads it, which begins later each time."""
    monkeypatch.setattr(windows, "MOST", 50)
    days(tmp_path, 3, 200)
    held = []
    for since in (None, MONDAY + DAY, MONDAY + 2 * DAY):
        kept = log.Log(tmp_path, since)
        *_, last = windows.windows(kept, versions(kept.files()), DAY, ())
        held.append(sorted(last.answers.table["id"].to_pylist()))
    assert held[0] == held[1] == held[2] and len(held[0]) == 50
