"""`stemma undo`: the outputs of a run that was killed, back."""

import typer

from stemma.cli.here import repository
from stemma.cli.output import AsJson, answer


def undo(as_json: AsJson = False) -> None:
    """Put every output of a stage back as dvc.lock has it, those in Git too, after a run that was killed.

    What else lies in their places goes to build/failed/. A stage that fails or is interrupted does this itself.

    Example: stemma undo
    """
    from stemma.repo import locks
    from stemma.repo.repository import Repository
    from stemma.toolkit import undo as undoing

    root = repository()
    with locks.dvc(Repository(root), idle=True):
        found = undoing.undo(root)
    answer(found, lambda: [found.sentence], as_json)
    raise typer.Exit(1 if found.lacking else 0)
