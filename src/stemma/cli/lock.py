"""`stemma lock`: which toolkit the results are made with."""

from typing import Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import flag, option
from stemma.text import say


def lock(
    accept: Annotated[
        str | None, option("ROOM", "Take a change of this room alone, which keeps the bytes: nothing reruns.")
    ] = None,
    check: Annotated[bool, flag("--check", "Write nothing; exit 1 if the lock is not the toolkit's.")] = False,
) -> None:
    """Write stemma.lock: the toolkit that runs here, a digest for each of its rooms.

    `dvc repro` then runs the stages that use a room which changed. --accept is for a change that was proved to give the
    same bytes: it also tells DVC so, for everything as it stands.

    Example: stemma lock
    """
    from stemma.toolkit import lock as locking

    if accept is not None and check:
        raise typer.BadParameter("it does not go with --check", param_hint="--accept")
    root = repository()
    if check:
        locking.compare(root)
        say(f"{locking.FILE} is that of the toolkit")
        return
    written = locking.accept(root, accept) if accept is not None else locking.write(root)
    say(f"{locking.FILE}: {written.lock.path}, {written.lock.version}")
    if written.rooms:
        say(f"changed: {', '.join(written.rooms)}")
    if written.stages:
        say(f"`dvc repro` runs again: {', '.join(written.stages)}, and what uses their results")
