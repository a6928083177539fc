"""How often a caller may ask: so many calls a second, which it may also make at once."""

import math
import time
from collections import OrderedDict

from stemma.serve.models import Refused

KEPT = 10_000  # callers, those that asked last
ROUNDED = 1e-6  # seconds, for sums of fractions


class Rates:
    """Of one process: so many calls a second of each caller."""

    def __init__(self, rate: float) -> None:
        self._rate, self._burst = rate, max(1.0, 1 / rate)
        self._rested = OrderedDict[str, float]()  # when each may make all calls of a second at once again

    def take(self, caller: str) -> None:
        """Count a call; Refused where it is one too many."""
        now = time.monotonic()
        before = max(self._rested.pop(caller, now), now)
        rested = before + 1 / self._rate
        wait = rested - now - self._burst - ROUNDED
        self._rested[caller] = rested if wait <= 0 else before
        if len(self._rested) > KEPT:
            self._rested.popitem(last=False)
        if wait > 0:
            after = str(math.ceil(wait)).encode()
            raise Refused(429, f"more than {self._rate:g} calls a second", ((b"retry-after", after),))
