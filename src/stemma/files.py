"""Files and folders that are either the old ones or the new ones, never half of each."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    with replaced(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """UTF-8, line ends as they stand, on every platform."""
    write_bytes(path, content.encode())


@contextmanager
def swapped_folder(folder: Path) -> Iterator[Path]:
    """An empty temporary folder beside `folder`, which takes its place when the block ends well.

    No platform can replace a folder that holds files in one step: the old one is moved aside first. A process killed
    between the two moves leaves it there, and `recover_folder` (also the next call) brings it back.
    """
    recover_folder(folder)
    partial, aside = _beside(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.replace(aside)
        partial.replace(folder)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Finish what a kill cut short: bring the old folder back, or remove what is left of it."""
    _, aside = _beside(folder)
    if not aside.exists():
        return
    if folder.exists():
        shutil.rmtree(aside)
    else:
        aside.replace(folder)


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(folder.name + ".partial"), folder.with_name(folder.name + ".aside")
