"""Encryption of a backup's files by age (https://age-encryption.org/v1): streamed, authenticated, one key a file.

A backup is sealed for a recipient, the public half of a key; whoever makes backups cannot read them. The secret half is
a file, and opens them: with `stemma restore --key`, or with the `age` command.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stemma.errors import MissingExtra, VersionError
from stemma.files import scratch


def recipient(text: str) -> Any:
    """The recipient of this text: "age1...", as `new_key` gives it.

    Raises:
        VersionError: it is none, or is a secret key; MissingExtra: pyrage is not installed.
    """
    age = _age()
    if text.startswith("AGE-SECRET-KEY"):
        raise VersionError("that is a secret key, and now it is in the shell's history: make another one")
    try:
        return age.x25519.Recipient.from_str(text)
    except age.RecipientError:
        raise VersionError(f"{text!r} is no recipient: one begins with age1", run="stemma key FILE") from None


def identity(file: Path) -> Any:
    """The secret key in a file.

    Raises:
        VersionError: the file is not there or holds none; MissingExtra: pyrage is not installed.
    """
    age = _age()
    try:
        lines = file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise VersionError(f"the key {file} cannot be read ({error.__class__.__name__})") from None
    found = next((line for line in lines if line.startswith("AGE-SECRET-KEY")), None)
    try:
        return age.x25519.Identity.from_str(found or "")
    except age.IdentityError:
        raise VersionError(f"{file} holds no secret key of age") from None


def new_key(file: Path) -> str:
    """Write a new secret key, readable by its owner alone; the recipient that belongs to it.

    Raises:
        VersionError: the file is there already, or cannot be written.
    """
    secret = _age().x25519.Identity.generate()
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise VersionError(f"{file} is there already, and a key that is lost opens nothing: choose another") from None
    except OSError as error:
        raise VersionError(f"{file} cannot be written ({error.strerror})") from None
    with os.fdopen(handle, "w", encoding="utf-8") as writer:
        writer.write(f"# public key: {secret.to_public()}\n{secret}\n")
    return str(secret.to_public())


@contextmanager
def sealed(file: Path, to: Any, above: Path) -> Iterator[Path]:
    """An encrypted copy of a file, below a folder for the time of the block."""
    with scratch("sealed", above) as folder:
        target = folder / file.name
        _age().encrypt_file(str(file), str(target), [to])
        yield target


@contextmanager
def opened(file: Path, key: Any, above: Path, name: str) -> Iterator[Path]:
    """A decrypted copy of a file, below a folder for the time of the block.

    Raises:
        VersionError: the key does not fit, or a byte was changed; with `name`.
    """
    age = _age()
    with scratch("opened", above) as folder:
        target = folder / file.name
        try:
            age.decrypt_file(str(file), str(target), [key])
        except (age.DecryptError, OSError) as error:
            raise VersionError(f"{name} cannot be opened: the key does not fit, or it is damaged ({error})") from None
        yield target


def _age() -> Any:
    try:
        import pyrage
    except ModuleNotFoundError:
        raise MissingExtra("pyrage", "encrypt") from None
    return pyrage
