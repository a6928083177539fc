"""Long-lived workers: answers in order, one line for what goes wrong, nothing left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from gangs import Counter
from processes import is_gone
from stemma import runners
from stemma.errors import RunnerError
from stemma.runners import Died, Gang
from timing import HANGS, until


@pytest.fixture(scope="module")
def gang() -> Iterator[Gang]:
    made = runners.chosen("local").gang(Counter, (10, np.arange(5)), ["first", "second"])
    yield made
    made.close()


def test_each_worker_keeps_its_object_and_answers_come_in_their_order(gang: Gang) -> None:
    assert gang.call("place") == [0, 1]
    assert gang.call("add", 1) == [11, 11]
    assert gang.call("add", 2) == [13, 13]


def test_an_array_is_mapped_by_all_and_has_no_file_any_more(gang: Gang) -> None:
    assert gang.call("array") == [[0, 1, 2, 3, 4]] * 2
    assert gang.call("write") == [[9, 1, 2, 3, 4]] * 2  # each has what it writes for itself
    assert gang.call("files") == [0, 0]


def test_what_a_worker_raises_is_one_line_with_its_name(gang: Gang) -> None:
    with pytest.raises(RunnerError, match=r"^second: no more than this: run `less`$"):
        gang.call("refuse", 1)
    assert gang.call("place") == [0, 1]


def test_an_error_that_the_death_of_another_caused_is_told_as_that_death() -> None:
    made = runners.chosen("local").gang(Counter, (0, np.arange(1)), ["first", "second"])
    made.moment = HANGS
    with pytest.raises(Died, match=r"^second: its process was killed by signal 9$"):
        made.call("lose", 1)  # the first says at once that it cannot find the second, which dies a moment later
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["kill", "close", "exit"])
def test_no_worker_and_no_file_is_left(way: str) -> None:
    made = runners.chosen("local").gang(Counter, (0, np.arange(9)), ["first", "second"])
    numbers, (folder, _) = made.call("number"), made.call("folder")
    if way == "exit":
        with pytest.raises(Died, match=r"^first: its process ended with exit code 3$"):
            made.call("leave")
    if way == "kill":
        os.kill(numbers[1], signal.SIGKILL)
        until(lambda: is_gone(numbers[1]))
        with pytest.raises(Died, match=r"^second: its process was killed by signal 9$"):
            made.call("place")
    made.close()
    assert not any(map(psutil.pid_exists, numbers))
    assert not Path(folder).exists()
