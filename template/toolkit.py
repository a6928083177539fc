"""The toolkit in a project: one wheel in vendor/, its hash, and a lock that names it. Standard library only."""

from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

SOURCES = "src/stemma"


class OldLock(LookupError):
    """The template's stemma.lock is not that of its toolkit."""


def vendored(root: Path, planned: Mapping[str, bytes]) -> dict[str, bytes]:
    """The project's files, with the toolkit of the template and the lock that leads to it.

    Raises:
        OldLock: the template's stemma.lock is not that of its toolkit.
    """
    distribution = _distribution(root)
    vendor = {f"vendor/{name}": content for name, content in distribution.vendored(root / SOURCES).items()}
    (wheel,) = (name for name in vendor if name.endswith(".whl"))
    number = wheel.split("-")[1]
    lock = planned["stemma.lock"].decode()
    if f"path: {SOURCES}\nversion: {number}\n" not in lock:
        raise OldLock(f"the template's stemma.lock is not that of {SOURCES}, {number}: run `stemma lock` there")
    return {**planned, **vendor, "stemma.lock": lock.replace(f"path: {SOURCES}\n", f"path: {wheel}\n").encode()}


def _distribution(root: Path) -> ModuleType:
    """The toolkit's own module that builds its wheel, of this template, without the packages that the toolkit needs."""
    file = root / SOURCES / "toolkit/distribution.py"
    loader = SourceFileLoader("distribution_of_stemma", str(file))
    module = ModuleType(loader.name)
    module.__file__ = str(file)
    loader.exec_module(module)
    return module
