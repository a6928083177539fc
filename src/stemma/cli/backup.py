"""`stemma backup`, `stemma restore`, `stemma key`: a copy of versions that needs nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import All, Experiments, argument, option
from stemma.cli.output import AsJson, Report, answer, in_bytes
from stemma.text import counted, say

if TYPE_CHECKING:
    from stemma.storage.backup import Backup
    from stemma.storage.restore import Restored


def backup(
    destination: Annotated[str, argument("DEST", "A folder, or s3://BUCKET/PREFIX.")],
    revisions: Annotated[list[str] | None, argument("[REV]...", "Versions to copy; else as --all.")] = None,
    stage: Annotated[list[str] | None, option("STAGE", "The version that holds this stage, such as prod.")] = None,
    all: All = False,
    experiments: Experiments = False,
    encrypt: Annotated[str | None, option("RECIPIENT", "Encrypt for this public key; see stemma key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy versions, with Git's history, to a place that needs nothing else; only what is new is copied.

    Example: stemma backup s3://backups/stemma --all
    """
    from stemma.storage.backup import backup

    if all and (revisions or stage):
        raise typer.BadParameter("--all, or some versions: not both")
    found = backup(
        repository(), destination, revisions or (), stages=stage or (), experiments=experiments, encrypt=encrypt
    )
    new = f"{found.copied} of them new, {in_bytes(found.copied_size)}"
    answer(found, lambda: [f"{found.place}: {_held(found)}, {in_bytes(found.size)}; {new}", *_notes(found)], as_json)


def restore(
    source: Annotated[str, argument("SRC", "A backup: a folder, or s3://BUCKET/PREFIX.")],
    destination: Annotated[
        Path | None, argument("[DEST]", "A folder that is empty or not there; by default named as it was.")
    ] = None,
    key: Annotated[Path | None, option("FILE", "The secret key of an encrypted backup.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a working repository out of a backup; every byte is verified, and a failure leaves nothing behind.

    Example: stemma restore s3://backups/stemma shop
    """
    from stemma.storage.restore import restore

    found = restore(source, destination, key=key)
    answer(found, lambda: [f"{found.folder}: {_held(found)}, every one verified", *_notes(found)], as_json)


def key(file: Annotated[Path, argument("FILE", "Where the secret key is written.")]) -> None:
    """Make a key for encrypted backups: the secret half into a file, the public half is printed.

    Example: stemma key ~/backup.key
    """
    from stemma.storage import sealing

    say(sealing.new_key(file))


def _held(found: "Backup | Restored") -> str:
    return f"{counted(len(found.versions), 'version')}, {counted(found.objects, 'object')}"


def _notes(found: "Backup | Restored") -> Report:
    return [f"note: {note}" for note in found.notes]
