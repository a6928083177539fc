"""The files of a bundle in a folder, whole or not at all."""

from pathlib import Path

from stemma.bundle.model import Bundle
from stemma.errors import BundleError
from stemma.files import swapped_folder


def unpack(bundle: Bundle, folder: Path) -> None:
    """Write every file; their names were checked when the bundle was opened.

    Raises:
        BundleError: the folder is a file or is not empty, is the current one, or cannot be written.
    """
    try:
        if folder.resolve() == Path.cwd():
            raise BundleError(f"{folder} is the folder where you stand: name a new one")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BundleError(f"{folder} is not empty: name another folder")
        with swapped_folder(folder) as partial:
            for name, data in bundle.files.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                (partial / name).write_bytes(data)
    except OSError as error:
        raise BundleError(f"{folder} cannot be written ({error.strerror or error})") from None
