"""Stamps a project: the manifest's files, edited for the answers and renamed. Standard library and PyYAML only.

plan(root, answers)            what would be written: target -> bytes
clashes(folder, planned)       what lies there already and differs
write(folder, planned)
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from template import edits, imports, manifest, toolkit

PACKAGE, SLUG = "purchase_intent", "purchase-intent"


def plan(root: Path, answers: Mapping[str, str]) -> dict[str, bytes]:
    """Every file of the project, by its place in there.

    Raises:
        LookupError: a text that an edit replaces is not in its file, or stemma.lock is not that of the toolkit.
        FileNotFoundError: the manifest names a file that is not there.
    """
    texts = {
        target: (root / source).read_bytes().decode("utf-8")
        for target, source in manifest.stamped(root, answers).items()
    }
    chosen = edits.choose(texts, answers)
    named = {renamed(target, answers): _named(target, text, answers) for target, text in sorted(chosen.items())}
    filled = edits.fill(named, answers)  # after the rename: an answer may hold our names
    return toolkit.vendored(root, {target: text.encode("utf-8") for target, text in filled.items()})


def renamed(text: str, answers: Mapping[str, str]) -> str:
    return text.replace(PACKAGE, answers["package_name"]).replace(SLUG, answers["project_slug"])


def _named(target: str, text: str, answers: Mapping[str, str]) -> str:
    if target == "LICENSE.stemma":
        return text
    text = renamed(text, answers)
    if target.endswith(".py") and answers["package_name"] != PACKAGE:
        text = imports.sorted_again(text, answers["package_name"])
    return text


def copied(answers: Mapping[str, str]) -> str:
    """Where the table of one's own lies in the project."""
    return f"data/raw/{Path(answers['csv_path']).name}"


def clashes(folder: Path, planned: Mapping[str, bytes]) -> list[str]:
    """The files that lie there already with another content, and what stands where a folder is needed."""
    found = []
    for name, content in planned.items():
        path = folder / name
        above = [parent for parent in path.parents if parent.is_relative_to(folder) and parent.is_file()]
        if above:
            found.append(above[0].relative_to(folder).as_posix())
        elif path.is_dir() or (path.is_file() and path.read_bytes() != content) or _leads_nowhere(path):
            found.append(name)
    return sorted(set(found))


def _leads_nowhere(path: Path) -> bool:
    """True for a link without a file behind it: writing would make one, somewhere else."""
    return path.is_symlink() and not path.exists()


def write(folder: Path, planned: Mapping[str, bytes]) -> None:
    for name, content in planned.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def ignore(table: Path) -> None:
    """Git never takes the table: `dvc add`, in the first run, finds the line that it would write."""
    path, line = table.with_name(".gitignore"), f"/{table.name}\n"
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if line not in before.splitlines(keepends=True):
        path.write_bytes((before + line).encode("utf-8"))


def stop(message: str) -> NoReturn:
    """End a hook: cookiecutter then removes the folder that it made."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(1)
