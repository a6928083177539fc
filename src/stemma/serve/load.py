"""A file or a folder -> a version that may serve: every byte verified, loaded, warm, and true to its sample."""

import math
from pathlib import Path

from stemma.bundle import Bundle, open_bundle, open_unpacked
from stemma.bundle.archive import MANIFEST
from stemma.bundle.check import sample, signed
from stemma.errors import BundleError
from stemma.serve.settings import MEGABYTE, SignatureSettings
from stemma.text import counted

TIMES = 3  # a bundle's bytes, in memory: as they are, in the runtime, and once more while it is made


def load(path: Path, signature: SignatureSettings | None = None, room: float = math.inf) -> Bundle:
    """The bundle of a file, of a folder that holds one file, or of a folder that it was unpacked to; a StemmaError
    where it cannot serve.

    Args:
        signature: that it must have; it is looked at before anything of the bundle runs.
        room: bytes of memory that it may take.
    """
    _check_room(path, sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file()), room)
    bundle = opened(path)
    _check_room(path, size(bundle), room)
    try:
        if signature is not None:
            signed(bundle, _held(path), Path(signature.key), signature.at_least)
        bundle.ready()
        sample(bundle)  # its rows together and alone: from here on, every shape was seen
    except BundleError as error:
        raise error if str(path) in error.what else BundleError(f"{path}: {error}") from None
    return bundle


def size(bundle: Bundle) -> int:
    """Bytes of its files."""
    return sum(map(len, bundle.files.values()))


def _check_room(path: Path, length: int, room: float) -> None:
    if length * TIMES > room:
        need, left = (each / MEGABYTE for each in (length * TIMES, max(0, room)))
        raise BundleError(f"{path} needs some {need:,.1f} MB of memory, and {left:,.1f} MB of limits.memory are left")


def opened(path: Path) -> Bundle:
    """The same, every byte verified, and nothing run; a StemmaError where it is damaged, or no bundle."""
    held = _held(path)
    return open_unpacked(held) if held.is_dir() else open_bundle(held)


def _held(path: Path) -> Path:
    """The bundle of a version: the one in its folder, or itself."""
    if not path.is_dir() or (path / MANIFEST).is_file():
        return path
    files = sorted(path.glob("*.zip"))
    if len(files) != 1:
        raise BundleError(f"{path} holds {counted(len(files), 'bundle')}, and a version is one")
    return files[0]
