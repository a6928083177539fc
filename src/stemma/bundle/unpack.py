"""The files of a bundle in a folder, whole or not at all, and back."""

import json
from pathlib import Path

from stemma.bundle import archive
from stemma.bundle.archive import MANIFEST, SIGNED
from stemma.bundle.model import Bundle
from stemma.errors import BundleError
from stemma.files import open_plain, swapped_folder


def unpack(bundle: Bundle, folder: Path) -> None:
    """Write every file; their names were checked when the bundle was opened.

    Raises:
        BundleError: the folder is a file or is not empty, or is the current one.
        OSError: it cannot be written.
    """
    if folder.resolve() == Path.cwd():
        raise BundleError(f"{folder} is the folder where you stand: name a new one")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(f"{folder} is not empty: name another folder")
    with swapped_folder(folder) as partial:
        for name, data in bundle.files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)


def open_unpacked(folder: Path) -> Bundle:
    """Read a bundle out of its folder, every byte verified; what its manifest does not name is not read.

    Raises:
        BundleError: it is not there, is damaged, or holds what a bundle does not.
    """
    try:
        names = _named(_bytes(folder, MANIFEST, archive.SMALL))
        archive.check_names(list(names))
        if sum(names.values()) > archive.SMALL:
            raise BundleError(f"its files have {sum(names.values())} bytes")
        content = {name: _bytes(folder, name, length) for name, length in names.items()}
        content[MANIFEST] = _bytes(folder, MANIFEST, archive.SMALL)
        if (folder / SIGNED).exists():
            content[SIGNED] = _bytes(folder, SIGNED, archive.SMALL)
        archive.check(content)
    except BundleError as error:
        raise BundleError(f"{folder} is no unpacked bundle, or damaged ({error})") from None
    return Bundle.of(content)


def _named(manifest: bytes) -> dict[str, int]:
    """The length of each file."""
    try:
        return {name: int(entry["bytes"]) for name, entry in json.loads(manifest)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BundleError(f"{MANIFEST} is damaged") from None


def _bytes(folder: Path, name: str, most: int) -> bytes:
    """Of a file; one byte more than it may have is enough to see that it is another."""
    try:
        with open_plain(folder / name) as file:
            return file.read(most + 1)
    except OSError as error:
        raise BundleError(f"{name} cannot be read: {error.strerror or error}") from None
