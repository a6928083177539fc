"""What files say, read again when they change: tokens, certificates."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from stemma.errors import SettingsError
from stemma.files import state
from stemma.serve import log

T = TypeVar("T")
AGAIN = 60.0  # seconds until what could not be used is tried again: a certificate may be valid from then on


class Reread(Generic[T]):
    """What cannot be used changes nothing, and is told; at first it is a SettingsError, as of `read`.

    Args:
        what: it is, for the log. files: that are looked at; none never change.
        read: gives it.
        facts: of it, for the log.

    Attributes:
        now: what they say.
    """

    def __init__(
        self, what: str, files: Sequence[str], read: Callable[[], T], facts: Callable[[T], dict[str, Any]]
    ) -> None:
        self._what, self._files, self._read, self._facts = what, [*map(Path, files)], read, facts
        self._seen, self.now, self._again = self._states(), read(), math.inf
        self._fault: object = None

    def renewed(self) -> bool:
        """Whether other files are there since it was asked last, and can be used."""
        if not self._files:
            return False
        if (seen := self._states()) == self._seen and time.monotonic() < self._again:
            return False
        self._seen, self._again = seen, math.inf
        try:
            self.now = self._read()
        except SettingsError as error:
            self._again = time.monotonic() + AGAIN
            if (fault := (seen, str(error))) != self._fault:  # each time that it is tried would be each minute
                log.note(self._what, error=str(error), told="what was there before holds")
            self._fault = fault
            return False
        log.note(self._what, **self._facts(self.now))
        return True

    def _states(self) -> list[tuple[int, ...] | None]:
        return [state(each) for each in self._files]
