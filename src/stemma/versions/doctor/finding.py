"""What a check finds, and what it cannot look at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from stemma.errors import StemmaError

MODEL = re.compile(r"\bmodel\.(\w+)")
Severity = Literal["error", "warning"]
Part = TypeVar("Part")


@dataclass(frozen=True)
class Finding:
    severity: Severity  # an error is certain and wants a remedy; a warning may have a reason
    check: str  # the name of the check that found it
    what: str  # the fault, in a few words
    evidence: str  # the figures that show it
    remedy: str  # what helps, a command where there is one


def ways(settings: Mapping[str, Any] | None, *texts: str) -> str:
    """The remedies whose every setting `model.X` is one of this model."""
    known = (settings or {}).get("model") or {}
    *first, last = [text for text in texts if all(name in known for name in MODEL.findall(text))]
    return f"{', '.join(first)} or {last}" if first else last


class Skipped(StemmaError):
    """A check has nothing to look at; the text says what is not there."""


def there(part: Part | None, path: str) -> Part:
    """What a version has at this path; Skipped where it has nothing."""
    if part is None:
        raise Skipped(f"{path} is not in the version")
    return part
