"""Do what a page of docs/ says: write its files, put its lines where it says."""

import re
from pathlib import Path

from worlds import Project

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACE = r"`([\w/.]+)`(?:, in `([\w.]+)`)?[^`\n]*:"  # FILE, or FILE, in `TABLE`
BLOCK = re.compile(PLACE + r"\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path, of: str = "") -> list[str]:
    """The lines of blocks of a language, or of none, that start with a program of ours."""
    blocks = [body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if language == of]
    lines = [line.split(" # ")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.split(" ")[0] in ("python", "dvc", "stemma", "git")]


def code(page: Path) -> str:
    """The first block of Python."""
    return next(body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if language == "python")


def follow(page: Path, project: Project) -> list[str]:
    """Each block of code below the name of a file is that file, or goes into it; the files."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    for name, where, text in found:
        file = project.folder / name
        if where:
            _insert(file, where, text)
        else:
            assert not file.exists(), f"{name} is there already"
            file.write_text(text, encoding="utf-8")
    return [name for name, *_ in found]


def _insert(file: Path, where: str, text: str) -> None:
    """After the line that opens a table of Python, or a key of YAML below others."""
    content, place = file.read_text(encoding="utf-8"), 0
    if file.suffix == ".py":
        opened = re.search(rf"^{where}\b.*\{{", content, re.MULTILINE)
        assert opened, f"{file.name} has no table {where}"
        rest = content[opened.end() :].lstrip("\n")
        file.write_text(f"{content[: opened.end()]}\n{text}{rest}", encoding="utf-8")
        return
    for key in where.split("."):
        place = content.index("\n", re.compile(rf"^ *{key}:", re.MULTILINE).search(content, place).start()) + 1
    file.write_text(content[:place] + text + content[place:], encoding="utf-8")
