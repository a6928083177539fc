"""How long bundles take, beside what else the machine does."""

import time
from itertools import count

from stemma.versions import speed


def test_rounds_in_which_the_machine_does_something_else_do_not_count() -> None:
    numbers, runs = count(), 3

    def disturbed() -> None:
        if next(numbers) < speed.WARM + (speed.ROUNDS - 1) * runs:
            time.sleep(0.01)

    slow, quick = speed._in_turns(disturbed, lambda: None, runs)
    assert slow < 5 and quick < 5
