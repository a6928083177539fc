"""A file or a folder -> a version that may serve: every byte verified, loaded, warm, and true to its sample."""

from pathlib import Path

from stemma.bundle import Bundle, open_bundle, open_unpacked
from stemma.bundle.archive import MANIFEST
from stemma.bundle.check import sample, signed
from stemma.errors import BundleError
from stemma.serve.settings import SignatureSettings


def load(path: Path, signature: SignatureSettings | None = None) -> Bundle:
    """The bundle of a file, of a folder that holds one file, or of a folder that it was unpacked to.

    Args:
        signature: that it must have; it is looked at before anything of the bundle runs.

    Raises:
        StemmaError: why it cannot serve.
    """
    bundle = opened(path)
    try:
        if signature is not None:
            signed(bundle, path, Path(signature.key), signature.at_least)
        bundle.ready()
        sample(bundle)  # its rows together and alone: from here on, every shape was seen
    except BundleError as error:
        raise error if str(path) in error.what else BundleError(f"{path}: {error}") from None
    return bundle


def opened(path: Path) -> Bundle:
    """The same, every byte verified, and nothing run.

    Raises:
        StemmaError: it is damaged, or no bundle.
    """
    if not path.is_dir():
        return open_bundle(path)
    if (path / MANIFEST).is_file():
        return open_unpacked(path)
    files = sorted(path.glob("*.zip"))
    if len(files) != 1:
        raise BundleError(f"{path} holds {len(files)} bundles, and a version is one")
    return open_bundle(files[0])
