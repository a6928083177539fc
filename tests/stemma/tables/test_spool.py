"""Tables larger than memory: tables/spool.py."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stemma.errors import DataError
from stemma.tables import arrays as prepared_arrays
from stemma.tables import load, prepared, spool
from stemma.tables.check import check
from tiny import SOURCES
from tiny.params import settled

asked_for_room = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot be asked for room")


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LARGE", 1)


def lies_in_a_file(values: np.ndarray) -> bool:
    while values.base is not None and not isinstance(values, np.memmap):
        values = values.base
    return isinstance(values, np.memmap)


@given(arrays(st.sampled_from(["f8", "f4", "i8", "i1", "?", "M8[us]"]), st.integers(1, 50)))
def test_what_lies_in_a_file_is_the_same(values: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "LARGE", 1)
        found = spool.kept(values)
    assert lies_in_a_file(found) and found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


def test_what_is_small_stays_where_it_is() -> None:
    values = np.arange(10.0)
    assert spool.kept(values) is values
    assert not lies_in_a_file(spool.empty((10, 2), np.float32))


@pytest.mark.usefixtures("everything_is_large")
def test_what_has_no_rows_needs_no_file() -> None:
    assert spool.empty((0, 3), np.float32).shape == (0, 3)
    assert len(spool.kept(np.empty(0))) == 0


@pytest.mark.usefixtures("everything_is_large")
def test_columns_of_every_type_keep_type_and_values() -> None:
    columns = {
        "number": np.array([1.5, np.nan, 3]), "day": np.array(["2026-01-01", "NaT", "2026-01-03"], "M8[us]"),
        "text": pd.Categorical(["b", "a", "b"]), "class": pd.Categorical(["x", None, "y"]),
    }  # fmt: skip
    found = spool.frame(columns.items())
    pd.testing.assert_frame_equal(found, pd.DataFrame(columns))
    assert lies_in_a_file(found["number"].to_numpy()) and lies_in_a_file(found["day"].to_numpy())


@pytest.fixture
def settings(section, tmp_path, monkeypatch):
    """Of a table in a file of this ending, with every kind of column."""
    monkeypatch.chdir(tmp_path)

    def build(ending: str):
        rows = range(60)
        frame = pd.DataFrame(
            {"x": [None if row % 7 == 0 else row / 3 for row in rows], "c": ["ab "[row % 3].strip() for row in rows],
             "d": [f"2026-01-{row % 28 + 1:02}" for row in rows], "y": ["pq"[row % 2] for row in rows]}
        )  # fmt: skip
        frame.to_csv("t.csv", index=False) if ending == "csv" else frame.to_parquet("t.parquet")
        columns = {"x": "numeric", "c": "categorical", "d": "date"}
        return section("csv", source=f"t.{ending}", target="y", positive="q", columns=columns, ranges={})

    return build


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_that_is_large_is_prepared_to_the_same_bytes(settings, ending, monkeypatch):
    data, made = settings(ending), []
    for large in (spool.LARGE, 1):
        monkeypatch.setattr(spool, "LARGE", large)
        prepared.write(Path(f"p{large}"), check(data, SOURCES, False), data, settled().prepare)
        made.append({path.name: path.read_bytes() for path in Path(f"p{large}").iterdir()})
        assert lies_in_a_file(prepared_arrays.read(Path(f"p{large}"), "train").x) is (large == 1)
    assert len(made[0]) == 5 and made[0] == made[1]


def test_a_large_file_with_a_fault_names_its_row(settings, monkeypatch):
    data = settings("csv")
    Path("t.csv").write_text(Path("t.csv").read_text() + "1,a,2026-01-01,p,5\n")
    monkeypatch.setattr(spool, "LARGE", 1)
    with pytest.raises(DataError, match="row 61"):
        load.table(data, SOURCES)


def test_splits_are_written_a_group_of_rows_after_the_other(settings, monkeypatch):
    data = settings("csv")
    checked = check(data, SOURCES, False)
    for group in (7, 10**6):
        monkeypatch.setattr(prepared, "GROUP", group)
        prepared.write(Path(f"p{group}"), checked, data, settled().prepare)
    for name in ("train", "validation", "test"):
        read = [prepared_arrays.read_frame(Path(folder), name) for folder in ("p7", "p1000000")]
        pd.testing.assert_frame_equal(*read)


def test_batches_mapped_from_a_file_keep_dictionaries_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LARGE", 1)
    batches = [pa.record_batch({"c": pa.array(texts).dictionary_encode()}) for texts in (["a", "b"], ["c", None])]
    assert spool.table(batches[0].schema, batches, 10).column("c").to_pylist() == ["a", "b", "c", None]


@asked_for_room
def test_a_file_has_its_room_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that gets full later would end the process."""
    opened, made = spool._file, list[int]()

    @contextmanager
    def seen() -> Iterator[IO[bytes]]:
        with opened() as file:
            made.append(os.dup(file.fileno()))
            yield file

    monkeypatch.setattr(spool, "_file", seen)
    kept = spool.empty((spool.LARGE // 4, 2), np.float32)
    facts = os.fstat(made[0])
    os.close(made[0])
    assert facts.st_blocks * 512 >= kept.nbytes == facts.st_size


@asked_for_room
@pytest.mark.parametrize(
    ("number", "told"), [(errno.EOPNOTSUPP, None), (errno.EINVAL, None), (errno.ENOSPC, "{}"), (errno.EIO, "None")]
)
def test_a_file_system_without_room_is_named_and_one_that_cannot_be_asked_is_taken(
    number: int, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(spool, "DISK", tmp_path)
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with nullcontext() if told is None else pytest.raises(OSError, match=os.strerror(number)) as caught:
        spool.empty((spool.LARGE,), np.uint8)[-1] = 1
    assert caught is None or str(caught.value.filename) == str(told).format(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
def test_files_are_gone_with_their_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LARGE", 1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    found = spool.kept(np.arange(1000.0))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
    assert found.sum() == 499500
    assert not [path for path in spool.DISK.glob("tmp*") if path.stat().st_size == found.nbytes]
