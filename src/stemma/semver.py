"""Numbers of versions, such as v1.2.0 and v2.0.0-rc.1 (semver.org, 2.0.0)."""

import re
from collections.abc import Iterable

_NUMBER = r"(?:0|[1-9]\d*)"
_WORD = rf"(?:{_NUMBER}|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
VERSION = rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_WORD}(?:\.{_WORD})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"


def is_version(text: str) -> bool:
    """Whether a text is a number with its `v`."""
    return re.fullmatch(VERSION, text) is not None


def precedence(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """A key that sorts versions by their precedence (section 11)."""
    core, _, before = version.removeprefix("v").partition("+")[0].partition("-")
    words: Iterable[str] = before.split(".") if before else ()
    ranks = tuple((not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in words)
    return tuple(map(int, core.split("."))), not before, ranks
