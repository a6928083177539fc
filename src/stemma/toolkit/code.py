"""The code of a stage: what of it a fit that goes on must share with the one that began."""

import hashlib
from pathlib import Path

from stemma.repo import inputs
from stemma.toolkit.lock import FILE


def digest(root: Path, stage: str) -> str:
    """Of the files in src/ and the rooms of the toolkit that dvc.yaml names."""
    found = inputs.of(root, stage)
    own = {path: sorted(files.items()) for path, files in found.contents.items() if path.startswith("src/")}
    return hashlib.sha256(repr((sorted(own.items()), found.values.get(FILE))).encode()).hexdigest()
