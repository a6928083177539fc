"""Reads template/manifest.txt: which files are stamped, where to, under which answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(r"(?P<never>! )?(?P<pattern>\S+)(?: -> (?P<target>\S+))?(?: if (?P<conditions>.+))?")


@dataclass(frozen=True)
class Line:
    """One line of the manifest."""

    pattern: str
    target: str | None  # another place in the project; only where the pattern is one file
    conditions: tuple[tuple[str, frozenset[str]], ...]  # (answer, its values): all must hold
    never: bool  # machinery: known, not stamped

    def holds(self, answers: Mapping[str, str]) -> bool:
        return not self.never and all(answers[key] in values for key, values in self.conditions)


def read(root: Path) -> list[Line]:
    """The manifest's lines.

    Raises:
        ValueError: a line is not understood.
    """
    found = []
    for number, text in enumerate((root / "template/manifest.txt").read_text(encoding="utf-8").splitlines(), 1):
        text = text.split("#")[0].strip()
        if text:
            match = LINE.fullmatch(re.sub(r"\s+", " ", text))
            if not match:
                raise ValueError(f"template/manifest.txt, line {number}: not `PATTERN [-> TARGET] [if KEY=A|B]`")
            conditions = (part.split("=") for part in (match["conditions"] or "").split(" and ") if part)
            found.append(
                Line(
                    match["pattern"],
                    match["target"],
                    tuple((key, frozenset(values.split("|"))) for key, values in conditions),
                    bool(match["never"]),
                )
            )
    return found


def files(root: Path, pattern: str) -> list[str]:
    """The files of a pattern, as they are named from the root; never what Python, an editor or a system leaves."""
    found = (path.relative_to(root) for path in root.glob(pattern) if path.is_file())
    return sorted(path.as_posix() for path in found if not any(_is_left(part, pattern) for part in path.parts))


def _is_left(part: str, pattern: str) -> bool:
    """True for a cache, and for a hidden file or folder that the pattern does not name."""
    return part == "__pycache__" or (part.startswith(".") and part not in pattern.split("/"))


def stamped(root: Path, answers: Mapping[str, str]) -> dict[str, str]:
    """Target -> source of every file that the answers ask for. Of lines that match one file, the last decides.

    Raises:
        FileNotFoundError: a line names a file that is not there.
    """
    chosen: dict[tuple[str, str | None], bool] = {}
    for line in read(root):
        names = files(root, line.pattern)
        if not names and not line.never:
            raise FileNotFoundError(f"template/manifest.txt: no file is named {line.pattern}")
        for name in names:
            chosen[name, line.target] = line.holds(answers)
    return {target or source: source for (source, target), holds in sorted(chosen.items(), key=str) if holds}
