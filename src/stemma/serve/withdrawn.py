"""Versions of a source that were taken back: none serves again until somebody says so, also after another start.

A version that came back that way is not taken back a second time: whoever let it serve knew why it had not.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from stemma.errors import StemmaError
from stemma.files import state_folder, write_text
from stemma.serve.load import opened
from stemma.serve.sources import Place


class Withdrawn:
    """By version, in a file below ~/.local/state/stemma; a StemmaError where that is damaged."""

    def __init__(self, source: Path) -> None:
        name = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:32]
        self._file = state_folder() / "withdrawn" / f"{name}.json"
        self._told: dict[str, dict[str, Any]] = self._read()

    def why(self, number: int, place: Place) -> str | None:
        """Why a version shall not serve; None where nobody took it back, or somebody let it serve again."""
        found = self._found(number, place)
        return None if found is None or found["again"] else f"taken back: {found['why']}"

    def add(self, number: int, place: Place, why: str) -> None:
        """Take a version back.

        Raises:
            StemmaError: it was taken back before, and somebody let it serve again.
            OSError: that cannot be written down.
        """
        if (self._found(number, place) or {"again": False})["again"]:
            raise StemmaError(f"version {number} was taken back before, and somebody let it serve again")
        entry = {"number": number, "why": why, "again": False}
        self._write(self._read() | {key: entry for key in _keys(number, place)})

    def undo(self, number: int, place: Place) -> None:
        own = [*_keys(number, place)]
        self._write({key: each for key, each in self._read().items() if key not in own})

    def allow(self, numbers: Collection[int] | None = None) -> None:
        """Let versions serve again; None: all."""
        known = self._read()  # another server of this source may have written since
        chosen = {key: each | {"again": True} for key, each in known.items()
                  if numbers is None or each["number"] in numbers}  # fmt: skip
        if chosen:
            self._write(known | chosen)

    def _found(self, number: int, place: Place) -> dict[str, Any] | None:
        if all(each["number"] != number for each in self._told.values()):
            return None  # most versions: nothing of them is read
        return next((self._told[key] for key in _keys(number, place) if key in self._told), None)

    def _write(self, told: dict[str, dict[str, Any]]) -> None:
        write_text(self._file, json.dumps(told, indent=1, sort_keys=True) + "\n")
        self._told = told

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self._file.read_bytes())
            return {key: {"number": int(each["number"]), "why": str(each["why"]), "again": bool(each["again"])}
                    for key, each in found.items()}  # fmt: skip
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise StemmaError(f"{self._file}, which says what was taken back, cannot be read ({error})") from None


def _keys(number: int, place: Place) -> Iterator[str]:
    """Of a version as it is there now, and of its content, which is the same after a copy was put in its place."""
    yield "-".join(map(str, (number, *place.mark)))
    with suppress(OSError, StemmaError):  # what cannot be opened does not serve
        yield f"{number}-{_content(place)}"


@cache  # by its mark; a failure is not kept
def _content(place: Place) -> str:
    digest: str = opened(place.path).digest
    return digest
