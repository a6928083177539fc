"""What a busy machine cannot break: events that are waited for, signals, and promises of speed.

Speed is asked in processor time, the least of a few tries, as it would be on the machine that was promised for: where
this one is slower, at this moment, less is asked of it.
"""

import time
from collections.abc import Callable

TRIES = 5
PACE = 0.01  # processor seconds for `slowness` to sort its texts
HANGS = 120.0  # seconds: nothing that a test waits for takes as long, on a machine however slow
# What a program that tests interrupt does. Python heeds a signal between two steps of its own: one that comes just
# before a wait begins is heeded when that wait ends, and in a fork the way there is long enough to meet it.
WAITS = "while True: time.sleep(.05)"


def until(holds: Callable[[], object], seconds: float = HANGS) -> None:
    """Wait for what comes about by itself, however long a busy machine takes."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come about within {seconds:.0f} s"
        time.sleep(0.01)


def seconds(work: Callable[[], object], below: float) -> float:
    """The least processor seconds that `work` takes in a few tries; the first try below the limit is the last."""
    return best(lambda: processor_seconds(work), below)


def best(measure: Callable[[], float], below: float) -> float:
    """The least that `measure` tells in a few tries; the first one below the limit is the last."""
    told: list[float] = []
    while not told or (told[-1] >= below and len(told) < TRIES):
        told.append(measure() / slowness())
    return min(told)


def slowness() -> float:
    """How many times as long as on the machine that was promised for anything takes here, now; 1 where it is less."""
    return max(1.0, processor_seconds(lambda: sorted(map(str, range(100_000)))) / PACE)


def processor_seconds(work: Callable[[], object]) -> float:
    """Of one try."""
    started = time.process_time()
    work()
    return time.process_time() - started
