"""Words for messages: lists that end early, names that are near, errors of others in one line."""

import difflib
from collections.abc import Iterable, Sequence

SHOWN = 3


def few(items: Sequence[str], most: int = SHOWN) -> str:
    """The first of them, and how many more there are."""
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def counted(count: int, word: str) -> str:
    """1 version, 2 versions."""
    return f"{count} {word}{'s' * (count != 1)}"


def near(name: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> str:
    """` (near: model@v1.2.0)`: the names that are nearest; empty where none is near."""
    close = difflib.get_close_matches(name, list(known), n=most, cutoff=cutoff)
    return f" (near: {', '.join(close)})" if close else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean roc_auc?)`: the name that was meant, where one is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def in_one_line(error: object, most: int = 200) -> str:
    """What an error of somebody else's says."""
    return f"{' '.join(str(error).split()):.{most}}"
