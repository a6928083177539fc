"""What a check finds, and what it cannot look at."""

from dataclasses import dataclass
from typing import Literal

from stemma.errors import StemmaError

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something wrong with a version.

    Args:
        severity: an error is certain and wants a remedy; a warning may have a reason.
        check: the name of the check that found it.
        what: the fault, in a few words.
        evidence: the figures that show it.
        remedy: what helps, a command where there is one.
    """

    severity: Severity
    check: str
    what: str
    evidence: str
    remedy: str


class Skipped(StemmaError):
    """A check has nothing to look at; the text says what is not there."""
