"""Work that is shared out over threads."""

import os
import sys
from threading import Barrier

import pytest

from stemma import threads
from stemma.errors import VersionError
from timing import HANGS


def test_results_stand_in_the_order_of_the_items_and_jobs_run_at_the_same_time(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 2)
    both = Barrier(2, timeout=HANGS)

    def waits(item: int) -> int:
        both.wait()
        return -item

    assert threads.each(waits, [3, 1, 2, 5]) == [-3, -1, -2, -5]
    assert threads.together(lambda: "a", lambda: "b") == ["a", "b"]
    assert threads.each(waits, []) == []


def test_of_several_errors_the_first_item_s_is_raised():
    def fails(item: int) -> None:
        raise ValueError(item)

    with pytest.raises(ValueError, match=r"^4$"):
        threads.each(fails, [4, 2, 3])


def test_after_an_error_nothing_more_is_begun_by_any_thread() -> None:
    """Of a server that is silent each would wait half a minute, three times."""
    begun, together = [], Barrier(threads.WAITING)

    def fails(number: int) -> None:
        begun.append(number)
        together.wait(HANGS)
        raise VersionError("silent")

    with pytest.raises(VersionError, match="silent"):
        threads.each(fails, range(10 * threads.WAITING), waits=True)
    assert len(begun) == threads.WAITING


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9])
def test_blocks_cover_all_rows_once(monkeypatch, count):
    monkeypatch.setattr(threads, "BLOCK", 4)
    rows = list(range(count))
    assert [row for block in threads.blocks(count) for row in rows[block]] == rows
    assert len(threads.blocks(count)) == max(1, -(-count // 4))


@pytest.mark.skipif(sys.platform != "linux", reason="where processes can be bound to cores")
def test_a_process_that_is_bound_to_one_core_takes_one():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, [min(before)])
        assert threads.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert threads.cores() == len(before)
