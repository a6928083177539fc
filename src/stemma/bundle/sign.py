"""Signatures by OpenSSF model-signing (https://github.com/sigstore/model-transparency), with a key pair of one's own.

What is signed are all files of the bundle, with their names, and so registered.json, which holds the version.
model-signing leaves out names that begin with `.git` unless told otherwise, and so would overlook such a file that was
laid beside them. The signature lies in the bundle as model.sig, so `model_signing verify key` can check an unpacked
bundle. Nothing here needs a network.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stemma.bundle import archive
from stemma.bundle.archive import MANIFEST, SIGNED
from stemma.bundle.model import Bundle, open_bundle
from stemma.errors import BundleError, MissingExtra
from stemma.files import check_place, scratch, write_bytes
from stemma.text import in_one_line

NAME = "bundle"  # of the folder that is signed; it stands in the signature


def key_pair(private: Path) -> Path:
    """Write a private key on the curve P-256, and the public one beside it as .pub, whose path it gives.

    Raises:
        StemmaError: one of the files is there or cannot be written, or cryptography is not installed.
    """
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise MissingExtra("cryptography", "sign") from None
    public = private.parent / f"{private.stem}.pub"
    for path in (private, public):
        if path.exists():
            raise BundleError(f"{path} is there: keys are never overwritten")
    if private.suffix.lower() == public.suffix:
        raise BundleError(f"{private} is how the public key is named: give the private one another name, such as .pem")
    check_place(private)
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    open_ = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private.parent.mkdir(parents=True, exist_ok=True)
    private.touch(mode=0o600, exist_ok=False)
    private.write_bytes(secret)
    write_bytes(public, open_)
    return public


def sign(path: Path, key: Path, output: Path | None = None) -> None:
    """Sign a bundle; a signature that it has is replaced.

    Args:
        key: a private key on the curve P-256, in PEM.
        output: where the signed bundle is written; by default in the place of the other.

    Raises:
        StemmaError: the bundle is damaged, the key cannot be used, or model-signing is not installed.
    """
    signing = _library().signing
    _check_curve(key)
    check_place(output or path, {"key": key})
    bundle = open_bundle(path)
    content = archive.complete({name: data for name, data in bundle.files.items() if name not in (MANIFEST, SIGNED)})
    with _folder(content) as folder:
        target = folder.with_name(SIGNED)
        config = signing.Config().use_elliptic_key_signer(private_key=key)
        config.set_hashing_config(_all_files()).sign(folder, target)
        archive.write(output or path, content | {SIGNED: target.read_bytes()})


def verify(bundle: Bundle, key: Path, where: Path) -> None:
    """Refuse a bundle that the owner of a key did not sign, just as it is.

    Args:
        key: a public key in PEM.
        where: the bundle, for messages.

    Raises:
        StemmaError: it is not signed, was signed by another key or changed since, or the key cannot be used.
    """
    config = verifier(key)
    if not bundle.is_signed:
        run = f"stemma bundle sign {where.as_posix()} --key PRIVATE.pem"
        raise BundleError(f"{where} is not signed", run=None if where.is_dir() else run)
    with _folder(bundle.files) as folder:
        target = (folder / SIGNED).replace(folder.with_name(SIGNED))
        try:
            config.set_hashing_config(_all_files()).verify(folder, target)
        except Exception as error:  # cryptography and model-signing have no common error
            told = in_one_line(error)
            raise BundleError(f"{where} was not signed by the owner of {key}, or was changed since ({told})") from None


def verifier(key: Path) -> Any:
    """What verifies by a public key in PEM; a StemmaError where that is none, or cannot be read."""
    verifying = _library().verifying
    try:
        return verifying.Config().use_elliptic_key_verifier(public_key=key)
    except OSError as error:
        raise BundleError(f"{key} cannot be read ({error.strerror or error})") from None
    except Exception as error:  # cryptography and model-signing have no common error
        told = "it has no curve" if isinstance(error, AttributeError) else in_one_line(error)
        raise BundleError(f"{key} is not a public key on P-256 ({told})") from None


def _check_curve(private: Path) -> None:
    """Refuse what is no private key, and a key on another curve, which model-signing takes and others need not."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    what = f"{private} cannot sign: it must be a private key on P-256"
    try:
        key = serialization.load_pem_private_key(private.read_bytes(), None)
    except Exception as error:  # those of cryptography have no other base
        raise BundleError(f"{what} ({in_one_line(error)})") from None
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else "none"
    if curve != ec.SECP256R1.name:
        raise BundleError(f"{what}, and is on {curve}")


def _library() -> Any:
    try:
        import model_signing
        import model_signing.signing
        import model_signing.verifying
    except ImportError:
        raise MissingExtra("model-signing", "sign") from None
    return model_signing


def _all_files() -> Any:
    """The rule of what is hashed: every file."""
    from model_signing import hashing

    config: Any = hashing.Config  # without types
    return config().set_ignored_paths(paths=(), ignore_git_paths=False)


@contextmanager
def _folder(files: Mapping[str, bytes]) -> Iterator[Path]:
    """The files in a temporary folder: model-signing reads nothing else."""
    with scratch("sign") as place:
        folder = place / NAME
        for file, data in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
        yield folder
