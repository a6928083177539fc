"""The toolkit in a project: one wheel in vendor/, its hash, and a lock that names it. Standard library only."""

import hashlib
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

SOURCES = "src/stemma"


def vendored(root: Path, planned: Mapping[str, bytes]) -> dict[str, bytes]:
    """The project's files, with the toolkit of the template and the lock that leads to it.

    Raises:
        LookupError: the template's stemma.lock is not that of its toolkit.
    """
    distribution = _distribution(root)
    name, content = distribution.wheel(root / SOURCES)
    number = distribution.version(root / SOURCES)
    lock = planned["stemma.lock"].decode()
    if f"path: {SOURCES}\nversion: {number}\n" not in lock:
        raise LookupError(f"the template's stemma.lock is not that of {SOURCES}, {number}: run `stemma lock` there")
    return {
        **planned,
        f"vendor/{name}": content,
        "vendor/stemma.txt": f"./vendor/{name} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n".encode(),
        "stemma.lock": lock.replace(f"path: {SOURCES}\n", f"path: vendor/{name}\n").encode(),
    }


def _distribution(root: Path) -> ModuleType:
    """The toolkit's own module that builds its wheel, of this template, without the packages that the toolkit needs."""
    file = root / SOURCES / "toolkit/distribution.py"
    loader = SourceFileLoader("distribution_of_stemma", str(file))
    module = ModuleType(loader.name)
    module.__file__ = str(file)
    loader.exec_module(module)
    return module
