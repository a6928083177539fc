"""Many objects at a time."""

from threading import Barrier

import pytest

from stemma.errors import VersionError
from stemma.repo.parallel import THREADS, each
from timing import HANGS


def test_after_an_error_nothing_more_is_begun_by_any_thread() -> None:
    """Of a server that is silent each would wait half a minute, three times."""
    begun, together = [], Barrier(THREADS)

    def fails(number: int) -> None:
        begun.append(number)
        together.wait(HANGS)
        raise VersionError("silent")

    with pytest.raises(VersionError, match="silent"):
        list(each(fails, range(10 * THREADS)))
    assert len(begun) == THREADS
